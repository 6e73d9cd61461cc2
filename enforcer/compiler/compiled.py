# SPDX-License-Identifier: MIT
"""
The compiler's product and the one function that makes it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

import attrs

from enforcer.compiler.atoms import ARG_DIMS, Atoms
from enforcer.compiler.automata import Automata, KeptAutomata
from enforcer.compiler.containers import ContainerAtoms
from enforcer.compiler.explain import explain
from enforcer.compiler.host import Host, LocalHost
from enforcer.compiler.image import Counts, assemble
from enforcer.compiler.lower import Row, RowInfo, RowKind, lower
from enforcer.compiler.marks import Marks
from enforcer.compiler.paths import Names
from enforcer.compiler.points import Placed, pack, place
from enforcer.compiler.subjects import LabelNumbers, NumbersExhaustedError, Subjects
from enforcer.garbage import uncollected
from enforcer.policy.kernel_types.operand_path import Types, local_types
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import Note, PolicySet, Verb
from enforcer.policy.readers.attempts import ended_calls

__all__ = ["CompiledImage", "Needs", "compile_policies"]

_FD_OPS = frozenset((Op.FD_READ, Op.FD_WRITE))


@attrs.frozen
class Needs:
    """
    What the kernel side must find out for these policies.

    Attributes:
        executable, cgroup, capabilities: of the acting process.
        lineage: what its parent and ancestors were.
        argv: the arguments of a new program.
        descriptors: every read and write, not only opens.
        inodes: files with several names, by device and inode.
        containers: which containers and pods there are.
    """

    executable: bool
    cgroup: bool
    capabilities: bool
    lineage: bool
    argv: bool
    descriptors: bool
    inodes: bool
    containers: bool


@attrs.frozen
class CompiledImage:
    """
    All policies as the kernel side reads them.

    Attributes:
        image: the bytes; ``verify.verify`` checks them again before they are activated.
        generation: of the image, as in its head; 0 is never one.
        rows: what each row id is from.
        ops, dims: what any row decides and looks at.
        warnings: what the author should know.
        labels: numbers of process conditions, to be kept by the next image.
        continues: whether the labels of tasks stay true: false after a renumbering, when every
            label has to be made anew.
        keeps_marks: whether the marks of tasks, containers and the host stay true.
        points: of the kernel that rules name, with what they compare there.
        unfollowed: containers, by cgroup, with more links than have room.
        renamed: those in which links give names to what policies name otherwise.
        automata: those of its globs, for the next image.
        asked: what it asks of containers, for those that begin before the next image.
    """

    image: bytes = attrs.field(repr=lambda image: f"<{len(image)} bytes>")
    generation: int
    rows: tuple[RowInfo, ...] = attrs.field(repr=lambda rows: f"<{len(rows)} rows>")
    ops: frozenset[Op]
    dims: frozenset[int]
    counts: Counts
    needs: Needs
    warnings: tuple[Note, ...] = ()
    labels: LabelNumbers = attrs.field(factory=LabelNumbers, repr=False)
    continues: bool = True
    keeps_marks: bool = True
    points: tuple[Placed, ...] = ()
    unfollowed: frozenset[bytes] = frozenset()
    renamed: frozenset[bytes] = frozenset()
    automata: Automata = attrs.field(factory=dict, repr=False)
    asked: ContainerAtoms = attrs.field(factory=ContainerAtoms, repr=False)

    def explain(self, row: int) -> str:
        """Say in one line what row *row* is."""
        return explain(self.rows[row])


@uncollected()
def compile_policies(
    policies: PolicySet,
    *,
    host: Host | None = None,
    generation: int = 1,
    seed: int | None = None,
    previous: LabelNumbers | None = None,
    keep: PolicySet | None = None,
    now_ns: int | None = None,
    types: Types | None = None,
    automata: Automata | None = None,
    most_work: int | None = None,
) -> CompiledImage:
    """
    Compile all *policies* together.

    Args:
        policies: in the order of loading.
        host: whose links and mounts names are looked up on; default this machine.
        generation: number of the image; must differ from that of every image in use.
        seed: of the string hash; default random.
        previous: labels of the active image, whose numbers are kept.
        keep: policies that may become active again: conditions on processes in them are kept
            current, so that what is forked meanwhile is known to them.
        now_ns: CLOCK_BOOTTIME, the birth of marks that are new; default the clock's.
        types: what is known of the kernel's functions; default what this machine says.
        automata: of the last image, those of :attr:`CompiledImage.automata`.
        most_work: steps that automata may take, if fewer than for any image.

    Raises:
        LimitError: a limit is exceeded; names the limit, the number and the place.
        PolicyError: a rule has no meaning in the kernel.
    """
    placement = place(policies)
    policies = placement.policies
    points: Iterable[tuple[int | bytes, ...]] = ()
    if placement.points:  # else the kernel's types, which are megabytes, need not be read
        points = pack(placement.points, types if types is not None else local_types())
    names = Names(host if host is not None else LocalHost.read())
    before = previous if previous is not None else LabelNumbers()
    fresh = LabelNumbers()
    born = now_ns if now_ns is not None else time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    # Where numbers of conditions are used up, marks keep theirs: what they mean does not hang on labels.
    for numbers in (before, attrs.evolve(fresh, marks=before.marks), fresh):
        with contextlib.suppress(NumbersExhaustedError):
            atoms, subjects, marks, rows = _lowered(policies, names, numbers, keep, born)
            break
    labels = attrs.evolve(subjects.numbers, marks=marks.numbers)
    kept = KeptAutomata(automata or {})
    tables = assemble(
        rows,
        atoms,
        subjects,
        marks,
        calls=[
            *(call for p in policies.policies for rule in p.rules for call in rule.calls),
            *(call for p in policies.policies for rule in p.rules for call in ended_calls(rule)),
        ],
        points=points,
        n_policies=len(policies.policies),
        generation=generation,
        new_labels=labels.used - numbers.used,
        seed=seed,
        kept=kept,
        most_work=most_work,
    )
    ops = frozenset(op for op in Op if tables.ops >> op & 1)
    dims = frozenset(dim for dim in range(64) if tables.dims >> dim & 1)
    infos = tuple(row.info for row in rows)
    return CompiledImage(
        image=tables.image,
        generation=generation,
        rows=infos,
        ops=ops,
        dims=dims,
        counts=tables.counts,
        needs=Needs(
            executable=subjects.needs(Dim.EXE),
            cgroup=subjects.needs(Dim.CGROUP) or subjects.needs(Dim.CONTAINER),
            capabilities=subjects.needs(Dim.CAPS),
            lineage=subjects.needs_lineage,
            argv=bool(dims & ARG_DIMS),
            descriptors=bool(ops & _FD_OPS),
            inodes=Dim.INODE in dims,
            containers=subjects.needs(Dim.CONTAINER),
        ),
        warnings=tuple(_warnings(infos, rows_ops=[row.ops for row in rows])),
        labels=labels,
        continues=numbers is before,
        keeps_marks=numbers.marks is before.marks,
        points=placement.points,
        unfollowed=frozenset(atoms.linked.left_out),
        renamed=frozenset(atoms.linked.renamed),
        automata=kept.now,
        asked=atoms.asked,
    )


def _lowered(
    policies: PolicySet, names: Names, before: LabelNumbers, keep: PolicySet | None, born: int
) -> tuple[Atoms, Subjects, Marks, list[Row]]:
    atoms = Atoms(names)
    subjects = Subjects(atoms, before)
    marks = Marks(before.marks, born)
    rows = lower(policies, atoms, subjects, marks)
    for policy in keep.policies if keep else ():
        marks.learn(policy)
        subjects.of_policy(policy)
        for rule in policy.rules:
            subjects.of_rule(policy, rule)
    return atoms, subjects, marks, rows


def _warnings(infos: tuple[RowInfo, ...], rows_ops: list[int]) -> list[Note]:
    out = []
    for info, ops in zip(infos, rows_ops, strict=True):
        if info.kind is RowKind.RULE and ops >> Op.EXEC_ARGV & 1 and info.verb is Verb.DENY:
            said = (
                f"rule {info.rule!r} denies by arguments, which are known too late to prevent the "
                "exec: use kill"
            )
            out.append(Note(said, info.span, matters=True))
    return list(dict.fromkeys(out))
