# SPDX-License-Identifier: MIT
"""
What policies mean, in the plainest form: straight over the model, one rule after the other.

The compiler and the decision core are held equal to this. It imports neither, and is slow.
Truth has three values; an operand that could not be read makes what depends on it unknown. What the mounts
of the host do not show has no name; by the name that somebody else has for it, a condition is true with a
claim only: :func:`of_views` says what that is worth.
"""

from __future__ import annotations

import enum
import errno
import functools
import re
from collections.abc import Iterable, Iterator

import attrs
from reference import spelling

from enforcer.policy.language.vocabulary import EVENTS, Dim, Kind, ObjectFlag, Op, SubjectFlag
from enforcer.policy.model.policy import (
    Action,
    Address,
    CapabilityMask,
    Condition,
    Flag,
    Interval,
    Mask,
    Mode,
    OnError,
    Policy,
    PolicySet,
    Process,
    Rule,
    Subject,
    Text,
    TextKind,
    Value,
    Verb,
    Within,
)
from enforcer.policy.model.workloads import CERTAIN, Facts, Workload

ROOM = 8
"""Policies whose match a record tells."""

ALSO_ROOM = 4
"""What else they say that is kept until it is decided whether a record is made."""


class Truth(enum.Enum):
    FALSE = 0
    TRUE = 1
    UNKNOWN = 2
    CLAIMED = 3


def truth(value: object) -> Truth:
    return Truth.TRUE if value else Truth.FALSE


def negated(value: Truth) -> Truth:
    return {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE}.get(value, value)


def every(*values: Truth) -> Truth:
    if Truth.FALSE in values:
        return Truth.FALSE
    if Truth.CLAIMED in values:
        return Truth.CLAIMED
    return Truth.UNKNOWN if Truth.UNKNOWN in values else Truth.TRUE


def some(*values: Truth) -> Truth:
    if Truth.TRUE in values:
        return Truth.TRUE
    if Truth.CLAIMED in values:
        return Truth.CLAIMED
    return Truth.UNKNOWN if Truth.UNKNOWN in values else Truth.FALSE


def of_views(claimed: Truth, bare: Truth, *, favours: bool) -> Truth:
    """In favour of who acts only what holds in both views, against it what holds in one."""
    return every(claimed, bare) if favours else some(claimed, bare)


def seen_by(found: Truth, *, favours: bool) -> Truth:
    """What is only claimed holds against who claims it."""
    return truth(not favours) if found is Truth.CLAIMED else found


# ---- Who and what -----------------------------------------------------------------------------


