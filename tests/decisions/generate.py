# SPDX-License-Identifier: MIT
"""
Random policies and operations, from few words so that they meet often.

Made from one ``random.Random`` rather than from a strategy per value: ten times as many operations in
the same time, and Hypothesis still owns the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import TypeVar

import attrs
from reference.semantics import (
    UNKNOWN,
    Access,
    Actor,
    Identity,
    Unknown,
    by_loader,
    rule_ops,
)
from reference.spelling import CASE, OTHER, SHORT, folding, folding_exe

from enforcer.policy.language.drift import KINDS, VOLUMES
from enforcer.policy.language.vocabulary import (
    BITS,
    EVENTS,
    FIELDS,
    PROCESS_FIELDS,
    Dim,
    FieldSpec,
    Kind,
    ObjectFlag,
    Op,
    SubjectFlag,
)
from enforcer.policy.model.points import Operand, OperandType, Point, PointKind
from enforcer.policy.model.policy import (
    Action,
    Address,
    Attempts,
    CapabilityMask,
    Condition,
    Flag,
    Interval,
    Limit,
    Mark,
    Mask,
    Mode,
    OnError,
    Policy,
    PolicySet,
    Process,
    Rule,
    Scope,
    Subject,
    Text,
    TextKind,
    Value,
    Verb,
    Within,
)
from enforcer.policy.model.workloads import (
    CONTAINER,
    LABELS,
    WORKLOAD_FIELDS,
    Workload,
    known_in_namespace,
)
from enforcer.policy.readers.point_arguments import at_point, field_of
from enforcer.policy.readers.points import POINT
from enforcer.span import Span

T = TypeVar("T")

NAMES = [b"a", b"a", b"a", b"b", b"b", b"ab", b"exactly8", b"x.sh", b"sixteen-letters!", b"*x"]
GLOB_PARTS = [b"*", b"*", b"**", b"**", b"?", b"a*", b"*b", b"[ab]", b"[!a]*", b"*.sh", b"a**"]
UNSETTLED = [b"a~1", b"AB~12.sh", b"a.", b"b ", b"\xc3\xa9", b"A:0041"]
SETTLED = [b"a~", b"~1a", b"a.~1~", b".a", b"a~1b"]
WORDS = [b"", b"-c", b"-x", b"curl", b"--exactly", b"/a/b", b"a/b", b"sixteen-letters!"]
WORD_PARTS = [b"-", b"c", b"a/", b"exact", b"!"]
WORD_GLOBS = [b"*", b"-?", b"c*l", b"[-a]*", b"*/**", b"**", b"a**/b", b"?*", b"*?b", b"[!-]*"]
V4 = 0xFFFF << 32
HOSTS = [V4 | 0x7F000001, V4 | 0x0A000001, V4 | 0x0A000102, V4 | 0xA9FEA9FE, 1, 0x20010DB8 << 96]
CAPS = [1 << 21, 1 << 12, 1 << 21 | 1 << 12, 1]
IDS = [0, 1, 5, 8, 1000, 0xFFFFFFFE]
TOPS = {Kind.PORT: 65535, Kind.NUMBER: 8, Kind.USER: 0xFFFFFFFE, Kind.GROUP: 0xFFFFFFFE}
CGROUPS = [
    b"/",
    b"/a",
    b"/a/b",
    b"/system.slice/ssh.service",
    b"/system.slice/ssh.service/sub",
    b"/system.slice/system-x.slice/cron.service",
    b"/user.slice/user-1000.slice/user@1000.service/app.slice/ssh.service",
]
IDS_OF = [b"0123456789abcdef" * 4, b"f" * 64]
POD = b"/kubepods.slice/kubepods-pod1.slice"
CONTAINERS = [
    b"/system.slice/docker-" + IDS_OF[0] + b".scope",
    b"/docker/" + IDS_OF[1],
    POD,
    POD + b"/cri-containerd-" + IDS_OF[0] + b".scope",
    POD + b"/crio-" + IDS_OF[1],
    b"/kubepods/other/" + IDS_OF[0],
    b"/lxc/a",
    b"/machine.slice/systemd-nspawn@b.service",
    b"/x/k:cri-containerd:" + IDS_OF[1],
]
NEARLY = [
    b"/system.slice/docker-" + IDS_OF[0][1:] + b".scope",
    b"/system.slice/docker-" + IDS_OF[0] + b".scopes",
    b"/docker/" + IDS_OF[0] + b"0",
    b"/kubepods.slices/a",
    b"/libpod-conmon-" + IDS_OF[0] + b".scope",
]
ROOTS = [
    b"/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + IDS_OF[0] + b"/rootfs",
    b"/run/k3s/containerd/io.containerd.runtime.v2.task/a/b/rootfs",
    b"/var/lib/docker/overlay2/a/merged",
    b"/var/lib/docker/rootfs/overlayfs/" + IDS_OF[1],
    b"/var/lib/containers/storage/overlay/" + IDS_OF[0] + b"/merged",
    b"/run/containerd/io.containerd.runtime.v2.task/a/rootfs",
    b"/srv/run/containerd/io.containerd.runtime.v2.task/a/b/rootfs",
]
LABELS_OF = [b"a=b", b"a=", b"b=a", b"app=ab", b"a/b=x.sh"]
OPS_OF = {
    "exec": [
        *(Op.EXEC, Op.EXEC_ARGV, Op.EXEC_CREDS, Op.EXEC_LOADED, Op.EXEC_LOADED),
        *(Op.EXEC_LAYER, Op.LOADED_LAYER),
        *(Op.GUARD, Op.MOUNT_GUARD),
    ],
    "file": [
        *EVENTS["file"].everything,
        *(Op.GUARD, Op.MOUNT_GUARD, Op.NAME_GUARD),
        *(Op.FD_READ, Op.FD_WRITE, Op.OVERWRITE),
    ],
    "network": list(EVENTS["network"].everything),
    "mount": [*EVENTS["mount"].everything, Op.MOUNT_GUARD],
    "process": [*EVENTS["process"].everything, Op.CAPABLE],
    "memory": list(EVENTS["memory"].everything),
    "kernel": list(EVENTS["kernel"].everything),
    "lsm": [Op.POINT],
}
IMAGES = [
    0,
    SubjectFlag.NO_IMAGE,
    SubjectFlag.IMAGE,
    SubjectFlag.IMAGE | SubjectFlag.DRIFT_WRITTEN,
    SubjectFlag.IMAGE | SubjectFlag.DRIFT_VOLUME,
    SubjectFlag.IMAGE_UNKNOWN,
]
DIMS_OF = {
    "exec": [Dim.PATH, Dim.DRIFT],
    "file": [Dim.PATH, Dim.MODE, Dim.NAME, Dim.DRIFT],
    "network": [Dim.PATH, Dim.NAME, Dim.ADDR, Dim.PORT, Dim.FAMILY, Dim.TYPE, Dim.PROTOCOL],
    "mount": [Dim.PATH, Dim.NAME, Dim.FSTYPE, Dim.BITS],
    "process": [Dim.PATH, Dim.CODE, Dim.BITS, Dim.TO_UID, Dim.TO_GID],
    "memory": [],
    "kernel": [Dim.PATH, Dim.NAME, Dim.CODE],
    "lsm": [Dim.CODE, Dim.N0, Dim.N1, Dim.N2, Dim.PATH, Dim.NAME, Dim.ADDR, Dim.PORT, Dim.FAMILY],
}
POINTS = [
    Point(PointKind.LSM, "file_open"),
    Point(PointKind.LSM, "bpf"),
    Point(PointKind.KPROBE, "file_open"),
]
OPERANDS = [
    Operand(0, OperandType.NUMBER),
    Operand(1, OperandType.NUMBER, bits=32, signed=True),
    Operand(0, OperandType.NUMBER, ("f_inode", "i_ino")),
    Operand(2, OperandType.TEXT),
    Operand(0, OperandType.TEXT, ("name",)),
    Operand(0, OperandType.FILE),
    Operand(3, OperandType.BYTES, size=2),
    Operand(1, OperandType.SOCK),
]
SOCKET_FIELDS = [FIELDS[name] for name in ("address", "port", "family")]
FACTS = [0, 0, 1, 4, 0x44, 0x108, 0x3FF, 0x4000]
MARKS = [Mark(f"mark-{scope.value}", scope) for scope in Scope]
ERRORS = [1, 2, 13, 17]
MOMENTS = [1_000_000, 5_000_000_000, 3_600_000_000_000]
HEAD = 3850  # bytes that the kernel side has of a path at least, if it has a head
NOW = 10**15
SPAN = Span("random.yaml", 1, 1)


def escaped(name: bytes) -> bytes:
    return name.replace(b"*", b"\\*")


class Maker:
    """Everything that *random* leads to; without *points* no rule names a point of the kernel."""

    def __init__(self, random: Random, *, points: bool = True) -> None:
        self.random = random
        self.points = points
        self.pick = random.choice
        self.world = tuple(self.workloads())

    def chance(self, part: float) -> bool:
        return self.random.random() < part

    def several(self, make: Callable[[], T], least: int, most: int) -> list[T]:
        return [make() for _ in range(self.random.randint(least, most))]

    # ---- Containers --------------------------------------------------------------------------

    def facts(self, fields: Iterable[FieldSpec]) -> dict[str, tuple[bytes, ...] | None]:
        """Of each field: that it is not there, that it is not known, or what it is."""
        found: dict[str, tuple[bytes, ...] | None] = {}
        for field in fields:
            if field == LABELS:
                found[field.name] = tuple(self.several(lambda: self.pick(LABELS_OF), 0, 3))
            else:
                found[field.name] = (self.pick(NAMES),)
            if self.chance(0.2):
                found[field.name] = None
            elif self.chance(0.2):
                del found[field.name]
        return found

    def workloads(self) -> Iterator[Workload]:
        """Yield what is known of some containers; those of one pod say the same of it."""
        pod = self.facts(WORKLOAD_FIELDS["pod"].values())
        for cgroup in CONTAINERS:
            if self.chance(0.4):
                continue
            if cgroup == POD:
                own = dict.fromkeys((f.name for f in CONTAINER.values()), None)
            else:
                own = self.facts(CONTAINER.values())
            of_pod = pod if cgroup.startswith(POD) else self.facts(WORKLOAD_FIELDS["pod"].values())
            yield Workload(cgroup, {**own, **of_pod})

    def workload_condition(self) -> Condition:
        field = self.pick([f for fields in WORKLOAD_FIELDS.values() for f in fields.values()])
        values = self.several(lambda: self.workload_text(field), 1, 3)
        if self.chance(0.2):
            return known_in_namespace(self.pick(NAMES).decode(errors="replace"), SPAN)
        return Condition(field, tuple(values), self.chance(0.25))

    def workload_text(self, field: FieldSpec) -> Text:
        if field == LABELS:
            kind = self.pick([TextKind.EXACT, TextKind.EXACT, TextKind.PREFIX, TextKind.GLOB])
            text = self.pick(LABELS_OF)
            return Text(kind, text[: text.index(b"=") + 1] if kind is TextKind.PREFIX else text)
        kind = self.pick(list(TextKind))
        name = escaped(self.pick(NAMES)) if kind is TextKind.GLOB else self.pick(NAMES)
        return Text(
            kind, self.pick([b"*", b"?*", b"a*", b"*b", name]) if kind is TextKind.GLOB else name
        )

    # ---- Texts -------------------------------------------------------------------------------

    def path(self) -> bytes:
        if self.chance(0.05):
            return b"/"
        return b"".join(b"/" + self.name() for _ in range(self.random.randint(1, 3)))

    def name(self) -> bytes:
        name = self.pick(NAMES)
        return name.upper() if self.chance(0.2) else name

    def glob(self) -> bytes:
        parts = [
            self.glob_part() if self.chance(0.5) else escaped(self.name())
            for _ in range(self.random.randint(1, 4))
        ]
        return b"/" + b"/".join(parts)

    def glob_part(self) -> bytes:
        part = self.pick(GLOB_PARTS)
        return part.upper() if self.chance(0.2) else part

    def path_text(self) -> Text:
        path = self.path()
        at = self.random.randint(1, len(path))
        return self.pick(
            [
                Text(TextKind.EXACT, path),
                Text(TextKind.EXACT, path),
                Text(TextKind.GLOB, self.glob()),
                Text(TextKind.GLOB, self.glob()),
                Text(TextKind.GLOB, escaped(path.rstrip(b"/")) + b"/**"),
                Text(TextKind.PREFIX, path[:at]),
                Text(TextKind.PREFIX, path.rstrip(b"/") + b"/"),
                Text(TextKind.SUFFIX, (path.rstrip(b"/") or b"a")[-at:]),
                Text(TextKind.CONTAINS, path[at - 1 : at + 3]),
            ]
        )

    def word_text(self) -> Text:
        kind = self.pick(list(TextKind))
        of = {TextKind.EXACT: WORDS, TextKind.GLOB: WORD_GLOBS}
        return Text(kind, self.pick(of.get(kind, WORD_PARTS)))

    # ---- Values ------------------------------------------------------------------------------

    def interval(self, top: int) -> Interval:
        near = [0, 0, 1, 2, 5, 8, 1000, top - 3, top, top]
        low, high = sorted((min(self.pick(near), top), min(self.pick(near), top)))
        return Interval(low, high)

    def address(self) -> Address:
        bits = self.pick([0, 0, 8, 16, 24, 32, 96])
        low = self.pick(HOSTS) >> bits << bits
        return Address(low, low + (1 << bits) - 1)

    def mode(self) -> Value:
        masks = [Mask(0o4000), Mask(0o6000, 0o4000), Mask(0o7, 0o7), Mask(0o22, 0), Mask(0o111)]
        return self.pick([self.interval(0o7777), *masks])

    def value(self, kind: Kind) -> Value:
        match kind:
            case Kind.PATH:
                return self.path_text()
            case Kind.CGROUP:
                return (
                    Text(TextKind.EXACT, self.pick(CGROUPS))
                    if self.chance(0.5)
                    else self.path_text()
                )
            case Kind.UNIT:
                return Text(TextKind.EXACT, self.pick([b"/ssh.service", b"/cron.service"]))
            case Kind.STRING | Kind.ARGS:
                return self.word_text()
            case Kind.ADDRESS:
                return self.address()
            case Kind.MODE:
                return self.mode()
            case Kind.CAPABILITY | Kind.FLAGS:
                return CapabilityMask(self.pick(["any", "all", "none"]), self.pick(CAPS))
            case Kind.DRIFT:
                return CapabilityMask(self.pick(["any", "none"]), self.pick([*VOLUMES.values()]))
        return self.interval(TOPS[kind])

    # ---- Rules -------------------------------------------------------------------------------

    def condition(self, fields: Sequence[FieldSpec]) -> Condition:
        field = self.pick(fields)
        index = self.pick([None, 0, 1, 2, 15]) if field.kind is Kind.ARGS else None
        most = 1 if field.kind in BITS else 3
        values = self.several(lambda: self.value(field.kind), 1, most)
        return Condition(field, tuple(values), self.chance(0.25), index)

    def flag(self, fields: Sequence[FieldSpec]) -> Flag:
        return Flag(self.pick(fields), self.chance(0.5))

    def process(self) -> Process:
        compared = [f for f in PROCESS_FIELDS.values() if f.kind is not Kind.FLAG]
        facts = [f for f in PROCESS_FIELDS.values() if f.kind is Kind.FLAG]
        return Process(
            tuple(self.several(lambda: self.condition(compared), 0, 2)),
            tuple(self.several(lambda: self.flag(facts), 0, 1)) if self.chance(0.3) else (),
        )

    def rarely(self, part: float) -> Process:
        return self.process() if self.chance(part) else Process()

    def contained(self, process: Process) -> Process:
        """Ask of a container, too, now and then, and of an executable as it is named in there."""
        if self.chance(0.8):
            return process
        more = self.several(self.workload_condition, 1, 2)
        if self.chance(0.5):
            more.append(self.condition([PROCESS_FIELDS["binary"]]))
        return attrs.evolve(process, conditions=(*process.conditions, *more))

    def subject(self) -> Subject:
        if self.chance(0.5):
            return Subject()
        words = ["process", "parent", "not_process"]
        # An image has room for eight conditions on who acts, of which notLineage takes two.
        words += self.pick(
            [["ancestors", "not_parent", "not_ancestors"], ["lineage", "not_lineage"]]
        )
        found = Subject(**{word: self.rarely(0.3) for word in words})
        return attrs.evolve(
            found,
            process=self.contained(found.process),
            not_process=self.contained(found.not_process),
        )

    def action(self) -> Action:
        message = self.pick([None, "seen"])
        return Action(self.pick(list(Verb)), self.pick([1, 2, 13]), message=message)

    def at_point(self) -> Condition:
        operand = self.pick(OPERANDS)
        field = self.pick(SOCKET_FIELDS) if operand.type.is_socket else field_of(operand)
        condition = self.condition([field])
        if operand.type is OperandType.NUMBER and self.chance(0.2):
            values = (Mask(self.pick([1, 8, 9]), self.pick([None, 8])),)
            condition = attrs.evolve(condition, values=values)
        return attrs.evolve(condition, index=None, operand=operand)

    def point_rule(self) -> Rule:
        point = self.pick(POINTS)
        conditions = self.several(self.at_point, 0, 3)
        return Rule(
            name="rule",
            event="lsm",
            operations=(POINT,),
            action=self.action(),
            span=SPAN,
            conditions=(*conditions, at_point(point, SPAN)),
            subject=self.subject(),
            on_error=self.pick(list(OnError)),
            point=point,
        )

    def rule(self) -> Rule:
        event = self.pick(["file", "file", "exec", "network", "mount", "process", "kernel", "lsm"])
        if event == "lsm" and self.points:
            return self.point_rule()
        event = "kernel" if event == "lsm" else event
        words = self.several(lambda: self.pick(list(EVENTS[event].operations.values())), 1, 2)
        known = sorted(frozenset().union(*(word.fields for word in words)))
        compared = [FIELDS[n] for n in known if FIELDS[n].kind is not Kind.FLAG]
        facts = [FIELDS[n] for n in known if FIELDS[n].kind is Kind.FLAG]
        if "path" in known:
            compared += [FIELDS["path"]] * 3
        most = self.pick([1, 1, 2, 3]) if compared else 0
        chosen = self.several(lambda: self.condition(compared), 0, most)
        stated = self.several(lambda: self.flag(facts), 0, 1) if facts and self.chance(0.4) else []
        if any(c.field.kind is Kind.ARGS for c in chosen):
            stated = [f for f in stated if f.field.flag != ObjectFlag.FILECAPS]
        is_plain = not stated and all(c.field.name == "path" for c in chosen)
        return Rule(
            name="rule",
            event=event,
            attempts=self.attempts() if event in {"exec", "file"} and is_plain else None,
            operations=tuple(words),
            action=self.action(),
            span=SPAN,
            conditions=tuple(chosen),
            flags=tuple(stated),
            subject=self.subject(),
            on_error=self.pick(list(OnError)),
            guard=self.chance(0.7),
            strict=event == "file" and self.chance(0.3),
            loader=event != "exec" or self.chance(0.8),
            limit=Limit(3, 10**9, self.chance(0.5)) if self.chance(0.1) else None,
        )

    def attempts(self) -> Attempts | None:
        if self.chance(0.6):
            return None
        return Attempts(tuple(dict.fromkeys(self.several(lambda: self.pick(ERRORS), 0, 2))))

    def marked(self, rule: Rule) -> Rule:
        """Let some rules mark, and some of these do nothing else."""
        if self.chance(0.6):
            return rule
        rule = attrs.evolve(rule, mark=self.pick(MARKS))
        if self.chance(0.5):
            return rule
        plain = {"action": Action(Verb.ALLOW), "guard": True, "limit": None, "only_marks": True}
        plain |= {"attempts": None}
        doubt = self.pick([OnError.SKIP, OnError.LOG])
        return attrs.evolve(rule, **plain, on_error=doubt)

    def asking(self, policies: PolicySet) -> PolicySet:
        """Let some rules ask about what others mark, in their policy or another."""
        known = [(p.name, r.mark.name) for p in policies.policies for r in p.rules if r.mark]

        def asked(policy: Policy) -> Within:
            owner, name = self.pick(known)
            of = None if owner == policy.name else owner
            return Within(name, self.pick(MOMENTS), self.chance(0.3), of)

        def rule(policy: Policy, given: Rule) -> Rule:
            if not known or self.chance(0.5):
                return given
            within = self.several(lambda: asked(policy), 1, 2)
            return attrs.evolve(given, within=tuple(within))

        return PolicySet(
            tuple(
                attrs.evolve(p, rules=tuple(rule(p, given) for given in p.rules))
                for p in policies.policies
            )
        )

    def times(self, policies: PolicySet) -> Mapping[tuple[str, str], int]:
        """When marks were set: at the borders of the times that rules ask about, or never."""
        near = [NOW - ns + off for ns in MOMENTS for off in (-1, 0, 1)]
        set_at = [*near, NOW, NOW, NOW + 1]
        return {
            (policy.name, mark.name): self.pick(set_at)
            for policy in policies.policies
            for mark in MARKS
            if self.chance(0.6)
        }

    def policies(self) -> PolicySet:
        return self.asking(self.plain_policies())

    def plain_policies(self) -> PolicySet:
        has_marks = self.chance(0.5)
        rule = (lambda: self.marked(self.rule())) if has_marks else self.rule
        return PolicySet(
            tuple(
                Policy(
                    name=f"policy-{i}",
                    mode=Mode.AUDIT if self.chance(0.25) else Mode.ENFORCE,
                    rules=tuple(self.several(rule, 0, 8)),
                    span=SPAN,
                    selector=self.contained(self.rarely(0.15)),
                    defaults={event: self.action() for event in EVENTS if self.chance(0.1)},
                )
                for i in range(self.random.randint(1, 4))
            )
        )

    # ---- Operations --------------------------------------------------------------------------

    def identity(self) -> Identity:
        exe = self.pick([self.exe(), self.exe(), self.exe(), None, UNKNOWN])
        folds = isinstance(exe, bytes) and not exe.startswith(tuple(ROOTS)) and self.chance(0.3)
        if folds:
            exe, kind, at = self.spelled(exe)
        return Identity(
            exe=exe,
            cgroup=self.cgroup(),
            uid=self.pick(IDS),
            euid=self.pick(IDS),
            gid=self.pick(IDS),
            egid=self.pick(IDS),
            caps=self.pick([0, *CAPS, (1 << 41) - 1]),
            flags=self.pick([0, 0, 1, 2, 4, 3, 0x2000, 0x8000, 0x8004, 0x10000, 0x12001])
            | self.pick([0, 0, 0, SubjectFlag.OFFHOST])
            | self.pick([0, 0, SubjectFlag.USERNS])
            | self.pick(IMAGES)
            | (folding_exe(kind, at) if folds else 0),
            workloads=self.world,
        )

    def exe(self) -> bytes:
        path = self.path()
        return self.pick(ROOTS) + path if self.chance(0.5) and path != b"/" else path

    def cgroup(self) -> bytes | Unknown:
        if self.chance(0.1):
            return UNKNOWN
        if self.chance(0.5):
            return self.pick(CGROUPS)
        return self.pick([*CONTAINERS, *CONTAINERS, *NEARLY]) + self.pick([b"", b"", b"/a"])

    def actor(self) -> Actor:
        actor = Actor(self.identity(), lineage_unknown=self.chance(0.2))
        for _ in range(self.random.randint(0, 3)):
            actor = actor.fork() if self.chance(0.5) else actor
            actor = actor.exec(self.identity())
        return actor

    def operand(self, dim: Dim) -> bytes | int:
        match dim:
            case Dim.PATH:
                return self.path()
            case Dim.NAME | Dim.FSTYPE:
                return self.pick(WORDS)
            case Dim.BITS:
                return self.pick([0, *CAPS, 1 << 21 | 1, (1 << 41) - 1])
            case Dim.ADDR:
                return self.pick([*HOSTS, V4 | 0x0A000103, 2, 0])
            case Dim.DRIFT:
                return self.pick([0, *KINDS.values(), KINDS["written"] | KINDS["volume"]])
            case Dim.MODE:
                return self.pick([0, 0o644, 0o755, 0o4755, 0o6755, 0o7777])
        return self.pick([0, 1, 2, 5, 8, 9, 65535])

    def access(self, policies: PolicySet) -> Access:
        """Make an operation that, more often than chance has it, some rule is about."""
        written = [rule for policy in policies.policies for rule in policy.rules]
        rule = self.pick(written) if written and self.chance(0.85) else None
        event = rule.event if rule else self.pick(list(OPS_OF))
        if rule and rule.attempts is not None and self.chance(0.5):
            return self.attempt(rule, policies)
        ops = [self.pick(sorted(rule_ops(rule)) if rule else OPS_OF[event])]
        if rule and by_loader(rule) and self.chance(0.3):
            ops = [Op.EXEC_LOADED]
        if rule and rule.event == "exec" and self.chance(0.25):
            ops = [self.pick([Op.EXEC_LAYER, Op.LOADED_LAYER])]
        if rule and self.chance(0.25) and rule.event not in {"network", "lsm"}:
            ops = [self.pick([Op.GUARD, Op.MOUNT_GUARD, Op.NAME_GUARD])]
        ops += self.several(lambda: self.pick(OPS_OF[event]), 0, self.pick([0, 0, 1, 2]))
        asked = {c.field.dim for c in rule.conditions} if rule else set()
        operands: dict[Dim, bytes | int] = {}
        for dim in DIMS_OF[event]:
            if self.chance(0.95 if dim in asked else 0.6):
                operands[dim] = UNKNOWN if self.chance(0.1) else self.operand(dim)
        if rule and rule.point and self.chance(0.9):
            operands[Dim.CODE] = rule.point.number
        args: tuple[bytes, ...] = ()
        argc = None
        if Op.POINT in ops and self.chance(0.8):
            args = tuple(self.several(lambda: self.pick(WORDS), 0, 2))
            argc = len(args) + self.pick([0, 0, 0, 1])
        if Op.EXEC_LOADED in ops:
            argc = 16
        if Op.EXEC_ARGV in ops:
            args = tuple(self.several(lambda: self.pick(WORDS), 0, 4))
            argc = len(args) + self.pick([0, 0, 0, 1, 3])
        wanted = sum({f.field.flag or 0 for f in rule.flags if f.wanted}) if rule else 0
        flags = wanted if self.chance(0.7) else self.pick(FACTS)
        if self.chance(0.2):
            flags |= ObjectFlag.OFFHOST
        times = dict(self.times(policies))
        path = operands.get(Dim.PATH)
        if isinstance(path, bytes) and self.chance(0.3):
            operands[Dim.PATH], kind, at = self.spelled(path)
            path = operands[Dim.PATH]
            flags |= folding(kind, at)
        elif isinstance(path, bytes) and path != b"/" and self.chance(0.15):
            operands[Dim.PATH] = path = self.pick(ROOTS) + path
        if isinstance(path, bytes) and self.chance(0.08):
            operands[Dim.PATH] = self.deep(path)
            flags |= ObjectFlag.CUT
        return Access(tuple(ops), operands, args, argc, flags, times, NOW)

    def attempt(self, rule: Rule, policies: PolicySet) -> Access:
        """Make a call that the kernel refused, most often one that *rule* wants to know of."""
        words = sorted(op for word in rule.operations for op in word.ops)
        ops = {self.pick(words if self.chance(0.7) else OPS_OF["file"]), self.pick(OPS_OF["file"])}
        operands: dict[Dim, bytes | int] = {
            Dim.CODE: 83,
            Dim.BITS: sum({1 << op for op in ops}),
            Dim.N0: self.pick(ERRORS),
        }
        if self.chance(0.9):
            operands[Dim.PATH] = UNKNOWN if self.chance(0.1) else self.path()
        flags = self.pick([0, 0, 0, int(ObjectFlag.OFFHOST)])
        return Access((Op.ATTEMPT,), operands, (), None, flags, dict(self.times(policies)), NOW)

    def spelled(self, path: bytes) -> tuple[bytes, int, int]:
        """Return a path as it may be in directories that fold names; how, and from where on, they do it."""
        if self.chance(0.4):
            path = path.rstrip(b"/") + b"/" + self.pick([*UNSETTLED, *SETTLED])
            path += self.path().rstrip(b"/") if self.chance(0.3) else b""
        if self.chance(0.3):
            path = path.swapcase()
        starts = [at for at, byte in enumerate(path) if byte == ord("/") and at + 1 < len(path)]
        return path, self.pick([CASE, SHORT, SHORT, OTHER]), self.pick(starts or [0])

    def deep(self, path: bytes) -> bytes:
        """Make the head of a path that goes on where *path* is a directory."""
        if path == b"/":
            path = self.path()
        made = path + b"".join(self.several(self.path, 0, 2))
        while len(made) < HEAD:
            made += b"/" + b"x" * 180
        return made.replace(b"//", b"/").rstrip(b"/")
