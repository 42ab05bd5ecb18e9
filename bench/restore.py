"""W5: a changelog of N keys with values of 100 bytes, and the time until its table is ready.

`rate` is keys per second from the assignment of the partitions to ready; `ready_s` begins with the
process. The local folder is empty each time. Rows are counted and held against their keys after
the clock has stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bench.broker import PARTITIONS, Broker, broker, fresh_folder, log_of
from bench.contestants import Contestant
from bench.figures import OURS, Round, at
from bench.pipe import environment
from bench.process import Running
from bench.rounds import Say, alternate
from pipeline.stream.changelog import Changelogs

KEYS = 1_000_000
ROUNDS = 3
SOURCE = "bench-restore-source"
_VALUE = 100


def measure(
    *, keys: int, rounds: int, contestants: Sequence[Contestant], say: Say
) -> dict[str, Any]:
    """Restores every contestant's table `rounds` times, in turn."""
    with broker(say) as kafka:
        kafka.create(SOURCE)
        for each in contestants:
            say(f"filling the changelog of {each.name}")
            changelog = f"{group_of(each)}-seen-changelog"
            kafka.create(changelog, compact=True)
            if each.name == OURS:
                begin(kafka, changelog)
            kafka.fill(changelog, rows(int(keys * each.share)))
        done = alternate(
            contestants, rounds, lambda each, _: run(kafka, each, int(keys * each.share)), say
        )
    return {"settings": {"keys": keys, "rounds": rounds, "value_bytes": _VALUE}, **done}


def group_of(contestant: Contestant) -> str:
    """The consumer group, which the changelog is named for."""
    return f"bench-restore-{contestant.name.replace('_', '-')}"


def rows(keys: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values; each value begins with its key."""
    for number in range(keys):
        key = b"evt-%012d" % number
        yield key, key.ljust(_VALUE, b".")


def begin(kafka: Broker, changelog: str) -> None:
    """Our changelogs begin with an epoch record; `rows` alone would be one that lost it."""
    logs = Changelogs(kafka.address, group="bench-restore-fill", source=SOURCE)
    for partition in range(PARTITIONS):
        with logs.open(changelog, partition) as log:
            log.begin("bench")


def run(kafka: Broker, contestant: Contestant, keys: int) -> Round:
    """One restore into an empty folder.

    Raises:
        MissingError: it cannot take part on this machine.
        ProcessError: it ended before it was ready.
    """
    command = contestant.command()
    group = group_of(contestant)
    env = environment(kafka, contestant, group, SOURCE, fresh_folder(group))
    with Running(command, env=env, log=log_of("restore", contestant)) as running:
        said = running.said()
        resident = running.meter.peak_rss
        found = running.said()["rows"]
    if found != keys:
        return {"failed": f"{found} rows of {keys}"}
    seconds, cpu = said["ready"] - said["began"], running.meter.cpu
    return {
        "rate": round(keys / seconds),
        "cpu_us": round(1e6 * (at(cpu, said["ready"]) - at(cpu, said["began"])) / keys, 2),
        "rss_mib": resident >> 20,
        "restore_s": round(seconds, 2),
        "ready_s": round(said["ready"] - running.began, 2),
    }
