# SPDX-License-Identifier: MIT
"""
What files are called: a model of directories and mounts, which knows no more of the kernel than its manual does.

The host's name of a file is the way to it from the host's root by the mount that shows it. A bind mount gives no
name. What somebody has mounted for himself has none; his own name for it is a claim.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

__all__ = ["Found", "Node", "View"]

_LINKS = 8


@attrs.define(eq=False)
class Node:
    """
    A name of a file, directory (with *children*) or symbolic link (with *target*).

    The root of what is mounted has no parent; *place* is the mount point by which the host knows it. *revision* is
    another one after each change of any name.
    """

    revision: ClassVar[int] = 0

    name: str = ""
    parent: Node | None = None
    children: dict[str, Node] | None = None
    target: str | None = None
    place: Node | None = None
    is_root: bool = False

    def add(self, name: str, *, is_directory: bool = False, target: str | None = None) -> Node:
        """Make a name in this directory."""
        assert self.children is not None
        assert name not in self.children
        made = Node(name, self, {} if is_directory else None, target)
        self.children[name] = made
        Node.revision += 1
        return made

    def remove(self) -> None:
        """Take the name away."""
        assert self.parent is not None
        assert self.parent.children is not None
        del self.parent.children[self.name]
        self.parent = None
        Node.revision += 1

    def put(self, parent: Node, name: str) -> None:
        """Give it another name, instead of what has that now."""
        assert parent.children is not None
        if name in parent.children:
            parent.children[name].remove()
        self.remove()
        self.parent, self.name = parent, name
        parent.children[name] = self

    def exchange(self, other: Node) -> None:
        """Give each the name of the other."""
        mine, its = (self.parent, self.name), (other.parent, other.name)
        for node, (parent, name) in ((self, its), (other, mine)):
            assert parent is not None
            assert parent.children is not None
            node.parent, node.name = parent, name
            parent.children[name] = node
        Node.revision += 1

    def host_name(self) -> str | None:
        """The host's name; None if it has none."""
        names: list[str] = []
        node: Node | None = self
        while node is not None and not node.is_root:
            if node.parent is not None:
                names.append(node.name)
            node = node.parent if node.parent is not None else node.place
        return None if node is None else "/" + "/".join(reversed(names))

    def is_within(self, other: Node) -> bool:
        """Whether it is *other*, or lies below it, in one file system."""
        node: Node | None = self
        while node is not None and node is not other:
            node = node.parent
        return node is not None

    def below(self) -> list[Node]:
        """Each name below this directory."""
        found: list[Node] = []
        pending = [*(self.children or {}).values()]
        pending.reverse()
        while pending:
            node = pending.pop()
            found.append(node)
            if node.children:
                pending += reversed(node.children.values())
        return found


@attrs.frozen(eq=False)
class Mount:
    """
    What is mounted: *shown*, on a directory as the mount *inside* shows it (None: that of the root).

    By another mount the same directory is seen as it is: nothing is mounted on it there.
    """

    shown: Node
    inside: Mount | None


@attrs.frozen
class Found:
    """What a path leads to: *node* in *parent* (None: nothing is there), the path without links, the mount of *parent*."""

    parent: Node
    node: Node | None
    path: str
    inside: Mount | None


@attrs.define(eq=False)
class View:
    """A mount namespace, from one root: what covers which directory, the newest last."""

    root: Node
    covers: dict[Node, list[Mount]] = attrs.field(factory=dict)
    is_host: bool = False

    def copy(self) -> View:
        """The same mounts in a namespace of its own."""
        return View(self.root, {node: list(over) for node, over in self.covers.items()})

    def cover(self, point: Node, shown: Node, inside: Mount | None = None) -> None:
        """Mount *shown* on *point*, as *inside* shows it."""
        self.covers.setdefault(point, []).append(Mount(shown, inside))

    def uncover(self, point: Node, inside: Mount | None = None) -> Node:
        """Take away what is on *point*."""
        over = self.covers[point]
        gone = self._on(point, inside)[-1]
        over.remove(gone)
        if not over:
            del self.covers[point]
        return gone.shown

    def is_covered(self, point: Node, inside: Mount | None) -> bool:
        """Whether something is mounted on *point*."""
        return bool(self._on(point, inside))

    def shown(self) -> list[Node]:
        """Every directory that is mounted somewhere."""
        return [each.shown for over in self.covers.values() for each in over]

    def _on(self, point: Node, inside: Mount | None) -> list[Mount]:
        return [each for each in self.covers.get(point, ()) if each.inside is inside]

    def _top(self, node: Node, inside: Mount | None) -> tuple[Node, Mount | None]:
        """What is seen in the place of *node*, and by which mount."""
        while over := self._on(node, inside):
            inside = over[-1]
            node = inside.shown
        return node, inside

    def find(self, path: str) -> Found | None:
        """Follow *path*, absolute; None if a directory on the way is missing."""
        for _ in range(_LINKS):
            found = self._walk(path)
            if not isinstance(found, str):
                return found
            path = found
        return None

    def _walk(self, path: str) -> Found | str | None:
        """The same up to the first symbolic link: then the path that it makes of this one."""
        node, inside = self._top(self.root, None)
        names = path.strip("/").split("/")
        for i, name in enumerate(names):
            if node.children is None:
                return None
            child = node.children.get(name)
            rest = names[i + 1 :]
            if child is None:
                return None if rest else Found(node, None, path, inside)
            if child.target is not None:
                return "/".join([child.target, *rest])
            seen, by = self._top(child, inside)
            if not rest:
                return Found(node, seen, path, inside)
            node, inside = seen, by
        return None