class Unknown(enum.Enum):
    """An operand that is there but could not be read."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


@attrs.frozen
class Choice:
    """A port that the kernel is to choose: one from *low* to *high*."""

    low: int
    high: int


@attrs.frozen
class Identity:
    """
    One process at one moment; *exe* None: it has no executable.

    *workloads*: the containers and pods of its host that are known.
    """

    exe: bytes | Unknown | None = b"/usr/bin/app"
    cgroup: bytes | Unknown = b"/"
    uid: int = 0
    euid: int = 0
    gid: int = 0
    egid: int = 0
    caps: int = 0
    flags: int = 0
    workloads: tuple[Workload, ...] = ()
    other_exe: bytes | None = None


@attrs.frozen
class Actor:
    """A process with what its parent and ancestors were."""

    now: Identity = Identity()
    parent: Identity | None = None
    ancestors: tuple[Identity, ...] = ()
    lineage_unknown: bool = False

    def fork(self, *, same_parent: bool = False) -> Actor:
        return attrs.evolve(
            self,
            parent=self.parent if same_parent else self.now,
            ancestors=(*self.ancestors, self.now),
        )

    def exec(self, now: Identity) -> Actor:
        return attrs.evolve(self, now=now, ancestors=(*self.ancestors, self.now))


@attrs.frozen
class Access:
    """
    One access: the operations that it is, and its operands.

    *operands* maps dimensions to values; what the operation does not have is left out. *args* holds
    the arguments that could be read, *argc* how many there are; None: no arguments here. *marks* are those
    of the actor and of whatever it belongs to, by policy and name, with the times of setting.
    """

    ops: tuple[Op, ...]
    operands: dict[Dim, bytes | int | Unknown | Choice] = attrs.field(factory=dict)
    args: tuple[bytes, ...] = ()
    argc: int | None = None
    flags: int = 0
    marks: dict[tuple[str, str], int] = attrs.field(factory=dict)
    now: int = 0


@attrs.frozen
class Decision:
    """What one group of policies (enforcing, or auditing) says."""

    verb: Verb | None = None
    policy: str | None = None
    rule: int | None = None  # -1: a default
    kind: str | None = None  # rule, guard, default
    errno: int = 0
    on_error: bool = False


@attrs.frozen
class Outcome:
    """
    *marks*: what is marked by this access, whatever comes of it, by policy and name. *said*: what each policy
    says of it, its strictest over the operations, without errno; or how many policies say something, if these
    are more than a record has room for. *also*: what else they say for which they want a record, by operation;
    None if that is more than there is room for.
    """

    enforced: Decision = Decision()
    audited: Decision = Decision()
    marks: frozenset[tuple[str, str]] = frozenset()
    said: frozenset[Decision] | int = frozenset()
    also: frozenset[tuple[Decision, int]] | None = frozenset()


# ---- Values -----------------------------------------------------------------------------------

PATHS = (Kind.PATH, Kind.CGROUP)


def accepts_text(value: Text, text: bytes, kind: Kind) -> bool:
    if kind is Kind.UNIT:
        return value.kind is TextKind.EXACT and in_unit(value.value.lstrip(b"/"), text)
    match value.kind:
        case TextKind.EXACT:
            return text == value.value
        case TextKind.PREFIX:
            return text.startswith(value.value)
        case TextKind.SUFFIX:
            return text.endswith(value.value)
        case TextKind.CONTAINS:
            return value.value in text
        case TextKind.GLOB:
            return glob(value.value, text, is_path=kind in PATHS)


def in_unit(name: bytes, cgroup: bytes) -> bool:
    """Only slices may lie above the unit."""
    parts = cgroup.split(b"/")[1:]
    for i, part in enumerate(parts):
        if part == name:
            return all(above.endswith(b".slice") for above in parts[:i])
    return False


def of_head(value: Text, head: bytes) -> Truth:
    """Compare a path of which only the *head* is known, and that goes on below it, with a pattern not longer."""
    below = head + b"/"
    match value.kind:
        case TextKind.EXACT:
            return Truth.FALSE
        case TextKind.PREFIX:
            return truth(below.startswith(value.value))
        case TextKind.SUFFIX:
            return Truth.UNKNOWN
        case TextKind.CONTAINS:
            return Truth.TRUE if value.value in below else Truth.UNKNOWN
        case TextKind.GLOB:
            if ends_deep(value.value) and glob(value.value, below, is_path=True):
                return Truth.TRUE
            goes_on = glob(value.value, below, is_path=True, goes_on=True)
            return Truth.UNKNOWN if goes_on else Truth.FALSE


def of_spelling(value: Text, path: bytes, kind: int, at: int, *, is_cut: bool = False) -> Truth:
    """
    Compare what other spellings of *path* could be with a pattern: its names are folded from byte *at* on, in the
    way *kind*. *is_cut*: something follows.
    """
    text, goes_on = spelling.seen(path, kind, at)
    goes_on |= is_cut
    if goes_on and (directory := spelling.whole_directory(value)) is not None:
        value = Text(TextKind.PREFIX, directory, value.span)
    below = text + b"/"
    found = [Truth.FALSE]
    if goes_on and value.value == b"/" and value.kind in (TextKind.EXACT, TextKind.GLOB):
        return Truth.FALSE  # what goes on is not the root
    for place in spelling.places(value, lambda rest: one_of(rest, b"x")[1]):
        if value.kind is TextKind.GLOB:
            if not goes_on:
                met = glob(value.value, text, is_path=True, folded_from=place)
                found.append(truth(met))
            elif ends_deep(value.value) and glob(
                value.value, below, is_path=True, folded_from=place
            ):
                found.append(Truth.TRUE)
            elif glob(value.value, below, is_path=True, goes_on=True, folded_from=place):
                found.append(Truth.UNKNOWN)
            continue
        one = spelling.lowered(value, place)
        if not goes_on:
            found.append(truth(accepts_text(one, text, Kind.PATH)))
        elif one.kind is TextKind.EXACT:
            found.append(Truth.UNKNOWN if one.value.startswith(below) else Truth.FALSE)
        elif one.kind is TextKind.PREFIX:
            met = below.startswith(one.value)
            may = one.value.startswith(below)
            found.append(Truth.TRUE if met else Truth.UNKNOWN if may else Truth.FALSE)
        else:
            met = one.kind is TextKind.CONTAINS and one.value in below
            found.append(Truth.TRUE if met else Truth.UNKNOWN)
    return some(*found)


def of_path(value: Text, path: bytes, flags: int, *, is_bare: bool) -> Truth:
    """Compare the path of an object with one pattern; *is_bare*: what another spelling meets does not count."""
    is_cut = bool(flags & ObjectFlag.CUT)
    exact = of_head(value, path) if is_cut else truth(accepts_text(value, path, Kind.PATH))
    kind, at = spelling.of_flags(flags)
    if not kind:
        return exact
    if is_bare:
        return truth(exact is Truth.TRUE)
    return some(exact, of_spelling(value, path, kind, at, is_cut=is_cut))


def ends_deep(pattern: bytes) -> bool:
    """Whether the pattern takes whatever follows once it has come to its end."""
    return re.search(rb"(?:^|[^\\])(?:\\\\)*\*{2,}\Z", pattern) is not None


def glob(
    pattern: bytes,
    text: bytes,
    *,
    is_path: bool,
    goes_on: bool = False,
    folded_from: int | None = None,
) -> bool:
    """
    Match by trying: every star at every length; *goes_on*: with something behind the text; *folded_from*: where
    the pattern begins to accept the small letter in the place of a capital one.
    """
    folded = len(pattern) if folded_from is None else folded_from

    @functools.cache
    def match(p: int, t: int) -> bool:
        if goes_on and t == len(text):
            return True
        if p == len(pattern):
            return t == len(text)
        rest = pattern[p:]
        if rest[:1] == b"*":
            stars = len(rest) - len(rest.lstrip(b"*"))
            after = p + stars
            deep = stars > 1 or not is_path
            whole = (
                p > 0 and pattern[p - 1 : p] == b"/" and pattern[after : after + 1] in (b"", b"/")
            )
            if is_path and deep and whole and after < len(pattern):
                # Whole components, none or more.
                starts = [t, *(i + 1 for i in range(t, len(text)) if text[i : i + 1] == b"/")]
                return any(match(after + 1, start) for start in starts)
            shortest = t + (is_path and whole)
            for end in range(t, len(text) + 1):
                if end >= shortest and match(after, end):
                    return True
                if not deep and text[end : end + 1] == b"/":
                    return False
            return False
        if t == len(text):
            return False
        byte = text[t : t + 1]
        if rest[:1] == b"?":
            return not (is_path and byte == b"/") and match(p + 1, t + 1)
        if rest[:1] == b"[":
            accepted, used = one_of(rest, byte)
            if p >= folded:
                accepted |= one_of(rest, byte.upper())[0]
            return accepted and not (is_path and byte == b"/") and match(p + used, t + 1)
        quoted = rest[:1] == b"\\"
        wanted = rest[quoted : quoted + 1]
        return (wanted.lower() if p >= folded else wanted) == byte and match(p + 1 + quoted, t + 1)

    return match(0, 0)


def one_of(rest: bytes, byte: bytes) -> tuple[bool, int]:
    """Read the class that *rest* starts with: whether it has *byte*, and how long it is."""
    i = 1
    turned = rest[i : i + 1] in (b"!", b"^")
    i += turned
    first, found = i, False
    while i == first or rest[i : i + 1] != b"]":
        i += rest[i : i + 1] == b"\\"
        low = high = rest[i : i + 1]
        i += 1
        if rest[i : i + 1] == b"-" and rest[i + 1 : i + 2] != b"]":
            i += 1
            i += rest[i : i + 1] == b"\\"
            high = rest[i : i + 1]
            i += 1
        found |= low <= byte <= high
    return found != turned, i + 1


def accepts_number(value: Value, number: int) -> bool:
    match value:
        case Interval(low, high) | Address(low, high):
            return low <= number <= high
        case Mask(mask, None):
            return bool(number & mask)
        case Mask(mask, wanted):
            return number & mask == wanted
        case CapabilityMask("any", mask):
            return bool(number & mask)
        case CapabilityMask("all", mask):
            return number & mask == mask
        case CapabilityMask("none", mask):
            return not number & mask
    raise AssertionError(value)


def accepts(value: Value, operand: bytes | int, kind: Kind) -> bool:
    if isinstance(value, Text):
        assert isinstance(operand, bytes)
        return accepts_text(value, operand, kind)
    assert isinstance(operand, int)
    return accepts_number(value, operand)


def bare(condition: Condition) -> Truth:
    """What holds of a name that is none."""
    return truth(condition.negate)


def any_accepts(condition: Condition, operand: bytes | int) -> bool:
    kind = condition.field.kind
    others = condition.field.counts_as.get(operand, ()) if isinstance(operand, int) else ()
    return any(
        accepts(value, operand, kind)
        or (isinstance(value, Interval) and any(accepts_number(value, n) for n in others))
        for value in condition.values
    )


# ---- Conditions -------------------------------------------------------------------------------


def compare(condition: Condition, operand: bytes | int | Unknown | Choice | None) -> Truth:
    """*operand* None: there is no such thing here, so neither the condition nor its negation."""
    if operand is None:
        return Truth.FALSE
    if isinstance(operand, Unknown):
        return Truth.UNKNOWN
    if isinstance(operand, Choice):
        may = any(any_accepts(condition, n) for n in range(operand.low, operand.high + 1))
        return Truth.UNKNOWN if may else truth(condition.negate)
    return truth(any_accepts(condition, operand) != condition.negate)


def about_arguments(condition: Condition, access: Access) -> Truth:
    if access.argc is None:
        return Truth.FALSE
    if condition.index is not None:
        if condition.index >= access.argc:
            return Truth.FALSE
        if condition.index >= len(access.args):
            return Truth.UNKNOWN
        return compare(condition, access.args[condition.index])
    found = [truth(any_accepts(condition, arg)) for arg in access.args]
    if len(access.args) < access.argc:
        found.append(Truth.UNKNOWN)
    result = some(*found)
    return negated(result) if condition.negate else result


def is_by_both_names(rule: Rule, condition: Condition) -> bool:
    """All that a rule refuses, also what it leaves out; and what one permits."""
    return not rule.only_marks and (rule.action.verb >= Verb.DENY or not condition.negate)


def names_inside(values: Iterable[Text], path: bytes) -> Iterator[Text]:
    """Yield *values* as names of the host, in the container that *path* is in."""
    root = ROOT.match(path)
    for value in values if root else ():
        assert root is not None
        if value.kind in (TextKind.EXACT, TextKind.PREFIX):
            yield attrs.evolve(value, value=root[0] + value.value)
        elif value.kind is TextKind.GLOB:
            yield attrs.evolve(
                value, value=re.sub(rb"([*?\[\]{}\\])", rb"\\\1", root[0]) + value.value
            )


def about_object(
    condition: Condition, access: Access, *, is_bare: bool = False, as_inside: bool = False
) -> Truth:
    """*is_bare*: by its own spelling alone; *as_inside*: as the container has it, too."""
    assert condition.field.dim is not None
    path = access.operands.get(Dim.PATH)
    if condition.field.dim == Dim.PATH and isinstance(path, bytes):
        values = list(texts(condition))
        if as_inside:
            values = [*values, *names_inside(values, path)]
        kinds = [of_path(v, path, access.flags, is_bare=is_bare) for v in values]
        found = some(Truth.FALSE, *kinds)
        return negated(found) if condition.negate else found
    if condition.field.dim == Dim.ARG_ANY:
        return about_arguments(condition, access)
    if condition.field.dim == Dim.N0 and condition.index is not None:
        return compare(condition, access.operands.get(Dim(Dim.N0 + condition.index)))
    return compare(condition, access.operands.get(condition.field.dim))


HEX = rb"[0-9a-f]{64}"
NAME = rb"[A-Za-z0-9][^/]*"
CONTAINER = re.compile(
    rb"(?:/(?:docker-HEX\.scope|docker/HEX|[^/]*:cri-containerd:HEX|cri-containerd-HEX\.scope"
    rb"|nerdctl-HEX\.scope|crio-HEX(?:\.scope)?|libpod-HEX(?:\.scope)?|kubepods(?:\.slice)?"
    rb"|lxc\.payload\.NAME|lxc/NAME|machine\.slice/systemd-nspawn@NAME\.service"
    rb"|machine\.slice/machine-NAME\.scope))(?=/|$)".replace(b"HEX", HEX).replace(b"NAME", NAME)
)


def about_workload(condition: Condition, who: Identity) -> Truth:
    """Of a container that is not known, nothing is, and of no other namespace's; outside nothing holds."""
    found = about_any_workload(condition, who)
    is_certain = condition.index == CERTAIN
    return Truth.FALSE if is_certain and found is Truth.UNKNOWN else found


