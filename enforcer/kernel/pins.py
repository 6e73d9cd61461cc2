# SPDX-License-Identifier: MIT
"""
Names under the BPF file system: what keeps enforcement active when its daemon is gone.

Each session has a directory, named by a number that grows. It holds the links in their order of
attachment, the maps, and one state for each image that may be active. Once a state is in it, the
directory is complete and its session can be taken over. An interrupted start leaves an incomplete one.
Pins do not survive a reboot, nor does enforcement.

Whoever may write there may put anything in the place of a directory, such as a link to another one. So names are
listed and removed by a descriptor of that one which was there first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from enforcer.errors import KernelError
from enforcer.libbpf import abi, calls

__all__ = ["LINK", "PinDirectory"]

LINK: Final = "link-"
_MAP: Final = "map-"
_FIRST: Final = "images"
_HELD: Final = "held"
_LAST: Final = "last-"
_STATE: Final = "state-"
_NEW: Final = "new-state"
_STATE_HEAD: Final = struct.Struct("<QQ")
"""Bytes of the compressed state, hash of the ABI header: the same in every version."""


@attrs.define(eq=False)
class PinDirectory:
    """
    The pins of one session.

    Attributes:
        path: of their directory.
        identity: device and number of that directory; None: of what is there when it is first looked into.
    """

    path: Path
    identity: tuple[int, int] | None = None
    _links: int = 0
    _made: set[str] = attrs.field(factory=set)
    """Names that this process has made, without states: what of them is gone was removed by somebody else."""
    _is_gone: bool = False
    """Removed, as far as that was possible: by now the path may be that of a session of another daemon."""

    @property
    def number(self) -> int:
        """The session's number."""
        return int(self.path.name)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is pinned in it: a start made it, and came no further; or it is gone."""
        return not self._left()

    @property
    def is_whole(self) -> bool:
        """Whether all that was pinned still is: nobody has removed names, or the file system with them."""
        try:
            names = set(self.names())
        except KernelError:
            return False
        return self._made <= names and any(name.startswith(_STATE) for name in names)

    def keep(
        self,
        links: Iterable[tuple[str, int]],
        maps: Iterable[tuple[str, int]],
        states: Mapping[int, bytes],
    ) -> None:
        """
        Keep a whole session: names and descriptors, and states by generation, which come last.

        Of the maps by which hooks know whether anybody holds the engine (``bpf/src/stub.bpf.c``) one is kept
        before the links and one after them, so that who removes all names in order removes that of a
        link between the two.

        Raises:
            KernelError: if the kernel refuses.
        """
        fds = dict(maps)
        last = fds.pop(_HELD)
        self.pin_maps([(_FIRST, fds.pop(_FIRST))])
        self._pin_links(links)
        self.pin_maps(fds.items())
        self._pin(last, f"{_LAST}{self._links:03}")
        for generation, state in states.items():
            self.pin_state(generation, state)

    def pin_links(self, links: Iterable[tuple[str, int]]) -> None:
        """
        Keep more links, given as names of programs and descriptors; all or none.

        Raises:
            KernelError: if the kernel refuses.
        """
        before = self._links
        try:
            self._pin_links(links)
            if self._links > before:  # rules on what this kernel has not attach nothing
                self._renew_last()
        except BaseException:
            self._release(n for n in self._left(LINK) if n >= f"{LINK}{before:03}")
            self._links = before
            raise

    def _pin_links(self, links: Iterable[tuple[str, int]]) -> None:
        for program, fd in links:
            self.pin_link(program, fd)

    def _renew_last(self) -> None:
        """Let the name that is to be the newest be that again; there always is one."""
        for name in self.names(_LAST):
            fd = calls.get_pinned(self._name(name))
            try:
                self._pin(fd, f"{_LAST}{self._links:03}")
                self._unlink(name)
            finally:
                os.close(fd)

    def pin_link(self, program: str, fd: int) -> None:
        """
        Keep a link; links are released in the opposite order.

        Raises:
            KernelError: if the kernel refuses.
        """
        self._pin(fd, f"{LINK}{self._links:03}-{program}")
        self._links += 1

    def pin_maps(self, maps: Iterable[tuple[str, int]]) -> None:
        """
        Keep maps, given as names and descriptors.

        Raises:
            KernelError: if the kernel refuses.
        """
        for name, fd in maps:
            self._pin(fd, f"{_MAP}{name}")

    def pin_state(self, generation: int, state: bytes) -> None:
        """
        Keep *state*, which belongs to the image *generation*; complete from the first one on.

        Raises:
            KernelError: if the kernel refuses.
        """
        packed = zlib.compress(state)
        value = _STATE_HEAD.pack(len(packed), abi.ABI_HASH) + packed
        fd = calls.create_array("enf_state", len(value))
        try:
            calls.update(fd, 0, value)
            calls.freeze(fd)
            with self._opened() as directory:
                # Replaced in one step: a state that is read is whole, and there always is one.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(_NEW, dir_fd=directory)
                calls.pin(fd, self._name(_NEW))
                state_name = f"{_STATE}{generation}"
                os.rename(_NEW, state_name, src_dir_fd=directory, dst_dir_fd=directory)
        except KernelError:
            raise
        except OSError as error:
            raise KernelError(f"keep the state in {self.path}", error.errno or 0) from error
        finally:
            os.close(fd)

    def forget_states(self, keep: Iterable[int]) -> None:
        """
        Remove the states of all generations but those of *keep*.

        Raises:
            KernelError: if they cannot be listed.
            OSError: if one stays.
        """
        kept = set(keep)
        for generation in self.generations() - kept:
            with contextlib.suppress(FileNotFoundError):
                self._unlink(f"{_STATE}{generation}")

    def generations(self) -> set[int]:
        """
        Tell for which images there is a state.

        Raises:
            KernelError: if the directory is not there any more, or cannot be read.
        """
        return {int(name.removeprefix(_STATE)) for name in self.names(_STATE)}

    def state(self, generation: int) -> tuple[bool, bytes]:
        """
        Return whether the session has this program's ABI, and the state of the image *generation*.

        Raises:
            KernelError: if there is none, or it cannot be read.
        """
        fd = calls.get_pinned(self._name(f"{_STATE}{generation}"))
        try:
            value = calls.lookup(fd, 0, calls.map_facts(fd).value_size)
        finally:
            os.close(fd)
        size, built_for = _STATE_HEAD.unpack_from(value)
        packed = value[_STATE_HEAD.size : _STATE_HEAD.size + size]
        try:
            return built_for == abi.ABI_HASH, zlib.decompress(packed)
        except zlib.error as error:
            raise KernelError(f"the state in {self.path} cannot be read: {error}") from error

    def open_map(self, name: str) -> int:
        """
        Return a descriptor of the map *name*.

        Raises:
            KernelError: if it is not there, or the kernel refuses.
        """
        return calls.get_pinned(self._name(f"{_MAP}{name}"))

    def detach(self) -> None:
        """
        Release the links, the last attached first: hooks before what labels processes.

        When this returns, none of their programs runs any more, unless somebody else holds a link.

        Raises:
            KernelError: if one cannot be released; the others are.
        """
        if not self._is_gone:
            self._release(self._left(LINK))

    def remove(self) -> None:
        """
        Remove everything, links first. It is tried once: after that, nothing happens.

        Raises:
            KernelError: if something stays.
        """
        if self._is_gone:
            return
        try:
            self.detach()
            with self._opened() as directory:
                self._empty(directory)
            self.path.rmdir()
        except KernelError as error:
            if error.errno != errno.ENOENT:  # else nothing of it is there
                raise
        except OSError as error:
            raise KernelError(f"cannot remove {self.path}: {error.strerror}") from error
        finally:
            self._is_gone = True

    @staticmethod
    def _empty(directory: int) -> None:
        first: OSError | None = None
        for name in os.listdir(directory):
            try:
                os.unlink(name, dir_fd=directory)
            except OSError as error:
                first = first or error
        if first is not None:
            raise first

    def discard(self) -> str:
        """Remove everything of a session that has ended; return a sentence on what stays, if anything does."""
        try:
            self.remove()
        except OSError as error:
            return f"{self.path} enforces nothing any more, and could not be removed: {error}"
        return ""

    def _release(self, names: Iterable[str]) -> None:
        first: Exception | None = None
        for name in sorted(names, reverse=True):
            try:
                # With a descriptor of its own the last reference goes when that is closed, which
                # detaches at once; removing a name would leave it to a worker of the kernel.
                fd = calls.get_pinned(self._name(name))
                try:
                    self._unlink(name)
                finally:
                    os.close(fd)
            except (KernelError, OSError) as error:
                first = first or error
        if first is not None:
            raise KernelError(f"cannot release the links in {self.path}: {first}") from first

    def _pin(self, fd: int, name: str) -> None:
        calls.pin(fd, self._name(name))
        self._made.add(name)

    def _unlink(self, name: str) -> None:
        with self._opened() as directory:
            os.unlink(name, dir_fd=directory)
        self._made.discard(name)

    def _name(self, name: str) -> bytes:
        return bytes(self.path / name)

    def names(self, prefix: str = "") -> list[str]:
        """
        Return the names in it that begin with *prefix*.

        Raises:
            KernelError: if it is not there any more (ENOENT), or cannot be read.
        """
        with self._opened() as directory:
            names = os.listdir(directory)  # noqa: PTH208 - of a descriptor
        return [name for name in names if name.startswith(prefix)]

    def _left(self, prefix: str = "") -> list[str]:
        """Return its names as :meth:`names`; none if it is not there any more."""
        try:
            return self.names(prefix)
        except KernelError as error:
            if error.errno != errno.ENOENT:
                raise
            return []

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """Open the directory; what else has its name by now is not looked into."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            is_other = error.errno in {errno.ENOTDIR, errno.ELOOP}
            code = errno.ENOENT if is_other else error.errno or 0
            raise KernelError(f"cannot look into {self.path}", code) from error
        try:
            state = os.fstat(fd)
            found = state.st_dev, state.st_ino
            self.identity = self.identity or found
            if found != self.identity:
                raise KernelError(f"another directory is at {self.path} by now", errno.ENOENT)
            yield fd
        finally:
            os.close(fd)
