# SPDX-License-Identifier: MIT
"""
The policy image on its way into the kernel: idle map, write, verify, freeze, commit.

The commit is one update of one entry. A failure before it leaves the active image untouched.
"""

from __future__ import annotations

import enum
import errno
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, Self

import attrs

from enforcer import _abi
from enforcer.errors import EnforcerBug, KernelError, UnsupportedError
from enforcer.libbpf import abi, calls

__all__ = [
    "Call",
    "Image",
    "ImageHead",
    "ImageMap",
    "PlainImage",
    "Point",
    "Slot",
    "boot_time",
    "calls_of",
    "clear",
    "facts_of",
    "is_same",
    "ops_of",
    "points_of",
    "read",
    "restamp",
]

_CRC_AT, _CRC_SIZE = abi.place("enf_image", "crc")
_AT_END = _abi.ENF_SYS_AT_END


def boot_time() -> int:
    """Return the clock that images expire by, CLOCK_BOOTTIME in nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Slot(enum.IntEnum):
    """Entries of the map of images."""

    CURRENT = _abi.ENF_IMAGE_CURRENT
    FALLBACK = _abi.ENF_IMAGE_FALLBACK
    STAGED = _abi.ENF_IMAGE_STAGED


class Image(Protocol):
    """What the compiler makes: bytes that say themselves what they hold."""

    @property
    def data(self) -> bytes:
        """The image, ``struct enf_image`` first."""


@attrs.frozen
class Call:
    """A system call that an image has rules on: ``struct enf_sys``."""

    number: int
    kinds: int
    name: str

    @property
    def is_at_end(self) -> bool:
        """Whether it is looked at when it ends; else where it is entered."""
        return bool(self.number & _AT_END)


@attrs.frozen
class Point:
    """
    A point of the kernel that an image has rules on: the head of ``struct enf_point``.

    *is_bound*: the image was compiled with this kernel's description of it.
    """

    number: int
    kind: int
    name: str
    n_args: int
    is_void: bool
    is_bound: bool = True


@attrs.frozen
class ImageHead:
    """
    What the loader needs of the head of an image.

    *facts*: what it asks of processes, ``ENF_SF_*``. *asks_drift*: whether the image of a container brought a file.
    """

    generation: int
    ops: int
    n_rows: int
    size: int
    expires_ns: int = 0
    has_new_labels: bool = False
    calls: tuple[Call, ...] = ()
    points: tuple[Point, ...] = ()
    facts: int = 0
    asks_drift: bool = False
    seed: int = attrs.field(default=0, eq=False, repr=False)

    @property
    def is_expired(self) -> bool:
        """Whether the fallback counts in this image's place."""
        return 0 < self.expires_ns <= boot_time()

    @classmethod
    def of(cls, data: bytes) -> Self:
        """
        Read and check the head of *data*.

        Raises:
            EnforcerBug: if these bytes are not an image of this ABI.
        """
        if len(data) < abi.sizeof("enf_image"):
            raise EnforcerBug(f"an image of {len(data)} bytes is shorter than its head")
        head = abi.scalars("enf_image", data)
        if (head["magic"], head["version"]) != (_abi.ENF_IMAGE_MAGIC, _abi.ENF_IMAGE_VERSION):
            raise EnforcerBug("the image was made for another version of the ABI")
        if head["size"] != len(data):
            raise EnforcerBug(f"the image has {len(data)} bytes, but its head says {head['size']}")
        if head["crc"] != checksum(data):
            raise EnforcerBug("the checksum of the image is wrong")
        at, room = abi.place("enf_image", "new_labels")
        return cls(
            generation=head["generation"],
            ops=head["ops"],
            n_rows=head["n_rows"],
            size=head["size"],
            expires_ns=head["expires_ns"],
            has_new_labels=any(data[at : at + room]),
            calls=tuple(_calls(data, head)),
            points=tuple(_points(data, head)),
            facts=head["asked_flags"],
            asks_drift=bool(head["drift_ops"] or head["dims"] >> _abi.ENF_DIM_EXE_DRIFT & 1),
            seed=head["seed"],
        )


def _calls(data: bytes, head: Mapping[str, int]) -> Iterator[Call]:
    form, names = abi.decoder("enf_sys")
    for at in range(head["n_sys"]):
        found = form.unpack_from(data, head["off_sys"] + at * form.size)
        values = dict(zip(names, found, strict=True))
        name = values["name"].split(b"\0", 1)[0].decode("ascii")
        yield Call(values["number"], values["kinds"], name)


def _points(data: bytes, head: Mapping[str, int]) -> Iterator[Point]:
    form, names = abi.decoder("enf_point")
    for at in range(head["n_points"]):
        found = form.unpack_from(data, head["off_points"] + at * form.size)
        values = dict(zip(names, found, strict=True))
        yield Point(
            values["number"],
            values["kind"],
            values["name"].split(b"\0", 1)[0].decode("ascii"),
            values["n_args"],
            is_void=bool(values["flags"] & _abi.ENF_PF_VOID),
            is_bound=not values["flags"] & _abi.ENF_PF_UNBOUND,
        )


def ops_of(heads: Iterable[ImageHead]) -> int:
    """Return the mask of the operations that the images of *heads* have rows for."""
    ops = 0
    for head in heads:
        ops |= head.ops
    return ops


def facts_of(heads: Iterable[ImageHead]) -> int:
    """Return the mask of the facts on processes that the images of *heads* ask for."""
    facts = 0
    for head in heads:
        facts |= head.facts
    return facts


