# SPDX-License-Identifier: MIT
"""
Random policies, random operations: the builds agree on the verdict and on the rule.
"""

from __future__ import annotations

from random import Random

from amount import SOAK, examples
from builds import BORN, GENERATION, actor_input, checked, decide_access, decide_by_reference
from generate import Maker
from hypothesis import example, given, settings
from hypothesis import strategies as st

from enforcer.compiler import BareHost, compile_policies
from enforcer.compiler.points import place
from enforcer.policy.kernel_types.operand_path import NoTypes

POLICY_SETS = examples(400, soak=20_000)
ACTORS, OPERATIONS = 5, 10


@settings(max_examples=POLICY_SETS, deadline=None, derandomize=not SOAK, database=None)
@given(st.integers(0, 2**64 - 1))
@example(1000002099)  # of a guard with two names, the one in doubt hid the one that is certain
def test_compiled_builds_agree_with_the_reference(builds, seed) -> None:
    """Random policy sets, with 50 random operations each, get one answer from every build."""
    make = Maker(Random(seed))
    policies = make.policies()
    compiled = checked(
        compile_policies(
            policies,
            host=BareHost(workloads=make.world),
            generation=GENERATION,
            now_ns=BORN,
            types=NoTypes(),
        )
    )
    policies = place(policies).policies

    for _ in range(ACTORS):
        actor = make.actor()
        inputs = {run: actor_input(run, compiled.image, actor) for run in builds.values()}
        for _ in range(OPERATIONS):
            access = make.access(policies)
            expected = decide_by_reference(policies, actor, access)
            for name, run in builds.items():
                found = decide_access(run, compiled, inputs[run], access)
                assert expected == found, f"{name} build: {actor}\n{access}"


def test_the_in_kernel_build_takes_part(builds, in_kernel) -> None:
    """Where the kernel takes the program, its verdicts are among those compared."""
    assert {"native", "in-kernel"} == set(builds)
    assert in_kernel is not None
