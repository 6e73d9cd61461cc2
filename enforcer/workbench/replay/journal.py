# SPDX-License-Identifier: MIT
"""
The file of a recording: blocks one after the other, each with its length, its checksum and its kind.

A block is written at once and never changed. If the end of a file is torn (the machine stopped, the disk
was full), the file is read up to there, and the reader is told. Damaged blocks are reported, too.
Numbers are little endian; records within a block are as the kernel side wrote them.
"""

from __future__ import annotations

import enum
import json
import os
import struct
import zlib
from typing import IO, TYPE_CHECKING, Any, Final, Self, TypeVar

import attrs

from enforcer.errors import EnforcerError
from enforcer.policy.text.regular_files import open_regular
from enforcer.workbench.replay.documents import UnfitError, read_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from enforcer.workbench.replay.document_types import JournalHead

__all__ = ["FORMAT", "Block", "BlockKind", "Journal", "JournalError", "Writer"]

FORMAT: Final = 1
MAGIC: Final = b"ENFJRNL\n"
_SIGN: Final = b"EJBK"
_HEAD: Final = struct.Struct("<4sBxxxIIIQQ")
"""Sign, kind, number of records, length unpacked, length here, first and last time."""
_CRC: Final = struct.Struct("<I")
_LENGTH: Final = struct.Struct("<I")
_MAX_UNPACKED: Final = 16 << 20
_MAX_STORED: Final = _MAX_UNPACKED + _MAX_UNPACKED // 1000 + 64
"""What the most content packs to: zlib adds 5 bytes to each 16,383 that it cannot make shorter, and its own head."""
_MAX_RECORD: Final = 1 << 16

T = TypeVar("T")


class JournalError(EnforcerError):
    """What was given is not a journal that can be read here."""


class BlockKind(enum.IntEnum):
    """What a block holds."""

    HEAD = 1
    """JSON: what the recording is of. The first block."""
    ACCESSES = 2
    """Records of accesses, ``ENF_EVENT_ACCESS``."""
    LINES = 3
    """Records of how processes came to be, and of cgroups."""
    PEOPLE = 4
    """JSON: processes that were there at the start, and names of users."""
    LOST = 5
    """JSON: what found no room since the last of these."""
    END = 6
    """JSON: why it ended, and what was lost in all. The last block of an orderly recording."""
    WORKLOADS = 7
    """JSON: containers and pods that there were, or of which more became known."""


@attrs.frozen
class Block:
    """Where a block lies, and what its head says."""

    kind: BlockKind
    count: int
    unpacked: int
    stored: int
    first_ns: int
    last_ns: int
    at: int

    def head(self) -> bytes:
        """Write the head."""
        return _HEAD.pack(
            _SIGN,
            self.kind,
            self.count,
            self.unpacked,
            self.stored,
            self.first_ns,
            self.last_ns,
        )


# ---- Writing --------------------------------------------------------------------------------------


