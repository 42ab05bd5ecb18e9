"""The jars of Apache Kafka: named by Maven coordinates, held to a committed lock.

The lock has one line a jar, ``group:artifact:version sha256``, and names no address: where jars
come from is the machine's own configuration (jgo's settings file may name other repositories).
Once all are in the cache nothing here touches the network.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

KAFKA_VERSION = "4.4.0"
LOCK = Path(__file__).with_name("kafka.lock")
_LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
"""Kafka's dependencies name no logging backend, and without one the broker dies in silence. Of the
version of Kafka's own log4j-core; resolved alone, since its BOM would change Kafka's versions."""
_DOWNLOADS_AT_ONCE = 4
_MEND = "./switchboard kafka start"
_OWN_BROKER = "or use a broker of your own through KAFKA_BOOTSTRAP_SERVERS"


class KafkaError(Exception):
    """The embedded broker cannot do what was asked; the text says why and what mends it."""


def cache_folder(env: Mapping[str, str]) -> Path:
    """Where the jars are kept for all checkouts of this user."""
    base = env.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "switchboard" / f"kafka-{KAFKA_VERSION}"


def locked_jars() -> dict[str, str]:
    """Maven coordinates -> sha256 of every jar of the class path."""
    return dict(line.split() for line in LOCK.read_text().splitlines())


def file_name(coordinates: str) -> str:
    """The jar's file name by Maven's rule: ``artifact-version.jar``."""
    _, artifact, version = coordinates.split(":")
    return f"{artifact}-{version}.jar"


def jars(
    folder: Path,
    *,
    on_progress: Callable[[str], None],
    locked: Mapping[str, str] | None = None,
) -> list[Path]:
    """The verified jars in `folder`, downloaded first where they are not there yet.

    Args:
        folder: the cache, shared by every checkout of this user.
        on_progress: told what is being done, in words for a person.
        locked: coordinates -> sha256; the committed lock by default.

    Raises:
        KafkaError: no network at the first start, a folder that cannot be written, or a jar
            that is not the locked one.
    """
    locked = locked_jars() if locked is None else locked
    paths = {each: folder / file_name(each) for each in locked}
    try:
        missing = {each: locked[each] for each, path in paths.items() if not path.exists()}
        if missing:
            _download(folder, missing, on_progress)
        wrong = [path for each, path in paths.items() if _sha256(path) != locked[each]]
    except OSError as error:
        raise KafkaError(
            f"the jar cache {folder} cannot be used ({error.strerror}): free the disk or name "
            f"another cache, XDG_CACHE_HOME=FOLDER {_MEND}"
        ) from None
    if wrong:
        raise KafkaError(
            f"{wrong[0]} is not the locked jar: delete it, rm {wrong[0]}, and run {_MEND}"
        )
    return list(paths.values())


def _download(folder: Path, missing: Mapping[str, str], on_progress: Callable[[str], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    on_progress(f"downloading Apache Kafka {KAFKA_VERSION}, {len(missing)} jars (once, 45 MB)")
    # The scratch folder is on the cache's disk, so that a jar is renamed into place only when it
    # is whole and verified: an interrupted download is never taken for a jar.
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch,
        ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool,
    ):
        fetch = partial(_fetch, _maven(Path(scratch)))
        for done, (each, path) in enumerate(zip(missing, pool.map(fetch, missing), strict=True), 1):
            if _sha256(path) != missing[each]:
                raise KafkaError(
                    f"the repository's {each} is not the locked jar: check the repositories in "
                    f"jgo's settings and run {_MEND}, {_OWN_BROKER}"
                )
            path.replace(folder / file_name(each))
            if done % 10 == 0 or done == len(missing):
                on_progress(f"downloaded {done} of {len(missing)} jars")


def _fetch(maven: Any, coordinates: str) -> Path:
    group, artifact, version = coordinates.split(":")
    try:
        found: Path = maven.project(group, artifact).at_version(version).artifact().resolve()
    except Exception as error:
        # The disk's own errors carry an errno; those of the HTTP client, also OSErrors, do not.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise KafkaError(
            f"Apache Kafka could not be downloaded ({type(error).__name__} at {coordinates}): the "
            f"first start needs the network; then run {_MEND}, {_OWN_BROKER}"
        ) from None
    return found


def _maven(scratch: Path) -> Any:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=scratch)
    # A house without a way out names its mirror in jgo's settings, `central` included.
    context.remote_repos.update(GlobalSettings.load().repositories)
    return context


def resolve_lock(scratch: Path) -> str:
    """The text of a new lock: the whole class path of `KAFKA_VERSION` as Maven resolves it.

    Args:
        scratch: an empty folder that the jars are downloaded to.
    """
    from jgo.env import EnvironmentBuilder, LinkStrategy

    maven = _maven(scratch / "repository")
    builder = EnvironmentBuilder(
        context=maven, link_strategy=LinkStrategy.HARD, cache_dir=scratch / "links"
    )
    environment = builder.from_endpoint(f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}")
    names = {path.name for path in Path(environment.path).rglob("*.jar")}
    names.add(_fetch(maven, _LOGGING).name)
    repository: Path = maven.repo_cache
    return lock_text(repository, (p for p in repository.rglob("*.jar") if p.name in names))


def lock_text(repository: Path, paths: Iterable[Path]) -> str:
    """One line a jar, sorted; the coordinates are read off a Maven repository's layout."""
    lines = []
    for path in paths:
        *group, artifact, version, _ = path.relative_to(repository).parts
        lines.append(f"{'.'.join(group)}:{artifact}:{version} {_sha256(path)}\n")
    return "".join(sorted(lines))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