def calls_of(heads: Iterable[ImageHead]) -> frozenset[Call]:
    """Return the system calls that the images of *heads* have rows for."""
    return frozenset(call for head in heads for call in head.calls)


def points_of(heads: Iterable[ImageHead]) -> frozenset[Point]:
    """Return the points of the kernel that the images of *heads* have rules for."""
    return frozenset(point for head in heads for point in head.points)


def checksum(data: bytes) -> int:
    """Return the CRC-32 of an image, its own field counted as zero."""
    crc = zlib.crc32(data[:_CRC_AT])
    crc = zlib.crc32(bytes(_CRC_SIZE), crc)
    return zlib.crc32(data[_CRC_AT + _CRC_SIZE :], crc)


@attrs.frozen
class PlainImage:
    """The bytes of an image, wherever they are from."""

    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")


def restamp(data: bytes, *, generation: int | None = None, expires_ns: int = 0) -> PlainImage:
    """
    Return the image *data* with another generation and time of expiry, CLOCK_BOOTTIME; 0 is never.

    Raises:
        EnforcerBug: if it is not an image.
    """
    head = ImageHead.of(data)
    held = bytearray(data)
    number = head.generation if generation is None else generation
    for field, value in (("generation", number), ("expires_ns", expires_ns)):
        at, size = abi.place("enf_image", field)
        held[at : at + size] = value.to_bytes(size, "little")
    held[_CRC_AT : _CRC_AT + _CRC_SIZE] = checksum(bytes(held)).to_bytes(_CRC_SIZE, "little")
    return PlainImage(bytes(held))


def is_same(data: bytes, other: bytes) -> bool:
    """
    Tell whether two images decide the same: equal but for generation, time of expiry and new facts.

    Raises:
        EnforcerBug: if one is not an image, and both have the same length.
    """
    # A container that begins makes an image longer, and waits for it.
    return len(data) == len(other) and _timeless(data) == _timeless(other)


def _timeless(data: bytes) -> bytes:
    held = bytearray(restamp(data, generation=0).data)
    for field in ("new_labels", "crc"):
        at, size = abi.place("enf_image", field)
        held[at : at + size] = bytes(size)
    return bytes(held)


def read(images: int, slot: Slot) -> bytes | None:
    """
    Return the image in *slot* of the map of maps *images*, or None if there is none.

    Raises:
        KernelError: if the kernel refuses.
        EnforcerBug: if what is there is not an image of this ABI.
    """
    try:
        inner = calls.map_by_id(int.from_bytes(calls.lookup(images, slot, 4), "little"))
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    try:
        value = calls.lookup(inner, 0, calls.map_facts(inner).value_size)
    finally:
        os.close(inner)
    data = value[: abi.scalars("enf_image", value)["size"]]
    ImageHead.of(data)
    return data


def clear(images: int, slot: Slot) -> None:
    """
    Empty *slot* of the map of maps *images*; nothing happens if it is empty.

    Raises:
        KernelError: if the kernel refuses.
    """
    try:
        calls.delete(images, slot)
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise


@attrs.define(eq=False)
class ImageMap:
    """An array of one value that holds one image; idle until committed."""

    _fd: int
    capacity: int

    @classmethod
    def create(cls, capacity: int) -> Self:
        """
        Create an idle map for an image of up to *capacity* bytes.

        Raises:
            UnsupportedError: if the kernel has no values of that size.
            KernelError: if the kernel refuses otherwise.
        """
        try:
            return cls(calls.create_array("enf_image", capacity), capacity)
        except KernelError as error:
            if error.errno == errno.E2BIG:
                raise UnsupportedError(
                    f"the policies need an image of {capacity} bytes, and this kernel does not "
                    "hold that much in one map value: use fewer rules, or a newer kernel",
                    error.errno,
                ) from error
            raise

    @property
    def fd(self) -> int:
        """The map's descriptor."""
        return self._fd

    def write(self, data: bytes) -> None:
        """
        Write *data*, read it back, and take the right to change it from everyone.

        Raises:
            KernelError: if the kernel refuses.
            EnforcerBug: if what is read back differs, or *data* does not fit.
        """
        if len(data) > self.capacity:
            raise EnforcerBug(f"{len(data)} bytes do not fit into an image map of {self.capacity}")
        value = data.ljust(self.capacity, b"\0")
        calls.update(self._fd, 0, value)
        if calls.lookup(self._fd, 0, self.capacity) != value:
            raise EnforcerBug(
                "the image in the kernel is not the one that was written: not committed"
            )
        calls.freeze(self._fd)

    @classmethod
    def holding(cls, data: bytes, capacity: int) -> Self:
        """
        Create a map of *capacity* bytes with *data* in it, for good.

        Raises:
            UnsupportedError, KernelError: as :meth:`create` and :meth:`write`.
        """
        made = cls.create(capacity)
        try:
            made.write(data)
        except BaseException:
            made.close()
            raise
        return made

    def commit(self, images: int, slot: Slot = Slot.CURRENT) -> None:
        """
        Put this image into *slot* of the map of maps *images*: it is active if that is the current one.

        When this returns no program decides by the old image any more, except those that may sleep.

        Raises:
            KernelError: if the kernel refuses; the old image stays active.
        """
        calls.update(images, slot, self._fd.to_bytes(4, "little"))

    def close(self) -> None:
        """Close the descriptor; a committed map lives on in the kernel. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
