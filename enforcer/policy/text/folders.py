# SPDX-License-Identifier: MIT
"""
What in a directory counts as policy: ``*.yaml`` and ``*.yml``, at any depth, in the order of names.

Hidden entries are left out, and with them what Kubernetes keeps beside the links that it mounts
(``..data``). Links to files count, links to directories do not. ``*.cases.yaml`` are cases for
``enforcer test``, which may lie beside the policies that they are about.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["CASES", "SUFFIXES", "entries", "is_own", "policy_files", "policy_tree"]

SUFFIXES = (".yaml", ".yml")
CASES = (".cases.yaml", ".cases.yml")


def policy_files(directory: Path) -> Iterator[Path]:
    """
    Yield the policy files below *directory*, sorted.

    Raises:
        OSError: a directory cannot be read.
    """
    return (path for path, is_directory in policy_tree(directory) if not is_directory)


def policy_tree(directory: Path) -> Iterator[tuple[Path, bool]]:
    """
    Yield *directory*, and the directories and policy files below, each with whether it is a directory.

    Raises:
        OSError: a directory cannot be read.
    """
    pending = [(directory, True)]
    while pending:
        path, is_directory = pending.pop()
        yield path, is_directory
        if is_directory:
            pending += [(path / name, below) for name, below in reversed(entries(path))]


def entries(directory: Path | int) -> list[tuple[str, bool]]:
    """
    List the directories and policy files in *directory*: names, and whether each is a directory.

    Raises:
        OSError: the directory cannot be read.
    """
    with os.scandir(directory) as found:
        return sorted(
            (entry.name, entry.is_dir(follow_symlinks=False)) for entry in found if _counts(entry)
        )


def is_own(found: os.stat_result) -> bool:
    """Tell whether what has the status *found* belongs to root or to this process's user."""
    return found.st_uid in {0, os.geteuid()}


def _counts(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return False
    if entry.is_dir(follow_symlinks=False):
        return True
    if not entry.name.endswith(SUFFIXES) or entry.name.endswith(CASES):
        return False
    return not (entry.is_symlink() and _leads_to_directory(entry))


def _leads_to_directory(link: os.DirEntry[str]) -> bool:
    try:
        # A link of somebody else is not followed: what it leads to may be none of that user's business.
        return is_own(link.stat(follow_symlinks=False)) and link.is_dir()
    except OSError:  # a loop, or nothing that we may see: reading it will say so
        return False