def about_any_workload(condition: Condition, who: Identity) -> Truth:
    if isinstance(who.cgroup, Unknown):
        return Truth.UNKNOWN
    if not CONTAINER.search(who.cgroup) or who.flags & SubjectFlag.RUNTIME:
        return Truth.FALSE
    found = set()
    for workload in who.workloads:
        if f"{who.cgroup.decode()}/".startswith(f"{workload.cgroup.decode()}/"):
            found.add(of_workload(condition, workload.facts))
    for known in (Truth.TRUE, Truth.FALSE):
        if known in found:
            return known
    return Truth.UNKNOWN


def of_workload(condition: Condition, facts: Facts) -> Truth:
    if condition.field.name not in facts:
        return Truth.FALSE
    known = facts[condition.field.name]
    if known is None:
        return Truth.UNKNOWN
    return truth(any(any_accepts(condition, each) for each in known) != condition.negate)


def about_process(condition: Condition, who: Identity, *, is_bare: bool = False) -> Truth:
    """*is_bare*: of the executable by its own spelling alone."""
    assert condition.field.dim is not None
    if condition.field.dim == Dim.CONTAINER:
        return about_workload(condition, who)
    kind, at = spelling.of_exe_flags(who.flags)
    if condition.field.dim == Dim.EXE and kind and isinstance(who.exe, bytes):
        found = truth(any_accepts(condition, who.exe))
        if not is_bare:
            found = some(found, *(of_spelling(v, who.exe, kind, at) for v in texts(condition)))
        return negated(found) if condition.negate else found
    if condition.field.dim == Dim.EXE and who.other_exe is not None:
        assert isinstance(who.exe, bytes)
        names = (who.exe, who.other_exe)
        return truth(any(any_accepts(condition, name) for name in names) != condition.negate)
    operand: dict[Dim, bytes | int | Unknown | None] = {
        Dim.EXE: who.exe,
        Dim.CGROUP: who.cgroup,
        Dim.UID: who.uid,
        Dim.EUID: who.euid,
        Dim.GID: who.gid,
        Dim.EGID: who.egid,
        Dim.CAPS: who.caps,
        Dim.EXE_DRIFT: drift_of(who.flags),
    }
    return compare(condition, operand[condition.field.dim])


