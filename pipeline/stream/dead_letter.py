"""Dead letters: a record that can never be handled, kept byte for byte with the reason."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Sequence

from pipeline.stream.batch import Record
from pipeline.stream.changelog import RestoreError
from pipeline.stream.delivery import DeliveryError, Failure
from pipeline.stream.guard import Refused
from pipeline.stream.parking import bare
from pipeline.stream.partition import Behind, Overtaken
from pipeline.stream.producer import Outgoing, Sender
from pipeline.stream.stall import StoodStill
from pipeline.stream.store import CorruptStoreError, StoreError, TableBusyError

IN_A_ROW = 10
"""Records buried for an exception with no good one between: then it is not the records' fault."""

EXHAUSTED = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
}  # fmt: skip
"""What the machine has no more of, whoever asks."""

EXCEPTION = "exception:"
"""How the reason of a record begins whose handling raised what nobody expected."""

NOBODYS_FAULT = (
    StoreError,
    RestoreError,
    Refused,
    Overtaken,
    TableBusyError,
    CorruptStoreError,
    StoodStill,
)


def is_nobodys_fault(error: BaseException) -> bool:
    """Whether it is trouble with the broker, the disk or a table, whatever record met it."""
    if isinstance(error, DeliveryError):
        return error.failure is not Failure.TOO_LARGE
    if isinstance(error, OSError) and error.errno in EXHAUSTED:
        return True
    # Else by the layer's own errors only: what a handler raises by itself, be it a TimeoutError or
    # a file that is not there, is its record's, which would otherwise come again without end.
    return isinstance(error, NOBODYS_FAULT)


Bury = Callable[[Record, str], Sequence[Outgoing]]
"""What a buried record comes to: its dead letter and whatever else its stage writes of it."""


def dead_letter(
    record: Record, *, stage: str, reason: str, attempt: int = 1, failed_at: float
) -> Outgoing:
    """The record for ``<topic>.dlq``: key, value and headers as they were, and why.

    What parking added goes: a letter that is sent again must not look like work that waited.

    `reason` is a code without customer text; `failed_at` is unix seconds. The fingerprint groups
    failures of one kind: stage and reason.
    """
    fingerprint = hashlib.blake2b(f"{stage}:{reason}".encode(), digest_size=8).hexdigest()
    added = {
        "x-original-topic": record.topic,
        "x-original-partition": str(record.partition),
        "x-original-offset": str(record.offset),
        "kafka_dlt-original-topic": record.topic,
        "kafka_dlt-exception-message": reason,
        "sb-stage": stage,
        "sb-reason": reason,
        "sb-fingerprint": fingerprint,
        "sb-attempt": str(attempt),
        "sb-first-failed-at": f"{failed_at:.3f}",
    }
    return Outgoing(
        f"{record.topic}.dlq",
        record.key,
        record.value,
        [*bare(record.headers), *((name, value.encode()) for name, value in added.items())],
        record.partition,
    )


def _cut(letter: Outgoing) -> Outgoing:
    if not letter.topic.endswith(".dlq"):
        return letter
    return letter._replace(value=None, headers=[*letter.headers, ("sb-cut", b"value")])


class DeadLetters:
    """Where a stage's records go that it can never handle."""

    def __init__(self, producer: Sender, bury: Bury) -> None:
        self.producer = producer
        self.letter = bury
        self._in_a_row = 0

    async def bury(self, record: Record, reason: str) -> None:
        """Returns when the dead letter is durable.

        A letter that is too large itself goes without its value: the coordinates in its headers
        tell where that lies.

        Raises:
            DeliveryError: it is not durable; the process must end.
        """
        if reason.startswith(EXCEPTION):
            self._in_a_row += 1
        letters = self.letter(record, reason)
        try:
            await self.producer.send(letters)
        except DeliveryError as error:
            if error.failure is not Failure.TOO_LARGE:
                raise
            await self.producer.send([_cut(letter) for letter in letters])

    def reason(self, error: BaseException) -> str | None:
        """The reason code to bury a record for whose handling raised `error`; None to crash.

        Trouble with the broker, the disk or memory is nobody's event, and an error that meets ten
        records in a row is the code's: burying a whole topic would be worse than standing still.
        """
        if isinstance(error, DeliveryError) and error.failure is Failure.TOO_LARGE:
            return "too_large"
        if is_nobodys_fault(error) or isinstance(error, MemoryError | Behind):
            return None
        if not isinstance(error, Exception) or self._in_a_row >= IN_A_ROW:
            return None
        return f"{EXCEPTION}{type(error).__name__}"

    def handled(self) -> None:
        """A record went well."""
        self._in_a_row = 0
