# SPDX-License-Identifier: MIT
"""Directories, files and mounts that get other names at random, in the script and in the model alike."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import attrs
from hostnames import Node, View
from role import Role
from storm_policy import PROGRAMS, TOPS

__all__ = ["World", "cast"]

POINTS = 4
MOST_DIRECTORIES = 60
_MAKE = os.O_CREAT | os.O_EXCL | os.O_WRONLY


def cast(root: Path) -> list[Path]:
    """Return the programs of the agents, by their numbers; the first is the mover's."""
    return [root / "mover", *(root / "bin" / name for name in (*PROGRAMS, "other", "trusted"))]


@attrs.define(eq=False)
class World:
    """
    What is below *root*, who acts there, and *mover*, who changes names and whom no policy is about.

    *lines*: what is written and not yet read of the script.
    """

    root: Path
    random: Random
    lines: list[str] = attrs.field(factory=list, init=False)
    host: View = attrs.field(init=False)
    top: Node = attrs.field(init=False)
    points: list[Node] = attrs.field(init=False)
    mover: Role = attrs.field(init=False)
    agents: list[Role] = attrs.field(factory=list, init=False)
    _files: list[Node] = attrs.field(init=False)
    _directories: list[Node] = attrs.field(init=False)
    _as_of: int = attrs.field(default=-1, init=False)

    def __attrs_post_init__(self) -> None:
        self.host = View(Node(children={}, is_root=True), is_host=True)
        node = self.host.root
        for name in self.root.parts[1:]:
            node = node.add(name, is_directory=True)
        self.mover, *self.agents = (
            Role.of(number, program, self.lines.append, self.host)
            for number, program in enumerate(cast(self.root))
        )
        self._populate(node)

    def _populate(self, base: Node) -> None:
        self.top = self._directory_in(base, "t")
        for top in TOPS:
            folder = self._directory_in(self.top, top)
            for each in (
                folder,
                self._directory_in(folder, "d0"),
                self._directory_in(folder, "d1"),
            ):
                for n in range(3):
                    self._file_in(each, f"f{n}")
        mounts = self._directory_in(base, "m")
        self.points = [self._directory_in(mounts, f"x{n}") for n in range(POINTS)]
        programs = base.add("bin", is_directory=True)
        for name in PROGRAMS:
            programs.add(name)

    def _directory_in(self, where: Node, name: str) -> Node:
        self.mover.expect("mkdir", f"{where.host_name()}/{name}")
        return where.add(name, is_directory=True)

    def _file_in(self, where: Node, name: str) -> None:
        self.mover.expect("open", _MAKE, f"{where.host_name()}/{name}")
        where.add(name)

    def files(self) -> list[Node]:
        """Each file that the host has below the directories."""
        self._look()
        return self._files

    def directories(self) -> list[Node]:
        """Each directory there."""
        self._look()
        return self._directories

    def _look(self) -> None:
        if self._as_of != Node.revision:
            self._as_of, names = Node.revision, self.top.below()
            self._files = [n for n in names if n.children is None and n.target is None]
            self._directories = [n for n in names if n.children is not None]

    def rename(self) -> None:
        """A file gets another name, and it may be another's."""
        node, to = self.random.choice(self.files()), self.random.choice(self.directories())
        name = f"f{self.random.randrange(4)}"
        there = (to.children or {}).get(name)
        if there is node or (there is not None and there.children is not None):
            return
        if there is not None and there.target is not None:
            return
        self.mover.expect("rename", 0, node.host_name(), f"{to.host_name()}/{name}")
        node.put(to, name)

    def rename_directory(self) -> None:
        """A directory gets a name that is free."""
        node, to = self.random.choice(self.directories()), self.random.choice(self.directories())
        name = self.random.choice(("d0", "d1", "d2"))
        if to.is_within(node) or node.parent is self.top or name in (to.children or {}):
            return
        self.mover.expect("rename", 0, node.host_name(), f"{to.host_name()}/{name}")
        node.put(to, name)

    def exchange(self) -> None:
        """Two names are each the other's."""
        kind = self.random.choice((self.files, self.directories))
        one, other = self.random.sample(kind(), 2)
        if one.is_within(other) or other.is_within(one):
            return
        self.mover.expect("rename", 2, one.host_name(), other.host_name())
        one.exchange(other)

    def remake(self) -> None:
        """A file goes, and another of the same name comes."""
        path = self.random.choice(self.files()).host_name()
        self.mover.expect("unlink", path)
        self.mover.expect("open", _MAKE, path)

    def symlink(self) -> None:
        """A link comes or goes."""
        where = self.random.choice(self.directories())
        there = (where.children or {}).get("link")
        path = f"{where.host_name()}/link"
        if there is not None:
            self.mover.expect("unlink", path)
            there.remove()
        else:
            target = str(self.random.choice(self.directories()).host_name())
            self.mover.expect("symlink", target, path)
            where.add("link", target=target)

    def directory(self) -> None:
        """A directory with a file comes, or one that is empty goes, and its numbers are free."""
        where = self.random.choice(self.directories())
        name = self.random.choice(("e0", "e1"))
        path, there = f"{where.host_name()}/{name}", (where.children or {}).get(name)
        if there is None:
            if len(self.directories()) > MOST_DIRECTORIES:
                return
            self._file_in(self._directory_in(where, name), "f1")
        elif there.children is not None and not any(n.children is not None for n in there.below()):
            if any(there in v.covers or there in v.shown() for v in self._views()):
                return
            for node in list(there.below()):
                self.mover.expect("unlink", f"{path}/{node.name}")
            self.mover.expect("rmdir", path)
            there.remove()

    def _views(self) -> list[View]:
        states = [s for agent in self.agents for s in (agent.state, *agent.waiting)]
        return [self.host, *(state.view for state in states)]

    def mount(self) -> None:
        """The host mounts something, moves it or takes it away."""
        point = self.random.choice(self.points)
        path = point.host_name()
        # A pattern on a mount point counts for what is mounted when the policy is loaded: file systems only, there.
        alike = self.points[:2] if point in self.points[:2] else self.points[2:]
        if point not in self.host.covers:
            if alike == self.points[2:]:
                shown = self.random.choice(self.directories())
                self.mover.expect("bind", shown.host_name(), path)
            else:
                shown = Node(children={}, place=point)
                self.mover.expect("tmpfs", path)
                self.mover.expect("open", _MAKE, f"{path}/f1")
                shown.add("f1")
            self.host.cover(point, shown)
            return
        free = [p for p in alike if p not in self.host.covers]
        if free and self.random.random() < 0.5:
            to = self.random.choice(free)
            self.mover.expect("move", path, to.host_name())
            shown = self.host.uncover(point)
            self.host.cover(to, shown)
        else:
            self.mover.expect("umount", path)
            shown, to = self.host.uncover(point), None
        if shown.parent is None:
            shown.place = to
