"""The words that customers read: one file per template id in `pipeline/data/templates`.

For who edits them: the first line names the variables that the text uses, or none; then an empty
line; then the text. In it ``$name`` is a variable and ``$$`` a dollar sign. Each text asks or
informs and promises nothing: no time, no money, no change to an order, because whoever reads the
ticket next decides that. A changed text counts from the next start of a process.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "data" / "templates"

_FILE = re.compile(r"variables: ([a-z_]+(?: [a-z_]+)*)\n\n(.*)", re.DOTALL)


class TemplateText(NamedTuple):
    """A text and the names of all variables that it uses."""

    text: str
    variables: frozenset[str] = frozenset()


class UnreadableTemplate(Exception):
    """A file does not begin with the names of its variables; the text names the file."""


def read_texts(folder: Path) -> dict[str, TemplateText]:
    """The texts of a folder by template id.

    Raises:
        UnreadableTemplate: a file has another form.
    """
    return {file.stem: _read(file) for file in sorted(folder.glob("*.txt"))}


def _read(file: Path) -> TemplateText:
    parts = _FILE.fullmatch(file.read_text(encoding="utf-8"))
    if parts is None:
        raise UnreadableTemplate(f"{file.name} must begin with 'variables: ...' and an empty line")
    names = frozenset(parts[1].split()) - {"none"}
    return TemplateText(parts[2].rstrip("\n"), names)


TEXTS = read_texts(FOLDER)
