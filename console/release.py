"""Releasing withheld steps: back to `act`, where the permit is asked again, and what it says now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

import confluent_kafka
from pydantic import TypeAdapter

from console.job_runner import Answers, Work
from console.operating import Operator
from console.topic_log import TopicLog
from pipeline import topics
from pipeline.domain.events import Audit, HeldState, Message, UnreadableValue, Withheld
from pipeline.domain.jobs import JobRecord
from pipeline.domain.outcomes import SUCCESSES, StepEnd
from pipeline.domain.withheld import Filter, chosen, fold, mark, released
from pipeline.stream.producer import Outgoing

KIND = "withheld-release"
ANSWER_WITHIN = 30.0
"""Seconds to wait for what the permit says of released steps."""
FILTER = TypeAdapter(Filter)
"""What a job of this kind was ordered with, as its record holds it."""
_ENDS = SUCCESSES | {StepEnd.WITHHELD, StepEnd.TRIAGED, StepEnd.FAILED}


def everything(bootstrap_servers: str) -> list[Withheld]:
    """Every withheld step as it stands, the oldest first."""
    found = []
    with TopicLog(bootstrap_servers, topics.WITHHELD.name) as log:
        for message in log.records():
            try:
                found.append(Withheld.parse(message.value()))
            except UnreadableValue:
                continue
    return sorted(fold(found), key=lambda held: held.at)


def is_executed(answer: str) -> bool:
    """Whether an answer says that the step went out."""
    return answer.partition(":")[0] in SUCCESSES


async def release(
    operator: Operator, servers: str, held: Sequence[Withheld], *, by: str, job: str | None = None
) -> Answers:
    """Sends the steps back to `act` and waits; action id -> what came of it.

    `job` is the name of the job that does it, if one does: it makes each item's own id.
    """
    at = time.time()
    records = []
    for each in held:
        plan = released(each, by=by)
        if plan is not None:
            # The plan first: without its mark a release can be asked for again and does no harm,
            # without the plan it would be marked as released and never happen.
            id_ = each.action_id if job is None else f"{job}:{each.action_id}"
            records.append(outgoing(topics.REQUESTED, each, plan, id_=id_))
            marked = mark(each, HeldState.RELEASED, by=by, at=at)
            records.append(outgoing(topics.WITHHELD, each, marked))
    with await asyncio.to_thread(TopicLog, servers, topics.AUDIT.name, from_end=True) as audit:
        await operator.producer.send(records)
        wanted = {each.action_id for each in held}
        answers = await asyncio.to_thread(_answers, audit, wanted)
    return {each: answers.get(each) for each in sorted(wanted)}


def _answers(audit: TopicLog, wanted: set[str]) -> Mapping[str, str]:
    answers: dict[str, str] = {}
    ends = time.monotonic() + ANSWER_WITHIN

    def enough(message: confluent_kafka.Message) -> bool:
        try:
            said = Audit.parse(message.value())
        except UnreadableValue:
            return False
        if said.action_id in wanted and said.what in _ENDS:
            answers[said.action_id] = f"{said.what}: {said.reason}" if said.reason else said.what
        return answers.keys() >= wanted

    audit.wait(enough, until=lambda: time.monotonic() > ends)
    return answers


def outgoing(
    spec: topics.TopicSpec, held: Withheld, value: Message, *, id_: str | None = None
) -> Outgoing:
    """A record about a withheld step."""
    headers = [
        ("ce_id", (id_ or held.action_id).encode()),
        ("ce_source", b"switchboard"),
        ("ce_type", spec.name.encode()),
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
    ]
    if held.request is not None:
        headers.append(("sb-ingress-id", held.request.ingress_id.encode()))
    return Outgoing(spec.name, held.conversation_id.encode(), value.to_bytes(), headers)


def work(servers: str) -> Work:
    """Releases by a filter, as a job.

    What the permit withholds again is younger than the order, so one job asks for a step once.
    """

    def left(job: JobRecord) -> list[Withheld]:
        asked = FILTER.validate_python({**job.what, "until": job.began})
        return chosen(everything(servers), asked, now=time.time())

    async def do(operator: Operator, job: JobRecord, batch: Sequence[Withheld]) -> Answers:
        return await release(operator, servers, batch, by=job.by, job=job.name)

    return Work(left, do, is_executed)
