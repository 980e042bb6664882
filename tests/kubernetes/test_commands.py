"""The operators' commands in the deployment `tools`."""

from tests.deploy.operators_commands import OperatorsCommands


class TestWithKubernetes(OperatorsCommands):
    """`kubectl exec deploy/tools -- switchboard …`."""
