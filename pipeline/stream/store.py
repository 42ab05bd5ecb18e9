"""One partition of a table on this machine's disk: RocksDB as a cache of the changelog.

Each row keeps the changelog offset that wrote it, and one marker, written with the rows or not at
all, says which changelog the store follows and how far. A store may always be thrown away: the
changelog is the truth. Memory is bounded for the process, not for each partition: all stores
share one block cache, and their write buffers are charged to it.
"""

from __future__ import annotations

import fcntl
import shutil
import struct
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    DbClosedError,
    MemtableFactory,
    Options,
    Rdict,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from pipeline.stream.guard import Told

RESERVED = b"\x01"
"""Keys below this one (empty, or beginning with a zero byte) are the layer's own, never rows."""
MARKER = b"\x00marker"

_MEMORY = 64 << 20
_WRITE_BUFFERS = 24 << 20
_CACHE = Cache(_MEMORY)
_BUFFERS = WriteBufferManager.new_write_buffer_manager_with_cache(
    _WRITE_BUFFERS, allow_stall=False, cache=_CACHE
)
_WITHOUT_WAL = WriteOptions()
_WITHOUT_WAL.disable_wal = True

_FLAG = "CORRUPT"
_NOT_ITS_FAULT = ("no space", "permission", "too many open files", "read-only", "quota")

_pack_offset = struct.Struct(">Q").pack
_OFFSET = 8


class TableBusyError(Told):
    """Another process holds the table's folder."""

    code = "table_busy"


class StoreError(Exception):
    """The disk or RocksDB refuses: nothing that a record could be blamed for."""


class CorruptStoreError(Exception):
    """The files of a store cannot be trusted; the next start rebuilds it from the changelog."""


Change = tuple[bytes, bytes | None, int]
"""What one changelog record says: key, value (None deletes), offset. A bare tuple: a restore makes
millions, and a named one costs four times as much."""