def drift_of(facts: int) -> int | Unknown | None:
    """What the executable is to the image of its container; outside of containers there is none."""
    if facts & SubjectFlag.IMAGE_UNKNOWN:
        return UNKNOWN
    found = {
        SubjectFlag.DRIFT_WRITTEN: 1,
        SubjectFlag.DRIFT_MEMORY: 2,
        SubjectFlag.DRIFT_VOLUME: 4,
        SubjectFlag.DRIFT_FOREIGN: 8,
    }
    kinds = sum(bit for flag, bit in found.items() if facts & flag)
    return kinds if facts & SubjectFlag.IMAGE else None


def flags_hold(flags: tuple[Flag, ...], facts: int) -> Truth:
    return truth(all(bool(facts & (flag.field.flag or 0)) == flag.wanted for flag in flags))


# ---- Subjects ---------------------------------------------------------------------------------


def is_process(wanted: Process, who: Identity) -> Truth:
    facts = who.flags | (SubjectFlag.EXE_UNKNOWN if who.exe is UNKNOWN else 0)
    about_code = [f for f in wanted.flags if f.field.flag == SubjectFlag.TRUSTED_CODE]
    others = tuple(f for f in wanted.flags if f not in about_code)
    is_known = not facts & SubjectFlag.CODE_UNKNOWN
    flags = every(
        flags_hold(others, facts),
        *(flags_hold((f,), facts) if is_known else Truth.UNKNOWN for f in about_code),
    )
    claimed = every(flags, *(about_process(c, who) for c in wanted.conditions))
    is_named = not facts & SubjectFlag.OFFHOST or who.exe is None
    unclaimed = attrs.evolve(who, caps=0) if facts & SubjectFlag.USERNS else who
    if is_named and unclaimed is who and not spelling.of_exe_flags(facts)[0]:
        return claimed
    without = every(
        flags,
        *(
            about_process(c, unclaimed, is_bare=True)
            if is_named or c.field.dim != Dim.EXE
            else bare(c)
            for c in wanted.conditions
        ),
    )
    if Truth.UNKNOWN in (claimed, without):
        return Truth.UNKNOWN
    return claimed if claimed is without else Truth.CLAIMED


def lineage(wanted: Process, identities: tuple[Identity, ...], actor: Actor) -> Truth:
    found = some(*(is_process(wanted, one) for one in identities))
    return Truth.UNKNOWN if found is Truth.FALSE and actor.lineage_unknown else found


def acts(policy: Policy, subject: Subject, actor: Actor, *, favours: bool) -> Truth:
    """A lineage is the process, or else those above it: what is certain of the one outweighs doubts of the other."""
    return some(*(seen_by(each, favours=favours) for each in alternatives(policy, subject, actor)))


