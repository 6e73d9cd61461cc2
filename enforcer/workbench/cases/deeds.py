# SPDX-License-Identifier: MIT
"""
What a process does, as the kernel side asks about it.

A deed is one or more accesses in the order of the hooks. An access has the operations that one hook
decides at once. For instance, a rename asks about the old name and then about the new one. ``bpf/src`` is
the source.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.libbpf.decision import Access
from enforcer.policy.language.operations import OPERATION_TABLE
from enforcer.policy.language.vocabulary import Dim, ObjectFlag, Op

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["DEEDS", "Operands", "accesses"]


@attrs.frozen(kw_only=True)
class Operands:
    """
    What a deed is done with; what it has no use for the reader has refused.

    Attributes:
        path, to: names; *to* is the new one of a rename or link.
        replaces: whether there is something under the new name.
        interpreter: the program that runs a script.
        args: arguments of the new program.
        flags: facts about the object.
        others: other operands, by dimension.
        unknown: operands that cannot be read.
    """

    path: bytes | None = None
    to: bytes | None = None
    replaces: bool = False
    interpreter: bytes | None = None
    args: tuple[bytes, ...] | None = None
    flags: int = 0
    others: Mapping[Dim, bytes | int] = attrs.field(factory=dict)
    unknown: frozenset[Dim] = frozenset()

    def access(self, *ops: Op, path: bytes | None = None, flags: int = 0) -> Access:
        """Make an access of *ops* on *path*, by default the deed's own."""
        operands: dict[int, bytes | int] = {int(dim): value for dim, value in self.others.items()}
        if (name := path if path is not None else self.path) is not None:
            operands[Dim.PATH] = name
        unknown = frozenset(int(dim) for dim in self.unknown)
        return Access(
            ops=tuple(int(op) for op in ops),
            operands={dim: value for dim, value in operands.items() if dim not in unknown},
            unknown=unknown,
            flags=self.flags | flags,
        )


def _exec(found: Operands) -> Iterator[Access]:
    plain = attrs.evolve(found, flags=found.flags & ~ObjectFlag.FILECAPS)
    last = found.path
    if found.interpreter is None:
        yield plain.access(Op.EXEC)
    else:
        last = found.interpreter
        yield plain.access(Op.EXEC, flags=ObjectFlag.SCRIPT)
        of_interpreter = attrs.evolve(found, flags=ObjectFlag.INTERPRETER, others=_brought(found))
        yield of_interpreter.access(Op.EXEC, path=last)
        found = of_interpreter
    # Whatever began with #! has been replaced by its interpreter by then.
    found = attrs.evolve(found, flags=found.flags & ~ObjectFlag.SCRIPT)
    yield found.access(Op.EXEC_CREDS, path=last)
    plain = attrs.evolve(found, flags=found.flags & ~ObjectFlag.FILECAPS)
    asked = plain.access(Op.EXEC_ARGV, path=last)
    if Dim.ARG_ANY in found.unknown:
        yield asked
    else:
        args = found.args if found.args is not None else (found.path or b"",)
        yield attrs.evolve(asked, args=args)


def _brought(found: Operands) -> dict[Dim, bytes | int]:
    """Return the operands of an interpreter: that the script is drift says nothing of it."""
    return {dim: 0 if dim is Dim.DRIFT else value for dim, value in found.others.items()}


def _mkdir(found: Operands) -> Iterator[Access]:
    yield found.access(Op.MKDIR, flags=ObjectFlag.DIR)


def _rename(found: Operands) -> Iterator[Access]:
    yield found.access(Op.RENAME, Op.GUARD)
    behind = (Op.UNLINK, Op.WRITE) if found.replaces else (Op.CREATE,)
    ops = (Op.RENAME, *behind, Op.NAME_GUARD)
    yield found.access(*ops, path=found.to, flags=ObjectFlag.NEWNAME)


def _link(found: Operands) -> Iterator[Access]:
    others = dict(found.others)
    others.pop(Dim.MODE, None)
    yield attrs.evolve(found, others=others).access(Op.LINK, Op.GUARD)  # its mode is the new name's
    ops = (Op.LINK, Op.CREATE, Op.NAME_GUARD)
    yield found.access(*ops, path=found.to, flags=ObjectFlag.NEWNAME)


def _move_mount(found: Operands) -> Iterator[Access]:
    yield found.access(Op.MOVE_MOUNT, Op.MOUNT_GUARD)
    yield found.access(Op.MOVE_MOUNT, Op.MOUNT_GUARD, path=found.to, flags=ObjectFlag.NEWNAME)


def _unix_or(op: Op) -> Iterator[Op]:
    """Tell what a datagram to a unix socket is: connecting and sending are one to the kernel."""
    yield from (Op.SEND, Op.CONNECT) if op in {Op.SEND, Op.CONNECT} else (op,)


def _loaded(found: Operands) -> Iterator[Access]:
    """The kernel side does not tell the program's arguments from those of the loader."""
    asked = found.access(Op.EXEC_LOADED, flags=ObjectFlag.LOADER)
    yield attrs.evolve(asked, unknown=asked.unknown | _ARGUMENTS)


_STREAM: Final = 1
_ARGUMENTS: Final = frozenset(range(Dim.ARG_ANY, Dim.FSTYPE))
_MADE_OF_SEVERAL: Final = {
    Op.EXEC: _exec,
    Op.EXEC_LOADED: _loaded,
    Op.MKDIR: _mkdir,
    Op.RENAME: _rename,
    Op.LINK: _link,
    Op.MOVE_MOUNT: _move_mount,
}
_GUARDED_MOUNTS: Final = frozenset({Op.MOUNT, Op.BIND_MOUNT, Op.UNMOUNT, Op.PIVOT_ROOT})
_REPLACES: Final = frozenset({Op.UNLINK, Op.SYMLINK, Op.MKNOD})
_OPENS: Final = frozenset({Op.READ, Op.WRITE, Op.APPEND})

DEEDS: Final[dict[str, Op]] = {row.full: op for op, row in OPERATION_TABLE.items() if row.is_deed}
"""Words for what is done, as records have them."""


def accesses(ops: Iterable[Op], found: Operands) -> tuple[Access, ...]:
    """
    List what the kernel side asks about when *ops* are done together, in its order.

    Opening for reading and for writing is one access; whatever else is done is one after the other.
    """
    given = tuple(ops)
    opened = tuple(op for op in given if op in _OPENS)
    others = (op for op in given if op not in _OPENS)
    made = list(itertools.chain.from_iterable(_of_one(op, found) for op in others))
    if opened:
        made.append(found.access(*opened))
    return tuple(made)


def _of_one(op: Op, found: Operands) -> Iterator[Access]:
    if op in _MADE_OF_SEVERAL:
        yield from _MADE_OF_SEVERAL[op](found)
    elif op in _GUARDED_MOUNTS:
        yield found.access(op, Op.MOUNT_GUARD)
    elif op in _REPLACES:
        yield found.access(op, Op.NAME_GUARD)
    elif op is Op.BIND and found.path is not None:  # it makes a name, as well
        yield found.access(op, Op.CREATE)
    elif found.flags & ObjectFlag.UNIX and found.others.get(Dim.TYPE) != _STREAM:
        yield found.access(*_unix_or(op))
    else:
        yield found.access(op)
