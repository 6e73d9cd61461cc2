# SPDX-License-Identifier: MIT
"""
The answers of the control socket, for type checkers only.

The daemon builds an answer and a command reads it by the same type, so that both spell its keys alike.
``enforcer.runtime.control.protocol`` says which command has which answer, ``docs/commands.md`` what the
keys mean. What dashboards get is in ``watch_answers``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict, final

from enforcer.events.document_types import MatchDocument, RecordDocument

__all__ = [
    "Challenge",
    "ChangeAnswer",
    "ChangeSeconds",
    "ChangedPolicy",
    "ChangedRules",
    "Confirmation",
    "ControlState",
    "DaemonState",
    "Difference",
    "DoneChange",
    "EventsAnswer",
    "Health",
    "KeptSince",
    "MemoryState",
    "NamedPolicy",
    "NamedRule",
    "Outcome",
    "OutputState",
    "OverlayDocument",
    "PoliciesState",
    "PolicyAnswer",
    "PolicyDetail",
    "PolicyListAnswer",
    "PolicyState",
    "RecentAnswer",
    "RecordAnswer",
    "RecordCounts",
    "Refusal",
    "RuleState",
    "RuntimeChange",
    "SourcesAnswer",
    "SourcesDocument",
    "Status",
    "StatusAnswer",
    "StopAnswer",
    "WaitingChange",
]

# ---- Policies --------------------------------------------------------------------------------


class PolicyState(TypedDict):
    """One policy, with how often it decided."""

    name: str
    mode: str
    file: str
    place: str
    rules: int
    enabled: bool
    origin: str
    modeSet: bool
    degraded: list[str]
    enforced: int
    audited: int


class RuleState(TypedDict):
    """One rule, with how often it decided."""

    rule: str
    place: str
    says: str
    enforced: int
    audited: int


class PolicyDetail(PolicyState):
    """One policy and its rules."""

    message: str | None
    yaml: str
    rows: list[RuleState]


class PolicyListAnswer(TypedDict):
    """The answer to ``policy-list``."""

    policies: list[PolicyState]


@final
class PolicyAnswer(TypedDict):
    """The answer to ``policy-show``."""

    policy: PolicyDetail


# ---- Status ----------------------------------------------------------------------------------


class RecordCounts(TypedDict):
    """``records``."""

    total: int
    byOutcome: dict[str, int]
    lostDecisions: int
    lostActivity: int
    malformed: int


class OutputState(TypedDict):
    """One item of ``sinks``."""

    name: str
    failing: bool
    failures: int
    dropped: int


class Health(TypedDict):
    """What runs and what it lost; *rings*: bytes that wait and bytes that there is room for."""

    pid: int
    uptimeSeconds: float
    generation: int
    programs: int
    missing: list[str]
    enforcesAt: str
    rings: Mapping[str, Sequence[int]]
    records: RecordCounts
    sinks: list[OutputState]
    kernel: dict[str, int]


class WaitingChange(TypedDict):
    """``pending``: a change that is not confirmed yet; times are in seconds."""

    confirmWithin: float
    left: float


class RuntimeChange(TypedDict):
    """One item of ``runtimeChanges``."""

    policy: str
    change: str


class PoliciesState(TypedDict, total=False):
    """What ``status`` says of policies; nothing where they cannot be changed."""

    policies: list[PolicyState]
    pending: WaitingChange | None
    generationSeconds: float
    unknownContainers: list[str]
    protected: bool
    keyed: bool
    pinned: str | None
    runtimeChanges: list[RuntimeChange]


class MemoryState(TypedDict):
    """``memory``, in bytes."""

    residentBytes: int
    mapBytes: int
    maps: dict[str, int]


class DaemonState(Health, PoliciesState):
    """What the daemon says of itself."""

    memory: MemoryState


class DoneChange(TypedDict):
    """One item of ``control.changes``: when, what, and who asked for it."""

    time: str
    what: str
    by: str


class ControlState(TypedDict):
    """``control``: of the control socket."""

    connections: int
    followers: int
    watchers: int
    refused: int
    failures: int
    changes: list[DoneChange]


class Status(DaemonState):
    """The state of the daemon and of its control socket."""

    control: ControlState


class StatusAnswer(TypedDict):
    """The answer to ``status``."""

    status: Status


# ---- Changes ---------------------------------------------------------------------------------


class NamedPolicy(TypedDict):
    """A policy and its place."""

    policy: str
    place: str


class NamedRule(TypedDict):
    """A rule and its place."""

    rule: str
    place: str


class ChangedRules(TypedDict):
    """``rules`` of a policy that changed."""

    added: list[NamedRule]
    removed: list[NamedRule]
    changed: list[NamedRule]
    reordered: bool


class ChangedPolicy(NamedPolicy):
    """A policy that changed; *mode* is the old and the new one."""

    mode: list[str] | None
    head: bool
    rules: ChangedRules


class Difference(TypedDict):
    """``change``: what differs from the policies before."""

    added: list[NamedPolicy]
    removed: list[NamedPolicy]
    changed: list[ChangedPolicy]


class ChangeSeconds(TypedDict):
    """``seconds``: what a change took."""

    compile: float
    swap: float


@final
class ChangeAnswer(TypedDict):
    """The answer to ``reload`` and to the changes of one policy."""

    generation: int
    previous: int
    unchanged: bool
    change: Difference
    lines: list[str]
    warnings: list[str]
    rules: int
    seconds: NotRequired[ChangeSeconds]
    successor: NotRequired[bool]
    confirmWithin: NotRequired[float | None]


class Confirmation(TypedDict):
    """The answer to ``confirm``."""

    generation: int
    unchanged: NotRequired[bool]


class StopAnswer(TypedDict):
    """The answer to ``stop``."""

    pid: int


class Outcome(TypedDict, total=False):
    """What answers to changes have in common."""

    generation: int
    unchanged: bool
    confirmWithin: float | None


# ---- Sources ---------------------------------------------------------------------------------


class OverlayDocument(TypedDict):
    """Changes at run time: texts by file, names, modes by name."""

    added: dict[str, str]
    disabled: list[str]
    modes: dict[str, str]


@final
class SourcesDocument(TypedDict):
    """What the policies were made of."""

    paths: list[str]
    audit: bool
    overlay: OverlayDocument
    generation: int


@final
class SourcesAnswer(TypedDict):
    """The answer to ``sources``."""

    sources: SourcesDocument


# ---- Records ---------------------------------------------------------------------------------


@final
class RecordAnswer(TypedDict):
    """The answer to ``record``."""

    record: MatchDocument


class KeptSince(TypedDict):
    """``since`` of records that are kept: of denials and kills, and of others."""

    strict: str
    other: str


@final
class RecentAnswer(TypedDict):
    """
    The answer to ``recent``.

    *found* is how many of the records that are kept are wanted: *records* are the newest of these.
    """

    records: list[RecordDocument]
    found: int
    since: KeptSince


class EventsAnswer(TypedDict):
    """The answer to ``events``: records follow."""


# ---- Refusals --------------------------------------------------------------------------------


class Challenge(TypedDict):
    """What a proof of the key is made for; both are hex digits."""

    nonce: str
    salt: str


@final
class Refusal(TypedDict):
    """The answer to what is not done; *errors*: of policies, each with its place."""

    ok: Literal[False]
    error: str
    errors: NotRequired[list[str]]
    challenge: NotRequired[Challenge]
    isWrong: NotRequired[bool]
