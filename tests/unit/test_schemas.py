from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from console.cli import app
from pipeline import topics

FOREIGN = {topics.RECEIVED.name, topics.QUARANTINED.name} | {
    spec.name for spec in topics.ALL if spec.name.endswith(".dlq")
}
"""Kept byte for byte: what somebody else wrote, or what could not be read."""


def printed() -> dict[str, Any]:
    answer = CliRunner().invoke(app, ["schemas"])
    assert answer.exit_code == 0
    said: dict[str, Any] = json.loads(answer.stdout)
    return said


def titles(schema: dict[str, Any]) -> set[str]:
    """Of the models that a value may be."""
    if "anyOf" not in schema:
        return {schema["title"]}
    return {each["$ref"].rpartition("/")[2] for each in schema["anyOf"]}


def test_every_topic_has_its_schema_and_only_foreign_bytes_are_binary() -> None:
    schemas = printed()
    assert set(schemas) == set(topics.BY_NAME)
    binary = {name for name, each in schemas.items() if each.get("contentEncoding") == "binary"}
    assert binary == FOREIGN


def test_what_the_key_decides_is_one_of_several() -> None:
    schemas = printed()
    assert titles(schemas[topics.CONTROL.name]) == {
        "ModeRecord", "GateRecord", "SwitchRecord", "JobRecord", "ProcessRecord"
    }  # fmt: skip
    assert titles(schemas[topics.LEDGER.name]) == {"Intent", "Done", "TicketReplies", "Queue"}
    assert titles(schemas[topics.SEEN.name]) == {"Seen"}
    assert titles(schemas[topics.DECISIONS.name]) == {"Decision", "Queue"}
    for parked in topics.PARKED.values():
        assert titles(schemas[parked.name]) == {"AcceptedTicket", "ActionRequest"}
    assert titles(schemas[topics.WINDOWS.name]) == {"Window", "Rolled", "Newest"}
