# SPDX-License-Identifier: MIT
"""
What is measured: operations, sizes, scopes and the shapes of paths, and which of them go together.

Read on the host, which compiles for it, and in the guest, which measures: both select alike.
"""

from __future__ import annotations

import argparse
import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

__all__ = [
    "BUILD",
    "FAMILIES",
    "FILES",
    "LIBRARIES",
    "OPERATIONS",
    "PROGRAM",
    "RULES",
    "SHAPES",
    "SOURCES",
    "Family",
    "Operation",
    "Record",
    "Scope",
    "Selection",
    "Shape",
    "User",
]

MOUNT: Final = "/s"
"""Where the guest mounts the file system with the files that are used."""

FILES: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn"
"""Last characters of the files of ``open-first``, as work.c has them."""

PROGRAM: Final = f"{MOUNT}/lib/program"
"""A dynamic program, with its libraries beside it."""

LIBRARIES: Final = ("ld.so", "libc.so.6", *(f"libpart{n}.so" for n in range(5)))
"""What it maps to be run: who loads it, and six libraries."""

BUILD: Final = f"{MOUNT}/build"
"""Where the project lies that is built."""

SOURCES: Final = 200
"""Files in C of that project."""

RULES: Final = (0, 1, 10, 100, 1000, 10000)


class User(enum.IntEnum):
    """Who does it: rules are about one of them."""

    IN_SCOPE = 1000
    OUT_OF_SCOPE = 2000


class Scope(enum.StrEnum):
    """How the rules stand to what is done."""

    OUT = "out"
    """No rule is about this user."""
    IN = "in"
    """Every rule is about this user, none about this object."""
    ALLOW = "allow"
    """The first rule allows it."""
    LISTED = "allow-list"
    """The last rule but one allows it; the last refuses everything else."""

    @property
    def user(self) -> User:
        """Who does it."""
        return User.OUT_OF_SCOPE if self is Scope.OUT else User.IN_SCOPE


@attrs.frozen
class Shape:
    """
    A path by its form.

    Attributes:
        depth: components.
        length: bytes.
    """

    depth: int
    length: int

    @property
    def prefix(self) -> str:
        """The path without its last character."""
        room = self.length - len(MOUNT) - (self.depth - 1)
        each, rest = divmod(room, self.depth - 1)
        sizes = [each] * (self.depth - 2) + [each + rest]
        path = MOUNT + "".join("/" + "p" * size for size in sizes)
        assert len(path) == self.length
        assert each + rest <= 255
        return path[:-1]

    def path(self, last: str) -> str:
        """The path that ends in the character *last*."""
        return self.prefix + last

    @property
    def directory(self) -> Path:
        """Where it lies."""
        return Path(self.path("x")).parent


PLAIN: Final = Shape(3, 20)
NOWHERE: Final = Shape(0, 0)
"""Of operations without a path."""

# Not there: 40 components have no room in 20 bytes, nor 1,000 bytes in two components.
SHAPES: Final = (
    PLAIN,
    Shape(2, 20),
    Shape(2, 200),
    Shape(10, 20),
    Shape(10, 200),
    Shape(10, 1000),
    Shape(40, 200),
    Shape(40, 1000),
)


class Family(enum.StrEnum):
    """What the rules of a policy are about."""

    OPEN = "open"
    STRICT = "strict"
    EXEC = "exec"
    CREATE = "create"
    CONNECT = "connect"
    CALLS = "calls"
    LIBRARIES = "libraries"
    BUILD = "build"


@attrs.frozen
class Operation:
    """
    One thing that is done many times.

    Attributes:
        name: what it is called here.
        work: what it is called in work.c.
        family: of the rules that are loaded meanwhile.
        hooks: what an empty LSM program is put on.
        last: last character of the path it is done to; None where there is no path.
        is_decided: whether those rules decide it; else no program of the engine is on its way.
        everywhere: all sizes for all shapes, not only the smallest and the largest.
        path: what it is done to, where that is no file of a shape.
        is_long: takes a minute: only in an allow-list, and beside it others, each with their largest size.
    """

    name: str
    work: str
    family: Family
    hooks: tuple[str, ...]
    last: str | None = "A"
    is_decided: bool = True
    everywhere: bool = False
    path: str | None = None
    is_long: bool = False

    def argument(self, shape: Shape) -> tuple[str, ...]:
        """What work.c gets."""
        if self.path is not None:
            return (self.path,)
        return () if self.last is None else (shape.prefix + self.last,)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes that are measured with it."""
        if self.last is None:
            return (NOWHERE,)
        return SHAPES if self.is_decided else (PLAIN,)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that mean something for it."""
        if self.is_long:
            return (Scope.LISTED,)
        return tuple(Scope) if self.is_decided else (Scope.IN,)


