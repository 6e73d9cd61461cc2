# SPDX-License-Identifier: MIT
"""
A policy as typed values, made by the builder and read by the compiler.

Everything here is already checked. User names are resolved to numbers and octal texts to integers. The
compiler resolves symbolic links such as ``/bin``, since they depend on the host.
"""

from __future__ import annotations

import enum

import attrs

from enforcer import _abi
from enforcer._abi import OnError
from enforcer.policy.language.syscall_table import Syscall
from enforcer.policy.language.vocabulary import FieldSpec, OpSpec
from enforcer.policy.model.modes import Mode
from enforcer.policy.model.points import Operand, Point
from enforcer.span import Span

__all__ = [
    "Action",
    "Address",
    "Attempts",
    "CapabilityMask",
    "Condition",
    "Flag",
    "Interval",
    "Limit",
    "Mark",
    "Mask",
    "Mode",
    "Note",
    "OnError",
    "Policy",
    "PolicySet",
    "Process",
    "Rule",
    "Scope",
    "Subject",
    "Text",
    "TextKind",
    "Value",
    "Verb",
    "Within",
    "default_name",
]


class Verb(enum.IntEnum):
    """``enum enf_action``; larger is stricter."""

    ALLOW = _abi.ENF_ACT_ALLOW
    LOG = _abi.ENF_ACT_LOG
    DENY = _abi.ENF_ACT_DENY
    KILL = _abi.ENF_ACT_KILL


class TextKind(enum.Enum):
    r"""
    How a text value is compared.

    GLOB: ``?`` and ``*`` stop at ``/`` in paths, ``**`` does not, ``?`` is one byte, ``[...]`` one of a
    class, ``\`` quotes. ``/a/**`` means everything below ``/a`` at any depth, not ``/a`` itself.
    In plain strings ``*`` matches anything. EXACT, PREFIX, SUFFIX and CONTAINS are literal.
    """

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    GLOB = "glob"


@attrs.frozen
class Text:
    """One text value, in bytes as the kernel has them."""

    kind: TextKind
    value: bytes
    span: Span | None = attrs.field(default=None, eq=False)


@attrs.frozen
class Interval:
    """Numbers from *low* to *high*, both included."""

    low: int
    high: int


@attrs.frozen
class Mask:
    """``(number & mask) == value``; *value* None means ``!= 0`` (any of the bits)."""

    mask: int
    value: int | None = None


@attrs.frozen
class Address:
    """A network in 128 bits, IPv4 as ``::ffff:a.b.c.d``: addresses from *low* to *high*."""

    low: int
    high: int


@attrs.frozen
class CapabilityMask:
    """Capabilities, or other flags, as bits: any of, all of, or none of *mask*."""

    how: str  # "any" | "all" | "none"
    mask: int


Value = Text | Interval | Mask | Address | CapabilityMask


@attrs.frozen
class Condition:
    """
    One field compared with values: holds if any value matches; *negate* inverts that.

    *index* is the argument number for ``args`` (None: any argument). At a point of the kernel *operand*
    says what is compared, and *index* is its place there, once all policies are known. Of conditions on
    pods it may be ``workloads.CERTAIN``. *is_inside*: paths are also named as containers see them.
    *linked_in*: they are also named as links in containers lead there, in those where all of these conditions
    may hold; None: in none. *by_root*: of the host's own links only those count that nobody but root can have made.
    A condition on something that the operation does not have never holds, negated or not.
    """

    field: FieldSpec
    values: tuple[Value, ...]
    negate: bool = False
    index: int | None = None
    span: Span | None = attrs.field(default=None, eq=False)
    operand: Operand | None = None
    is_inside: bool = False
    linked_in: tuple[Condition, ...] | None = None
    by_root: bool = False

    @property
    def as_written(self) -> Condition:
        """The same without what follows from the rule that it is in."""
        return attrs.evolve(self, is_inside=False, linked_in=None, by_root=False)


@attrs.frozen
class Flag:
    """A yes/no fact (``ObjectFlag`` or ``SubjectFlag``) that must be *wanted*."""

    field: FieldSpec
    wanted: bool
    span: Span | None = attrs.field(default=None, eq=False)


@attrs.frozen
class Process:
    """Conditions on one process; all must hold."""

    conditions: tuple[Condition, ...] = ()
    flags: tuple[Flag, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.conditions or self.flags)


@attrs.frozen
class Subject:
    """
    Conditions on the subject. Each part, if given, must hold; a list holds if all of its members do.

    ``not_process`` etc. are conditions that must *not* hold as a whole (written ``notProcess`` etc.).
    ``ancestors`` holds if one ancestor, alive or not, satisfied all of its conditions when it forked
    or execed. ``lineage`` holds if the process itself satisfies all of them, or one ancestor did.
    ``language/subject_parts.py`` has the words.
    """

    process: Process = Process()
    parent: Process = Process()
    ancestors: Process = Process()
    lineage: Process = Process()
    not_process: Process = Process()
    not_parent: Process = Process()
    not_ancestors: Process = Process()
    not_lineage: Process = Process()


