# SPDX-License-Identifier: MIT
"""
Open policies that only root can have changed.

A path is walked from directory to directory, and each is held open while the next name is looked up in
it. Links are followed here, not by the kernel. So what was checked is what is opened, and links as
Kubernetes mounts them (``policy.yaml -> ..data/policy.yaml``) are followed safely. Every directory, link
and file must belong to root, and others may not write to it. A file is checked on its own descriptor.

One more user may own policies. What that user can name without being able to read it must not be read for it: the
first words of a file that is no policy are in its refusal, which others read. So links of that user are not
followed, and in its directories only its own files count: a hard link there may be to a file of root's.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import attrs

from enforcer.errors import TrustError
from enforcer.policy.text.regular_files import irregular
from enforcer.span import Span

__all__ = ["Place", "Trust", "is_by_root"]

MAX_LINKS: Final = 40  # as the kernel follows

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def is_by_root(path: bytes, status: Callable[[bytes], os.stat_result | None]) -> bool:
    """
    Tell whether nobody but root can have put there what *path* itself is.

    Args:
        path: absolute, without links above the last name.
        status: what ``lstat`` says of a path; None: it cannot be looked at, and counts as somebody else's.
    """
    found = status(path)
    if found is None or found.st_uid != 0:
        return False
    while path not in {b"", b"/"}:
        path = path.rpartition(b"/")[0]
        above = status(path or b"/")
        if above is None or above.st_uid != 0:
            return False
        if above.st_mode & _OTHERS and not above.st_mode & stat.S_ISVTX:
            return False
    return True


@attrs.frozen
class Place:
    """An open directory and the path that it goes by."""

    fd: int
    path: Path


@attrs.frozen
class Trust:
    """
    Root, and the user *uid*, may say what is enforced.

    Their files and directories must not be writable by the group or by others: the group root is no
    exception, and neither are access control lists, whose mask the group bits are. A directory with
    the sticky bit may lie on the way, since there only the owner can take a name away; one on a
    read-only mount too, which is how Kubernetes shows its world-writable volumes.

    Where the user *uid* can make names, links are not followed, and files and directories must be that user's.
    """

    uid: int = 0

    @property
    def is_shared(self) -> bool:
        """Whether a user besides root may own policies."""
        return self.uid != 0

    def open(self, path: Path, start: Place | None = None) -> int:
        """
        Open the regular file or directory that *path* leads to, for reading.

        Args:
            path: where to; what is wrong is reported at its beginning.
            start: a trusted directory above *path* to walk from; else it is the root or the working
                directory.

        Raises:
            TrustError: somebody else could have changed it, or it is neither file nor directory.
            OSError: there is no such file, or it cannot be opened.
        """
        with _Walk(self, path, start) as walk:
            return walk.run()


@attrs.define(eq=False, repr=False)
class _Walk:
    """One path on its way: the directory reached, and the names still to look up."""

    trust: Trust
    target: Path
    start: Place | None
    here: Path = Path()
    links: int = 0
    _fd: int = -1
    _rest: deque[str] = attrs.field(factory=deque)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._move(-1, self.here)

    def run(self) -> int:
        """Walk to the end and open what is there."""
        if self.start is None:
            self._enter(str(self.target))
        else:
            self._move(os.dup(self.start.fd), self.start.path)
            self._rest.extend(self.target.relative_to(self.start.path).parts)
        while self._rest:
            name = self._rest.popleft()
            seen = os.open(name, _LOOK, dir_fd=self._fd)
            try:
                found = os.fstat(seen)
                if stat.S_ISLNK(found.st_mode):
                    self._follow(name, seen, found)
                elif stat.S_ISDIR(found.st_mode):
                    self._check_owner(found, self.here / name)
                    self._check(found, self.here / name, fd=seen)
                    seen, fd = -1, seen
                    self._move(fd, self.here / name)
                elif self._rest:
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                else:
                    self._check(found, self.here / name)
                    return self._file(name)
            finally:
                if seen >= 0:
                    os.close(seen)
        return self._directory()

    def _enter(self, path: str) -> None:
        """Go on with *path*: from the root, from the directory reached, or at first from here."""
        is_absolute = path.startswith("/")
        if is_absolute or self._fd < 0:
            base = "/" if is_absolute else "."
            self._move(os.open(base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), Path(base))
            self._check(os.fstat(self._fd), self.here, fd=self._fd)
        self._rest.extendleft(reversed([p for p in path.split("/") if p not in {"", "."}]))

    def _follow(self, name: str, link: int, found: os.stat_result) -> None:
        self._check(found, self.here / name)
        owner = self.trust.uid if self.trust.is_shared and self._is_theirs() else found.st_uid
        if owner != 0:
            self._refuse(
                f"not read: user {owner} can have made the link {self.here / name}, and only links of root are "
                "followed: put the file there itself"
            )
        self.links += 1
        if self.links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        # By the descriptor: the link that was checked, whatever has its name now.
        self._enter(os.readlink("", dir_fd=link))

    def _file(self, name: str) -> int:
        """Open the last component; it may be another file by now, so this one is checked again."""
        fd = os.open(name, _READ, dir_fd=self._fd)
        try:
            found = os.fstat(fd)
            self._check_owner(found, self.here / name)
            self._check(found, self.here / name)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _directory(self) -> int:
        """Open the directory reached; sticky is not enough where every name counts."""
        self._check(os.fstat(self._fd), self.here, fd=self._fd, is_listed=True)
        return os.open(".", _LIST, dir_fd=self._fd)

    def _move(self, fd: int, path: Path) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self.here = fd, path

    def _is_theirs(self) -> bool:
        """Tell whether the other user can make names in the directory reached."""
        above = os.fstat(self._fd)
        if above.st_uid == self.trust.uid:
            return True
        return bool(above.st_mode & _OTHERS) and not os.fstatvfs(self._fd).f_flag & os.ST_RDONLY

    def _check_owner(self, found: os.stat_result, path: Path) -> None:
        """
        Refuse what is another's where the other user can make names: it can be a hard link.

        A directory cannot be one. Where both can make names, as in /tmp, those of root lead on.
        """
        if not self.trust.is_shared or found.st_uid == self.trust.uid or not self._is_theirs():
            return
        if stat.S_ISDIR(found.st_mode) and os.fstat(self._fd).st_uid == 0:
            return
        self._refuse(
            f"not read: {path} belongs to user {found.st_uid}, in a directory where user {self.trust.uid} can put "
            "files of others by a link: put it into a directory that only root can change"
        )

    def _check(
        self, found: os.stat_result, path: Path, *, fd: int = -1, is_listed: bool = False
    ) -> None:
        """Refuse what somebody else owns or can write to; *fd* is given for directories."""
        mode, shown = found.st_mode, shlex.quote(str(path))
        is_directory, is_link = stat.S_ISDIR(mode), stat.S_ISLNK(mode)
        if not (is_directory or is_link or stat.S_ISREG(mode)):
            self._refuse(irregular(mode))
        what = "the directory" if is_directory else "the link" if is_link else "the file"
        if found.st_uid not in {0, self.trust.uid}:
            option = "-h " if is_link else ""
            # A directory may be somebody's home, which is not to become root's.
            remedy = f"chown {option}root {shown}"
            if is_directory:
                path, remedy = path.absolute(), "put policies into a folder of root's"
            self._refuse(
                f"not read: {what} {path} belongs to user {found.st_uid}, who could change what is "
                f"enforced: {remedy}"
            )
        if is_link or not mode & _OTHERS:
            return
        if is_directory:
            is_kept = mode & stat.S_ISVTX and not is_listed
            if is_kept or os.fstatvfs(fd).f_flag & os.ST_RDONLY:
                return
        who = "others" if mode & stat.S_IWOTH else f"group {found.st_gid}"
        self._refuse(
            f"not read: {what} {path} can be changed by {who} (mode {stat.S_IMODE(mode):04o}), who "
            f"could so change what is enforced: chmod go-w {shown}"
        )

    def _refuse(self, message: str) -> None:
        raise TrustError(message, Span(str(self.target), 1, 1))
