"""One lever stops every reply: flipped under load, again and again, then cut off altogether."""

from __future__ import annotations

import asyncio
import time

from confluent_kafka.admin import AdminClient

from console.drill import drilled, signs_of_life, slowest
from console.environment import PARTITIONS, Setup
from console.operating import Operator, bring, operating
from console.world import Scenario, World
from pipeline import topics
from pipeline.domain.modes import GLOBAL, Mode
from pipeline.lever import PATIENCE
from pipeline.stream import admin

RATE = 20.0
ROUNDS = 20
QUIET = 1.0
"""Seconds of watching after each acknowledgement."""
ON_THE_WIRE = {"kind": "delay", "delay_s": 0.1, "method": "PUT"}
"""Writes at the helpdesk take a tenth of a second, so that some are under way at every flip."""
WARM_UP = 100
"""Replies before the first flip: a broker that has just started interprets its bytecode."""
FLOW = 10
"""Replies that must have gone out before each further flip."""
PROCESSES = 7
"""Ingress, parking, two of act and one of each other stage."""
CUT_OFF_STOPS_WITHIN = 5.0


async def play(world: World) -> None:
    """Twenty flips, then the control topic itself goes away."""
    await world.faults("richpanel", ON_THE_WIRE)
    world.say(f"{RATE:.0f} customers a second write, two act workers answer them")
    async with world.customers(RATE):
        signs = signs_of_life(world.operator.control)
        seconds: list[float] = []
        silent: list[str] = []
        late = 0
        for number in range(1, ROUNDS + 1):
            if not await flows(world, FLOW if number > 1 else WARM_UP):
                world.promise("replies_flow_before_each_flip", held=False)
                return
            answer = await world.operator.lever.set(
                Mode.STOP, reason=f"round {number}", by="scenario"
            )
            acknowledged = time.time()
            silent += answer.missing
            seconds.append(answer.seconds)
            await asyncio.sleep(QUIET)
            after = [reply for reply in await world.replies() if reply["at"] > acknowledged]
            late += len(after)
            last = slowest(signs, answer.epoch)
            world.say(
                f"round {number}: acknowledged after {answer.seconds * 1000:.0f} ms "
                f"({last} was last), {len(after)} replies after it"
            )
            await bring(world.operator.lever, Mode.LIVE, reason="next round", by="scenario")
        await drill(world)
        world.figure("flip_to_acknowledgement_seconds", [round(each, 4) for each in seconds])
        world.figure("slowest_flip_seconds", round(max(seconds), 4))
        world.figure("replies", len(await world.replies()))
        world.promise("no_reply_after_the_acknowledgement", held=late == 0)
        world.promise("every_process_confirmed_every_flip", held=not silent)
        world.promise("acknowledged_within_1_s", held=max(seconds) <= 1.0)
        await cut_off(world)
    world.promise(
        "no_customer_was_answered_twice", held=(await world.stats())["double_replies"] == 0
    )
    await world.faults("richpanel")
    world.promise("every_webhook_has_its_outcome", held=await world.settled(within=120))


async def drill(world: World) -> None:
    """What `./switchboard drill stop` does, while customers write."""
    await flows(world, FLOW)
    result = await drilled(world.operator, "drill", PATIENCE)
    world.figure("drill_flip_to_last_call_seconds", result["seconds"])
    world.promise(
        "a_drill_measures_every_process_and_gives_back_the_mode",
        held=result["mode"] == "live" and len(result["seconds"]) == PROCESSES,
    )


async def flows(world: World, count: int) -> bool:
    """Whether so many more replies go out, seen by the helpdesk."""
    before = len(await world.replies())

    async def more() -> bool:
        return len(await world.replies()) >= before + count

    return await world.until(more, within=60)


async def cut_off(world: World) -> None:
    """Takes the control topic away: no worker can know any more what it may do."""
    await flows(world, FLOW)
    kafka = AdminClient({"bootstrap.servers": world.urls.broker})
    name = topics.CONTROL.name
    # This process's own follower would take the new topic for a broken one, as it should.
    await world.operator.follower.stop()
    await asyncio.to_thread(kafka.delete_topics([name])[name].result)
    cut = time.time()
    world.say("the control topic is gone: every follower is cut off")
    await asyncio.sleep(2 * CUT_OFF_STOPS_WITHIN)
    replies = [reply["at"] for reply in await world.replies()]
    last = max(replies) - cut
    world.figure("cut_off_to_last_reply_seconds", round(last, 3))
    world.promise("a_cut_off_worker_stops_within_5_s", held=last <= CUT_OFF_STOPS_WITHIN)
    world.say("the topic is made anew, empty: an installation without a mode is in shadow")
    plan = topics.plan(topics.CONTROL, partitions=PARTITIONS, replication=1)
    await asyncio.to_thread(admin.apply, world.urls.broker, [plan])
    async with operating(world.urls.broker) as fresh:
        await fresh.known()
        back = await world.until(lambda: follow_again(fresh), within=60)
        world.promise("every_process_follows_the_new_topic", held=back)
        before = len(replies)
        await asyncio.sleep(QUIET)
        mode = fresh.control.own_mode(GLOBAL)
        silent = len(await world.replies()) == before
        world.promise("an_empty_control_topic_is_shadow", held=mode is Mode.SHADOW and silent)


async def follow_again(operator: Operator) -> bool:
    """Whether all seven processes are heard of."""
    heard = operator.control.processes()
    return len({each.record.name for each in heard}) == PROCESSES


SCENARIO = Scenario(
    "kill-switch",
    "the mode goes to stop under load, 20 times; then the control topic itself is lost",
    play,
    Setup(workers={"act": 2}, budget=1_000_000, is_private=True),
)