@attrs.frozen
class Action:
    """What a match means."""

    verb: Verb
    errno: int = 1  # EPERM
    signal: int = 9  # SIGKILL
    message: str | None = None


class Scope(enum.Enum):
    """
    Whose a mark is.

    PROCESS: all threads of a process, over its execs. TREE: also what it forks from then on, and so on.
    CONTAINER: the container or unit that it is in. HOST: everybody.
    """

    PROCESS = "process"
    TREE = "tree"
    CONTAINER = "container"
    HOST = "host"


@attrs.frozen
class Mark:
    """What a match sets, with its time. The name is one of the policy, and always of one scope."""

    name: str
    scope: Scope = Scope.PROCESS
    span: Span | None = attrs.field(default=None, eq=False)


@attrs.frozen
class Within:
    """
    The mark was set in the last *last_ns* nanoseconds; *negate*: it was not.

    *policy*: whose mark it is; None: that of the rule.
    """

    mark: str
    last_ns: int
    negate: bool = False
    policy: str | None = None
    span: Span | None = attrs.field(default=None, eq=False)


@attrs.frozen
class Limit:
    """At most *records* records in *per_ns* nanoseconds: of each process, or of all together."""

    records: int
    per_ns: int
    by_process: bool = False


@attrs.frozen
class Attempts:
    """Calls that the kernel itself refuses are recorded: with one of *errors*, or with any if there is none."""

    errors: tuple[int, ...] = ()
    span: Span | None = attrs.field(default=None, eq=False)


@attrs.frozen
class Rule:
    """
    One rule.

    Attributes:
        name: given by the author, or ``rule-N`` (N from 1).
        event: key in ``vocabulary.EVENTS``, ``syscall``, or the mechanism of a point.
        operations: words under that event.
        conditions, flags: about the object; all must hold.
        guard: deny and kill rules on paths also keep those names in place.
        strict: also check descriptors that are already open (file rules).
        loader: deny and kill rules on exec also refuse to run the same file by way of a loader.
        syscall: name written by the author if the rule names one system call.
        calls: system calls that are decided at their entry, for event ``syscall``.
        mark: what a match sets.
        only_marks: a match does nothing else, and the rules below are asked.
        within: marks that must have been set, or not, lately; all must hold.
        limit: of its records.
        attempts: what of that which the kernel itself refuses is recorded; None: nothing.
        point: of the kernel where it is decided, for an event by mechanism.
        lifted_from: what a foreign policy names, if it is decided at something else that means it.
    """

    name: str
    event: str
    operations: tuple[OpSpec, ...]
    action: Action
    span: Span
    conditions: tuple[Condition, ...] = ()
    flags: tuple[Flag, ...] = ()
    subject: Subject = Subject()
    on_error: OnError = OnError.SKIP
    guard: bool = True
    strict: bool = False
    loader: bool = True
    syscall: str | None = None
    calls: tuple[Syscall, ...] = ()
    point: Point | None = None
    lifted_from: str = attrs.field(default="", eq=False)
    severity: str = "medium"
    tags: tuple[str, ...] = ()
    mark: Mark | None = None
    only_marks: bool = False
    within: tuple[Within, ...] = ()
    limit: Limit | None = None
    attempts: Attempts | None = None


@attrs.frozen
class Note:
    """
    What there is to say to the author of a policy: what a reader carried over, and what it cannot do.

    *matters*: it may refuse more than was meant, or less.
    """

    text: str
    span: Span
    matters: bool = False


@attrs.frozen
class Policy:
    """
    One document.

    *defaults* maps an event name to the verdict when no rule of this policy on that event matched;
    *selector* restricts every rule and default to some processes.
    *record_allowed*: with *message*, what its rules allow is recorded too.
    *allow_degraded*: what this kernel cannot prevent, or not every time, may be enforced so.
    *notes*: of a policy written for others. *namespace*: of the pods that it is for, which is part of its
    name and selector; empty: it is for the whole host.
    """

    name: str
    mode: Mode
    rules: tuple[Rule, ...]
    span: Span
    selector: Process = Process()
    defaults: dict[str, Action] = attrs.field(factory=dict)
    message: str | None = None
    description: str = ""
    record_allowed: bool = True
    allow_degraded: bool = False
    namespace: str = ""
    notes: tuple[Note, ...] = attrs.field(default=(), eq=False)

    @property
    def permitting(self) -> tuple[str, ...]:
        """Names of the rules and defaults that refuse nothing, as records and counts have them."""
        rules = (rule.name for rule in self.rules if rule.action.verb < Verb.DENY)
        defaults = (
            default_name(event)
            for event, action in self.defaults.items()
            if action.verb < Verb.DENY
        )
        return (*rules, *defaults)


def default_name(event: str) -> str:
    """Return what records and counts call the default for *event*."""
    return f"default-{event}"


@attrs.frozen
class PolicySet:
    """All active policies together, in the order of loading; names are unique."""

    policies: tuple[Policy, ...]
