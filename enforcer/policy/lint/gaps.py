# SPDX-License-Identifier: MIT
"""
Remarks on gaps of a rule: another way to the effect, another name, or what happened before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.lint.file_systems import is_seen
from enforcer.policy.lint.issues import Host, Issue, check, info, is_for_everybody, warning
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.glob_match import accepts, literal_directory
from enforcer.policy.model.loaders import could_be_met
from enforcer.policy.model.policy import (
    Condition,
    OnError,
    Policy,
    Process,
    Rule,
    Text,
    TextKind,
    Verb,
)
from enforcer.span import Span

__all__: list[str] = []

_EVERYTHING = frozenset({b"/**", b"**", b"/"})
_KILL_FILE = b"/sys/fs/cgroup/system.slice/example.service/cgroup.kill"
_DRIFT = frozenset({Dim.DRIFT, Dim.EXE_DRIFT})
_KNOWN_LATER = frozenset({"source", "mountFlags"})


# ---- Another way ------------------------------------------------------------------------------


@check
def run_without_the_kernel(policy: Policy, host: Host) -> Iterator[Issue]:
    """A program that can run what a policy refuses to run, without the kernel."""
    del host
    mapped = {
        value
        for rule in policy.rules
        if rule.action.verb >= Verb.DENY and _is_about_mapping(rule)
        for value in _values(rule)
    }
    for rule in policy.rules:
        if _refuses_by_path(rule) and _values(rule) - mapped:
            yield info(
                rule.span,
                f"rule {rule.name!r} does not stop a copied loader, or a program that maps code "
                "itself, from running the file: add file mmapExec on the same path",
                folds=True,
            )


@check
def trusted_by_name(policy: Policy, host: Host) -> Iterator[Issue]:
    """A program that is trusted with all code that is loaded into it."""
    del host
    for rule in policy.rules:
        subject = rule.subject
        exempt, let = (subject.not_process, subject.not_lineage), (subject.process, subject.lineage)
        is_exempt = rule.action.verb >= Verb.DENY and any(map(_is_by_name, exempt))
        is_let = rule.action.verb is Verb.ALLOW and any(map(_is_by_name, let))
        if (is_exempt or is_let) and not rule.only_marks:
            yield info(
                rule.span,
                f"rule {rule.name!r} trusts a program by its binary, even if its caller makes it "
                "load other code (LD_PRELOAD): add trustedCode: true beside binary",
                folds=True,
            )


@check
def core_of_trusted(policy: Policy, host: Host) -> Iterator[Issue]:
    """A program that alone may read a file, and whose core file anybody who starts it may read."""
    del host
    for rule in policy.rules:
        trusted = rule.subject.not_process
        if not _refuses(rule, Op.READ) or not any(
            flag.wanted and flag.field.name == "trustedCode" for flag in trusted.flags
        ):
            continue
        binaries = {c for c in trusted.conditions if c.field.dim is Dim.EXE}
        if not any(
            _refuses(other, Op.CREATE) and binaries & set(other.subject.process.conditions)
            for other in policy.rules
        ):
            yield info(
                rule.span,
                f"rule {rule.name!r} does not protect what the trusted program has read from who "
                "makes it dump core: refuse that binary to create files elsewhere (file create)",
                folds=True,
            )


@check
def drift_of_no_overlay(policy: Policy, host: Host) -> Iterator[Issue]:
    """What images brought, asked where that cannot be told."""
    del host
    for rule in policy.rules:
        described = (getattr(rule.subject, part.attribute) for part in SUBJECT_PARTS.values())
        asked = (*rule.conditions, *(c for process in described for c in process.conditions))
        if not any(c.field.dim in _DRIFT for c in asked):
            continue
        yield info(
            rule.span,
            f"rule {rule.name!r} asks what an image brought, which overlays tell: on other storage "
            "(native, btrfs, zfs, devmapper, vfs, fuse-overlayfs) it is unknown, and onError "
            "decides; in rootless containers the image's own files are drift, too",
            folds=True,
        )
        if is_for_everybody(policy, rule):
            yield info(
                rule.span,
                f"rule {rule.name!r} asks what an image brought, also of services with mounts of "
                "their own, where it is unknown: select containers",
            )


@check
def arguments_by_loader(policy: Policy, host: Host) -> Iterator[Issue]:
    """A rule on arguments that sees a loader's own arguments."""
    del host
    for rule in policy.rules:
        has_args = any(c.field.dim is Dim.ARG_ANY for c in rule.conditions)
        if rule.event != "exec" or rule.action.verb < Verb.DENY or not has_args or rule.calls:
            continue
        if rule.loader and not could_be_met(rule):
            yield info(
                rule.span,
                f"rule {rule.name!r} compares arguments but no path: when a loader runs a "
                "program (ld.so PROGRAM), it sees the loader's arguments, followed by the "
                "program's",
            )


