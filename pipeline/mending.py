"""Which command mends what the stream layer could not do: the layer itself knows no command."""

from __future__ import annotations

from pipeline.stream.admin import (
    PARTITIONS,
    BrokerUnreachable,
    LoginRefused,
    Misfit,
    TopicRefused,
)
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
        case Misfit(setting=""):
            command = APPLY
        case Misfit(setting=setting, found=found) if setting == PARTITIONS:
            command = f"set SWITCHBOARD_PARTITIONS={found} or use another cluster"
        case Misfit():
            command = f"alter it with kafka-configs, or delete the topic and run {APPLY}"
        case _:
            return str(trouble)
    return f"{trouble}: {command}"
