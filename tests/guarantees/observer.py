"""Judges a stage from outside while it works: is a commit ever ahead of what is durable?"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field

from confluent_kafka import Message

from tests.guarantees.lab import Lab


@dataclass
class Observer:
    """Compares, round after round, the committed offsets with the outputs.

    An output names the record it comes from in its header ``origin``. Commits are read *before*
    the end of the output topic: whatever a commit covers was durable by then, or never was.
    """

    lab: Lab
    rounds: int = 0
    ahead: list[str] = field(default_factory=list)
    done: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    _seen: int = 0
    _below: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def look(self) -> None:
        """One comparison."""
        commits = self.lab.commits()
        messages = self.lab.messages()
        for message in messages[self._seen :]:
            partition, offset = origin(message)
            self.done[partition].add(offset)
        self._seen = len(messages)
        for partition, committed in commits.items():
            durable = self._durable(partition)
            if committed > durable:
                self.ahead.append(f"partition {partition}: committed {committed} > {durable}")
        self.rounds += 1

    def _durable(self, partition: int) -> int:
        """The lowest offset without an output."""
        while self._below[partition] in self.done[partition]:
            self._below[partition] += 1
        return self._below[partition]

    def watch(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.look()


def origin(message: Message) -> tuple[int, int]:
    """Partition and offset of the record that an output comes from."""
    headers = dict(message.headers() or [])
    partition, offset = headers["origin"].decode().split(":")
    return int(partition), int(offset)


def order_breaks(messages: list[Message]) -> list[str]:
    """Keys whose numbers skip: a number may come again, but never before the one below it."""
    reached: dict[str, int] = defaultdict(int)
    broken = []
    for message in messages:
        key, _, digits = (message.value() or b"").decode().partition(":")
        number = int(digits)
        if number > reached[key] + 1:
            broken.append(f"{key}: {number} after {reached[key]}")
        reached[key] = max(reached[key], number)
    return broken
