from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from console.operating import operating
from pipeline.stream.admin import BrokerUnreachable

LONG = 60.0
"""Seconds; a test that waits for it fails by its own limit before."""


def turned_away(bootstrap: str, *, within: float) -> str:
    async def scenario() -> None:
        async with asyncio.timeout(LONG / 4), operating(bootstrap, within=within):
            pytest.fail("nobody is there")

    with pytest.raises(BrokerUnreachable) as raised:
        asyncio.run(scenario())
    return str(raised.value)


def test_where_nobody_listens_a_command_says_so_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        said = turned_away(f"{place},{place}", within=LONG)
    assert said == f"no broker answers at {place},{place}"


def test_a_broker_that_takes_connections_and_never_answers_is_told_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = turned_away(f"127.0.0.1:{silent.getsockname()[1]}", within=0.5)
    assert "no broker answers" in said


@pytest.mark.parametrize("place", ["127.0.0.1:none", ""])
def test_what_is_no_address_is_told_as_a_broker_that_does_not_answer(place: str) -> None:
    assert "no broker answers" in turned_away(place, within=LONG)


def test_a_command_starts_without_what_only_another_one_needs() -> None:
    slow = {"openai", "matplotlib", "plotext", "faust", "pipeline.domain.keywords"}
    code = f"import sys, console.cli; sys.exit(' '.join({slow} & set(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stderr.strip() == ""
