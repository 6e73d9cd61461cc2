# SPDX-License-Identifier: MIT
"""
The policy image on its way into the kernel: idle map, write, verify, freeze, commit.

A failure anywhere before the commit leaves what is in force untouched; the commit is one update of
one entry.
"""

from __future__ import annotations

import errno
import os
import zlib
from typing import Protocol, Self

import attrs

from enforcer.errors import EnforcerBug, KernelError, UnsupportedError
from enforcer.libbpf import abi, calls

__all__ = ["Image", "ImageHead", "ImageMap"]

_CRC_SIZE = 4


class Image(Protocol):
    """What the compiler makes: bytes that say themselves what they hold."""

    @property
    def data(self) -> bytes:
        """The image, ``struct enf_image`` first."""


@attrs.frozen
class ImageHead:
    """What the loader needs of the head of an image."""

    generation: int
    ops: int
    n_rows: int
    size: int

    @classmethod
    def of(cls, data: bytes) -> Self:
        """
        Read and check the head of *data*.

        Raises:
            EnforcerBug: if these bytes are no image of this ABI.
        """
        if len(data) < abi.sizeof("enf_image"):
            raise EnforcerBug(f"an image of {len(data)} bytes is shorter than its head")
        head = abi.scalars("enf_image", data)
        if (head["magic"], head["version"]) != (abi.IMAGE_MAGIC, abi.IMAGE_VERSION):
            raise EnforcerBug("the image was made for another version of the ABI")
        if head["size"] != len(data):
            raise EnforcerBug(f"an image of {len(data)} bytes says that it has {head['size']}")
        if head["crc"] != checksum(data):
            raise EnforcerBug("the checksum of the image is wrong")
        return cls(head["generation"], head["ops"], head["n_rows"], head["size"])


def checksum(data: bytes) -> int:
    """Return the CRC-32 of an image, its own field counted as zero."""
    at = abi.offsetof("enf_image", "crc")
    crc = zlib.crc32(data[:at])
    crc = zlib.crc32(bytes(_CRC_SIZE), crc)
    return zlib.crc32(data[at + _CRC_SIZE :], crc)


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
                    f"the policies need an image of {capacity} bytes, more than this kernel holds "
                    "in one map value: use fewer rules, or a newer kernel",
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
            raise EnforcerBug("the kernel holds another image than was written: not committed")
        calls.freeze(self._fd)

    def commit(self, images: int) -> None:
        """
        Make this image the one in force: entry 0 of the map of maps *images*.

        When this returns no program decides by the old image any more, except those that may sleep.

        Raises:
            KernelError: if the kernel refuses; the old image stays in force.
        """
        calls.update(images, 0, self._fd.to_bytes(4, "little"))

    def close(self) -> None:
        """Close the descriptor; a committed map lives on in the kernel. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