def asks_for_containers(policy: Policy, subject: Subject) -> bool:
    return any(
        condition.field.dim == Dim.CONTAINER
        for process in (policy.selector, subject.process)
        for condition in process.conditions
    )


def alternatives(policy: Policy, subject: Subject, actor: Actor) -> list[Truth]:
    if asks_for_containers(policy, subject):
        inner = attrs.evolve(
            actor, now=inside(actor.now), parent=actor.parent and inside(actor.parent)
        )
        inner = attrs.evolve(inner, ancestors=tuple(inside(each) for each in actor.ancestors))
        return acts_as(policy, subject, inner)
    return acts_as(policy, subject, actor)


ROOT = re.compile(
    rb"/run(?:/k3s)?/containerd/io\.containerd\.runtime\.v2\.task/[^/]+/[^/]+/rootfs(?=/)"
    rb"|/var/lib/docker/overlay2/[^/]+/merged(?=/)|/var/lib/docker/rootfs/overlayfs/[^/]+(?=/)"
    rb"|/var/lib/containers/storage/overlay/[^/]+/merged(?=/)"
    rb"|/var/lib/containers/storage/vfs/dir/[^/]+(?=/)"
    rb"|/var/lib/containerd/io\.containerd\.snapshotter\.v1\.native/snapshots/[^/]+(?=/)"
    rb"|/var/lib/machines/[^/]+(?=/)|/var/lib/lxc/[^/]+/rootfs(?=/)"
)


def inside(who: Identity) -> Identity:
    """Name the executable as the container has it, too."""
    found = ROOT.match(who.exe) if isinstance(who.exe, bytes) else None
    return attrs.evolve(who, other_exe=who.exe[found.end() :] if found else None)


def acts_as(policy: Policy, subject: Subject, actor: Actor) -> list[Truth]:
    parents = (actor.parent,) if actor.parent else ()

    def holds(wanted: Process, found: Truth, *, negate: bool = False) -> Truth:
        if not wanted:
            return Truth.TRUE
        return negated(found) if negate else found

    s = subject
    apart_from_lineage = every(
        holds(policy.selector, is_process(policy.selector, actor.now)),
        holds(s.process, is_process(s.process, actor.now)),
        holds(s.parent, lineage(s.parent, parents, actor)),
        holds(s.ancestors, lineage(s.ancestors, actor.ancestors, actor)),
        holds(s.not_process, is_process(s.not_process, actor.now), negate=True),
        holds(s.not_parent, lineage(s.not_parent, parents, actor), negate=True),
        holds(s.not_ancestors, lineage(s.not_ancestors, actor.ancestors, actor), negate=True),
        holds(s.not_lineage, is_process(s.not_lineage, actor.now), negate=True),
        holds(s.not_lineage, lineage(s.not_lineage, actor.ancestors, actor), negate=True),
    )
    if not s.lineage:
        return [apart_from_lineage]
    itself = is_process(s.lineage, actor.now)
    above = lineage(s.lineage, actor.ancestors, actor)
    return [every(apart_from_lineage, itself), every(apart_from_lineage, above)]


# ---- Marks ------------------------------------------------------------------------------------


def lately(policy: Policy, asked: Within, access: Access) -> Truth:
    """Both borders belong to the time; what is set this very moment may be later than now."""
    at = access.marks.get((asked.policy or policy.name, asked.mark))
    return truth((at is not None and access.now - at <= asked.last_ns) != asked.negate)


# ---- Guards -----------------------------------------------------------------------------------


def components(pattern: bytes) -> list[bytes]:
    return pattern.split(b"/")[1:]


def leading(value: Text) -> list[bytes]:
    """Patterns of the directories above what *value* accepts, as far as the depth is known."""
    match value.kind:
        case TextKind.EXACT | TextKind.PREFIX:
            known = components(value.value)[:-1]
        case TextKind.GLOB:
            parts = components(value.value)
            known = []
            for part in parts[:-1]:
                if any_depth(part):
                    break
                known.append(part)
        case _:
            return []
    if not value.value.startswith(b"/"):
        return []
    # "/" has no name that could be taken away, but a mount that could go.
    return [b"/"] + [b"".join(b"/" + part for part in known[: i + 1]) for i in range(len(known))]


def any_depth(component: bytes) -> bool:
    i = 0
    while i < len(component):
        if component[i : i + 1] == b"\\":
            i += 2
        elif component[i : i + 1] == b"[":
            i += one_of(component[i:], b"x")[1]
        elif component[i : i + 2] == b"**":
            return True
        else:
            i += 1
    return False


def keeps(value: Text, *, is_code: bool) -> bool:
    """Does the pattern name files that must keep their own names?"""
    if not is_code:
        return True
    if value.kind is TextKind.PREFIX:
        return not value.value.endswith(b"/")
    if value.kind is TextKind.GLOB:
        last = components(value.value)[-1]
        return last.strip(b"*") != b"" or len(last) == 1
    return value.kind is TextKind.EXACT


def guarded(
    rule: Rule,
    path: bytes | Unknown | None,
    flags: int = 0,
    *,
    is_bare: bool = False,
    as_inside: bool = False,
) -> Truth:
    """Would taking the name *path* away take something away from *rule*? *as_inside*: as for about_object."""
    about_paths = [c for c in rule.conditions if c.field.dim == Dim.PATH]
    is_strict = rule.action.verb in (Verb.DENY, Verb.KILL)
    above = [v for c in about_paths if is_strict and not c.negate for v in texts(c) if leading(v)]
    is_code = {op for word in rule.operations for op in word.ops} <= {Op.EXEC, Op.MMAP_EXEC}
    own = {
        id(c): [v for v in texts(c) if c.negate or keeps(v, is_code=is_code)] for c in about_paths
    }
    keeps_own = all(own.values())
    if path is None or not (above or keeps_own):
        return Truth.FALSE
    if isinstance(path, Unknown):
        return Truth.UNKNOWN
    directories = [each for v in above for each in directories_of(v)]
    if as_inside and is_strict:
        directories = [*directories, *names_inside(directories, path)]
        own = {of: [*values, *names_inside(values, path)] for of, values in own.items()}
    over = some(Truth.FALSE, *(of_path(v, path, flags, is_bare=is_bare) for v in directories))
    if not keeps_own:
        return over
    parts = []
    for c in about_paths:
        part = some(Truth.FALSE, *(of_path(v, path, flags, is_bare=is_bare) for v in own[id(c)]))
        parts.append(negated(part) if c.negate else part)
    return some(over, every(*parts))