OPERATIONS: Final = (
    Operation("open", "open", Family.OPEN, ("file_open",), everywhere=True),
    Operation("open-first", "open-first", Family.OPEN, ("file_open",), last=""),
    Operation("read", "read", Family.OPEN, ("file_permission",), is_decided=False),
    Operation("stat", "stat", Family.OPEN, ("inode_getattr",), is_decided=False),
    Operation("read-strict", "read", Family.STRICT, ("file_permission",)),
    Operation("exec", "exec", Family.EXEC, ("bprm_check_security",), last="!"),
    Operation("create", "create", Family.CREATE, ("path_unlink", "path_mknod"), last="="),
    Operation("connect", "connect", Family.CONNECT, ("socket_connect",), last=None),
    Operation(
        "exec-libraries",
        "exec",
        Family.LIBRARIES,
        ("bprm_check_security", "mmap_file"),
        last=None,
        path=PROGRAM,
    ),
    Operation(
        "build",
        "build",
        Family.BUILD,
        ("bprm_check_security", "mmap_file", "file_open", "path_unlink", "path_mknod"),
        last=None,
        path=BUILD,
        is_long=True,
    ),
    # Rules on system calls by name: one that they name, and one that none of them does.
    Operation("umask", "umask", Family.CALLS, (), last=None),
    Operation("getppid", "getppid", Family.CALLS, (), last=None, is_decided=False),
)

FAMILIES: Final = {
    family: tuple(op for op in OPERATIONS if op.family is family) for family in Family
}


@attrs.frozen
class Record:
    """
    One figure, in instructions.

    Attributes:
        op: name of an :class:`Operation`.
        engine: ``none``, ``empty``, ``enforcer``, or another one's name.
        scope: a :class:`Scope`, or empty where it has no meaning.
        rules: how many are loaded.
        depth, path_length: of the path; 0 where there is none.
        base: what the operation costs the same user when nothing is loaded.
        added: what it costs more.
    """

    op: str
    engine: str
    scope: str
    rules: int
    depth: int
    path_length: int
    base: int
    added: int


@attrs.frozen
class Selection:
    """Which part is measured; everything if nothing is named."""

    only: tuple[str, ...]
    rules: tuple[int, ...]
    is_plain: bool = False

    @classmethod
    def parse(cls, arguments: list[str] | None = None) -> Selection:
        """Read it from the command line; empty words mean everything."""
        parser = argparse.ArgumentParser(description=__doc__)
        names = [op.name for op in OPERATIONS]
        parser.add_argument("--only", default="", help=f"of {','.join(names)}")
        parser.add_argument("--rules", default="", help="numbers of rules")
        parser.add_argument("--plain", action="store_true", help="one shape of paths only")
        given = parser.parse_args(arguments)
        only = tuple(given.only.split(",")) if given.only else tuple(names)
        if unknown := set(only) - set(names):
            parser.error(f"no operation {', '.join(sorted(unknown))}: there are {', '.join(names)}")
        try:
            rules = (
                tuple(sorted({int(n) for n in given.rules.split(",")})) if given.rules else RULES
            )
        except ValueError:
            parser.error(f"{given.rules!r} is not a list of numbers")
        return cls(only, rules, given.plain)

    @property
    def arguments(self) -> list[str]:
        """The command line that means this."""
        plain = ["--plain"] if self.is_plain else []
        return ["--only", ",".join(self.only), "--rules", ",".join(map(str, self.rules)), *plain]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        is_all = len(self.only) == len(OPERATIONS) and set(RULES) <= set(self.rules)
        return is_all and not self.is_plain

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations."""
        return tuple(op for op in OPERATIONS if op.name in self.only)

    @property
    def families(self) -> tuple[Family, ...]:
        """The policies that are needed."""
        return tuple(f for f in Family if any(op.family is f for op in self.operations))

    def sizes(self, family: Family) -> tuple[int, ...]:
        """The numbers of rules on *family* that are loaded."""
        sizes = tuple(n for n in self.rules if n)
        is_long = all(op.is_long for op in FAMILIES[family])
        return sizes[-1:] if is_long else sizes

    def shapes(self, op: Operation) -> tuple[Shape, ...]:
        """The shapes that are measured with *op*."""
        return op.shapes[:1] if self.is_plain else op.shapes

    def measures(
        self, rules: int, scope: Scope, family: Family
    ) -> Iterator[tuple[Operation, Shape]]:
        """What is measured while *rules* rules of *family* are loaded."""
        ends = [n for n in self.rules if n]
        for op in self.operations:
            if op.family is not family or scope not in op.scopes:
                continue
            whole = op.everywhere or rules in (ends[0], ends[-1])
            for shape in self.shapes(op):
                if whole or shape in (PLAIN, NOWHERE):
                    yield op, shape
