"""How a delivery fails, told apart by what it asks of the caller."""

from __future__ import annotations

from enum import StrEnum

from confluent_kafka import KafkaError, KafkaException


class Failure(StrEnum):
    """What a delivery error asks of its caller."""

    RETRIABLE = "retriable"
    """Time may help: the broker is away, slow or short of replicas."""
    TOO_LARGE = "too_large"
    """This record will never be taken: it belongs into the dead letters, cut down."""
    FATAL = "fatal"
    """The producer cannot go on; only a new process can."""


_TOO_LARGE = frozenset({
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.RECORD_LIST_TOO_LARGE,
})  # fmt: skip


class DeliveryError(Exception):
    """Some record of a batch was not acknowledged; `failure` tells what kind of trouble it is."""

    def __init__(self, code: str, failure: Failure) -> None:
        super().__init__(f"the broker did not acknowledge: {code}")
        self.code = code
        self.failure = failure

    @classmethod
    def of(cls, error: KafkaError) -> DeliveryError:
        """The error of one record, classified."""
        if error.code() in _TOO_LARGE:
            failure = Failure.TOO_LARGE
        else:
            failure = Failure.FATAL if error.fatal() else Failure.RETRIABLE
        return cls(error.name(), failure)


def refusal(error: BaseException) -> KafkaError:
    """Why librdkafka did not even take a record: its queue is full, or what it says itself."""
    if isinstance(error, KafkaException):
        return error.args[0]
    return KafkaError(KafkaError._QUEUE_FULL)  # noqa: SLF001 - its public name