def guarded_bare(rule: Rule) -> Truth:
    """The same of what has no name: it is above nothing, and none of the names that are listed."""
    about_paths = [c for c in rule.conditions if c.field.dim == Dim.PATH]
    return truth(all(c.negate for c in about_paths))


def directories_of(value: Text) -> list[Text]:
    """The directories above a pattern, which are as exact as that is."""
    kind = value.kind if value.kind is TextKind.GLOB else TextKind.EXACT
    return [Text(kind, each, None) for each in leading(value)]


def texts(condition: Condition) -> list[Text]:
    return [value for value in condition.values if isinstance(value, Text)]


# ---- Rules ------------------------------------------------------------------------------------


@attrs.frozen
class Entry:
    """One thing that a policy says; *matches* is asked with the operation."""

    policy: Policy
    rule: int
    kind: str
    ops: frozenset[Op]
    action: Action
    on_error: OnError
    mark: str | None = None
    is_detached: bool = False

    def matches(self, actor: Actor, access: Access, *, favours: bool) -> Truth:
        if self.kind == "default":
            return acts(self.policy, Subject(), actor, favours=favours)
        rule = self.policy.rules[self.rule]
        if self.kind == "attempt" and not attempted(rule, access):
            return Truth.FALSE
        if self.is_detached and not access.flags & ObjectFlag.DETACHED:
            return Truth.FALSE
        who = acts(self.policy, rule.subject, actor, favours=favours)
        claimed = self.object_matches(access, is_bare=False)
        if access.flags & ObjectFlag.OFFHOST or spelling.of_flags(access.flags)[0]:
            without = self.object_matches(access, is_bare=True)
            return every(who, of_views(claimed, without, favours=favours))
        return every(who, claimed)

    def object_matches(self, access: Access, *, is_bare: bool) -> Truth:
        rule = self.policy.rules[self.rule]
        is_nameless = is_bare and bool(access.flags & ObjectFlag.OFFHOST)
        asks = asks_for_containers(self.policy, rule.subject)

        def about(condition: Condition) -> Truth:
            has_path = condition.field.dim == Dim.PATH and Dim.PATH in access.operands
            if is_nameless and has_path:
                return bare(condition)
            as_inside = asks and is_by_both_names(rule, condition)
            return about_object(condition, access, is_bare=is_bare, as_inside=as_inside)

        if self.kind == "guard":
            about_paths = [c for c in rule.conditions if c.field.dim == Dim.PATH]
            if not about_paths:
                return Truth.TRUE
            path = access.operands.get(Dim.PATH)
            if is_nameless and path is not None:
                return guarded_bare(rule)
            return guarded(rule, path, access.flags, is_bare=is_bare, as_inside=asks)
        if self.is_detached:
            kinds = (about_object(c, access) for c in rule.conditions if c.field.dim == Dim.FSTYPE)
            return every(flags_hold(rule.flags, access.flags), *kinds)
        return every(
            flags_hold(rule.flags, access.flags),
            *(about(c) for c in rule.conditions),
            *(lately(self.policy, asked, access) for asked in rule.within),
        )


def attempted(rule: Rule, access: Access) -> bool:
    """Is a call that the kernel refused one that *rule* wants to know of?"""
    wanted = sum({1 << op for word in rule.operations for op in word.ops})
    errors = rule.attempts.errors if rule.attempts else ()
    error = access.operands[Dim.N0]
    goes_on = error in (errno.EAGAIN, errno.EINTR, errno.EINPROGRESS) and rule.event == "network"
    is_meant = error in errors if errors else not goes_on
    return bool(wanted & access.operands[Dim.BITS]) and is_meant


FD = {Op.READ: Op.FD_READ, Op.WRITE: Op.FD_WRITE, Op.APPEND: Op.FD_WRITE}


def descriptor_ops(rule: Rule) -> frozenset[Op]:
    if rule.event != "file":
        return frozenset()
    return frozenset(FD[op] for word in rule.operations for op in word.ops if op in FD)


def rule_ops(rule: Rule) -> frozenset[Op]:
    if rule.event == "exec":
        if any(c.field.dim == Dim.ARG_ANY for c in rule.conditions):
            return frozenset({Op.EXEC_ARGV})
        if any(f.field.flag == ObjectFlag.FILECAPS for f in rule.flags):
            return frozenset({Op.EXEC_CREDS})
        return frozenset({Op.EXEC})
    ops = frozenset(op for word in rule.operations for op in word.ops)
    return ops | descriptor_ops(rule) if rule.strict else ops


def by_loader(rule: Rule) -> bool:
    """Could the file that a loader maps first be one that *rule* is about?"""
    flags = {f.field.flag for f in rule.flags if f.wanted}
    about = {c.field.dim for c in rule.conditions if not c.negate}
    has_args = any(c.field.dim == Dim.ARG_ANY for c in rule.conditions)
    never = {
        *(ObjectFlag.SCRIPT, ObjectFlag.INTERPRETER, ObjectFlag.FILECAPS),
        *(ObjectFlag.SETUID, ObjectFlag.SETGID),
    }
    return rule.event == "exec" and not flags & never and (Dim.PATH in about or not has_args)


