"""Which command mends what the stream layer could not do: the layer itself knows no command."""

from __future__ import annotations

from pipeline.stream import admin
from pipeline.stream.admin import BrokerUnreachable, LoginRefused, Misfit, TopicRefused
from pipeline.stream.guard import Told

APPLY = "./switchboard topics apply"
START = "./switchboard kafka start, or set KAFKA_BOOTSTRAP_SERVERS"


def mended(trouble: BaseException | Misfit) -> str:
    """The trouble in its own words, and behind them what mends it where that is a command."""
    match trouble:
        case LoginRefused():
            command = "SWITCHBOARD_KAFKA_TLS, _CA_FILE, _USERNAME and _PASSWORD say how to log in"
        case BrokerUnreachable():
            command = START
        case TopicRefused():
            command = f"SWITCHBOARD_REPLICATION says how many copies are asked for; then {APPLY}"
        case Told(code="rows_lost", table=table):
            command = f"./switchboard tables begin {table}"
        case Told(code="table_busy"):
            command = "stop it, or give this worker a name of its own with SWITCHBOARD_INSTANCE"
        case Misfit():
            command = _of_misfit(trouble)
        case _:
            return str(trouble)
    return f"{trouble}: {command}"


def _of_misfit(misfit: Misfit) -> str:
    match misfit.setting:
        case "":
            return APPLY
        case admin.PARTITIONS:
            return f"set SWITCHBOARD_PARTITIONS={misfit.found} or use another cluster"
        case admin.COPIES:
            return (
                "add copies with kafka-reassign-partitions, see deploy/README.md, or set "
                f"SWITCHBOARD_REPLICATION={misfit.found}"
            )
        case admin.MIN_INSYNC | admin.UNCLEAN:
            return (
                'kafka-configs --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" --alter '
                f"--topic {misfit.topic} --add-config {misfit.setting}={misfit.wanted}"
            )
        case _:
            return f"alter it with kafka-configs, or delete the topic and run {APPLY}"
