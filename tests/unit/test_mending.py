from __future__ import annotations

import pytest

from pipeline.mending import mended
from pipeline.stream.admin import (
    COPIES,
    MIN_INSYNC,
    PARTITIONS,
    UNCLEAN,
    BrokerUnreachable,
    LoginRefused,
    Misfit,
    TopicRefused,
)
from pipeline.stream.restore import TableRefused
from pipeline.stream.store import TableBusyError


@pytest.mark.parametrize(
    ("trouble", "end"),
    [
        (BrokerUnreachable("no broker answers"), "answers: ./switchboard kafka start, or set KAFKA_BOOTSTRAP_SERVERS"),
        (LoginRefused("it does not let us in: bad password"), "SWITCHBOARD_KAFKA_TLS, _CA_FILE, _USERNAME and _PASSWORD say how to log in"),
        (TopicRefused("t: too few brokers"), "then ./switchboard topics apply"),
        (TableRefused("seen", 3, "it is empty"), "its rows: ./switchboard tables begin seen"),
        (TableBusyError("t is in use by another process"), "SWITCHBOARD_INSTANCE"),
        (Misfit("t"), "t is missing: ./switchboard topics apply"),
        (Misfit("t", PARTITIONS, "2", "4"), "set SWITCHBOARD_PARTITIONS=2 or use another cluster"),
        (Misfit("t", COPIES, "1", "3"), "see deploy/README.md, or set SWITCHBOARD_REPLICATION=1"),
        (Misfit("t", MIN_INSYNC, "1", "2"), "--alter --topic t --add-config min.insync.replicas=2"),
        (Misfit("t", UNCLEAN, "true", "false"), "--topic t --add-config unclean.leader.election.enable=false"),
        (Misfit("t", "cleanup.policy", "delete", "compact"), "or delete the topic and run ./switchboard topics apply"),
    ],
)  # fmt: skip
def test_what_the_stream_layer_could_not_do_ends_in_the_command_that_mends_it(
    trouble: BaseException | Misfit, end: str
) -> None:
    text = mended(trouble)
    assert text.startswith(str(trouble))
    assert text.endswith(end)


def test_any_other_error_stands_in_its_own_words() -> None:
    assert mended(ValueError("as it is")) == "as it is"
