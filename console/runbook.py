"""RUNBOOK.md as data: each section's queries, levers and tests, so that none of them can rot."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parents[1] / "RUNBOOK.md"

_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_PART = re.compile(r"^\*\*(.+?)\.\*\*(.*?)(?=^\*\*|\Z)", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^(\./switchboard .+?)(?:\s{2,}#.*)?$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py::\w+)`")


@dataclass(frozen=True)
class Section:
    """One failure mode; `queries` and `levers` are commands, as they are typed."""

    title: str
    parts: tuple[str, ...]
    """Symptom, Query, Levers, Prevention."""
    queries: tuple[str, ...]
    levers: tuple[str, ...]
    tests: tuple[str, ...]
    """``tests/file.py::test_name``."""


def anchor(title: str) -> str:
    """The anchor that Markdown viewers give to a heading."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def sections(file: Path = FILE) -> dict[str, Section]:
    """Anchor -> section."""
    text = file.read_text(encoding="utf-8")
    return {anchor(title): _section(title, body) for title, body in _SECTION.findall(text)}


def _section(title: str, body: str) -> Section:
    parts = dict(_PART.findall(body))
    return Section(
        title,
        tuple(parts),
        tuple(_COMMAND.findall(parts.get("Query", ""))),
        tuple(_COMMAND.findall(parts.get("Levers", ""))),
        tuple(_TEST.findall(body)),
    )