class Row(NamedTuple):
    """A row and the changelog offset that wrote it."""

    key: bytes
    value: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Marker:
    """A store holds all of one changelog below `position`, and nothing else.

    `topic_id` is the broker's id of the topic, `epoch` the name that the changelog itself begins
    with: a topic made anew has another id, an emptied one has lost its epoch.
    """

    topic_id: str
    epoch: str
    position: int
    known_at: int = 0
    """Unix seconds by this machine's clock: then the log below `position` came to these rows."""

    def to_bytes(self) -> bytes:
        """The marker as the store keeps it."""
        return f"{self.topic_id} {self.epoch} {self.position} {self.known_at}".encode()

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Reads what `to_bytes` wrote.

        Raises:
            CorruptStoreError: it is something else.
        """
        words = raw.decode("ascii", "replace").split(" ")
        if len(words) != 4 or not all(map(str.isdigit, words[2:])):  # noqa: PLR2004 - the fields
            raise CorruptStoreError("the marker cannot be read")
        return cls(words[0], words[1], int(words[2]), int(words[3]))


def _options(*, bulk: bool) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    options.set_write_buffer_size(8 << 20)
    options.set_max_write_buffer_number(2)
    options.set_write_buffer_manager(_BUFFERS)
    if bulk:
        # Appends now and sorts in RocksDB's own threads when it flushes: half the time of a
        # restore went into keeping each row in order. Reads of it are slow, so only for bulk.
        options.set_memtable_factory(MemtableFactory.vector())
        options.set_allow_concurrent_memtable_write(False)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1 << 20)
    blocks = BlockBasedOptions()
    blocks.set_block_cache(_CACHE)
    # Inside the cache, else filters and indexes grow beside it with the number of rows.
    blocks.set_cache_index_and_filter_blocks(True)
    blocks.set_bloom_filter(10, block_based=False)
    options.set_block_based_table_factory(blocks)
    return options


class Store:
    """The rows of one partition. `Store.view` reads beside a running owner, without writing."""

    def __init__(self, folder: Path, database: Rdict) -> None:
        self._folder = folder
        self._db = database

    @classmethod
    def open(cls, folder: Path, *, bulk: bool = False) -> Self:
        """Opens or makes the store in `folder`; nobody else may hold it. `bulk` is for writing.

        Raises:
            TableBusyError: another process has it open.
            CorruptStoreError: its files are damaged, or were found damaged by an earlier run.
            OSError: the disk refuses, for reasons that a rebuild would not mend.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / _FLAG).exists():
            raise CorruptStoreError(f"{folder} was found damaged")
        return cls(folder, _open(folder, AccessType.read_write(), bulk=bulk))

    @classmethod
    @contextmanager
    def view(cls, folder: Path) -> Iterator[Self]:
        """The store as it is now, for reading only; its owner may be running.

        Raises:
            CorruptStoreError: there is no store, or its files are damaged.
        """
        with tempfile.TemporaryDirectory(prefix="table-view-") as own:
            store = cls(folder, _open(folder, AccessType.secondary(own)))
            try:
                yield store
            finally:
                store.close()

    @property
    def marker(self) -> Marker | None:
        """How far the store follows which changelog; None where it was never written."""
        with self._checked():
            raw = self._db.get(MARKER)
        return None if raw is None else Marker.parse(raw)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of `keys`, None where there is no row, in one read."""
        if not keys:
            return []
        with self._checked():
            found = self._db.get(list(keys))
        return [None if raw is None else raw[_OFFSET:] for raw in found]

    def rows(self, begin: bytes = RESERVED) -> Iterator[Row]:
        """Every row from key `begin` on, in key order."""
        with self._checked():
            cursor = self._db.iter()
            cursor.seek(max(begin, RESERVED))
            while cursor.valid():
                raw = cursor.value()
                yield Row(cursor.key(), raw[_OFFSET:], int.from_bytes(raw[:_OFFSET]))
                cursor.next()
            cursor.status()  # a damaged block ends an iteration just as the last row does

    def apply(self, changes: Iterable[Change], marker: Marker, *, write_ahead: bool = True) -> None:
        """Writes `changes` and, with them or not at all, the marker that they reach.

        Without `write_ahead` a crash takes the store back to an earlier marker; `flush` ends that.
        """
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value, offset in changes:
            if key < RESERVED:
                continue
            if value is None:
                delete(key)
            else:
                put(key, _pack_offset(offset) + value)
        put(MARKER, marker.to_bytes())
        with self._checked():
            self._db.write(batch, None if write_ahead else _WITHOUT_WAL)

    def flush(self) -> None:
        """Makes everything written so far survive a crash."""
        with self._checked():
            self._db.flush()

    def reopen(self, *, bulk: bool = False) -> Self:
        """The same store for the other kind of work; this one must not be used any more."""
        self.close()
        return type(self).open(self._folder, bulk=bulk)

    def close(self) -> None:
        """Releases the folder; a second time changes nothing."""
        with suppress(DbClosedError):
            self._db.close()

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # rocksdict has no narrower class for what RocksDB says.
            if type(error) is not Exception:
                raise
            if "corruption" not in str(error).lower():
                raise StoreError(f"{self._folder}: {error}") from error
            # The process ends over this; the flag makes the next one rebuild instead of meeting
            # the same block again.
            (self._folder / _FLAG).touch()
            raise CorruptStoreError(f"{self._folder} is damaged") from None


def _open(folder: Path, access: AccessType, *, bulk: bool = False) -> Rdict:
    options = _options(bulk=bulk)
    try:
        # Named, the column family takes these options; else rocksdict takes those of the last
        # run from the folder, which know neither our cache nor the bloom filter.
        return Rdict(str(folder), options, column_families={"default": options}, access_type=access)
    except Exception as error:  # noqa: BLE001 - rocksdict has no narrower class
        text = str(error)
    if "/LOCK" in text or "lock hold" in text:
        raise TableBusyError(f"{folder} is in use by another process")
    if any(words in text.lower() for words in _NOT_ITS_FAULT):
        raise OSError(f"{folder}: {text}")
    raise CorruptStoreError(f"{folder} is damaged")


def is_held(folder: Path) -> bool:
    """Whether another process has the store in `folder` open."""
    try:
        lock = (folder / "LOCK").open("r+b")
    except FileNotFoundError:
        return False
    with lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def wipe(folder: Path) -> None:
    """Throws a closed store away."""
    shutil.rmtree(folder, ignore_errors=True)


def set_aside(folder: Path) -> Path:
    """Moves a closed store out of the way, in place of one set aside earlier; where it is now."""
    aside = folder.with_name(f"{folder.name}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    return aside