@attrs.define
class Writer:
    """Appends blocks to a new file."""

    _file: IO[bytes]
    size: int = 0

    @classmethod
    def create(cls, path: Path) -> Self:
        """
        Begin a file at *path*, which only its owner may read: arguments of programs are in it.

        Raises:
            OSError: it exists, or cannot be made.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writer = cls(os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0))
        writer._write(MAGIC)
        return writer

    def document(self, kind: BlockKind, content: Any, *, time_ns: int = 0) -> None:
        """Append a block of JSON."""
        text = json.dumps(content, separators=(",", ":")).encode()
        self._append(kind, 1, text, time_ns, time_ns)

    def records(self, kind: BlockKind, records: Iterable[bytes], first: int, last: int) -> None:
        """Append *records*, in as many blocks as they need."""
        parts: list[bytes] = []
        size = 0
        for record in records:
            parts += (_LENGTH.pack(len(record)), record)
            size += _LENGTH.size + len(record)
            if size >= _MAX_UNPACKED - _MAX_RECORD - _LENGTH.size:
                self._append(kind, len(parts) // 2, b"".join(parts), first, last)
                parts, size = [], 0
        if parts:
            self._append(kind, len(parts) // 2, b"".join(parts), first, last)

    def _append(self, kind: BlockKind, count: int, content: bytes, first: int, last: int) -> None:
        packed = zlib.compress(content, level=1)
        head = Block(kind, count, len(content), len(packed), first, last, 0).head()
        self._write(head + _CRC.pack(zlib.crc32(packed, zlib.crc32(head))) + packed)

    def _write(self, data: bytes) -> None:
        """Write all of *data*, or leave nothing of it."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(self.size)
            raise
        self.size += len(data)

    def close(self) -> None:
        """Bring it to the disk."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()


# ---- Reading --------------------------------------------------------------------------------------


@attrs.define
class Journal:
    """
    A recording that was opened.

    Attributes:
        head: what it is of.
        blocks: all others, in order.
        torn: bytes at the end that make no block.
    """

    _file: IO[bytes]
    head: JournalHead
    blocks: tuple[Block, ...]
    torn: int = 0
    _damaged: set[int] = attrs.field(factory=set, init=False)

    @classmethod
    def open(cls, path: Path) -> Self:
        """
        Open the file at *path*.

        Raises:
            JournalError: it is not a journal, or one of another format.
            OSError: it cannot be read.
        """
        file = open_regular(path)
        try:
            return cls._begin(file, path)
        except BaseException:
            file.close()
            raise

    @classmethod
    def _begin(cls, file: IO[bytes], path: Path) -> Self:
        if file.read(len(MAGIC)) != MAGIC:
            raise JournalError(f"{path} is not a recording: make one with enforcer record")
        found, torn = _scan(file, os.fstat(file.fileno()).st_size)
        journal = cls(file, {}, tuple(found[1:]), torn)
        if not found:
            raise JournalError(f"{path} is empty: nothing was recorded")
        head = journal.document(found[0], read_head) if found[0].kind is BlockKind.HEAD else None
        if head is None:
            raise JournalError(
                f"{path} cannot be read, as the block that says what was recorded is damaged: record again"
            )
        if head["format"] != FORMAT:
            raise JournalError(
                f"{path} has format {head['format']}, this version of enforcer reads {FORMAT}"
            )
        journal.head = head
        return journal

    @property
    def is_ended(self) -> bool:
        """Whether the recording came to an orderly end."""
        return bool(self.blocks) and self.blocks[-1].kind is BlockKind.END

    @property
    def damaged(self) -> int:
        """Blocks that could not be read, of those that were."""
        return len(self._damaged)

    def documents(self, kind: BlockKind, read: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
        """Read the JSON of all blocks of *kind*, by *read*; damaged ones are left out and counted."""
        for block in self.blocks:
            if block.kind is kind and (content := self.document(block, read)) is not None:
                yield content

    def document(self, block: Block, read: Callable[[Mapping[str, Any]], T]) -> T | None:
        """Read the JSON of *block* by *read*, which raises UnfitError; None if it is damaged."""
        raw = self._content(block)
        if raw is None:
            return None
        try:
            return read(_object(raw))
        except UnfitError:
            self._damaged.add(block.at)
            return None

    def records(self, kind: BlockKind) -> Iterator[bytes]:
        """Read the records of all blocks of *kind*; damaged ones are left out and counted."""
        for block in self.blocks:
            if block.kind is kind:
                yield from self._cut(block)

    def _cut(self, block: Block) -> Iterator[bytes]:
        content = self._content(block) or b""
        at = 0
        while at + _LENGTH.size <= len(content):
            (length,) = _LENGTH.unpack_from(content, at)
            at += _LENGTH.size
            if length > _MAX_RECORD or at + length > len(content):
                self._damaged.add(block.at)
                return
            yield content[at : at + length]
            at += length

    def _content(self, block: Block) -> bytes | None:
        self._file.seek(block.at)
        crc = self._file.read(_CRC.size)
        packed = self._file.read(block.stored)
        if crc == _CRC.pack(zlib.crc32(packed, zlib.crc32(block.head()))):
            unpacker = zlib.decompressobj()
            try:
                content = unpacker.decompress(packed, block.unpacked + 1)
            except zlib.error:
                content = b""
            if len(content) == block.unpacked:
                return content
        self._damaged.add(block.at)
        return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _object(raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:  # the latter: brackets within brackets
        raise UnfitError("it is no JSON") from error
    if not isinstance(content, dict):
        raise UnfitError("it is no object")
    return content


def _scan(file: IO[bytes], size: int) -> tuple[list[Block], int]:
    """Find the blocks by their heads; also returns how many bytes behind them make none."""
    found: list[Block] = []
    at = len(MAGIC)
    while True:
        file.seek(at)
        raw = file.read(_HEAD.size)
        if len(raw) < _HEAD.size:
            return found, size - at
        sign, kind, count, unpacked, stored, first, last = _HEAD.unpack(raw)
        behind = at + _HEAD.size
        end = behind + _CRC.size + stored
        is_ours = sign == _SIGN and kind in set(BlockKind)
        # A block is read before its checksum can be compared, and a sparse file has any length.
        if not is_ours or unpacked > _MAX_UNPACKED or stored > _MAX_STORED or end > size:
            return found, size - at
        found.append(Block(BlockKind(kind), count, unpacked, stored, first, last, behind))
        at = end
