# SPDX-License-Identifier: MIT
"""
What is decided again from a journal is what is decided at once, and what the reference says.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from random import Random

import attrs
from amount import SOAK, examples
from builds import GENERATION, actor_input, decide_access, decide_by_reference, decision, run_native
from generate import Maker
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.semantics import Decision
from tapes import Tape

from enforcer.compiler import BareHost, compile_policies
from enforcer.compiler.points import place
from enforcer.events.types import Origin
from enforcer.policy.kernel_types.operand_path import NoTypes
from enforcer.policy.language.vocabulary import Dim, ObjectFlag, Op
from enforcer.policy.model.policy import Mode, PolicySet
from enforcer.workbench.replay.candidate import Candidate
from enforcer.workbench.replay.replay import Replay

POLICY_SETS = examples(120, soak=5_000)
ACTORS, OPERATIONS = 4, 8


def audited(policies: PolicySet) -> PolicySet:
    """The same policies, none of which refuses anything."""
    return PolicySet(tuple(attrs.evolve(p, mode=Mode.AUDIT) for p in policies.policies))


@settings(max_examples=POLICY_SETS, deadline=None, derandomize=not SOAK, database=None)
@given(st.integers(0, 2**64 - 1))
def test_a_replay_agrees_with_the_native_build_and_the_reference(seed) -> None:
    """Random policies and operations, through a file and back."""
    make = Maker(Random(seed))
    policies = audited(make.plain_policies())  # marks have tests of their own
    compiled = compile_policies(
        policies, host=BareHost(workloads=make.world), generation=GENERATION, types=NoTypes()
    )
    policies = place(policies).policies
    tape, expected, told = Tape(), {}, {}
    for _ in range(ACTORS):
        actor = make.actor()
        line = tape.actor(actor)
        subject = actor_input(run_native, compiled.image, actor)
        for _ in range(OPERATIONS):
            access = make.access(policies)
            # The kernel side sets this where it looks in two views, which have a test of their own;
            # uses of capabilities that no row is about it does not ask about.
            access = attrs.evolve(access, flags=access.flags & ~ObjectFlag.NSVIEW)
            if {Op.POINT, Op.ATTEMPT} & {*access.ops}:
                continue  # no recording has these
            if access.ops[0] == Op.CAPABLE:
                access = attrs.evolve(access, ops=access.ops[:1])
                if access.operands.get(Dim.CODE) not in range(64):
                    continue
            tape.access(line, actor.now, access)
            at_once = decide_access(run_native, compiled, subject, access)
            assert at_once == decide_by_reference(policies, actor, access)
            expected[tape.now] = at_once.audited
            told[tape.now] = actor, access

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = tape.write(Path(folder) / "journal")
        with contextlib.closing(Replay.open(path)) as replay:
            origins = [Origin(row.policy, row.rule, "") for row in compiled.rows]
            candidate = Candidate.of(compiled.image, origins, replay.lines)
            replay.run([candidate], lambda access, said: found.update({access.time_ns: said[0]}))

    assert replay.count == len(expected)
    for time, wanted in expected.items():
        said = found.get(time)
        if said is None:
            got = Decision()
        else:
            got = decision(compiled, said.row, said.action, int(said.on_error), 0)
        assert wanted == got, f"{told[time]}"
    assert sum(hit.audited for hit in candidate.hits) == len(found)
