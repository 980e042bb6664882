"""The operators' commands in the container `tools`."""

from tests.deploy.operators_commands import OperatorsCommands


class TestWithCompose(OperatorsCommands):
    """`docker compose run --rm tools …`."""
