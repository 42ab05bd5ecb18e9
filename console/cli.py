"""`./switchboard VERB`: every command of the operator's side."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys

import typer
from confluent_kafka import KafkaException
from typer.exceptions import TyperException

from console import drill, incident, jobs, kafka, ledger, limits, mode, tables, topics, withheld
from console.alerts import alerts
from console.check import check
from console.dev import dev, up
from console.eval import EvalError, eval_command
from console.job_runner import JobRefused
from console.lag import lag
from console.metrics import MetricsError, metrics
from console.operating import ControlLost, Unsure
from console.running import RunError
from console.scenario import scenario
from console.serve import serve
from console.status import status
from console.test import run_tests
from console.topic_log import TopicMissing
from pipeline.lever import Refused
from pipeline.mending import mended
from pipeline.settings import SettingsError
from pipeline.stream.admin import BrokerUnreachable, TopicRefused
from pipeline.stream.delivery import DeliveryError

EXPECTED = (
    RunError,
    EvalError,
    SettingsError,
    BrokerUnreachable,
    TopicRefused,
    ControlLost,
    Refused,
    DeliveryError,
    TopicMissing,
    JobRefused,
    Unsure,
    tables.TableError,
    MetricsError,
    incident.NoIncident,
)
"""Errors whose text is the whole answer; a traceback would only hide it."""

app = typer.Typer(
    name="./switchboard",
    help="Support-desk webhooks handled once, routed, and answered when that is safe.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(dev)
app.command()(up)
app.command()(check)
app.command("test")(run_tests)
app.command("eval")(eval_command)
app.command()(topics.schemas)
app.command()(lag)
app.command()(status)
app.add_typer(kafka.app, name="kafka")
app.add_typer(topics.app, name="topics")
app.add_typer(withheld.app, name="withheld")
app.add_typer(jobs.app, name="jobs")
app.add_typer(incident.app, name="incident")
app.command()(alerts)
app.add_typer(ledger.app, name="ledger")
app.add_typer(limits.app, name="limits")
app.add_typer(mode.app, name="mode")
app.add_typer(drill.app, name="drill")
app.command()(serve)
app.add_typer(tables.app, name="tables")
app.command()(metrics)
app.command()(scenario)
app.command()(mode.panic)
app.command()(mode.recover)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
def bench(context: typer.Context) -> None:
    """Measure against peers in the same run: bench NAME [-o json]."""
    raise typer.Exit(
        subprocess.run([sys.executable, "-m", "bench", *context.args], check=False).returncode
    )


def main() -> None:
    """Runs the verb of the command line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What the library has to say of a broker that does not answer, the error says in one line.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        ended = app(prog_name="./switchboard", standalone_mode=False)
        sys.exit(ended if isinstance(ended, int) else 0)
    except TyperException as error:
        # Plain: in a box a command that mends it would be cut into lines and could not be pasted.
        error.show()  # type: ignore[attr-defined]
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.stderr.write("nothing was done\n")
        sys.exit(1)
    except EXPECTED as error:
        sys.stderr.write(f"error: {mended(error)}\n")
        sys.exit(1)
    except KafkaException as error:
        sys.stderr.write(f"error: {error.args[0].str()}: ./switchboard kafka status\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
