"""`./switchboard jobs`: bulk work that runs or ran: list, stop, resume."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from console import release
from console.bulk import Output
from console.job_runner import JobRefused, Jobs, Work, described, run_job
from console.mode import Reason
from console.operating import Operator, once_more, or_unsure, who, with_operator
from pipeline.brokers import brokers
from pipeline.domain.jobs import JobRecord, JobState, is_running
from pipeline.settings import load_settings

KINDS = {release.KIND: release.work}
"""Kind of a job -> what carries it out, for the brokers of this installation."""

app = typer.Typer(help="Bulk work that runs or ran: list, stop, resume.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Which job.")]


@app.command("list")
def list_(output: Output = "table") -> None:
    """Show every job of the last 30 days: how far it is, and why it was stopped."""

    async def look(operator: Operator) -> list[dict[str, Any]]:
        return Jobs(operator).described()

    found: list[dict[str, Any]] = with_operator(look)
    if output == "json":
        _say(found)
        return
    if not found:
        typer.echo("no job in the last 30 days")
        return
    table = Table("job", "kind", "state", "executed", "answered", "of", "by", "ordered", "why")
    for each in found:
        began = datetime.fromtimestamp(each["began"], UTC).strftime("%m-%d %H:%M:%S")
        counts = (str(each[name]) for name in ("executed", "ended", "total"))
        table.add_row(
            each["name"], each["kind"], each["state"], *counts, each["by"], began, each["why"]
        )
    Console().print(table)


@app.command()
def stop(
    name: Name,
    reason: Reason,
    output: Output = "table",
) -> None:
    """Have a job stop after the items that are under way."""

    async def end(operator: Operator) -> dict[str, Any]:
        jobs = Jobs(operator)
        with or_unsure(once_more()):
            job = await jobs.stop(name, reason=reason, by=who())
        return described(job, jobs.state(job))

    _say_one(with_operator(end), output)


@app.command()
def resume(name: Name, output: Output = "table") -> None:
    """Go on with what is left of a job that was stopped or interrupted."""

    async def look(operator: Operator) -> JobRecord:
        jobs = Jobs(operator)
        job = jobs.get(name)
        if job is None:
            raise JobRefused(f"there is no job {name}: ./switchboard jobs list")
        if job.state is JobState.DONE or is_running(job, jobs.live):
            raise JobRefused(
                f"{name} is {jobs.state(job)}, there is nothing to resume: ./switchboard jobs list"
            )
        if job.kind not in KINDS:
            raise JobRefused(f"{name} is a {job.kind}, which this version does not know")
        return job

    job: JobRecord = with_operator(look)
    work = KINDS[job.kind](brokers(load_settings()))
    again = job.model_copy(update={"state": JobState.RUNNING, "why": None, "by": who()})
    raise typer.Exit(run_now(again, work, output))


def ordered(kind: str, what: Mapping[str, Any], *, name: str | None) -> JobRecord:
    """A new job's record.

    Raises:
        typer.BadParameter: the name is not one word.
    """
    now = time.time()
    stamp = datetime.fromtimestamp(now, UTC).strftime("%m%d-%H%M%S")
    own = name or f"{kind}-{stamp}-{secrets.token_hex(2)}"
    frozen = {key: value for key, value in what.items() if key != "until"}
    try:
        return JobRecord(
            name=own, kind=kind, what=frozen, by=who(), began=now, at=now, runner="nobody"
        )
    except ValidationError:
        raise typer.BadParameter(f"{own} is no name: letters, digits, . _ - only") from None


def run_now(job: JobRecord, work: Work, output: str) -> int:
    """Runs a job in this process and tells how it ended; 0 when all is done and something went out."""
    answers: dict[str, str] = {}

    def say(item: str, answer: str) -> None:
        answers[item] = answer
        if output == "table":
            typer.echo(f"{item}: {answer}")

    async def run(operator: Operator) -> JobRecord:
        if job.runner == "nobody" and Jobs(operator).get(job.name) is not None:
            raise JobRefused(
                f"there is a job {job.name}: ./switchboard jobs resume {job.name}, or another name"
            )
        mine = job.model_copy(update={"runner": operator.life, "at": time.time()})
        if output == "table":
            typer.echo(f"job {job.name}")
        with or_unsure("How far it is: ./switchboard jobs list"):
            return await run_job(operator, mine, work, say=say)

    ended: JobRecord = with_operator(run)
    said = described(ended, ended.state.value)
    if output == "json":
        _say({**said, "answers": answers})
    else:
        _say_one(said, output)
    return 0 if ended.state is JobState.DONE and ended.executed else 1


def _say_one(job: dict[str, Any], output: str) -> None:
    if output == "json":
        _say(job)
        return
    why = f" ({job['why']}): ./switchboard jobs resume {job['name']}" if job["why"] else ""
    typer.echo(
        f"{job['name']}: {job['state']}, {job['executed']} executed, {job['ended']} answered of "
        f"{job['total']}{why}"
    )


def _say(answer: Any) -> None:
    typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
