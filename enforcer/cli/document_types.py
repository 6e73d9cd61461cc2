# SPDX-License-Identifier: MIT
"""
What commands print as JSON, for type checkers and for ``enforcer schema``.

What the daemon answers is in ``enforcer.runtime.control.answers``, records are in ``enforcer.events.schema``,
explanations and the report of a dry run in ``document_types`` of their packages.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict, final

from enforcer.events.document_types import SkippedDocument
from enforcer.runtime.control.answers import Status
from enforcer.runtime.control.policy_answers import PolicyDetail, PolicyListAnswer

__all__ = [
    "CheckDocument",
    "ConvertDocument",
    "ConvertedPolicy",
    "DecidedDocument",
    "DoctorDocument",
    "FindingDocument",
    "FoundProblem",
    "HookDocument",
    "HookPlace",
    "KeyDocument",
    "ListedSchema",
    "PolicyListDocument",
    "PolicyShowDocument",
    "RecordingDocument",
    "SchemasDocument",
    "SkippedDocument",
    "StatusDocument",
    "StopDocument",
    "SuiteDocument",
    "SupportDocument",
    "TestDocument",
    "TriedCase",
    "UnlockDocument",
    "VersionDocument",
    "Versioned",
]


class Versioned(TypedDict):
    """Every document has a version. Keys are added within one."""

    version: Annotated[Literal[1], "Version of this format."]


# ---- Policies ----------------------------------------------------------------------------------


@final
class FindingDocument(TypedDict):
    """One error, warning or remark."""

    kind: Annotated[str, "One of the kinds of findings."]
    severity: Annotated[Literal["error", "warning", "info"], "How much it matters."]
    message: Annotated[str, "What is wrong, and what to do."]
    place: Annotated[str | None, "file:line:column; null if it is at no place."]
    file: Annotated[str | None, "The file; `<stdin>` is standard input."]
    line: Annotated[int | None, "From 1."]
    column: Annotated[int | None, "In characters, from 1."]
    others: Annotated[int, "How many more rules it is about; --verbose lists them."]


@final
class DecidedDocument(TypedDict):
    """Where one rule is decided."""

    policy: Annotated[str, "Policy."]
    rule: Annotated[str, "Its rule."]
    place: Annotated[str, "file:line:column of the rule."]
    says: Annotated[str, "At which hooks it is decided, and why there."]
    notes: Annotated[list[str], "What can be raced, or comes too late."]


@final
class CheckDocument(Versioned):
    """What ``check`` found."""

    ok: Annotated[bool, "There is no error."]
    policies: Annotated[
        int | None, "Number of policies; null if there is an error, and with --config."
    ]
    rules: Annotated[int | None, "Number of rules; null as above."]
    imageBytes: Annotated[int | None, "Size of the image; null as above."]
    findings: Annotated[list[FindingDocument], "Errors, or warnings and remarks; by place."]
    decided: NotRequired[Annotated[list[DecidedDocument], "With --explain: every rule."]]
    limits: NotRequired[Annotated[list[str], "With --explain: what holds of every rule."]]


@final
class ConvertedPolicy(TypedDict):
    """One policy in the language of enforcer."""

    name: Annotated[str, "Its name."]
    place: Annotated[str, "file:line:column of what it was made of."]
    document: Annotated[dict[str, object], "The policy, as the schema `policy` says."]


@final
class ConvertDocument(Versioned):
    """Policies, converted."""

    policies: Annotated[list[ConvertedPolicy], "All of them, in the order of the files."]
    findings: Annotated[list[FindingDocument], "What means something else here."]


# ---- Cases -------------------------------------------------------------------------------------


@final
class TriedCase(TypedDict):
    """One case, and what became of it."""

    name: Annotated[str, "Its name."]
    place: Annotated[str, "file:line:column of the case."]
    ok: Annotated[bool, "Everything is as expected."]
    verdict: Annotated[str, "What the policies that are enforced decided."]
    problems: Annotated[list[str], "What is not as expected."]


@final
class SuiteDocument(TypedDict):
    """One file of cases."""

    file: Annotated[str, "The file."]
    seconds: Annotated[float, "What it took."]
    cases: Annotated[list[TriedCase], "Its cases; none if it has errors."]
    findings: Annotated[list[FindingDocument], "Its errors."]


@final
class TestDocument(Versioned):
    """What ``test`` found."""

    ok: Annotated[bool, "No error, and every case is as expected."]
    cases: Annotated[int, "Number of cases that were tried."]
    failed: Annotated[int, "How many of them are not as expected."]
    errors: Annotated[int, "Number of errors in the files."]
    suites: Annotated[list[SuiteDocument], "Every file of cases."]


# ---- This machine ------------------------------------------------------------------------------


@final
class SupportDocument(TypedDict):
    """What this kernel can do about one word of rules."""

    operation: Annotated[str, "The word: an operation, an event, or a key."]
    gives: Annotated[str, "What the kernel accepted: prevent, kill after, observe or nothing."]
    hooks: Annotated[list[str], "Where it is decided."]
    reason: Annotated[str | None, "Why it can do no more; null if it can prevent."]


@final
class FoundProblem(TypedDict):
    """What this machine lacks."""

    what: Annotated[str, "What is missing, or in the way."]
    remedy: Annotated[str, "What to do about it."]


@final
class DoctorDocument(Versioned):
    """What this kernel can do."""

    kernel: Annotated[str, "Its release."]
    canPrevent: Annotated[bool, "It can prevent something."]
    enforcesAt: Annotated[str | None, "LSM hooks, or security_* functions; null: nowhere."]
    operations: Annotated[list[SupportDocument], "A word of rules each."]
    problems: Annotated[list[FoundProblem], "What this machine lacks."]


@final
class VersionDocument(Versioned):
    """Versions of enforcer and of what it works with."""

    enforcer: Annotated[str, "Of enforcer."]
    libbpf: Annotated[str | None, "Of the library that is loaded; null if none could be."]
    abi: Annotated[str | None, "Number of the ABI, in hexadecimal; null as above."]
    kernel: Annotated[str, "Release of the kernel that runs."]
    problem: Annotated[str | None, "Why libbpf or the extension could not be loaded."]


# ---- The daemon --------------------------------------------------------------------------------


@final
class StatusDocument(Versioned, Status):
    """What the daemon does."""


@final
class PolicyListDocument(Versioned, PolicyListAnswer):
    """All policies of the daemon."""


@final
class PolicyShowDocument(Versioned, PolicyDetail):
    """One policy of the daemon."""


@final
class StopDocument(Versioned):
    """How enforcement ended."""

    daemon: Annotated[bool, "A daemon was there."]
    killed: Annotated[int | None, "Process id of the daemon, if --force had to kill it."]
    removed: Annotated[int, "Sessions of a lost daemon that --force removed."]
    pinned: Annotated[bool, "Something that was pinned stays active."]


@final
class UnlockDocument(Versioned):
    """Whether something was locked."""

    unlocked: Annotated[bool, "Enforcement was locked, and the next start can take it over."]


class HookPlace(TypedDict):
    """A file by which runtimes run the hook, or where one may be."""

    file: Annotated[str, "The file."]
    runtimes: Annotated[str, "Which runtimes read it."]
    exists: Annotated[bool, "It is there."]
    runs: Annotated[bool, "It runs the hook."]
    onFailure: Annotated[str | None, "start or refuse; null where no hook is in it."]
    waitSeconds: Annotated[float | None, "How long a container waits at most, or null."]
    socket: Annotated[str | None, "Control socket that the hook asks, or null."]
    problem: Annotated[str | None, "What is wrong with it, or null."]


@final
class HookDocument(Versioned):
    """What ``container-hook status`` found."""

    places: Annotated[list[HookPlace], "Where runtimes look."]


@final
class KeyDocument(Versioned):
    """A key that was made."""

    file: Annotated[str, "File of the verifier."]
    passphrase: Annotated[str | None, "The passphrase, if --generate made it."]


@final
class RecordingDocument(Versioned):
    """What was recorded."""

    journal: Annotated[str, "The journal file."]
    operations: Annotated[int, "Recorded operations."]
    seconds: Annotated[float, "How long it took."]
    bytes: Annotated[int, "Size of the journal."]
    reason: Annotated[str, "Why it ended."]
    lostOperations: Annotated[int, "Operations that found no room."]
    lostStarts: Annotated[int, "Starts of processes that found no room."]


# ---- Schemas -----------------------------------------------------------------------------------


@final
class ListedSchema(TypedDict):
    """One schema that ``schema`` prints."""

    name: Annotated[str, "Its name, for `enforcer schema NAME`."]
    of: Annotated[str, "What has this form."]


@final
class SchemasDocument(Versioned):
    """All schemas."""

    schemas: Annotated[list[ListedSchema], "Each with its name."]
