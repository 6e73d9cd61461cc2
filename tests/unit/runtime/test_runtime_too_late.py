# SPDX-License-Identifier: MIT
"""Where a rule comes too late to refuse: said with the reason, refused or killing after."""

from __future__ import annotations

import attrs
import pytest

from enforcer.errors import PolicyErrors, UnsupportedError
from enforcer.kernel import host
from enforcer.policy.kernel_types.operand_path import NoTypes, PointError, Signature
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import FIELDS
from enforcer.policy.lint.degradation import degrade, require_certainty
from enforcer.policy.model.points import Point, PointKind
from enforcer.policy.model.policy import Action, Flag, Mode, Policy, PolicySet, Rule, Verb
from enforcer.policy.readers.points import POINT
from enforcer.runtime.policies import too_late
from enforcer.span import Span

SPAN = Span("p.yaml", 3, 5)


class Kernel(NoTypes):
    """Hooks that ask, hooks that tell, and nothing else."""

    def signature(self, point):
        if point.name == "missing":
            raise PointError("no such hook")
        return Signature(1, is_void=point.name == "tells")


@pytest.fixture(autouse=True)
def _kernel(monkeypatch):
    monkeypatch.setattr(too_late, "local_types", Kernel)
    monkeypatch.setattr(too_late.points, "can_override", lambda name: name == "replaceable")
    monkeypatch.setattr(too_late.entries, "can_override", lambda: True)


def rule(verb=Verb.DENY, **fields):
    return Rule("r", "x", (POINT,), Action(verb), SPAN, **fields)


def at(kind, name):
    return rule(point=Point(PointKind[kind], name))


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (at("LSM", "asks"), None),
        (at("LSM", "missing"), None),  # the compiler says so, with its place
        (at("LSM", "tells"), "cannot refuse"),
        (at("KPROBE", "replaceable"), None),
        (at("KPROBE", "fixed"), "error_injection/list"),
        (at("KRETPROBE", "replaceable"), "has taken effect"),
        (at("TRACEPOINT", "a/b"), "cannot refuse"),
        (at("RAW", "b"), "cannot refuse"),
        (rule(calls=(SYSCALLS["keyctl"],)), "no calls"),
        (rule(), None),
    ],
)
def test_why_a_rule_comes_too_late(asked, why):
    """The beginning of a sentence, or nothing."""
    found = too_late.why_late("no calls", asked)

    assert (why is None) is (found is None)
    assert why is None or why in found


def test_a_kernel_that_replaces_no_result_says_so(monkeypatch):
    """Another sentence than for a function that is not among those it would."""
    monkeypatch.setattr(too_late.entries, "can_override", lambda: False)

    assert "CONFIG_BPF_KPROBE_OVERRIDE" in too_late.why_late(None, at("KPROBE", "fixed"))


def test_capabilities_of_files_are_late_around_functions(monkeypatch):
    """And only there; a machine that enforces nothing says so at the start."""
    asked = rule(flags=(Flag(FIELDS["fileCapabilities"], wanted=True),))

    def nowhere():
        raise UnsupportedError("no kernel")

    monkeypatch.setattr(too_late.lsm_support, "is_around", lambda: True)
    assert "the capabilities of a file too late" in too_late.why_late(None, asked)
    assert too_late.why_late(None, rule()) is None
    monkeypatch.setattr(too_late.lsm_support, "is_around", lambda: False)
    assert too_late.why_late(None, asked) is None
    monkeypatch.setattr(too_late.lsm_support, "is_around", nowhere)
    assert too_late.why_late(None, asked) is None


def test_late_rules_are_refused_or_kill_after():
    """By the policy's word; what only records stays as it is."""
    rules = (
        at("RAW", "b"),
        attrs.evolve(at("RAW", "b"), action=Action(Verb.LOG)),
        at("LSM", "asks"),
    )
    policy = Policy("p", None, rules, SPAN)

    with pytest.raises(PolicyErrors) as refused:
        degrade(PolicySet((policy,)), lambda r: too_late.why_late(None, r))
    assert ["p.yaml:3:5"] == [str(error.span) for error in refused.value.errors]

    allowed = PolicySet((attrs.evolve(policy, allow_degraded=True),))
    (after,) = degrade(allowed, lambda r: too_late.why_late(None, r)).policies
    assert [Verb.KILL, Verb.LOG, Verb.DENY] == [r.action.verb for r in after.rules]


@pytest.mark.parametrize(
    ("preempts", "is_around", "gives_up", "expected"),
    [
        (True, True, False, "pass undecided"),
        (True, False, True, "refused in doubt"),
        (True, False, False, None),
        (False, True, True, None),
        (False, False, True, None),
        (None, True, True, None),
    ],
)
def test_what_hooks_do_not_decide(monkeypatch, preempts, is_around, gives_up, expected):
    """Where a task can lose its processor inside of a function: around these, and where others are then not known."""
    monkeypatch.setattr(host, "preempts", lambda: preempts)
    monkeypatch.setattr(host, "gives_up_labels", lambda: gives_up)
    monkeypatch.setattr(too_late.lsm_support, "is_around", lambda: is_around)

    gap = too_late.find_gap()

    assert (expected is None) is (gap is None)
    if gap is not None:
        assert expected in gap.what
        assert "preempt=voluntary" in gap.remedy


def test_who_would_prevent_must_be_able_to():
    """A policy whose rules or default refuse at hooks; not what records, is told, or was allowed."""
    default = {"file": Action(Verb.KILL)}
    at_call = attrs.evolve(rule(calls=(SYSCALLS["keyctl"],)), name="call")
    policies = {
        "rule": Policy("rule", Mode.ENFORCE, (at("KPROBE", "f"), at_call, at("LSM", "asks")), SPAN),
        "default": Policy("default", Mode.ENFORCE, (), SPAN, defaults=default),
        "audit": Policy("audit", Mode.AUDIT, (rule(),), SPAN),
        "allowed": Policy("allowed", Mode.ENFORCE, (rule(),), SPAN, allow_degraded=True),
        "log": Policy("log", Mode.ENFORCE, (rule(verb=Verb.LOG),), SPAN),
        "function": Policy("function", Mode.ENFORCE, (at("KPROBE", "f"), at_call), SPAN),
    }

    with pytest.raises(PolicyErrors) as refused:
        require_certainty(PolicySet(tuple(policies.values())), "it preempts", "boot otherwise")

    said = [str(error) for error in refused.value.errors]
    assert ["'rule'", "'default'"] == [error.split("policy ")[1].split()[0] for error in said]
    assert all(text.startswith("p.yaml:3:5: it preempts, so policy") for text in said)
    assert all("boot otherwise" in text and "allowDegraded" in text for text in said)
