"""Replies: texts with checked variables, and the mark that tells our reply from any other.

Every text is checked when this module is loaded, so a slip of the pen stops a process at its
start and a test run, and never a reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from string import Template

from pipeline.domain.events import digest
from pipeline.domain.template_texts import TEXTS, TemplateText

MARKER_HEX = 10
"""Hex digits of the action id in a marker: short enough to read out, unique within a ticket."""


_ANY_MARKER = re.compile(rf"\bsb-[0-9a-f]{{{MARKER_HEX}}}\b")


class TemplateError(Exception):
    """A template that does not exist, or whose variables do not fit; holds names only."""


def checked(texts: Mapping[str, TemplateText]) -> dict[str, Template]:
    """The texts, each proved to use exactly the variables that it declares.

    Raises:
        TemplateError: an empty text, a stray ``$``, or other variables than declared.
    """
    return {template_id: _checked(template_id, entry) for template_id, entry in texts.items()}


def _checked(template_id: str, entry: TemplateText) -> Template:
    template = Template(entry.text)
    if not entry.text.strip():
        raise TemplateError(f"template {template_id} has no text")
    if not template.is_valid():
        raise TemplateError(f"template {template_id} has a stray $; write $$ for a dollar sign")
    used = template.get_identifiers()
    if set(used) != entry.variables:
        raise TemplateError(
            f"template {template_id} declares {_names(entry.variables)} but uses {_names(used)}"
        )
    return template


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


_TEMPLATES = checked(TEXTS)


def template_ids() -> frozenset[str]:
    """All templates there are."""
    return frozenset(TEXTS)


def template_variables(template_id: str) -> frozenset[str]:
    """The names of the variables that `render` must be given.

    Raises:
        TemplateError: no such template.
    """
    return _entry(template_id).variables


def template_version(template_id: str) -> str:
    """A hash of the text as it stands: another text is another version.

    Raises:
        TemplateError: no such template.
    """
    return digest("template", template_id, _entry(template_id).text, size=8)


def render(template_id: str, variables: Mapping[str, str]) -> str:
    """The reply's body. Values are put in as they are: a ``$`` in one is never a variable.

    Raises:
        TemplateError: no such template, or not exactly its variables.
    """
    expected = _entry(template_id).variables
    if variables.keys() != expected:
        raise TemplateError(
            f"template {template_id} takes {_names(expected)}, was given {_names(variables)}"
        )
    return _TEMPLATES[template_id].substitute(variables)


def _entry(template_id: str) -> TemplateText:
    entry = TEXTS.get(template_id)
    if entry is None:
        raise TemplateError(f"there is no template {template_id}")
    return entry


def marker(action_id: str) -> str:
    """What a reply carries so that it can be found again on its ticket."""
    return f"sb-{action_id[:MARKER_HEX]}"


def marked(body: str, action_id: str) -> str:
    """`body` with its reference as the last line."""
    return f"{body.rstrip()}\n\nRef: {marker(action_id)}"


def carries(body: str, action_id: str) -> bool:
    """Whether `body`, as the helpdesk shows it (HTML or plain), is the reply of `action_id`.

    A customer who quotes our reply carries its marker too; that is no harm, it was sent.
    """
    return marker(action_id) in body.casefold()


def is_ours(body: str) -> bool:
    """Whether `body` carries a mark of any of our replies. Quoting one carries it too."""
    return _ANY_MARKER.search(body.casefold()) is not None
