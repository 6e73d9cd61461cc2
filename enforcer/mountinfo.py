# SPDX-License-Identifier: MIT
"""The kernel's table of mounts: ``/proc/PID/mountinfo``, see proc_pid_mountinfo(5)."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Mount", "MountNames", "parse_mountinfo"]

_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")


@attrs.frozen
class Mount:
    """
    One line of mountinfo.

    Attributes:
        device: of the superblock, as the kernel encodes it (major << 20 | minor).
        root: the directory of the superblock that is shown.
        point: where it is shown.
        type: of the file system.
        options: of the superblock, each as it was given; of overlays alone.
    """

    device: int
    root: bytes
    point: bytes
    type: bytes = attrs.field(default=b"", eq=False)
    options: tuple[bytes, ...] = attrs.field(default=(), eq=False, repr=False)


def parse_mountinfo(text: bytes) -> tuple[Mount, ...]:
    """
    Read the lines of *text*; of several mounts at one place the last is on top.

    Names and sources of mounts are chosen by users. The kernel escapes the ends of lines in them, and no other
    character at which Python ends a line (show_mountinfo in fs/proc_namespace.c).
    """
    return tuple(_mount(line) for line in text.split(b"\n") if line)


@attrs.define(eq=False, repr=False)
class MountNames:
    """
    The names that mounts give.

    Attributes:
        on_top: by its place, what is seen there.
    """

    on_top: dict[bytes, Mount] = attrs.field(factory=dict, init=False)
    _by_device: dict[int, list[Mount]] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(cls, mounts: Iterable[Mount]) -> Self:
        """Return those of the *mounts* of a namespace, the oldest first, as the kernel lists them."""
        names = cls()
        for each in mounts:
            names.on_top[each.point] = each
            names._by_device.setdefault(each.device, []).append(each)
        return names

    def above(self, place: bytes) -> Iterator[Mount]:
        """Yield what is mounted on the way to *place*, and at it, the deepest first."""
        path = place.rstrip(b"/")
        while path:
            if path in self.on_top:
                yield self.on_top[path]
            path = path.rpartition(b"/")[0]
        if b"/" in self.on_top:
            yield self.on_top[b"/"]

    def oldest(self, place: bytes) -> bytes:
        """
        Return the name by which the kernel side knows what is shown at *place*: by the oldest mount that shows it.

        Args:
            place: absolute, without links on the way.
        """
        on_top = next(self.above(place), None)
        if on_top is None:
            return place
        rest = place[len(on_top.point.rstrip(b"/")) :].rstrip(b"/")
        inner = on_top.root.rstrip(b"/") + rest
        for each in self._by_device[on_top.device]:
            root = each.root.rstrip(b"/")
            if (inner + b"/").startswith(root + b"/"):
                return each.point.rstrip(b"/") + inner[len(root) :] or b"/"
        return place


@functools.lru_cache(maxsize=1024)  # a container that begins adds a few lines to hundreds
def _mount(line: bytes) -> Mount:
    mount, _, source = line.partition(b" - ")
    _, _, device, root, point, *_ = mount.split(b" ")
    major, _, minor = device.partition(b":")
    kind, _, rest = source.partition(b" ")
    # A comma in the value of an option is octal there, too.
    given = rest.rpartition(b" ")[2].split(b",") if kind == b"overlay" else ()
    number = int(major) << 20 | int(minor)
    return Mount(number, _plain(root), _plain(point), kind, tuple(map(_plain, given)))


def _plain(name: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 8),)), name)
