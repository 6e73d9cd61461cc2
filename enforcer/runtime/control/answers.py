# SPDX-License-Identifier: MIT
"""
The answers of the control socket, for type checkers and for ``enforcer schema``.

The daemon builds an answer and a command reads it by the same type, so that both spell its keys alike.
``enforcer.runtime.control.protocol`` says which command has which answer, ``watch_answers`` what dashboards get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NotRequired, TypedDict, final

from enforcer.events.document_types import MatchDocument, RecordDocument
from enforcer.runtime.control.container_answers import MetContainers
from enforcer.runtime.control.policy_answers import PolicyState
from enforcer.runtime.control.posture import PostureDocument

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
    "RecentAnswer",
    "RecordAnswer",
    "RecordCounts",
    "Refusal",
    "RefusedFileState",
    "RuntimeChange",
    "SourcesAnswer",
    "SourcesDocument",
    "Status",
    "StatusAnswer",
    "WaitingChange",
]

# ---- Status ----------------------------------------------------------------------------------


class RecordCounts(TypedDict):
    """``records``."""

    total: Annotated[int, "Records since the start."]
    byOutcome: Annotated[dict[str, int], "The same by outcome."]
    lostDecisions: Annotated[int, "Denials and kills that found no room."]
    lostActivity: Annotated[int, "Other records that found no room."]
    malformed: Annotated[int, "Records that could not be read."]
    unreadCommandLines: Annotated[int, "Command lines that processes did not let be read in time."]


class OutputState(TypedDict):
    """One item of ``sinks``."""

    name: Annotated[str, "Its name."]
    failing: Annotated[bool, "It cannot be written to now."]
    failures: Annotated[int, "How often it failed."]
    dropped: Annotated[int, "Records that it could not take."]


class Health(TypedDict):
    """What runs and what it lost."""

    pid: Annotated[int, "Process id of the daemon."]
    uptimeSeconds: Annotated[float, "How long it has run."]
    generation: Annotated[int, "Of the active policy image."]
    programs: Annotated[int, "Number of attached programs."]
    missing: Annotated[list[str], "Optional programs for which this kernel has no hook."]
    enforcesAt: Annotated[str, "LSM hooks, or security_* functions."]
    rings: Annotated[Mapping[str, Sequence[int]], "Bytes that wait in each ring, and its size."]
    records: Annotated[RecordCounts, "What was recorded."]
    sinks: Annotated[list[OutputState], "Where records go."]
    kernel: Annotated[dict[str, int], "Counters of the kernel side."]


class WaitingChange(TypedDict):
    """``pending``: a change that is not confirmed yet; times are in seconds."""

    confirmWithin: Annotated[float, "How long it waits, in seconds."]
    left: Annotated[float, "How much of that is left."]


class RuntimeChange(TypedDict):
    """One item of ``runtimeChanges``."""

    policy: Annotated[str, "Name of the policy."]
    change: Annotated[str, "What was changed, in words."]


class RefusedFileState(TypedDict):
    """A file of a tolerant source that is not active as it stands."""

    file: Annotated[str, "The file, or the folder that cannot be listed."]
    kept: Annotated[bool, "What it said before is active; else nothing of it is."]
    errors: Annotated[list[str], "What is wrong, each with its place; ten at most."]


class PoliciesState(TypedDict, total=False):
    """What ``status`` says of policies; nothing where they cannot be changed."""

    policies: Annotated[list[PolicyState], "All policies, with how often they decided."]
    posture: Annotated[PostureDocument, "What is enforced."]
    pending: Annotated[WaitingChange | None, "Change that is not confirmed yet, or null."]
    generationSeconds: Annotated[float, "For how long these have been active."]
    unknownContainers: Annotated[list[str], "Cgroups of containers not identified as a whole."]
    unfollowedContainers: Annotated[
        list[str], "Cgroups of containers with links not followed, or mounts not known."
    ]
    metContainers: Annotated[MetContainers, "Containers whose runtime announced them."]
    protected: Annotated[bool, "--protect is on."]
    keyed: Annotated[bool, "Ending it takes a passphrase."]
    pinned: Annotated[str | None, "Folder of what outlives the daemon, or null."]
    unpinned: Annotated[str | None, "Folder in which names were removed by somebody else, or null."]
    runtimeChanges: Annotated[list[RuntimeChange], "Changes made by `enforcer policy`."]
    notActive: Annotated[str, "Why what the policy files say is not active; empty: it is."]
    refusedFiles: Annotated[list[RefusedFileState], "With --tolerant: files not active as is."]


class MemoryState(TypedDict):
    """``memory``, in bytes."""

    residentBytes: Annotated[int, "Of the daemon."]
    mapBytes: Annotated[int, "Of all maps in the kernel."]
    maps: Annotated[dict[str, int], "The same by name."]


class DaemonState(Health, PoliciesState):
    """What the daemon says of itself."""

    memory: Annotated[MemoryState, "What it costs, in bytes."]


class DoneChange(TypedDict):
    """One item of ``control.changes``: when, what, and who asked for it."""

    time: Annotated[str, "When, RFC 3339, UTC."]
    what: Annotated[str, "What was done."]
    by: Annotated[str, "Who asked for it."]


class ControlState(TypedDict):
    """``control``: of the control socket."""

    connections: Annotated[int, "Callers now."]
    followers: Annotated[int, "Those that follow events."]
    watchers: Annotated[int, "Dashboards."]
    refused: Annotated[int, "Callers that were refused."]
    failures: Annotated[int, "Answers that failed."]
    changes: Annotated[list[DoneChange], "The newest twenty changes that were made."]


class Status(DaemonState):
    """The state of the daemon and of its control socket."""

    control: Annotated[ControlState, "Of the control socket."]


class StatusAnswer(TypedDict):
    """The answer to ``status``."""

    status: Status


# ---- Changes ---------------------------------------------------------------------------------


class NamedPolicy(TypedDict):
    """A policy and its place."""

    policy: Annotated[str, "Name of the policy."]
    place: Annotated[str, "file:line:column of the policy."]


class NamedRule(TypedDict):
    """A rule and its place."""

    rule: Annotated[str, "Name of the rule."]
    place: Annotated[str, "file:line:column of the rule."]


class ChangedRules(TypedDict):
    """``rules`` of a policy that changed."""

    added: Annotated[list[NamedRule], "New rules."]
    removed: Annotated[list[NamedRule], "Rules that are gone."]
    changed: Annotated[list[NamedRule], "Rules that say something else."]
    reordered: Annotated[bool, "Others stand in another order."]


class ChangedPolicy(NamedPolicy):
    """A policy that changed; *mode* is the old and the new one."""

    mode: Annotated[list[str] | None, "The old and the new mode, or null."]
    head: Annotated[bool, "Something beside its rules differs."]
    rules: Annotated[ChangedRules, "What differs in its rules."]


class Difference(TypedDict):
    """``change``: what differs from the policies before."""

    added: Annotated[list[NamedPolicy], "New policies."]
    removed: Annotated[list[NamedPolicy], "Policies that are gone."]
    changed: Annotated[list[ChangedPolicy], "Policies that differ."]


class ChangeSeconds(TypedDict):
    """``seconds``: what a change took."""

    compile: Annotated[float, "To read and compile."]
    swap: Annotated[float, "To make it active."]


@final
class ChangeAnswer(TypedDict):
    """The answer to ``reload`` and to the changes of one policy."""

    generation: Annotated[int, "Generation that is active now."]
    previous: Annotated[int, "The one before."]
    unchanged: Annotated[bool, "Nothing differs; the generation is the old one."]
    change: Annotated[Difference, "What differs."]
    lines: Annotated[list[str], "The same as text."]
    warnings: Annotated[list[str], "What should be known of it, each with its place."]
    refused: Annotated[list[RefusedFileState], "With --tolerant: files not active as they are."]
    rules: Annotated[int, "Number of active rules."]
    posture: NotRequired[Annotated[PostureDocument, "What is enforced now."]]
    seconds: NotRequired[Annotated[ChangeSeconds, "What it took."]]
    successor: NotRequired[Annotated[bool, "Tables of another size had to replace the old ones."]]
    confirmWithin: NotRequired[
        Annotated[float | None, "Seconds until the previous policies are active again, or null."]
    ]


class Confirmation(TypedDict):
    """The answer to ``confirm``."""

    generation: Annotated[int, "Generation that is active."]
    unchanged: Annotated[bool, "No change waited."]
    posture: NotRequired[Annotated[PostureDocument, "What is enforced now."]]


class Outcome(TypedDict, total=False):
    """What answers to changes have in common."""

    generation: int
    unchanged: bool
    confirmWithin: float | None
    posture: PostureDocument


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
    instead: dict[str, str | None]


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
    """The answer to ``recent``: of *found* records that are kept and wanted, the newest."""

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
