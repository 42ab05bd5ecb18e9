"""A small language for phrases, and a reader that finds them in a text.

A phrase is one line of elements; what they stand for is found within one sentence:

=================  =========================================================================
``word``           this word; ``stem*`` any word that starts so; ``two_words`` both
``a|b*|c_d``       one of them
``@NAME``          one of a family of words (see `families`)
``[a|b]``          one of them or nothing
``..`` ``..3``     up to 5 (3) words between
``<>`` ``<>3``     what stands left and right of it in either order, up to 5 (3) words between
``!a|b``           the next word is none of these; only at the end of the ordered elements
``^`` ``$``        the sentence starts, ends here
``+a|b``           the same sentence also has one of these, anywhere
``-a|b``           the same sentence has none of these
=================  =========================================================================

Every gap is bounded and no repetition is nested in another, so a hostile text costs no more than
its length times the number of phrases.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_BETWEEN = r"\W{1,4}"
"""What may stand between two words of one sentence."""
_GAP = re.compile(r"(?P<kind>\.\.|<>)(?P<words>\d*)$")
_USUAL_GAP = 5
_WORDS = re.compile(r"\w+")
_STEM = re.compile(r"[\w']+\*?")


@dataclass(frozen=True)
class Phrase:
    """One compiled line.

    `needs`: of each set, a word of the text must be (or, with ``*``, start with) one; so most
    phrases are ruled out without a look at the text.
    """

    pattern: re.Pattern[str]
    needs: tuple[frozenset[str], ...]
    also: tuple[re.Pattern[str], ...] = ()
    never: tuple[re.Pattern[str], ...] = ()

    def stands_in(self, sentence: str) -> bool:
        """Whether `sentence` (normalised) has this phrase."""
        return (
            self.pattern.search(sentence) is not None
            and all(each.search(sentence) for each in self.also)
            and not any(each.search(sentence) for each in self.never)
        )


def phrase(line: str, families: Mapping[str, str]) -> Phrase:
    """The phrase that `line` writes.

    Raises:
        ValueError: the line has no word that a text must have, or a family is unknown.
    """
    words = [_expanded(each, families) for each in line.split()]
    ordered = [each for each in words if each[0] not in "+-"]
    also = [each[1:] for each in words if each[0] == "+"]
    needs = tuple(stems for each in (*ordered, *also) if _is_word(each) and (stems := _stems(each)))
    if not needs:
        raise ValueError(f"the phrase {line!r} has no word to look for")
    return Phrase(
        re.compile(_regex(ordered)),
        needs,
        tuple(re.compile(rf"\b{_any(each)}\b") for each in also),
        tuple(re.compile(rf"\b{_any(each[1:])}\b") for each in words if each[0] == "-"),
    )


def _expanded(element: str, families: Mapping[str, str]) -> str:
    def family(found: re.Match[str]) -> str:
        if found[1] not in families:
            raise ValueError(f"no family of words is called {found[1]}")
        return families[found[1]]

    return re.sub(r"@([A-Z_0-9]+)", family, element)


def _is_word(element: str) -> bool:
    return element not in ("^", "$") and element[0] not in "[!" and not _GAP.match(element)


def _stems(element: str) -> frozenset[str]:
    """The first words of the alternatives; none where one of them is no plain word."""
    stems = [_STEM.match(each) for each in element.split("|")]
    return (
        frozenset(each.group().split("_")[0] for each in stems if each)
        if all(stems)
        else frozenset()
    )


def _any(element: str) -> str:
    alternatives = element.replace("_", _BETWEEN).replace("*", r"\w*").replace("#", r"\d+")
    return f"(?:{alternatives})"


def _regex(elements: Sequence[str]) -> str:
    for place, element in enumerate(elements):
        gap = _GAP.match(element)
        if gap and gap["kind"] == "<>":
            left, tail = elements[:place], elements[place + 1 :]
            right = [each for each in tail if each[0] != "!"]
            last = "".join(_refused(each) for each in tail if each[0] == "!")
            between = [f"..{gap['words']}"]
            either = f"{_regex([*left, *between, *right])}|{_regex([*right, *between, *left])}"
            return f"(?:{either}){last}"
    return _in_order(elements)


def _in_order(elements: Sequence[str]) -> str:
    made, joined = "", True
    for element in elements:
        gap = _GAP.match(element)
        if gap:
            made += rf"(?:{_BETWEEN}\w+){{0,{gap['words'] or _USUAL_GAP}}}?"
        elif element[0] == "!":
            made += _refused(element)
        elif element[0] == "[":
            # An optional word brings the space that parts it from its neighbour.
            made += (
                rf"(?:{_BETWEEN}{_any(element[1:-1])})?"
                if made
                else rf"(?:\b{_any(element[1:-1])}{_BETWEEN})?"
            )
        elif element in ("^", "$"):
            made += r"^\W*" if element == "^" else r"\W*$"
            joined = True
            continue
        else:
            made += (r"\b" if joined else _BETWEEN) + _any(element) + r"\b"
            joined = False
    return made


def _refused(element: str) -> str:
    return rf"(?!{_BETWEEN}{_any(element[1:])}\b)"


class Index:
    """Finds phrases in sentences; which may stand in one is told by its words alone."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        self._phrases = tuple(phrases)
        bits: dict[frozenset[str], int] = {}
        for each in phrases:
            for stems in each.needs:
                bits.setdefault(stems, 1 << len(bits))
        self._masks = tuple(sum({bits[stems] for stems in each.needs}) for each in phrases)
        filed: dict[frozenset[str], list[int]] = {}
        for at, each in enumerate(phrases):
            # Under the set with the fewest words: the one that is there least often.
            filed.setdefault(min(each.needs, key=len), []).append(at)
        self._words: dict[str, tuple[int, list[int]]] = {}
        for stems, bit in bits.items():
            for stem in stems:
                mask, under = self._words.get(stem, (0, []))
                self._words[stem] = mask | bit, under + filed.get(stems, [])
        self._lengths = sorted({len(each) - 1 for each in self._words if each.endswith("*")})

    def found(self, sentences: Iterable[str]) -> set[int]:
        """Positions of the phrases that stand in one of `sentences` (normalised)."""
        here: set[int] = set()
        known: dict[str, tuple[int, list[int]]] = {}
        for sentence in sentences:
            present, possible = 0, set[int]()
            for word in _WORDS.findall(sentence):
                if word not in known:
                    known[word] = self._told_by(word)
                mask, under = known[word]
                present |= mask
                possible.update(under)
            here.update(
                at
                for at in possible
                if self._masks[at] & present == self._masks[at]
                and at not in here
                and self._phrases[at].stands_in(sentence)
            )
        return here

    def _told_by(self, word: str) -> tuple[int, list[int]]:
        """The needs that `word`, whole or by its start, meets; the phrases filed under them."""
        mask, under = self._words.get(word, (0, []))
        for length in self._lengths[: bisect_right(self._lengths, len(word))]:
            start = self._words.get(word[:length] + "*")
            if start is not None:
                mask, under = mask | start[0], under + start[1]
        return mask, under
