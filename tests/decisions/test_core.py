# SPDX-License-Identifier: MIT
"""The core as `enforcer test` uses it, against the tables and their reference."""

from __future__ import annotations

import attrs
import pytest
from builds import decide_by_reference, decision, split
from reference.semantics import UNKNOWN, Outcome
from test_tables import access, cases, live, load

from enforcer.libbpf.decision import Access, Core, Identity
from enforcer.policy.language.vocabulary import Dim, SubjectFlag


def identity(who, *, strangers=False):
    flags = who.flags | (SubjectFlag.EXE_UNKNOWN if who.exe is UNKNOWN else 0)
    return Identity(
        exe=None if who.exe is UNKNOWN else who.exe,
        cgroup=b"" if who.cgroup is UNKNOWN else who.cgroup,
        uid=who.uid,
        euid=who.euid,
        gid=who.gid,
        egid=who.egid,
        caps=who.caps,
        flags=flags | (SubjectFlag.LINEAGE_UNKNOWN if strangers else 0),
    )


def asked(given, compiled):
    numbers = {split(key): number for key, (number, _) in compiled.labels.marks.items()}
    unknown = frozenset(dim for dim, value in given.operands.items() if value is UNKNOWN)
    known = {dim: value for dim, value in given.operands.items() if value is not UNKNOWN}
    return Access(
        ops=given.ops,
        operands=known,
        unknown=unknown,
        args=given.args if given.argc is not None else None,
        flags=given.flags,
        marks={numbers[mark]: at for mark, at in given.marks.items()},
        now=given.now,
    )


@pytest.mark.parametrize(("scene", "case"), list(cases()))
def test_the_core_decides_as_the_tables_say(scene, case) -> None:
    """Same policies, same history, same operands: same verdict and row."""
    policies, compiled = load(scene)
    actor, given = live(case), access(case)
    if given.argc is not None and given.argc != len(given.args):
        pytest.skip("a case of enforcer test has all of its arguments")
    core = Core(compiled.image)
    subject = core.subject(
        identity(actor.now, strangers=actor.lineage_unknown),
        identity(actor.parent, strangers=actor.lineage_unknown) if actor.parent else None,
        [identity(each, strangers=actor.lineage_unknown) for each in actor.ancestors],
    )

    found = core.decide(subject, asked(given, compiled))

    row = 0xFFFFFFFF if found.row is None else found.row
    audit_row = 0xFFFFFFFF if found.audit_row is None else found.audit_row
    whole = decide_by_reference(policies, actor, given)
    assert attrs.evolve(whole, said=frozenset(), also=frozenset()) == Outcome(
        decision(compiled, row, found.action, found.on_error, found.error),
        decision(compiled, audit_row, found.audit_action, found.audit_on_error, 0),
        frozenset(
            split(key)
            for key, (number, _) in compiled.labels.marks.items()
            if found.marks >> number & 1
        ),
    )


def test_a_long_list_of_arguments_is_unknown_behind_its_end() -> None:
    """As in the kernel: what found no room cannot be known."""
    _, compiled = load(
        "{about: args, rules: [{name: a, exec: {}, match: {args: [{index: any, glob: 'x*'}]}, action: kill}]}"
    )
    core = Core(compiled.image)
    subject = core.subject(Identity(exe=b"/bin/sh"))
    many = Access(ops=(2,), operands={Dim.PATH: b"/bin/ls"}, args=(b"a",) * 300)
    few = Access(ops=(2,), operands={Dim.PATH: b"/bin/ls"}, args=(b"a",) * 3)

    assert core.decide(subject, many).on_error
    assert core.decide(subject, few).row is None
