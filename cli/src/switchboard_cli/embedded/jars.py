"""Kafka's jars: resolved from Maven Central once, then kept in a cache that is checked before each use."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import jgo

from switchboard_cli.failures import Failed

COORDINATES = (
    "org.apache.kafka:kafka_2.13:4.3.0",
    # Named apart: left to the resolver, a transitive dependency brings an older one.
    "org.apache.kafka:kafka-clients:4.3.0",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.3",
    "org.apache.logging.log4j:log4j-core:2.25.3",
)
_NAME = "kafka-" + hashlib.sha256("+".join(COORDINATES).encode()).hexdigest()[:12]


def cache_directory() -> Path:
    """Where downloads are kept: SWITCHBOARD_CACHE_DIR, or the user's cache directory."""
    named = os.environ.get("SWITCHBOARD_CACHE_DIR")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "switchboard"


def kafka_jars(progress: Callable[[str, str], None]) -> list[Path]:
    """The jars of a broker. Downloads them the first time; later runs need no network.

    Raises `Failed` in one line when they are not in the cache and cannot be downloaded.
    """
    directory = cache_directory() / _NAME
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _alone(directory.with_suffix(".lock")):
        jars = _complete(directory)
        if jars is None:
            progress("Kafka", "downloading (once, about 100 MB)")
            jars = _download(directory)
    return jars


def _complete(directory: Path) -> list[Path] | None:
    """The cached jars, if every one of them is there in its full length."""
    try:
        sizes: dict[str, int] = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
        jars = [directory / name for name in sizes]
        is_whole = all(jar.stat().st_size == sizes[jar.name] for jar in jars)
    except (OSError, ValueError):
        return None
    return jars if is_whole and jars else None


def _download(directory: Path) -> list[Path]:
    work = directory.with_suffix(".resolving")
    try:
        environment = jgo.build("+".join(COORDINATES), cache_dir=work / "environments")
        found = sorted({path.name: path for path in environment.path.rglob("*.jar")}.values())
    except Exception as error:
        message = (
            f"Kafka could not be downloaded ({type(error).__name__}): connect to the network once, or set "
            "SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours"
        )
        raise Failed(message) from error
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    jars = [Path(shutil.copy2(path, directory / path.name)) for path in found]
    manifest = {jar.name: jar.stat().st_size for jar in jars}
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)
    return jars


@contextmanager
def _alone(lock: Path) -> Generator[None]:
    """Wait while another process downloads."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
