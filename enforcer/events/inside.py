# SPDX-License-Identifier: MIT
"""
Names as a container has them, for people: records have those of the host, and where the container's root is.

The root is what the runtime's own files say, never what the acting process sees. What lies elsewhere, as a
volume does, has the host's name only.
"""

from __future__ import annotations

__all__ = ["inside", "somewhere"]

_SHORT = 12  # of an id, as runtimes themselves print it


def inside(path: str, root: str | None) -> str:
    """Return what *path* of the host is called in the container with this *root*; itself if it is not there."""
    if root is None or not f"{path}/".startswith(f"{root}/"):
        return path
    return path[len(root) :] or "/"


def somewhere(path: str, root: str | None, name: str | None, number: str | None) -> str:
    """Return the same, and which container means it: by its *name*, else by the *number* that is its id."""
    found = inside(path, root)
    return path if found == path else f"{found} in {name or (number or '')[:_SHORT]}"
