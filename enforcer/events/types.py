# SPDX-License-Identifier: MIT
"""
Events as values.

:class:`Event` is ``struct enf_event`` with its strings, as the kernel side wrote it.
:class:`Record` is an event that a reader understands: which policy and rule, who did it, the message.
:class:`Lost` says that records are missing.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from enforcer import _abi
from enforcer._abi import EventFlag, RowFlag
from enforcer.identity.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.identity.actor import Actor
    from enforcer.policy.language.vocabulary import Op
    from enforcer.policy.model.policy import Verb

__all__ = [
    "Attempt",
    "Event",
    "EventFlag",
    "GuardAct",
    "Lost",
    "Match",
    "MatchBits",
    "Origin",
    "PolicyMatch",
    "Record",
    "RowFlag",
]


class MatchBits(enum.IntEnum):
    """Where things stand in the number that tells one match (``ENF_MATCH_*``)."""

    ROW = _abi.ENF_MATCH_ROW
    OP_AT = _abi.ENF_MATCH_OP_AT
    ACTION_AT = _abi.ENF_MATCH_ACTION_AT
    AUDIT = _abi.ENF_MATCH_AUDIT
    ON_ERROR = _abi.ENF_MATCH_ON_ERROR
    DEFAULT = _abi.ENF_MATCH_DEFAULT
    GUARD = _abi.ENF_MATCH_GUARD


class GuardAct(enum.Enum):
    """
    What self-protection refused (``enum enf_guard_act``), in the place of an operation.

    No integers: they would be equal to operations.
    """

    LINK = _abi.ENF_GUARD_LINK
    MAP = _abi.ENF_GUARD_MAP
    PROGRAM = _abi.ENF_GUARD_PROGRAM
    LOAD = _abi.ENF_GUARD_LOAD
    SIGNAL = _abi.ENF_GUARD_SIGNAL
    PTRACE = _abi.ENF_GUARD_PTRACE
    PIN = _abi.ENF_GUARD_PIN
    MOUNT = _abi.ENF_GUARD_MOUNT
    CGROUP = _abi.ENF_GUARD_CGROUP
    SYSTEM = _abi.ENF_GUARD_SYSTEM
    LIMIT = _abi.ENF_GUARD_LIMIT
    KEY = _abi.ENF_GUARD_KEY
    FILE = _abi.ENF_GUARD_FILE
    PROBE = _abi.ENF_GUARD_PROBE


@attrs.frozen
class Match:
    """
    The verdict of one policy on an access, whether or not it decided.

    *op* is the part of the access that it said it of.
    """

    row: int
    op: Op
    action: Verb
    is_enforced: bool = True
    is_on_error: bool = False
    is_default: bool = False
    is_guard: bool = False


@attrs.frozen
class Attempt:
    """
    A system call that the kernel itself refused.

    *call* and *error* are their numbers, *ops* all that the call would have been.
    """

    call: int
    error: int
    ops: tuple[Op, ...]


def _packed(words: Iterable[bytes]) -> Words:
    return Words.of(words)


@attrs.frozen(kw_only=True)
class Event:
    """
    One verdict, or one refusal of self-protection; the names are those of ``struct enf_event``.

    *args* are what the kernel side had room for, *argc* says how many there were; *passed* are the
    arguments of a system call as numbers; *asked* is the name by which the caller opened or made a file;
    *mark_at* says when the marks were set that the rule asks about, 0: never;
    *matches* are what the policies said, where more than one said something, and *n_matches* how many these
    were, also those that found no room;
    *attempt* is set for what the kernel itself refused; *op* is then what the call would have been first of all;
    *ops* are all operations that the access was, such as reading and writing of a file opened for both;
    *repeats* are more records of its kind, which this one stands for, and *last_ns* says when the last of them came;
    *line* says, in a recording, how the program came to be.
    """

    op: Op | GuardAct
    action: Verb
    flags: EventFlag
    row_flags: RowFlag
    signal: int
    time_ns: int
    generation: int
    cgroup: int
    start_ns: int
    exec_ns: int
    parent_start_ns: int
    dev: int
    ino: int
    addr_hi: int
    addr_lo: int
    caps: int
    unknown: int
    row: int
    obj_flags: int
    subj_flags: int
    error: int
    pid: int
    tid: int
    ppid: int
    uid: int
    euid: int
    gid: int
    egid: int
    mode: int
    code: int
    bits: int
    to_uid: int
    to_gid: int
    family: int
    type: int
    protocol: int
    port: int
    comm: bytes
    parent_comm: bytes
    fstype: bytes
    path: bytes
    exe: bytes
    name: bytes
    args: Words = attrs.field(converter=_packed)
    argc: int
    passed: tuple[int, ...] = ()
    asked: bytes = b""
    suppressed: int = 0
    repeats: int = 0
    last_ns: int = 0
    mark_at: tuple[int, ...] = ()
    matches: tuple[Match, ...] = ()
    n_matches: int = 0
    attempt: Attempt | None = None
    ops: tuple[Op, ...] = ()
    line: int = 0
    present: int = 0
    drift: int = 0

    @property
    def is_enforced(self) -> bool:
        """Whether the verdict was carried out (else it was an audit, or none of ours)."""
        return bool(self.flags & EventFlag.ENFORCED) and self.attempt is None

    @property
    def is_prevented(self) -> bool:
        """Whether the operation did not happen."""
        return bool(self.flags & EventFlag.PREVENTED)

    @property
    def times(self) -> int:
        """How many verdicts it stands for."""
        return 1 + self.repeats


@attrs.frozen
class Origin:
    """
    Where a verdict comes from: the rule, or the default, that decided.

    *asked*: the marks that the rule asks about, as POLICY/NAME.
    *point* is the point of the kernel that the rule names; *operands* are those that rules compare there:
    name, place among its like, and ``signed``, ``unsigned`` or ``text``.
    """

    policy: str
    rule: str
    place: str
    message: str | None = None
    severity: str = "medium"
    tags: tuple[str, ...] = ()
    syscall: str | None = None
    asked: tuple[str, ...] = ()
    point: str | None = None
    operands: tuple[tuple[str, int, str], ...] = ()


@attrs.frozen(kw_only=True)
class PolicyMatch:
    """A match with its provenance: what one policy said of the access of a record."""

    match: Match
    origin: Origin
    message: str


@attrs.frozen(kw_only=True)
class Record:
    """
    An event with its provenance and the identity of who acted.

    Nothing here took part in the verdict: that was the kernel's, before this was read.

    Attributes:
        program_id: of the program that the process ran, from its exec to the next.
        started_ns: wall clock.
        ancestors: the parent first; there is always one.
        has_all_ancestors: whether the last of them is the first process of all.
        said: what each policy said, in the order of policies, where more than one said something.
    """

    time_ns: int
    event: Event
    origin: Origin
    message: str
    syscall: str
    process: Actor
    parent: Actor
    said: tuple[PolicyMatch, ...] = ()
    ancestors: tuple[Actor, ...] = ()
    has_all_ancestors: bool = False
    program_id: str | None = None
    started_ns: int = 0
    user: str | None = None
    group: str | None = None
    cwd: str | None = None
    cgroup: str | None = None
    container_runtime: str | None = None
    container_id: str | None = None
    container_name: str | None = None
    container_image: str | None = None
    container_root: str | None = None
    pod_uid: str | None = None
    pod_name: str | None = None
    pod_namespace: str | None = None


@attrs.frozen(kw_only=True)
class Lost:
    """
    Records that never came: no room in a ring buffer, or bytes that make no event.

    *dropped* is told to one output only: what it was too slow, or too long away, to take.
    """

    time_ns: int
    decisions: int = 0
    activity: int = 0
    malformed: int = 0
    dropped: int = 0
    reason: str | None = None
