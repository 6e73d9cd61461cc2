# SPDX-License-Identifier: MIT
"""What a decision cannot do: whoever asks for one is told, so that it is counted."""

from __future__ import annotations

import struct

import attrs
import header
import pytest
from builds import BORN, GENERATION, actor_input, checked, decide_access
from reference.semantics import Access, Actor, Decision

from enforcer.compiler import BareHost, compile_policies
from enforcer.libbpf import abi
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import Verb
from enforcer.policy.store import load_text

ROOM = header.constant("ENF_MAX_TOUCHED")
OVERFLOW = header.constant("ENF_LAPSE_OVERFLOW")


def compiled_for(conditions: int):
    """A rule on an argument, and as many on two others as each meets *conditions* conditions."""
    globs = ["other*", *(f"*{letter * i}" for letter in "bc" for i in range(1, conditions + 1))]
    rules = ", ".join(
        f"{{exec: {{}}, match: {{args: [{{index: any, glob: '{each}'}}]}}, action: {action}}}"
        for each, action in zip(globs, ["kill", *["log"] * (len(globs) - 1)], strict=True)
    )
    text = (
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\n"
        f"spec: {{rules: [{rules}]}}\n"
    )
    policies = load_text(text, "lapses.yaml")
    return checked(compile_policies(policies, host=BareHost(), generation=GENERATION, now_ns=BORN))


def run(build, compiled):
    """What *build* says of a run that meets all rules but the first, and what it could not do."""
    given = actor_input(build, compiled.image, Actor())
    access = Access((Op.EXEC_ARGV,), {Dim.PATH: b"/x"}, (b"b" * 300, b"c" * 300), 2)
    return decide_access(build, compiled, given, access).enforced, given.lapses


def test_more_conditions_than_there_is_room_for_are_unknown_and_told(builds) -> None:
    """The rule on other arguments decides by its onError."""
    few, many = compiled_for(ROOM // 2 - 10), compiled_for(ROOM // 2 + 10)

    for name, build in builds.items():
        assert (Decision(Verb.LOG, "p", 1, "rule", 1), 0) == run(build, few), name
        verdict, lapses = run(build, many)
        assert (Verb.DENY, 0, True) == (verdict.verb, verdict.rule, verdict.on_error), name
        assert lapses == OVERFLOW, name


def test_an_image_that_leads_outside_itself_is_told(builds) -> None:
    """None is committed: what checks images refuses it. Its rows are left out here."""
    compiled = compiled_for(1)
    given = struct.pack("<I", 0xFFFFFF00)
    image = bytearray(compiled.image)
    at = abi.offsetof("enf_image", "off_rows")
    image[at : at + len(given)] = given

    for build in builds.values():
        with pytest.raises(AssertionError, match=r"build returned (-74|3)\b"):
            run(build, attrs.evolve(compiled, image=bytes(image)))