def asks_loaders(policy: Policy) -> bool:
    """Only a policy that refuses programs looks at what loaders run."""
    strict = (Verb.DENY, Verb.KILL)
    return ("exec" in policy.defaults and policy.defaults["exec"].verb in strict) or any(
        rule.action.verb in strict and rule.loader and by_loader(rule) for rule in policy.rules
    )


def loaded_ops(policy: Policy, rule: Rule) -> frozenset[Op]:
    refuses = rule.action.verb in (Verb.DENY, Verb.KILL)
    if asks_loaders(policy) and by_loader(rule) and (rule.loader or not refuses):
        return frozenset({Op.EXEC_LOADED})
    return frozenset()


def layer_ops(policy: Policy, rule: Rule) -> frozenset[Op]:
    """By what *rule* is asked about the name that a program of an overlay has in the layer."""
    about = {c.field.dim for c in rule.conditions}
    every_file = {b"/", b"/**", b"/**/*", b"/**/**"}
    named = any(
        c.field.dim == Dim.PATH
        and not c.negate
        and not any(
            value.value in every_file and value.kind in (TextKind.GLOB, TextKind.PREFIX)
            for value in c.values
            if isinstance(value, Text)
        )
        for c in rule.conditions
    )
    untold = {
        *(ObjectFlag.SCRIPT, ObjectFlag.INTERPRETER, ObjectFlag.FILECAPS),
        *(ObjectFlag.SETUID, ObjectFlag.SETGID),
    }
    if rule.event != "exec" or rule.only_marks or Dim.ARG_ANY in about:
        return frozenset()
    if untold & {f.field.flag for f in rule.flags}:
        return frozenset()
    if rule.action.verb in (Verb.DENY, Verb.KILL) and not named:
        return frozenset()
    loaded = {Op.LOADED_LAYER} if loaded_ops(policy, rule) else set()
    return frozenset({Op.EXEC_LAYER} | loaded)


def guard_ops(rule: Rule) -> frozenset[Op]:
    """What the guard of *rule* decides; nothing if it has none."""
    about_paths = [c for c in rule.conditions if c.field.dim == Dim.PATH]
    both = frozenset({Op.GUARD, Op.MOUNT_GUARD})
    if not rule.guard:
        return frozenset()
    ops = {op for word in rule.operations for op in word.ops}
    if rule.action.verb in (Verb.DENY, Verb.KILL):
        named = rule.event in ("exec", "file", "network")
        if not named or all(c.negate for c in about_paths):
            return frozenset()
        # What may not be written must not be replaced by something else either.
        is_content = rule.event == "file" and Op.WRITE in ops
        return both | {Op.NAME_GUARD} if is_content else both
    free = (
        rule.action.verb is Verb.ALLOW
        and not rule.flags
        and not rule.only_marks
        and not rule.within
        and len(about_paths) == len(rule.conditions)
    )
    if free and rule.event == "file" and ops >= set(EVENTS["file"].everything):
        return both | {Op.NAME_GUARD}
    replacing = {Op.UNLINK, Op.SYMLINK, Op.MKNOD, Op.LINK, Op.RENAME}
    if free and rule.event == "file" and ops >= replacing:
        return frozenset({Op.NAME_GUARD})
    if free and rule.event == "mount" and ops >= set(EVENTS["mount"].everything):
        return frozenset({Op.MOUNT_GUARD})
    return frozenset()


def entries(policy: Policy) -> list[Entry]:
    """Everything that *policy* says, in the order of asking."""
    out: list[Entry] = []
    for i, rule in enumerate(policy.rules):
        strict = rule.action.verb in (Verb.DENY, Verb.KILL)
        mark = rule.mark.name if rule.mark else None
        kind = "mark" if rule.only_marks else "rule"
        decided = rule_ops(rule) | loaded_ops(policy, rule)
        decided |= layer_ops(policy, rule) if strict else frozenset()
        out.append(Entry(policy, i, kind, decided, rule.action, rule.on_error, mark))
        if rule.only_marks:
            continue
        if rule.attempts is not None:
            # Too late for anything but a record, which is made in doubt as well.
            log = attrs.evolve(rule.action, verb=Verb.LOG)
            ops = frozenset({Op.ATTEMPT})
            out.append(Entry(policy, i, "attempt", ops, log, OnError.LOG))
        later = [descriptor_ops(other) for other in policy.rules[i + 1 :] if other.strict]
        if not strict and not rule.strict:
            # What may be opened may be used, even if a later rule is strict with others.
            ops = descriptor_ops(rule) & frozenset().union(*later)
            silent = attrs.evolve(rule.action, verb=Verb.ALLOW)
            out.append(Entry(policy, i, "rule", ops, silent, OnError.SKIP))
        refused = [
            layer_ops(policy, other)
            for other in policy.rules[i + 1 :]
            if other.action.verb in (Verb.DENY, Verb.KILL)
        ]
        if not strict and (ops := layer_ops(policy, rule) & frozenset().union(*refused)):
            # What may be run by the name in the layer is not refused by a later rule on that name.
            silent = attrs.evolve(rule.action, verb=Verb.ALLOW)
            out.append(Entry(policy, i, "rule", ops, silent, OnError.SKIP))
        if not strict and Op.MOUNT in rule_ops(rule) and rule.event == "mount":
            # What may be mounted somewhere may be made, before anybody says where.
            silent = attrs.evolve(rule.action, verb=Verb.ALLOW)
            ops = frozenset({Op.MOUNT})
            out.append(Entry(policy, i, "rule", ops, silent, OnError.SKIP, is_detached=True))
        if kept := guard_ops(rule):
            action = attrs.evolve(rule.action, verb=Verb.DENY if strict else Verb.ALLOW)
            out.append(Entry(policy, i, "guard", kept, action, rule.on_error))
    for event, action in policy.defaults.items():
        strict = action.verb in (Verb.DENY, Verb.KILL)
        on_error = OnError.DENY if strict else OnError.SKIP
        ops = frozenset(EVENTS[event].everything)
        if event == "exec" and asks_loaders(policy):
            ops |= {Op.EXEC_LOADED}
        out.append(Entry(policy, -1, "default", ops, action, on_error))
    return out


