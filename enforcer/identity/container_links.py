# SPDX-License-Identifier: MIT
"""
Look up symbolic links below the root of a container, from outside: as they are, and as its image has them.

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

from enforcer.policy.model.container_links import (
    MAX_HEADS,
    MAX_LINKS,
    MAX_SECONDS,
    spellings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from enforcer.policy.model.container_links import Links

__all__ = ["Asked", "Found", "look_up"]

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_GRACE: Final = 0.5  # seconds for one look-up that began in time
_OPAQUE: Final = "trusted.overlay.opaque"


@attrs.frozen
class Asked:
    """
    What is asked about one container, in paths as this process reaches them.

    Attributes:
        root: of the container.
        heads: beginnings of patterns.
        layers: of its image, the uppermost first: what it has made of them does not count there. None: they are
            not known, or have been looked at.
    """

    root: bytes
    heads: tuple[bytes, ...]
    layers: tuple[bytes, ...] = ()


@attrs.frozen
class Found:
    """
    What was found.

    Attributes:
        image: by container, the links that its image has, if it has any.
        links: likewise, those that are there now.
        incomplete: containers of which not everything could be looked up.
    """

    image: Mapping[bytes, Links] = attrs.field(factory=dict)
    links: Mapping[bytes, Links] = attrs.field(factory=dict)
    incomplete: tuple[bytes, ...] = ()


@attrs.frozen
class _Looked:
    """What was found in one container; *is_all*: nothing was left out."""

    image: Links = attrs.field(factory=dict)
    links: Links = attrs.field(factory=dict)
    is_all: bool = True


def look_up(
    asked: Mapping[bytes, Asked],
    *,
    seconds: float = MAX_SECONDS,
    is_local: bool = False,
    read: Callable[[Asked, float], _Looked] | None = None,
) -> Found:
    """
    Look up what is *asked* about containers, within *seconds*.

    In a thread of its own: a file system may not answer at all, and the caller must go on. Fails open: links
    that are not known lead nowhere, and names as written hold. Whoever calls says which containers those are.

    Args:
        asked: by container.
        seconds: what it may take.
        is_local: every file system answers by itself, so that no thread is needed.
        read: looks one container up until a time.
    """
    if not asked:
        return Found()
    until = time.monotonic() + seconds
    done: dict[bytes, _Looked] = {}

    def work() -> None:
        for container, one in asked.items():
            if time.monotonic() >= until:
                break
            done[container] = (read or _read)(one, until)

    if is_local:
        work()
    else:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(seconds + _GRACE)
    known = dict(done)
    return Found(
        {name: one.image for name, one in known.items() if one.image},
        {name: one.links for name, one in known.items() if one.links},
        tuple(name for name in asked if name not in known or not known[name].is_all),
    )


def _read(asked: Asked, until: float) -> _Looked:
    """Look up the image's links, then those that are there now."""
    image = _read_tree(asked.layers, asked.heads, until)
    now = _read_tree((asked.root,), asked.heads, until)
    # An empty root runs nothing: what the container has is shown to it alone.
    is_shown = bool(image.links or now.links) or not _is_empty(asked.root)
    return _Looked(image.links, now.links, is_all=image.is_all and now.is_all and is_shown)


def _is_empty(root: bytes) -> bool:
    """Tell whether *root* is a directory with nothing in it."""
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except OSError:
        return False  # it is gone


def _read_tree(paths: Sequence[bytes], heads: tuple[bytes, ...], until: float) -> _Looked:
    try:
        tree = _Tree.open(paths)
    except OSError:
        return _Looked()  # it is gone, or not there yet: then nothing runs in it
    with tree:
        for head in heads[:MAX_HEADS]:
            if time.monotonic() >= until or len(tree.links) > MAX_LINKS:
                return _Looked(links=tree.links, is_all=False)
            spellings(head, tree.targets)
    is_all = len(heads) <= MAX_HEADS and len(tree.links) <= MAX_LINKS
    return _Looked(links=tree.links, is_all=is_all)


@attrs.frozen
class _Place:
    """An open directory, and the file system that it is on."""

    fd: int
    device: int


@attrs.define(eq=False, repr=False)
class _Tree:
    """An open root, or the layers that an overlay shows as one; remembers what it was asked."""

    places: tuple[_Place, ...]
    links: dict[bytes, tuple[bytes, ...]] = attrs.field(factory=dict)
    _known: set[bytes] = attrs.field(factory=set)

    @classmethod
    def open(cls, paths: Sequence[bytes]) -> _Tree:
        """
        Open *paths*, whose own ways are the host's.

        Raises:
            OSError: one is no directory.
        """
        with contextlib.ExitStack() as opened:
            places = []
            for path in paths:
                fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                opened.callback(os.close, fd)
                places.append(_Place(fd, os.fstat(fd).st_dev))
            opened.pop_all()
            return cls(tuple(places))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for place in self.places:
            os.close(place.fd)

    def targets(self, path: bytes) -> tuple[bytes, ...]:
        """Return where *path* leads, if it is a link on whose way there is none."""
        if path not in self._known:
            self._known.add(path)
            # What cannot be looked up is none: a name that is too long, or that went away meanwhile.
            with contextlib.suppress(OSError):
                for place in self.places:
                    if self._is_settled(place, path):
                        break
        return self.links.get(path, ())

    def _is_settled(self, root: _Place, path: bytes) -> bool:
        """Learn what *path* is below *root*; tell whether a layer below has no say in it."""
        *above, name = path.strip(b"/").split(b"/")
        is_layer = len(self.places) > 1
        hides, fd = False, root.fd
        with contextlib.ExitStack() as held:
            for part in above:
                try:
                    fd = os.open(part, _LOOK, dir_fd=fd)
                except FileNotFoundError:
                    return hides
                held.callback(os.close, fd)
                found = os.fstat(fd)
                if not stat.S_ISDIR(found.st_mode) or found.st_dev != root.device:
                    return (
                        True  # a file, what took the name away (a whiteout), or another file system
                    )
                hides |= is_layer and _is_opaque(fd)
            try:
                fd = os.open(name, _LOOK, dir_fd=fd)
            except FileNotFoundError:
                return hides
            held.callback(os.close, fd)
            if stat.S_ISLNK(os.fstat(fd).st_mode) and (target := os.readlink(b"", dir_fd=fd)):
                self.links[path] = (target,)
            return True


def _is_opaque(fd: int) -> bool:
    """Tell whether the directory of a layer hides what layers below have there."""
    try:
        return os.getxattr(f"/proc/self/fd/{fd}", _OPAQUE) == b"y"
    except OSError:
        return (
            False  # there is no such mark; without privileges nobody sees it, and more links count
        )
