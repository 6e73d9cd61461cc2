# SPDX-License-Identifier: MIT
"""
Bytes of a ring buffer to :class:`Event`.

The layout is the C compiler's view of ``struct enf_event``: no offset is written here. A record that
makes no sense is an error of that record alone; the caller counts it and goes on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from enforcer import _abi
from enforcer.errors import EnforcerError
from enforcer.events.types import Attempt, Event, EventFlag, GuardAct, Match, MatchBits, RowFlag
from enforcer.identity.words import Words
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb

if TYPE_CHECKING:
    import struct
    from collections.abc import Sequence

__all__ = ["KINDS", "Decoder", "Layout", "MalformedEventError"]

KINDS: dict[int, type[Op | GuardAct]] = {
    _abi.ENF_EVENT_VERDICT: Op,
    _abi.ENF_EVENT_GUARD: GuardAct,
    _abi.ENF_EVENT_ACCESS: Op,
}
"""What *op* counts, by the kind of the event."""
_MADE = frozenset({"path", "exe", "name", "args", "asked", "mark_at", "matches", "attempt", "ops"})
_KEPT = frozenset(attrs.fields_dict(Event)) - _MADE
_OPENS = frozenset({Op.READ, Op.WRITE, Op.APPEND, Op.CREATE, Op.TRUNCATE})
"""Operations that have no name besides their path: what stands in its place is how that was asked for."""


_FOREMOST = (
    *(Op.EXEC, Op.RENAME, Op.LINK, Op.SYMLINK, Op.MKDIR, Op.RMDIR, Op.MKNOD, Op.CHMOD, Op.CHOWN),
    *(Op.SETXATTR, Op.CREATE, Op.WRITE, Op.APPEND, Op.TRUNCATE, Op.UNLINK, Op.READ),
    *(Op.MOVE_MOUNT, Op.BIND_MOUNT, Op.REMOUNT, Op.PROPAGATE, Op.MOUNT, Op.UNMOUNT, Op.PIVOT_ROOT),
    *(Op.SOCKET, Op.BIND, Op.LISTEN, Op.CONNECT, Op.ACCEPT, Op.SEND),
    *(Op.SIGNAL, Op.PTRACE, Op.TRACEME, Op.SETUID, Op.SETGID, Op.CAPSET),
    *(Op.MODULE, Op.KEXEC, Op.BPF, Op.PERF, Op.IO_URING),
)
"""Of all that a call would have been, what it is called by: the first that it was."""


class MalformedEventError(EnforcerError):
    """A record from the kernel is not what the ABI says; the message says in which way."""


@attrs.frozen
class Layout:
    """How the head of ``struct enf_event`` lies in memory, and the names of what *head* unpacks."""

    head: struct.Struct
    names: tuple[str, ...]


@attrs.define(eq=False, repr=False)
class Decoder:
    """Turns records into events."""

    layout: Layout

    def decode(self, raw: bytes) -> Event:
        """
        Make an event of *raw*.

        Raises:
            MalformedEventError: sizes or numbers do not fit together.
        """
        head = self.layout.head
        if len(raw) < head.size:
            msg = f"{len(raw)} bytes, less than a head of {head.size}"
            raise MalformedEventError(msg)
        values = dict(zip(self.layout.names, head.unpack_from(raw), strict=True))
        if values["kind"] not in KINDS:
            msg = f"unknown kind {values['kind']}"
            raise MalformedEventError(msg)
        size = values["size"]
        tail = (values["path_len"], values["exe_len"], values["name_len"])
        # The ring buffer may hand over more than the record (padding to 8), never less.
        if size > len(raw) or size < head.size + sum(tail):
            msg = f"size {size} of {len(raw)} bytes, with a tail of {sum(tail)}"
            raise MalformedEventError(msg)
        path, exe, name = _cut(raw, head.size, tail)
        return self._event(values, path, exe, name)

    def _event(self, values: dict[str, Any], path: bytes, exe: bytes, name: bytes) -> Event:
        kept = {key: value for key, value in values.items() if key in _KEPT}
        for key, convert in (*_CONVERTED.items(), ("op", KINDS[values["kind"]])):
            try:
                kept[key] = convert(values[key])
            except ValueError as error:
                raise MalformedEventError(str(error)) from error
        passed: tuple[int, ...] = ()
        if kept["op"] is Op.SYSCALL:
            passed = tuple(values[f"arg[{i}]"] for i in range(values["argc"]))
        elif kept["op"] is Op.POINT:
            passed = tuple(values[f"arg[{i}]"] for i in range(_POINT_NUMBERS))
        mark_at: tuple[int, ...] = ()
        if kept["row_flags"] & RowFlag.WITHIN:
            mark_at = tuple(value for key, value in values.items() if key.startswith("mark_at["))
        ops = _ops(values) if isinstance(kept["op"], Op) else ()
        asked, attempt = b"", None
        if kept["op"] is Op.ATTEMPT:
            attempt = Attempt(values["code"], values["arg[0]"], _attempted(values["bits"]))
            kept |= {"op": attempt.ops[0], "code": 0, "bits": 0, "error": 0}
            ops = attempt.ops
        if kept["op"] in _OPENS or attempt is not None:
            asked, name = name, b""
        return Event(
            **kept,
            path=path,
            exe=exe,
            name=name,
            args=_args(values, name),
            passed=passed,
            asked=asked,
            mark_at=mark_at,
            matches=_matches(values, attempt),
            attempt=attempt,
            ops=ops,
        )


_NO_WORDS = Words(b"")
_POINT_NUMBERS = _abi.ENF_SYS_ARGS
_ROOM = _abi.ENF_MATCHES
_OPS = tuple(f"ops[{i}]" for i in range(4))


def _ops(values: dict[str, Any]) -> tuple[Op, ...]:
    numbers = itertools.takewhile(_abi.ENF_NO_OP.__ne__, (values[name] for name in _OPS))
    try:
        return tuple(map(Op, numbers))
    except ValueError as error:
        raise MalformedEventError(str(error)) from error


def _attempted(bits: int) -> tuple[Op, ...]:
    """Return the operations of an attempt, the foremost first."""
    found = tuple(op for op in _FOREMOST if bits >> op & 1)
    if not found or bits >> max(Op) + 1:
        raise MalformedEventError(f"an attempt at {bits:#x}")
    return found


def _matches(values: dict[str, Any], attempt: Attempt | None) -> tuple[Match, ...]:
    found = []
    for i in range(min(values["n_matches"], _ROOM)):
        told = values[f"match[{i}]"]
        try:
            op, action = Op(told >> MatchBits.OP_AT & 63), Verb(told >> MatchBits.ACTION_AT & 7)
        except ValueError as error:
            raise MalformedEventError(str(error)) from error
        if attempt is not None:
            op = attempt.ops[0]
        found.append(
            Match(
                told & MatchBits.ROW,
                op,
                action,
                not told & MatchBits.AUDIT and attempt is None,
                bool(told & MatchBits.ON_ERROR),
                bool(told & MatchBits.DEFAULT),
                bool(told & MatchBits.GUARD),
            )
        )
    return tuple(found)


def _cut(raw: bytes, at: int, lengths: Sequence[int]) -> list[bytes]:
    parts = []
    for length in lengths:
        parts.append(raw[at : at + length])
        at += length
    return parts


def _args(values: dict[str, Any], name: bytes) -> Words:
    """Take the name of an exec for what it is: *argc* strings, each ended by NUL."""
    argc = values["argc"]
    words = Words.ended(name) if argc else _NO_WORDS
    return words if len(words) <= argc else Words.of(words[:argc])


def _comm(raw: bytes) -> bytes:
    return raw.split(b"\0", 1)[0]


_CONVERTED: dict[str, Callable[[Any], Any]] = {
    "action": Verb,
    "flags": EventFlag,
    "row_flags": RowFlag,
    "comm": _comm,
    "parent_comm": _comm,
    "fstype": _comm,
}