def serving_marks(policies: PolicySet) -> set[tuple[str, str]]:
    """The marks on which a permission or the end of a refusal hangs, by policy and name."""
    return {
        (asked.policy or policy.name, asked.mark)
        for policy in policies.policies
        for rule in policy.rules
        for asked in rule.within
        if rule.only_marks or (rule.action.verb in (Verb.DENY, Verb.KILL)) == asked.negate
    }


def favours(entry: Entry, behind: list[Entry], serving: set[tuple[str, str]]) -> bool:
    """Is a match of *entry* in favour of who acts? *behind*: what the policy says from there on."""
    if entry.kind == "mark":
        return (entry.policy.name, entry.mark) in serving
    if entry.action.verb is Verb.LOG:
        refusing = [e for e in behind if e.kind != "mark" and e.action.verb >= Verb.DENY]
        return any(entry.ops & e.ops for e in refusing)
    return entry.action.verb is Verb.ALLOW


def first(
    policy: Policy,
    op: Op,
    actor: Actor,
    access: Access,
    marked: set[tuple[str, str]],
    *,
    serving: set[tuple[str, str]],
) -> tuple[int, Decision, bool] | None:
    """Find what decides, and whether it wants a record; on the way there and by it *marked* grows."""
    said = entries(policy)
    for place, entry in enumerate(said):
        if op not in entry.ops:
            continue
        found = entry.matches(actor, access, favours=favours(entry, said[place:], serving))
        if found is Truth.FALSE or (found is Truth.UNKNOWN and entry.on_error is OnError.SKIP):
            continue
        if entry.mark is not None:
            marked.add((policy.name, entry.mark))
        if entry.kind == "mark":
            continue
        verb = entry.action.verb
        if found is Truth.UNKNOWN:
            verb = Verb.LOG if entry.on_error is OnError.LOG else Verb.DENY
        assert verb is not None
        message = entry.action.message or (policy.message if policy.record_allowed else None)
        is_told = verb >= Verb.LOG or (entry.action.verb is Verb.ALLOW and bool(message))
        decision = Decision(
            verb,
            policy.name,
            entry.rule,
            entry.kind,
            entry.action.errno,
            found is Truth.UNKNOWN,
        )
        return place, decision, is_told
    return None


def named(policies: PolicySet, op: Op) -> Op:
    """Overwriting by an append-only descriptor is writing, where anybody tells that from appending."""
    if op is not Op.OVERWRITE:
        return op
    all_ops = [entry.ops for policy in policies.policies for entry in entries(policy)]
    tells = any((Op.WRITE in ops) is not (Op.APPEND in ops) for ops in all_ops)
    return Op.WRITE if tells else op


def decide(policies: PolicySet, actor: Actor, access: Access) -> Outcome:
    """The strictest over policies and operations; among equals the earliest written."""
    marked: set[tuple[str, str]] = set()
    serving = serving_marks(policies)
    said: dict[Mode, list[tuple[tuple[int, int, int, int], Decision]]] = {m: [] for m in Mode}
    spoken: list[tuple[Decision, int, bool]] = []
    for turn, asked in enumerate(access.ops):
        op = named(policies, Op(asked))
        for number, policy in enumerate(policies.policies):
            found = first(policy, op, actor, access, marked, serving=serving)
            if found is not None:
                place, decision, is_told = found
                assert decision.verb is not None
                order = (-decision.verb, number, place, turn)
                said[policy.mode].append((order, decision))
                spoken.append((decision, asked, is_told))

    def strictest(mode: Mode) -> Decision:
        return min(said[mode], key=lambda item: item[0])[1] if said[mode] else Decision()

    if access.flags & (ObjectFlag.NSVIEW | ObjectFlag.OFFHOST) == ObjectFlag.NSVIEW:
        marked -= serving  # the host has a name for it, and this one is only the caller's
    return Outcome(
        strictest(Mode.ENFORCE),
        strictest(Mode.AUDIT),
        frozenset(marked),
        *told(spoken),
    )


def told(
    spoken: Iterable[tuple[Decision, int, bool]],
) -> tuple[frozenset[Decision] | int, frozenset[tuple[Decision, int]] | None]:
    """What a record tells of what policies say, and what else they say that one is made of."""
    each: dict[str, tuple[Decision, int, bool]] = {}
    also: set[tuple[Decision, int]] = set()
    for decision, op, is_told in spoken:
        new = attrs.evolve(decision, errno=0), op, is_told
        assert decision.policy is not None
        known = each.setdefault(decision.policy, new)
        if known == new:
            continue
        assert known[0].verb is not None
        assert decision.verb is not None
        if decision.verb > known[0].verb:
            each[decision.policy], new = new, known
        if new[2]:
            also.add(new[:2])
    said = frozenset(decision for decision, _, _ in each.values())
    return (
        said if len(said) <= ROOM else len(said),
        frozenset(also) if len(also) <= ALSO_ROOM else None,
    )