@check
def ended_by_cgroup(policy: Policy, host: Host) -> Iterator[Issue]:
    """Processes that are protected from signals, but not from the end of their whole cgroup."""
    del host
    if any(_keeps_cgroups(rule) for rule in policy.rules):
        return
    for rule in policy.rules:
        keeps = rule.event == "process" and Op.SIGNAL in kernel_operations(rule)
        named = any(c.field.name == "target" for c in rule.conditions)
        if rule.action.verb >= Verb.DENY and keeps and named:
            yield info(
                rule.span,
                f"rule {rule.name!r} keeps signals from its target, but a write to cgroup.kill "
                "or cgroup.freeze of its cgroup is not a signal: refuse file write on "
                "/sys/fs/cgroup/**/cgroup.kill, too; signals that the kernel sends for a "
                "descriptor (F_SETOWN, F_SETSIG) are not matched either",
            )


def _refuses(rule: Rule, op: Op) -> bool:
    return rule.action.verb >= Verb.DENY and any(op in each.ops for each in rule.operations)


def _is_by_name(process: Process) -> bool:
    """Tell whether only the binary identifies the process."""
    return bool(process.conditions) and all(
        c.field.dim is Dim.EXE and not c.negate for c in process.conditions
    ) and not process.flags  # fmt: skip


def _is_about_mapping(rule: Rule) -> bool:
    return any(Op.MMAP_EXEC in operation.ops for operation in rule.operations)


def _paths(rule: Rule) -> list[Condition]:
    return [c for c in rule.conditions if c.field.dim is Dim.PATH and not c.negate]


def _values(rule: Rule) -> set[object]:
    return {value for condition in _paths(rule) for value in condition.values}


def _refuses_by_path(rule: Rule) -> bool:
    """Tell whether *rule* refuses some programs; one that refuses all of them refuses the loader, too."""
    if rule.event != "exec" or rule.action.verb < Verb.DENY or not could_be_met(rule):
        return False
    values = [v for c in _paths(rule) for v in c.values if isinstance(v, Text)]
    whole = any(v.kind is TextKind.GLOB and v.value in _EVERYTHING for v in values)
    return bool(values) and not whole


def _keeps_cgroups(rule: Rule) -> bool:
    if rule.action.verb < Verb.DENY or Op.WRITE not in kernel_operations(rule):
        return False
    paths = [c for c in rule.conditions if c.field.dim is Dim.PATH]
    return all(
        any(isinstance(v, Text) and accepts(v, _KILL_FILE) for v in c.values) is not c.negate
        for c in paths
    )


# ---- What the rule does not see ---------------------------------------------------------------
# The documentation of the operations says the same.


@check
def mapped_before(policy: Policy, host: Host) -> Iterator[Issue]:
    """A strict rule, which does not undo what was mapped into memory before."""
    del host
    for rule in policy.rules:
        if rule.strict and rule.action.verb >= Verb.DENY:
            yield info(
                rule.span,
                f"rule {rule.name!r} is strict, but memory that was mapped before stays mapped: "
                "restart the processes that may have it",
            )


@check
def made_by_source(policy: Policy, host: Host) -> Iterator[Issue]:
    """A rule on facts that are not known of a file system that is made and never attached."""
    del host
    for rule in policy.rules:
        asked = {c.field.name for c in rule.conditions} & _KNOWN_LATER
        if rule.action.verb >= Verb.DENY and asked and Op.MOUNT in kernel_operations(rule):
            yield info(
                rule.span,
                f"rule {rule.name!r} does not match a file system that is used through the "
                f"descriptor of fsmount and never attached, since {' and '.join(sorted(asked))} "
                "are not known then: name its fsType",
            )


@check
def spelled_otherwise(policy: Policy, host: Host) -> Iterator[Issue]:
    """A path where names have several spellings."""
    for rule in policy.rules:
        for condition in rule.conditions:
            if rule.action.verb < Verb.DENY or condition.field.dim is not Dim.PATH:
                continue
            for value in condition.values:
                if not isinstance(value, Text) or value.span is None:
                    continue
                is_whole = value.kind is TextKind.EXACT
                path = value.value if is_whole else literal_directory(value)
                kind = host.folded_by(path) if path is not None else None
                if kind is not None:
                    yield _of_spellings(rule, value.span, kind)


def _of_spellings(rule: Rule, span: Span, kind: str) -> Issue:
    """Return what is to be said of a rule that refuses by a name on a file system of type *kind*."""
    if not is_seen(kind):
        return warning(
            span,
            f"rule {rule.name!r} is about names on {kind}, where other spellings (another case, "
            "a short name) find the same file, and the rule does not match them: refuse the "
            "directory where it is mounted",
        )
    if rule.on_error is not OnError.DENY:
        return warning(
            span,
            f"rule {rule.name!r} is about names on {kind}: a short name, or one with letters "
            "other than A to Z, finds its files, too, and its onError allows that",
        )
    return info(
        span,
        f"rule {rule.name!r} is about names on {kind}, where it is not known which file a short "
        "name (NAME~1) or a name with letters other than A to Z stands for: the rule refuses all "
        "such names that its path could mean",
    )
