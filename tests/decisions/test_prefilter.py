# SPDX-License-Identifier: MIT
"""
No row decides about a file that the prefilter excludes.
"""

from __future__ import annotations

from random import Random

import attrs
import pytest
from amount import SOAK, examples
from builds import GENERATION, actor_input, checked, decide_access, run_native
from generate import Maker
from hypothesis import given, settings
from hypothesis import strategies as st
from prefilter import ASKED, WITH_MODE, Prefilter
from reference.semantics import Access, Actor, Identity, Outcome

from enforcer.compiler import BareHost, CompiledImage, compile_policies
from enforcer.policy.kernel_types.operand_path import NoTypes
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import PolicySet, Verb
from enforcer.policy.store import load_text

POLICY_SETS = examples(400, soak=20_000)
ACTORS, PATHS = 4, 10


def compiled(policies: PolicySet) -> CompiledImage:
    return checked(
        compile_policies(policies, host=BareHost(), generation=GENERATION, types=NoTypes())
    )


@settings(max_examples=POLICY_SETS, deadline=None, derandomize=not SOAK, database=None)
@given(st.integers(0, 2**64 - 1))
def test_what_the_prefilter_excludes_has_no_verdict(seed) -> None:
    """Whoever asks, and with whatever history: random policy sets, ten paths each, all operations."""
    make = Maker(Random(seed))
    # Defaults are rows on every path; without them there is more to see.
    policies = PolicySet(
        tuple(attrs.evolve(policy, defaults={}) for policy in make.policies().policies)
    )
    image = compiled(policies)
    prefilter = Prefilter.at(image.image)
    paths = [make.path() + make.pick([b"", b"/new", b"/x/y"]) for _ in range(PATHS)]
    asked = [(path, op) for path in paths for op in ASKED if prefilter.excludes(path, op)]
    for _ in range(ACTORS if asked else 0):
        given_input = actor_input(run_native, image.image, make.actor())
        for path, op in asked:
            operands = {Dim.PATH: path}
            if op in WITH_MODE:
                operands[Dim.MODE] = make.pick([0o4755, 0o777, 0o600, *range(8), 1000, 0o7777])
            access = Access((op,), operands)
            assert Outcome() == decide_access(run_native, image, given_input, access), access


@pytest.mark.parametrize(
    ("op", "mode"),
    [
        ("chmod", "04755"),
        ("create", "{range: 0777-07777}"),
        ("mkdir", "[0777, 02777]"),
        ("mknod", "{notIn: [0600]}"),
    ],
)
def test_a_rule_on_modes_alone_is_asked_for_every_path(op: str, mode: str) -> None:
    """It hangs on no path: whoever leaves early by the path would never come to it."""
    policies = load_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\n"
        f"spec: {{rules: [{{file: {op}, match: {{mode: {mode}}}, action: deny}}]}}",
        "p.yaml",
    )
    image = compiled(policies)

    assert not Prefilter.at(image.image).excludes(b"/home/jo/a", Op[op.upper()])


@pytest.mark.parametrize(
    ("pattern", "excluded", "others"),
    [
        ("/srv/vault/**", ["/srv/other/f", "/srv/vault", "/etc/x"], ["/srv/vault/f"]),
        ("/srv/vault/f", ["/srv/vault/g", "/srv/vault/f/g"], ["/srv/vault/f"]),
        ("/home/*/.ssh/**", ["/etc/x", "/srv/home/f", "/home"], ["/home/jo/x", "/home/f"]),
        ("/home/us*", ["/etc/x", "/homes/x"], ["/home/x"]),
        ("/srv/a[bc]/f", ["/srw/ab/f"], ["/srv/x"]),
        ("/**/secret", [], ["/etc/x", "/x"]),
        ("/*/x", [], ["/etc/x", "/x"]),
    ],
)
def test_a_glob_concerns_what_lies_below_its_first_components(
    pattern: str, excluded: list[str], others: list[str]
) -> None:
    """One glob in a policy does not send every file the long way."""
    policies = load_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\n"
        f"spec: {{rules: [{{file: read, guard: false, match: {{path: '{pattern}'}}, action: deny}}]}}",
        "p.yaml",
    )
    prefilter = Prefilter.at(compiled(policies).image)

    assert [] == [path for path in excluded if not prefilter.excludes(path.encode(), Op.READ)]
    assert [] == [path for path in others if prefilter.excludes(path.encode(), Op.READ)]


def test_programs_of_processes_are_no_files_that_are_opened() -> None:
    """A rule about who opens something does not concern the opening of their programs."""
    policies = load_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\nspec:\n  rules:\n"
        "    - {file: read, match: {path: /etc/shadow, process: {binary: /usr/bin/**}}, action: deny}\n",
        "p.yaml",
    )
    image = compiled(policies)

    assert Prefilter.at(image.image).excludes(b"/usr/bin/less", Op.READ)
    assert not Prefilter.at(image.image).excludes(b"/etc/shadow", Op.READ)
    reader = actor_input(run_native, image.image, Actor(Identity(exe=b"/usr/bin/less")))
    found = decide_access(run_native, image, reader, Access((Op.READ,), {Dim.PATH: b"/etc/shadow"}))
    assert Verb.DENY == found.enforced.verb
