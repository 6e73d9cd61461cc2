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
from enforcer.policy.lint.degradation import Gap, degrade
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
        (True, True, False, ["not among the active LSMs", "works on a BPF map"]),
        (True, False, True, ["refused in doubt", "works on a BPF map"]),
        (True, False, False, ["works on a BPF map"]),
        (False, True, True, []),
        (False, False, True, []),
        (None, True, True, []),
    ],
)
def test_what_is_not_decided(monkeypatch, preempts, is_around, gives_up, expected):
    """Where a task can lose its processor inside of a function: at calls, around hooks, where others are then unknown."""
    monkeypatch.setattr(host, "preempts", lambda: preempts)
    monkeypatch.setattr(host, "can_be_voluntary", lambda: True)
    monkeypatch.setattr(host, "gives_up_labels", lambda: gives_up)
    monkeypatch.setattr(too_late.lsm_support, "is_around", lambda: is_around)

    gaps = too_late.find_gaps()

    assert len(expected) == len(gaps)
    for gap, words in zip(gaps, expected, strict=True):
        assert words in gap.why
        assert "preempt=voluntary" in gap.remedy
        assert gap.at_calls is ("BPF map" in words)


def test_a_mode_that_a_kernel_does_not_have_is_no_remedy(monkeypatch):
    """Linux 7 preempts whatever it is told."""
    monkeypatch.setattr(host, "preempts", lambda: True)
    monkeypatch.setattr(host, "can_be_voluntary", lambda: False)
    monkeypatch.setattr(too_late.lsm_support, "is_around", lambda: True)

    assert 2 == len(too_late.find_gaps())
    assert not any("voluntary" in gap.remedy for gap in too_late.find_gaps())


@pytest.mark.parametrize(
    ("at_calls", "expected"), [(False, ["rule", "default"]), (True, ["rule", "function", "raw"])]
)
def test_who_would_prevent_must_be_able_to(at_calls, expected):
    """A policy whose rules, or at hooks its default, refuse there; not what records, is told, or was allowed."""
    default = {"file": Action(Verb.KILL)}
    at_call = attrs.evolve(rule(calls=(SYSCALLS["keyctl"],)), name="call")
    recording = attrs.evolve(at_call, action=Action(Verb.LOG))
    policies = {
        "rule": Policy("rule", Mode.ENFORCE, (at("KPROBE", "f"), at_call, at("LSM", "asks")), SPAN),
        "default": Policy("default", Mode.ENFORCE, (), SPAN, defaults=default),
        "audit": Policy("audit", Mode.AUDIT, (rule(), at_call), SPAN),
        "allowed": Policy("allowed", Mode.ENFORCE, (rule(), at_call), SPAN, allow_degraded=True),
        "log": Policy("log", Mode.ENFORCE, (rule(verb=Verb.LOG), recording), SPAN),
        "function": Policy("function", Mode.ENFORCE, (at("KPROBE", "f"), at_call), SPAN),
        "raw": Policy("raw", Mode.ENFORCE, (at("RAW", "b"),), SPAN),
    }

    with pytest.raises(PolicyErrors) as refused:
        degrade(
            PolicySet(tuple(policies.values())),
            lambda _: None,
            [Gap("it preempts", "boot otherwise", at_calls)],
        )

    said = [str(error) for error in refused.value.errors]
    assert expected == [error.split("policy '")[1].split("'")[0] for error in said]
    assert all(text.startswith("p.yaml:3:5: it preempts, so policy") for text in said)
    assert all("boot otherwise" in text and "allowDegraded" in text for text in said)


def test_all_is_told_at_once():
    """Nobody mends one to learn of the next; of what comes too late, that it may not come at all is not said, too."""
    at_call, late = (attrs.evolve(rule(calls=(SYSCALLS["keyctl"],)), name=n) for n in ("c", "late"))
    hooks, calls = Gap("one", "x"), Gap("two", "y", at_calls=True)

    def refused(*rules):
        policy = Policy("p", Mode.ENFORCE, rules, SPAN)
        with pytest.raises(PolicyErrors) as errors:
            degrade(
                PolicySet((policy,)),
                lambda r: "three" if r.name == "late" else None,
                [hooks, calls],
            )
        return [str(error).split(": ")[1].split(",")[0] for error in errors.value.errors]

    assert ["one", "two"] == refused(rule(), at_call)
    assert ["three", "one", "two"] == refused(late, at_call, rule())
    assert ["three"] == refused(late)


def test_preemption_that_was_switched_on_is_reported_once():
    """Policies were accepted because there was none; also where it cannot be read in between."""
    said: list[str] = []
    states = iter([False, False, None, True, True, False, None, True])
    watch = too_late.PreemptionWatch(said.append, lambda: next(states))

    told = []
    for _ in range(7):
        watch.look()
        told.append(len(said))

    assert [0, 0, 1, 1, 1, 1, 2] == told
    assert "may pass undecided" in said[0]


def test_preemption_that_was_hidden_is_said_without_its_cause():
    """Somebody has mounted debugfs on a kernel that always did: nobody wrote anything."""
    said: list[str] = []
    states = iter([None, None, True, True, False, True])
    watch = too_late.PreemptionWatch(said.append, lambda: next(states))

    told = []
    for _ in range(5):
        watch.look()
        told.append(len(said))

    assert [0, 1, 1, 1, 2] == told
    assert "may pass undecided" in said[0]
    assert "can now" not in said[0]
    assert "wrote" not in said[0]
    assert "somebody wrote" in said[1]


def test_preemption_from_the_start_is_no_news():
    """The start says it."""
    said: list[str] = []
    watch = too_late.PreemptionWatch(said.append, lambda: True)

    watch.look()

    assert not said
