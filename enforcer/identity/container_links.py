# SPDX-License-Identifier: MIT
"""
Look up symbolic links below the root of a container, from outside.

Everything below belongs to the container, which may change it meanwhile. So each name is looked up in a
directory that is held open, no link is ever followed by the kernel, nothing is opened but as a place
(``O_PATH``: no device or pipe notices), and what lies on another file system is not entered.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Final, Self

import attrs

from enforcer.policy.model.container_links import MAX_HEADS, MAX_LINKS, MAX_SECONDS, spellings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from enforcer.policy.model.container_links import Links

__all__ = ["Asked", "Found", "look_up"]

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_ENTER: Final = _LOOK | os.O_DIRECTORY


@attrs.frozen
class Asked:
    """What is asked about one container: its *root*, as this process reaches it, and beginnings of patterns."""

    root: bytes
    heads: tuple[bytes, ...]


@attrs.frozen
class Found:
    """
    What was found.

    Attributes:
        links: by container, those that have any.
        incomplete: containers of which not everything could be looked up.
    """

    links: Mapping[bytes, Links] = attrs.field(factory=dict)
    incomplete: tuple[bytes, ...] = ()


def look_up(
    asked: Mapping[bytes, Asked],
    *,
    seconds: float = MAX_SECONDS,
    read: Callable[[Asked, float], tuple[Links, bool]] | None = None,
) -> Found:
    """
    Look up what is *asked* about containers, within *seconds*.

    In a thread of its own: a file system may not answer at all, and the caller must go on. Fails open: links
    that are not known lead nowhere, and names as written hold. Whoever calls says which containers those are.

    Args:
        asked: by container.
        seconds: what it may take.
        read: looks one container up until a time; says whether that was everything.
    """
    if not asked:
        return Found()
    until = time.monotonic() + seconds
    done: dict[bytes, tuple[Links, bool]] = {}

    def work() -> None:
        for container, one in asked.items():
            if time.monotonic() >= until:
                break
            done[container] = (read or _read)(one, until)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds + seconds / 2)
    known = dict(done)
    return Found(
        {container: links for container, (links, _) in known.items() if links},
        tuple(name for name in asked if name not in known or not known[name][1]),
    )


def _read(asked: Asked, until: float) -> tuple[Links, bool]:
    try:
        tree = _Tree.open(asked.root)
    except OSError:
        return {}, True  # it is gone, or not there yet: then nothing runs in it
    with tree:
        for head in asked.heads[:MAX_HEADS]:
            if time.monotonic() >= until or len(tree.links) > MAX_LINKS:
                return tree.links, False
            spellings(head, tree.targets)
        return tree.links, len(asked.heads) <= MAX_HEADS and len(tree.links) <= MAX_LINKS


@attrs.define(eq=False, repr=False)
class _Tree:
    """An open root; remembers what it was asked."""

    fd: int
    device: int
    links: dict[bytes, tuple[bytes, ...]] = attrs.field(factory=dict)
    _known: set[bytes] = attrs.field(factory=set)

    @classmethod
    def open(cls, root: bytes) -> _Tree:
        """
        Open *root*, whose own way is the host's.

        Raises:
            OSError: there is no such directory.
        """
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return cls(fd, os.fstat(fd).st_dev)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def targets(self, path: bytes) -> tuple[bytes, ...]:
        """Return where *path* leads, if it is a link on whose way there is none."""
        if path not in self._known:
            self._known.add(path)
            # What cannot be looked up is none: too long, gone, or a link took its place.
            with contextlib.suppress(OSError):
                self._learn(path)
        return self.links.get(path, ())

    def _learn(self, path: bytes) -> None:
        *above, name = path.strip(b"/").split(b"/")
        with contextlib.ExitStack() as held:
            place = self.fd
            for part in above:
                place = os.open(part, _ENTER, dir_fd=place)
                held.callback(os.close, place)
                if os.fstat(place).st_dev != self.device:
                    return
            found = os.open(name, _LOOK, dir_fd=place)
            held.callback(os.close, found)
            if stat.S_ISLNK(os.fstat(found).st_mode):
                target = os.readlink(b"", dir_fd=found)
                if target:
                    self.links[path] = (target,)
