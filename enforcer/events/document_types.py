# SPDX-License-Identifier: MIT
"""
The types of records as JSON objects, for type checkers and for ``enforcer schema``.

``enforcer.events.schema`` says what each key means; a test holds the two equal. The key ``fields`` is not
here: an output adds it to what it writes.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

__all__ = [
    "ActorDocument",
    "AttemptDocument",
    "AttemptKeys",
    "BriefActor",
    "BriefDocument",
    "CallKeys",
    "ContainerDocument",
    "ExeFoldedKeys",
    "GuardedKeys",
    "LimitKeys",
    "LostDocument",
    "MarkDocument",
    "MatchDocument",
    "MatchesKeys",
    "ObjectDocument",
    "OperandDocument",
    "OperandKeys",
    "ParentDocument",
    "PodDocument",
    "PointKeys",
    "PointTargetKeys",
    "PolicyMatchDocument",
    "ProcessDocument",
    "RecordDocument",
    "SkippedDocument",
    "SocketKeys",
    "VerdictKeys",
]

# ---- Who acted -------------------------------------------------------------------------------


class ActorDocument(TypedDict):
    """A process, as every place shows one."""

    id: str
    pid: int
    name: str
    exe: str | None
    cmdline: list[str] | None


class ParentDocument(ActorDocument):
    """``parent``."""

    startNs: int


class ExeFoldedKeys(TypedDict, total=False):
    """The key of ``process`` where the path of the executable has several spellings."""

    exeFolded: str


class ProcessDocument(ActorDocument, ExeFoldedKeys):
    """``process``."""

    programId: str | None
    tid: int
    started: str
    startNs: int
    execNs: int
    cwd: str | None
    user: str | None
    uid: int
    euid: int
    gid: int
    egid: int
    capabilities: str
    flags: list[str]
    cgroup: str | None
    cgroupId: int


class ContainerDocument(TypedDict):
    """``container``."""

    runtime: str | None
    id: str | None
    name: str | None
    image: str | None
    root: str | None


class PodDocument(TypedDict):
    """``pod``."""

    name: str | None
    namespace: str | None
    uid: str | None


# ---- What it was on --------------------------------------------------------------------------


class GuardedKeys(TypedDict, total=False):
    """Keys of ``object`` of an attempt on the engine itself."""

    number: int
    name: str
    signal: str


class OperandKeys(TypedDict, total=False):
    """Keys of ``object`` that are called as the fields of policies are."""

    source: str
    fsType: str
    mountFlags: list[str]
    unmountFlags: list[str]
    targetUid: int
    signal: str
    newUid: int
    newGid: int
    gained: list[str]
    capability: str
    module: str
    command: str


class SocketKeys(TypedDict, total=False):
    """Keys of ``object`` of an operation on a socket."""

    family: str
    type: str
    protocol: str
    address: str
    port: int


class CallKeys(TypedDict, total=False):
    """Keys of ``object`` of a system call that was decided on at its entry."""

    call: str
    number: int
    arguments: list[str | int | None]


class OperandDocument(TypedDict):
    """One item of ``object.operands``."""

    name: str
    value: str | int


class PointKeys(TypedDict, total=False):
    """Keys of ``object`` at a point of the kernel."""

    point: str
    operands: list[OperandDocument]


class PointTargetKeys(PointKeys, total=False):
    """The same, with the word for the object where no path is one."""

    target: str


class ObjectDocument(OperandKeys, SocketKeys, CallKeys, PointKeys):
    """``object``."""

    target: str
    flags: list[str]
    unknown: list[str]
    path: NotRequired[str]
    folded: NotRequired[str]
    asked: NotRequired[str]
    drift: NotRequired[list[str]]
    device: NotRequired[str]
    inode: NotRequired[int]
    args: NotRequired[list[str]]
    argc: NotRequired[int]
    name: NotRequired[str]
    mode: NotRequired[str]


# ---- The verdict -----------------------------------------------------------------------------


class VerdictKeys(TypedDict):
    """What was decided, and by which rule."""

    version: Literal[1]
    kind: Literal["match"]
    id: str
    time: str
    policy: str
    rule: str
    place: str
    message: str
    severity: str
    tags: list[str]
    action: str
    enforced: bool
    prevented: bool
    errno: str | None
    signal: str | None
    signalFailed: bool
    onError: bool
    default: bool
    guard: bool
    event: str
    operation: str
    syscall: str


class AttemptDocument(TypedDict):
    """``attempt``."""

    call: str
    errno: int
    operations: list[str]


class AttemptKeys(TypedDict, total=False):
    """The key of what the kernel itself refused."""

    attempt: AttemptDocument


class MarkDocument(TypedDict):
    """One item of ``marks``; *ago* is in nanoseconds, None if the mark never was set."""

    mark: str
    ago: int | None


class LimitKeys(TypedDict, total=False):
    """Keys of rules that ask about marks or limit their records."""

    marks: list[MarkDocument]
    suppressed: int


class RepeatsDocument(TypedDict):
    """``repeats``; *by* is ``process`` or ``cgroup``."""

    count: int
    last: str
    by: str


class RepeatsKeys(TypedDict, total=False):
    """The key of a record that stands for more than itself."""

    repeats: RepeatsDocument


class PolicyMatchDocument(TypedDict):
    """One item of ``matches``."""

    policy: str
    rule: str
    place: str
    message: str
    severity: str
    action: str
    enforced: bool
    onError: bool
    default: bool
    guard: bool
    operation: str


class MatchesKeys(TypedDict, total=False):
    """Keys that are there if more than one policy matched."""

    matches: list[PolicyMatchDocument]
    matchesLeftOut: int


class MatchDocument(VerdictKeys, AttemptKeys, LimitKeys, RepeatsKeys, MatchesKeys):
    """A record of a verdict."""

    object: ObjectDocument
    process: ProcessDocument
    parent: ParentDocument
    ancestors: list[ActorDocument]
    ancestorsComplete: bool
    container: ContainerDocument
    pod: PodDocument
    generation: int


class LostDocument(TypedDict):
    """A record of records that are missing."""

    version: Literal[1]
    kind: Literal["lost"]
    time: str
    decisions: int
    activity: int
    malformed: int
    dropped: int
    reason: str | None


class SkippedDocument(TypedDict):
    """What a follower gets that was too slow for some records."""

    kind: Annotated[Literal["skipped"], "Records that this follower did not get."]
    records: Annotated[int, "How many."]


RecordDocument = MatchDocument | LostDocument

# ---- In short --------------------------------------------------------------------------------


class BriefActor(TypedDict):
    """A process in a brief."""

    pid: int
    name: str
    exe: str | None


class BriefDocument(TypedDict):
    """A record in short, as dashboards get it."""

    id: str
    time: str
    outcome: str
    action: str
    policy: str
    rule: str
    place: str
    operation: str
    target: str
    effect: list[str]
    message: str
    process: BriefActor
    ancestors: list[BriefActor]
    container: str | None
