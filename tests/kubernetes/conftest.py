"""The manifests on a real cluster, applied as docs/guides/kubernetes.md says; Kafka and PostgreSQL are the overlay `test`'s.

By hand: `CLUSTER_LOAD='kind load docker-image' ./switchboard test -m kubernetes tests/kubernetes`. CLUSTER_LOAD is a command
that hands images of the container engine to the cluster that kubectl talks to. A cluster with a namespace `switchboard` is
left alone.
"""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.ports import free_port
from tests.deploy.conftest import ROOT, check_out, check_out_before, seeded_by
from tests.e2e.conftest import System

COMMAND_SECONDS = 900
FORWARDED_SECONDS = 60
OLD, NEW = "switchboard-tools:before", "switchboard-tools:test"
OTHERS = ("apache/kafka:4.3.0", "postgres:17-trixie", "nginx:1.28")
NAMESPACE = ("--namespace", "switchboard")
_FORWARD = """
while :; do
    kubectl --namespace switchboard port-forward --address 127.0.0.1 service/gateway "$1:8080"
    sleep 0.2
done
"""


@cache
def why_not() -> str | None:
    """Why there is no cluster to try this on."""
    if "CLUSTER_LOAD" not in os.environ:
        return "CLUSTER_LOAD names no command that hands images to a cluster"
    if not (shutil.which("kubectl") and shutil.which("docker")):
        return "kubectl and docker are not both there"
    command = ("kubectl", "get", "namespaces", "--output", "name")
    asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if asked.returncode != 0:
        return "no cluster answers"
    if "namespace/switchboard" in asked.stdout.split():
        return "the cluster has a namespace switchboard already"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.kubernetes)
            item.add_marker(pytest.mark.timeout(COMMAND_SECONDS))


@dataclass(frozen=True, slots=True)
class Cluster:
    """A checkout of the manifests, applied."""

    directory: Path
    base_url: str
    issuer: DevelopmentIssuer

    def kubectl(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run kubectl in the namespace. Raises AssertionError with its output when it fails."""
        return run("kubectl", *NAMESPACE, *arguments, directory=self.directory, check=check)

    def operate(self, *arguments: str, token: str = "", given: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run `switchboard …` in the deployment `tools`, for whom the token is."""
        tools = ("exec", "--stdin", "deploy/tools", "--", "env", f"SWITCHBOARD_TOKEN={token}", "switchboard")
        return run("kubectl", *NAMESPACE, *tools, *arguments, directory=self.directory, check=False, given=given or "")

    def in_kafka(self, command: str, given: str) -> str:
        """Run a shell's command in Kafka's pod, and return what it says."""
        inside = ("exec", "--stdin", "deploy/kafka", "--", "sh", "-c", command)
        return run("kubectl", *NAMESPACE, *inside, directory=self.directory, given=given).stdout

    def apply(self, image: str) -> None:
        """Apply the overlay with this image and wait for every rollout."""
        overlay = self.directory / "deploy/kubernetes/overlays/test/kustomization.yaml"
        tag = image.partition(":")[2]
        lines = [
            f"  - {{ name: switchboard, newName: switchboard-tools, newTag: {tag} }}"
            if line.lstrip().startswith("- { name: switchboard, newName:")
            else line
            for line in overlay.read_text("utf-8").splitlines()
        ]
        overlay.write_text("\n".join(lines) + "\n", "utf-8")
        run("deploy/kubernetes/apply", "test", directory=self.directory)

    def begin(self, image: str) -> None:
        """Apply the overlay with this image to a cluster that has nothing of it."""
        run("kubectl", "apply", "--filename", "deploy/kubernetes/base/namespace.yaml", directory=self.directory)
        self.kubectl("create", "configmap", "keys", f"--from-file=jwks.json={self.issuer.jwks_path}")
        self.apply(image)

    def remove(self) -> None:
        """Remove the namespace, with all that is in it."""
        run("kubectl", "delete", "namespace", "switchboard", "--timeout=180s", directory=self.directory)

    def until_gone(self, pods: set[str]) -> None:
        """Return once these pods have ended, which are being removed. Raises AssertionError after two minutes."""
        there = self.kubectl("get", "pods", "--output", 'jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}').stdout
        for pod in pods & set(there.split()):
            self.kubectl("wait", "--for=delete", f"pod/{pod}", "--timeout=120s")

    def pods(self, service: str) -> set[str]:
        """Names of the pods of a service that are not being removed."""
        path = '{range .items[*]}{.metadata.name}={.metadata.deletionTimestamp}{"\\n"}{end}'
        listed = self.kubectl(
            "get", "pods", "--selector", f"app.kubernetes.io/name={service}", "--output", f"jsonpath={path}"
        ).stdout
        return {name for name, _, removed in (line.partition("=") for line in listed.splitlines()) if not removed}


def run(
    *command: str, directory: Path, check: bool = True, given: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command in a directory, with a standard input. Raises AssertionError with its output when it fails."""
    done = subprocess.run(  # noqa: S603 - our own
        command, cwd=directory, input=given, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    """The overlay `test` with the image of the version before, ready; its namespace is removed at the end."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    directory, before = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("before")
    check_out(directory)
    check_out_before(before)
    load_images({OLD: before, NEW: directory})
    port = free_port()
    settings = directory / "deploy/kubernetes/overlays/test/settings.env"
    settings.write_text(settings.read_text("utf-8").replace("127.0.0.1:18080", f"127.0.0.1:{port}"), "utf-8")
    issuer = DevelopmentIssuer(directory / "issuer")
    issuer.prepare()
    cluster = Cluster(directory, f"http://127.0.0.1:{port}", issuer)
    try:
        cluster.begin(OLD)
        with forwarded(port):
            until_forwarded(cluster.base_url)
            yield cluster
    finally:
        cluster.remove()


@pytest.fixture(scope="session")
def system(cluster: Cluster) -> System:
    """The demo's practice, set up through the forwarded port of the gateway."""
    return seeded_by(cluster.issuer, cluster.base_url, cluster.directory)


@pytest.fixture(scope="module")
def installation(cluster: Cluster) -> Cluster:
    """Where the operators' commands are tried: with the new version."""
    cluster.apply(NEW)
    return cluster


def load_images(built: dict[str, Path]) -> None:
    """Build our images from their checkouts and hand them to the cluster, with those of others."""
    for image, directory in built.items():
        options = ("--build-arg", "SERVICE=all", "--file", "deploy/service.Dockerfile", "--tag", image)
        run("docker", "build", *options, ".", directory=directory)
    run(*shlex.split(os.environ["CLUSTER_LOAD"]), *built, *OTHERS, directory=ROOT)


@contextmanager
def forwarded(port: int) -> Iterator[None]:
    """The gateway at a port of this machine. A forwarded port ends with the pod that it leads to, and is made again."""
    with subprocess.Popen(  # noqa: S603
        ["sh", "-c", _FORWARD, "forward", str(port)],  # noqa: S607
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def until_forwarded(base_url: str) -> None:
    """Raises TimeoutError."""
    deadline = monotonic() + FORWARDED_SECONDS
    while monotonic() < deadline:
        try:
            if httpx.get(f"{base_url}/health/live", timeout=5).is_success:
                return
        except httpx.TransportError:
            sleep(0.2)
    raise TimeoutError
