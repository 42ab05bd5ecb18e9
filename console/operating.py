"""An operator's hand on a running system: what stands on the control topic, and the lever."""

from __future__ import annotations

import asyncio
import getpass
import os
import shlex
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aiokafka.errors import KafkaError

from pipeline.brokers import brokers
from pipeline.control import Control, follow
from pipeline.domain.control_records import GATE_PREFIX, SHED_PREFIX, TEMPLATE_PREFIX
from pipeline.domain.events import UnreadableValue
from pipeline.domain.modes import GLOBAL, MODE_PREFIX, Mode, ModeRecord, own_modes, scope_of
from pipeline.lever import Lever
from pipeline.settings import load_settings
from pipeline.stream.admin import BrokerUnreachable
from pipeline.stream.control import Follower
from pipeline.stream.delivery import DeliveryError
from pipeline.stream.producer import Producer

CONNECTED_WITHIN = 5.0
KAFKA_PORT = 9092
KNOWN_WITHIN = 15.0


class ControlLost(Exception):
    """The control topic cannot be followed; the text says what to do."""


@dataclass(frozen=True)
class Operator:
    """What a command has in hand."""

    control: Control
    follower: Follower
    lever: Lever
    producer: Producer
    life: str
    """An id that no other process has ever had; its signs of life stand under it."""

    async def known(self) -> None:
        """Returns when the state is known.

        Raises:
            ControlLost: it is not after `KNOWN_WITHIN` seconds.
        """
        try:
            async with asyncio.timeout(KNOWN_WITHIN):
                await self.follower.wait_known()
        except TimeoutError:
            raise ControlLost(
                f"the control topic could not be read and written within {KNOWN_WITHIN:.0f} s: "
                "./switchboard topics check"
            ) from None


@asynccontextmanager
async def operating(
    bootstrap_servers: str, *, within: float = CONNECTED_WITHIN
) -> AsyncIterator[Operator]:
    """Follows the control topic as an observer: nobody waits for its confirmation.

    Raises:
        BrokerUnreachable: nobody listens, or no broker answers `within` seconds.
        ControlLost: one answers, and its control topic cannot be followed.
    """
    life = uuid.uuid4().hex
    producer = Producer(
        bootstrap_servers,
        client_id="switchboard-console",
        delivery_timeout=10.0,
        # What librdkafka has to say of a broker that stops is no news to a person.
        config={"log_level": 0},
    )

    lost: list[str] = []
    work = asyncio.current_task()

    def on_crash(where: str, error: BaseException) -> None:
        lost.append(
            f"{where}: {type(error).__name__}; what was under way may be done or not: "
            "./switchboard mode show"
        )
        if work is not None:
            work.cancel()

    control, follower = follow(
        bootstrap_servers,
        producer,
        name="console",
        life=life,
        is_observer=True,
        monotonic=time.monotonic,
        on_crash=on_crash,
    )
    lever = Lever(
        control,
        follower,
        producer,
        now=time.time,
        monotonic=time.monotonic,
        new_id=lambda: uuid.uuid4().hex,
    )
    # Asked first, by the client that logs nothing of its own about a broker that is away. Where
    # nobody listens it would go on trying.
    if not (
        await is_listening(bootstrap_servers, within) and await producer.connect(timeout=within)
    ):
        await producer.close(timeout=0.0)
        raise BrokerUnreachable(f"no broker answers at {bootstrap_servers}")
    try:
        try:
            await follower.start()
        except KafkaError as error:
            raise ControlLost(
                f"the broker at {bootstrap_servers} does not let itself be followed "
                f"({type(error).__name__}): ./switchboard topics check"
            ) from None
        yield Operator(control, follower, lever, producer, life)
    except asyncio.CancelledError:
        if not lost:
            raise
        raise ControlLost(lost[0]) from None
    finally:
        await follower.stop()
        await producer.close()


class Unsure(Exception):
    """Nobody knows whether a change is written; the text says what to do."""


def once_more() -> str:
    """What was typed, to be pasted again; for what sets to a value, where twice is as good as once."""
    return f"Run it once more: {shlex.join(('./switchboard', *sys.argv[1:]))}"


@contextmanager
def or_unsure(how: str) -> Iterator[None]:
    """Around a change; `how` says what makes sure of it.

    Raises:
        Unsure: the broker did not acknowledge it.
    """
    try:
        yield
    except DeliveryError as error:
        raise Unsure(f"{error}, so the change may be written or not. {how}") from None


def with_operator(work: Callable[[Operator], Awaitable[Any]], *, known: bool = True) -> Any:
    """The result of `work` on the control topic, with its state known unless said otherwise."""

    async def run() -> Any:
        async with operating(brokers(load_settings())) as operator:
            if known:
                await operator.known()
            return await work(operator)

    return asyncio.run(run())


async def is_listening(bootstrap_servers: str, within: float) -> bool:
    """Whether a connection to any of the brokers comes about `within` seconds."""
    places = (each.strip() for each in bootstrap_servers.split(","))
    return any(await asyncio.gather(*(_connects(each, within) for each in places)))


async def _connects(place: str, within: float) -> bool:
    try:
        where = urlsplit(f"//{place}")
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(where.hostname, where.port or KAFKA_PORT)
    except (OSError, ValueError):  # a TimeoutError is an OSError, a port in words a ValueError
        return False
    writer.close()
    return True


def who() -> str:
    """The person at this terminal; their number where a container knows no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def described(control: Control) -> dict[str, Any]:
    """The whole state as JSON: modes with who, when and why, switches, gates and processes."""
    view = control.view
    holds = [(key, entry.value) for key, entry in view.items(MODE_PREFIX)]
    modes = {GLOBAL: control.own_mode(GLOBAL), **own_modes(holds)}
    return {
        "is_fresh": control.is_fresh,
        "epoch": control.epoch,
        "modes": {scope: _mode(holds, scope, mode) for scope, mode in modes.items()},
        "switches": {
            key: entry.value.decode("utf-8", "replace")
            for prefix in (TEMPLATE_PREFIX, SHED_PREFIX, GATE_PREFIX)
            for key, entry in view.items(prefix)
        },
        "processes": [
            {
                "name": heard.record.name,
                "version": heard.record.version,
                "url": heard.record.url,
                "is_live": heard.is_live(view.broker_time),
                "has_confirmed": heard.record.confirmed >= control.epoch,
                "heard_seconds_ago": round(view.broker_time - heard.at, 3),
            }
            for heard in sorted(control.processes(), key=lambda each: each.record.name)
        ],
    }


def _mode(holds: list[tuple[str, bytes]], scope: str, mode: Mode) -> Mapping[str, Any]:
    """The hold that decides a scope's mode."""
    for key, value in holds:
        if scope_of(key) != scope:
            continue
        try:
            record = ModeRecord.parse(value)
        except UnreadableValue:
            return {"mode": mode.value, "by": "unknown", "reason": f"unreadable record {key}"}
        if record.mode is mode:
            return record.model_dump(mode="json", exclude={"schema_version"})
    return {"mode": mode.value, "by": "nobody", "reason": "the first start"}


async def bring(lever: Lever, target: Mode, *, reason: str, by: str) -> None:
    """Brings the global mode to `target`, by as many steps as it takes.

    Raises:
        Refused: somebody else changed it meanwhile.
    """
    while (now := lever.now_at()) is not target:
        to = target if target < now else now.above
        await lever.set(to, reason=reason, by=by)
