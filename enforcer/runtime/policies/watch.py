# SPDX-License-Identifier: MIT
"""
Find changes of the policy files by polling.

Polling works on every file system (overlay, NFS, bind mounts), needs no inotify watches, which may run
out, and notices when a link or directory above the files is replaced. It compares the set of policy
files and the target of each name, so other files may come and go beside them.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Final

import attrs

from enforcer.policy.text.folders import is_own, policy_tree

__all__ = ["PolicyWatch"]

Print = dict[str, Hashable]

_LONGEST: Final = 2.0
"""
Seconds that a change waits for others to rest. Many tenants write into one folder, and one who changes a policy
three times a second must not keep every other change from being activated. Most writers need less to be done.
"""


def _paths(paths: Sequence[str | Path]) -> tuple[Path, ...]:
    return tuple(map(Path, paths))


@attrs.define(eq=False, repr=False)
class PolicyWatch:
    """
    Tells once of each change, after it has been quiet, or after :data:`_LONGEST` if it never is.

    Make it before the policies are read, and call :meth:`renew` before they are read for another
    reason: whatever changes while they are being read is then told of, too.
    What is told of before all rests may be half of a change. The other half is told of like any other change.

    Args:
        paths: files and directories, as given to ``load_policies``.
        quiet: seconds for which nothing must change.
        clock: seconds that only grow.
        longest: seconds after which a change is told of, whatever else changes meanwhile.
    """

    paths: tuple[Path, ...] = attrs.field(converter=_paths)
    quiet: float = 0.5
    clock: Callable[[], float] = time.monotonic
    longest: float = _LONGEST
    _told: Print = attrs.field(init=False)
    _seen: Print = attrs.field(init=False)
    _since: float = attrs.field(init=False)
    _first: float | None = attrs.field(
        init=False
    )  # when the first change was seen that was not told of

    def __attrs_post_init__(self) -> None:
        self.renew()

    def look(self) -> bool:
        """Look once; tell whether there is a new change that has settled, or has waited long enough for that."""
        now, found = self.clock(), _fingerprint(self.paths)
        if found != self._seen:
            self._seen, self._since = found, now
        if found == self._told:
            self._first = None
            return False
        if self._first is None:
            self._first = now
        if now - self._since < self.quiet and now - self._first < self.longest:
            return False
        self._told, self._first = found, None
        return True

    def renew(self) -> None:
        """Treat the present state as already reported."""
        self._told = self._seen = _fingerprint(self.paths)
        self._since, self._first = self.clock(), None


def _fingerprint(paths: Sequence[Path]) -> Print:
    """Describe everything that the policies are read from; what cannot be seen has its errno."""
    found: Print = {}
    for path in paths:
        _look(str(path), found)
        try:
            if path.is_dir():
                for below, _ in policy_tree(path):
                    _look(str(below), found)
        except OSError as error:
            found[f"{path}/"] = error.errno
    return found


def _look(path: str, found: Print) -> None:
    """
    Put into *found* what *path* is, what lies above, and everything that a link leads through.

    What lies above counts because its owner and mode decide whether the file may be read. A link of another user is
    not followed: by the next reload that user would know when a file changes that only root can look at.
    """
    pending = [path]
    while pending:
        path = pending.pop()
        if path in found:
            continue
        folder = os.path.dirname(path) or "."  # noqa: PTH120 - a thousand files in milliseconds
        try:
            seen = os.lstat(path)
            found[path] = _describe(seen)
            if stat.S_ISLNK(seen.st_mode) and is_own(seen):
                # Grows with each round of a loop, until the kernel finds the name too long.
                pending.append(os.path.join(folder, os.readlink(path)))  # noqa: PTH115, PTH118
        except OSError as error:
            found[path] = error.errno
        except ValueError:  # no file can have this name
            found[path] = None
        if folder not in found:
            pending.append(folder)


def _describe(found: os.stat_result) -> Hashable:
    """
    Tell one state of a file from another.

    Of a directory the times and the size are left out: they change with every file in it.
    """
    same = (found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid)
    if stat.S_ISDIR(found.st_mode):
        return same
    return (*same, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
