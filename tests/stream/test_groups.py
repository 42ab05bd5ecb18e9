from __future__ import annotations

from types import SimpleNamespace

import pytest

from pipeline.stream.groups import _since
from pipeline.stream.parking import DUE


@pytest.mark.parametrize(
    ("headers", "since"),
    [(None, 5.0), ([(DUE, b"9.5")], 9.5), ([(DUE, b"1")], 5.0), ([(DUE, b"soon")], 5.0)],
)
def test_a_record_waits_from_its_writing_or_from_when_it_is_due(
    headers: list[tuple[str, bytes]] | None, since: float
) -> None:
    message = SimpleNamespace(headers=lambda: headers, timestamp=lambda: (1, 5000))
    assert _since(message) == since
