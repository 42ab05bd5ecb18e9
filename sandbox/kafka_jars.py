"""The jars of Apache Kafka: resolved once by Maven coordinates, held to a committed lock.

The lock has one line a jar, ``<file name> <sha256>``, and names no address: where jars come
from is the machine's own configuration.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

KAFKA_VERSION = "4.3.0"
LOCK = Path(__file__).with_name("kafka.lock")
_MEND = "./switchboard kafka start"


class KafkaError(Exception):
    """The embedded broker cannot do what was asked; the text says why and what mends it."""


def cache_folder(env: Mapping[str, str]) -> Path:
    """Where the jars are kept for all checkouts of this user."""
    base = env.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "switchboard" / f"kafka-{KAFKA_VERSION}"


def locked_jars() -> dict[str, str]:
    """File name -> sha256 of every jar of the class path."""
    return dict(line.split() for line in LOCK.read_text().splitlines() if line)


def jars(folder: Path, *, on_progress: Callable[[str], None]) -> list[Path]:
    """The verified jars in `folder`, downloaded first where they are not there yet.

    Raises:
        KafkaError: no network at the first start, or a jar that is not the locked one.
    """
    locked = locked_jars()
    if not all((folder / name).exists() for name in locked):
        on_progress(f"downloading Apache Kafka {KAFKA_VERSION} (once, about 45 MB)")
        _download(folder, locked)
    wrong = [name for name, sha256 in locked.items() if _sha256(folder / name) != sha256]
    if wrong:
        raise KafkaError(
            f"{len(wrong)} Kafka jars are not the locked ones, {wrong[0]} first: "
            f"delete {folder} and run {_MEND}"
        )
    return [folder / name for name in locked]


def _download(folder: Path, locked: Mapping[str, str]) -> None:
    try:
        with tempfile.TemporaryDirectory() as scratch:
            found = {path.name: path for path in resolve(Path(scratch))}
            missing = sorted(set(locked) - set(found))
            if missing:
                raise KafkaError(
                    f"the repository gave no {missing[0]}: try again with {_MEND}, "
                    "or use a broker of your own through KAFKA_BOOTSTRAP_SERVERS"
                )
            folder.mkdir(parents=True, exist_ok=True)
            for name in locked:
                # Renamed into place, so that an interrupted copy is never taken for a jar.
                part = folder / f".{name}.{os.getpid()}"
                shutil.copyfile(found[name], part)
                part.rename(folder / name)
    except OSError as error:
        raise KafkaError(f"{folder} cannot be written: {error.strerror or error}") from None


def resolve(scratch: Path) -> Iterable[Path]:
    """Every jar that the broker needs, by Maven coordinates.

    Raises:
        KafkaError: nothing could be fetched.
    """
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=scratch / "repository")
    builder = EnvironmentBuilder(
        context=context, link_strategy=LinkStrategy.HARD, cache_dir=scratch / "environments"
    )
    try:
        with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
            environment = builder.from_endpoint(f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}")
    except Exception as error:  # noqa: BLE001 - jgo raises whatever its parsers and sockets do
        raise KafkaError(
            f"Apache Kafka could not be downloaded ({type(error).__name__}): the first start needs "
            f"the network; then run {_MEND}, or use a broker of your own through "
            "KAFKA_BOOTSTRAP_SERVERS"
        ) from None
    return sorted(Path(environment.path).rglob("*.jar"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lock_text(paths: Iterable[Path]) -> str:
    """The lock for `paths`: what `python -m sandbox.broker lock` writes."""
    return "".join(
        f"{path.name} {_sha256(path)}\n" for path in sorted(paths, key=lambda path: path.name)
    )
