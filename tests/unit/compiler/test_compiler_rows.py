# SPDX-License-Identifier: MIT
"""From rules to rows, labels and subjects."""

from __future__ import annotations

import attrs
import pytest
from compiler_text import compiled, load

from enforcer.compiler import BareHost, RowKind, compile_policies, layout
from enforcer.compiler.atoms import Atoms
from enforcer.compiler.lower import RowFlag, lower
from enforcer.compiler.marks import Marks
from enforcer.compiler.paths import Names
from enforcer.compiler.subjects import LabelNumbers, Subjects
from enforcer.errors import LimitError, PolicyError
from enforcer.policy.language.subject_parts import Whose
from enforcer.policy.language.vocabulary import PROCESS_FIELDS, Dim, Op
from enforcer.policy.model.policy import (
    CapabilityMask,
    Condition,
    OnError,
    PolicySet,
    Process,
    Verb,
)


def rows_of(policies: PolicySet):
    atoms = Atoms(Names(BareHost()))
    return lower(policies, atoms, Subjects(atoms), Marks({}, 1))


def ops(*names: Op) -> int:
    return sum(1 << name for name in names)


def test_rows_keep_the_order_of_writing_and_end_with_defaults() -> None:
    """Rule, its guard, next rule, defaults."""
    rows = rows_of(
        load(
            "{name: a, file: read, match: {path: /x/y}, action: deny}",
            "{name: b, exec: {}, action: log}",
            spec="  default: {exec: deny}\n",
        )
    )

    said = [(row.info.rule, row.info.kind) for row in rows]
    assert [
        ("a", RowKind.RULE),
        ("a", RowKind.GUARD),
        ("b", RowKind.RULE),
        ("default-exec", RowKind.DEFAULT),
    ] == said
    assert OnError.DENY is rows[-1].on_error


def test_an_allow_with_a_message_is_recorded() -> None:
    """Its own message or the policy's, unless that is for the rest; one without is silent."""
    loud = rows_of(load("{exec: {}, action: allow, message: hello}"))
    inherited = rows_of(load("{exec: {}, action: allow}", spec="  message: hello\n"))
    apart = "  message: hello\n  recordAllowed: false\n"
    kept = rows_of(load("{exec: {}, action: allow}", spec=apart))
    own = rows_of(load("{exec: {}, action: allow, message: mine}", spec=apart))
    silent = rows_of(load("{exec: {}, action: allow}"))

    assert [RowFlag.RECORD] == [row.flags & RowFlag.RECORD for row in loud]
    assert [RowFlag.RECORD] == [row.flags & RowFlag.RECORD for row in inherited]
    assert [RowFlag.RECORD] == [row.flags & RowFlag.RECORD for row in own]
    assert [RowFlag(0)] == [row.flags & RowFlag.RECORD for row in kept]
    assert [RowFlag(0)] == [row.flags & RowFlag.RECORD for row in silent]
    assert "hello" == inherited[0].info.message


def test_audit_marks_every_row() -> None:
    """Guards and defaults too."""
    rows = rows_of(
        load(
            "{file: read, match: {path: /x/y}, action: deny}",
            spec="  mode: audit\n  default: {exec: deny}\n",
        )
    )

    assert 3 == len(rows)
    assert all(row.flags & RowFlag.AUDIT for row in rows)


def test_directories_that_many_rules_share_are_kept_by_the_first() -> None:
    """A thousand rules below one directory do not all look at its every rename."""
    rules = [f"{{file: read, match: {{path: /srv/{i}}}, action: deny}}" for i in range(700)]

    found = compiled(*rules)

    assert 1400 == found.counts.rows
    assert found.counts.atoms <= 701


def test_arguments_and_privileges_are_decided_at_their_own_moments() -> None:
    """Operands exist at one operation of an exec each."""
    rows = rows_of(
        load(
            "{exec: {}, match: {args: [{index: 1, equal: x}]}, action: kill}",
            "{exec: {}, match: {fileCapabilities: true}, action: deny}",
            "{exec: {}, match: {script: true}, action: deny}",
        )
    )

    assert [ops(Op.EXEC_ARGV), ops(Op.EXEC_CREDS), ops(Op.EXEC)] == [row.ops for row in rows]


def test_arguments_and_privileges_together_are_refused() -> None:
    """No operation knows both."""
    (policy,) = load(
        "{exec: {}, match: {args: [{index: 1, equal: x}]}, action: kill}",
        "{exec: {}, match: {fileCapabilities: true}, action: kill}",
    ).policies
    both = attrs.evolve(policy.rules[0], flags=policy.rules[1].flags)

    with pytest.raises(PolicyError, match="two rules"):
        rows_of(PolicySet((attrs.evolve(policy, rules=(both,)),)))


def test_what_may_be_opened_may_be_read_beside_a_strict_rule() -> None:
    """The permission extends to descriptors, silently."""
    rows = rows_of(
        load(
            "{file: read, match: {path: /x, process: {uid: 5}}, action: log}",
            "{file: {operations: read, strict: true}, match: {path: /x}, action: deny}",
        )
    )

    assert [ops(Op.READ), ops(Op.FD_READ)] == [row.ops for row in rows[:2]]
    assert [Verb.LOG, Verb.ALLOW] == [row.action for row in rows[:2]]
    assert ops(Op.READ, Op.FD_READ) == rows[2].ops


def test_overwriting_is_asked_only_where_appending_is_told_from_writing() -> None:
    """Else the open was decided as both, and no hook needs to ask again."""
    plain = rows_of(load("{file: write, match: {path: /x}, action: deny}"))
    apart = rows_of(
        load(
            "{file: append, match: {path: /x}, action: allow}",
            "{file: [write, read], match: {path: /x}, action: deny}",
            "{file: unlink, match: {path: /y}, action: log}",
        )
    )

    asks = {
        row.info.rule: bool(row.ops & ops(Op.OVERWRITE))
        for row in apart
        if row.info.kind is RowKind.RULE
    }

    assert not any(row.ops & ops(Op.OVERWRITE) for row in plain)
    assert {"rule-1": False, "rule-2": True, "rule-3": False} == asks


_LAYERS = frozenset((Op.EXEC_LAYER, Op.LOADED_LAYER))


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ("exec: {}, match: {path: /x}, action: deny", _LAYERS),
        ("exec: {}, match: {path: [/x/**, /**/y]}, action: kill", _LAYERS),
        ("exec: {}, match: {path: /x, process: {uid: 5}, fileless: false}, action: deny", _LAYERS),
        ("exec: {}, loader: false, match: {path: /x}, action: deny", {Op.EXEC_LAYER}),
        ("exec: {}, match: {path: /x}, action: log", ()),
        ("exec: {}, match: {path: /**}, action: deny", ()),
        ("exec: {}, match: {path: {notEqual: /x}}, action: deny", ()),
        ("exec: {}, match: {process: {uid: 5}}, action: deny", ()),
        ("exec: {}, match: {path: /x, script: true}, action: deny", ()),
        ("exec: {}, match: {path: /x, setuid: false}, action: deny", ()),
        ("exec: {}, match: {path: /x, args: [{index: any, equal: y}]}, action: kill", ()),
        ("file: read, match: {path: /x}, action: deny", ()),
    ],
)
def test_layers_of_overlays_are_asked_about_what_a_rule_refuses_by_name(rule, asked) -> None:
    """Not where it refuses all but a list, nor by what is known later than the layer's file is opened."""
    rows = rows_of(load(f"{{{rule}}}", spec="  default: {exec: deny}\n"))

    found = {op for row in rows for op in _LAYERS if row.ops & ops(op)}
    assert set(asked) == found


def test_what_may_be_run_by_one_name_may_be_run_by_the_other() -> None:
    """A rule in front permits both, silently; behind the last that refuses none is asked."""
    rows = rows_of(
        load(
            "{exec: {}, match: {path: /x/a}, action: log}",
            "{exec: {}, match: {path: /x/b, setuid: false}, action: allow}",
            "{exec: {}, match: {path: /x/**}, action: deny, guard: false}",
            "{exec: {}, match: {path: /y}, action: allow}",
        )
    )

    said = [(row.info.rule, row.action, bool(row.ops & ops(*_LAYERS))) for row in rows]
    assert [
        ("rule-1", Verb.LOG, False),
        ("rule-1", Verb.ALLOW, True),
        ("rule-2", Verb.ALLOW, False),
        ("rule-3", Verb.DENY, True),
        ("rule-4", Verb.ALLOW, False),
    ] == said


def test_any_argument_is_a_dimension_of_its_own() -> None:
    """The kernel side reads argv only if somebody asks for any argument; one by index does too."""
    found = compiled("{exec: {}, match: {args: [{index: 3, equal: x}]}, action: kill}")

    assert {Dim.ARG_ANY, Dim.ARG0 + 3} <= found.dims
    assert found.needs.argv


def test_needs_say_what_must_be_found_out() -> None:
    """Nothing that no rule asks for."""
    nothing = compiled("{exec: {}, action: log}").needs
    everything = compiled(
        "{file: {operations: read, strict: true}, action: deny, match: {path: /x, process: "
        "{binary: /b, cgroup: /c, capabilities: [SYS_ADMIN]}, ancestors: {uid: 3}}}"
    ).needs

    assert not any(attrs.astuple(nothing))
    assert everything.executable
    assert everything.cgroup
    assert everything.capabilities
    assert everything.lineage
    assert everything.descriptors


def test_equal_conditions_are_one() -> None:
    """Atoms, subjects and labels are shared between rules and policies."""
    rules = [
        "{file: read, match: {path: [/x, /y], process: {uid: 5, gid: 6}}, action: log}",
        "{file: write, match: {path: [/y, /x], process: {gid: 6, uid: 5}}, action: log}",
    ]

    found = compiled(*rules)

    assert (1, 2) == (found.counts.labels, found.counts.subjects)
    assert 3 == found.counts.atoms


# ---- Labels -----------------------------------------------------------------------------------


def labels(uids, previous=None):
    rules = [f"{{exec: {{}}, match: {{ancestors: {{uid: {uid}}}}}, action: deny}}" for uid in uids]
    return compiled(*rules, previous=previous, generation=2)


def test_labels_keep_their_numbers_from_image_to_image() -> None:
    """Tasks carry them as what their ancestors were."""
    first = labels([1, 2, 3])

    second = labels([9, 3, 1], previous=first.labels)

    kept = second.labels.used & first.labels.used
    assert 2 == len(kept)
    assert all(second.labels.known[key] == number for key, number in first.labels.known.items())
    assert {3} == second.labels.used - first.labels.used
    assert 1 << 3 == layout.HEAD.named(second.image)["new_labels[0]"]


def test_the_number_of_a_label_that_is_gone_holds_for_nobody() -> None:
    """What it meant before must not come back under another meaning."""
    second = labels([9], previous=labels([1]).labels)

    head = layout.HEAD.named(second.image)
    found = layout.LABEL.unpack_all(second.image, head["off_labels"], head["n_labels"])
    assert [0xFFFFFFFF, 0] == [flags_set for _, _, flags_set, _ in found]


def test_a_condition_that_comes_back_has_its_number_and_counts_as_new() -> None:
    """Tasks that were forked without it were never asked."""
    first = labels([1, 2])
    without = labels([2], previous=first.labels)

    back = labels([1, 2], previous=without.labels)

    assert first.labels.known == back.labels.known
    (number,) = first.labels.used - without.labels.used
    assert 1 << number == layout.HEAD.named(back.image)["new_labels[0]"]
    assert back.continues


def test_conditions_of_policies_that_may_come_back_are_kept_current() -> None:
    """They are evaluated, though no row of this image asks."""
    first = labels([1, 2])
    old = load(
        *(f"{{exec: {{}}, match: {{process: {{uid: {uid}}}}}, action: deny}}" for uid in (1, 2))
    )

    second = compile_policies(
        load("{exec: {}, match: {process: {uid: 9}}, action: deny}"),
        host=BareHost(),
        previous=first.labels,
        keep=old,
    )

    assert first.labels.used < second.labels.used
    assert 1 == len(second.rows)


def test_numbers_run_out_only_after_all_were_given() -> None:
    """Then labels are made anew, and the image says so."""
    known = {f"gone {n}": n for n in range(512)}

    marks = {"p/gone@process": (0, 7)}

    image = labels([1], previous=LabelNumbers(known, frozenset(range(512)), marks))

    assert not image.continues
    assert image.keeps_marks
    assert frozenset({0}) == image.labels.used


def test_a_condition_of_several_masks_is_several_labels() -> None:
    """Of a process they are alternatives, asked for certainty first; of its negation a conjunction."""
    field = PROCESS_FIELDS["capabilities"]
    masks = (CapabilityMask("all", 3), CapabilityMask("all", 12))
    process = Process((Condition(field, masks),))
    (policy,) = load("{exec: {}, action: deny}", "{exec: {}, action: log}").policies
    first, second = policy.rules
    rules = (
        attrs.evolve(first, subject=attrs.evolve(first.subject, process=process)),
        attrs.evolve(second, subject=attrs.evolve(second.subject, not_process=process)),
    )

    rows = rows_of(PolicySet((attrs.evolve(policy, rules=rules),)))

    assert [0, 0, 0, 1] == [row.info.rule_index for row in rows]
    assert [OnError.SKIP, OnError.DENY, OnError.DENY] == [row.on_error for row in rows[:3]]


# ---- Lineages ---------------------------------------------------------------------------------


def terms_of(rows, found):
    return [[(who, negate) for _, who, negate in found.all[row.subject]] for row in rows]


def lineage_rows(*rules):
    atoms = Atoms(Names(BareHost()))
    subjects = Subjects(atoms)
    return lower(load(*rules), atoms, subjects, Marks({}, 1)), subjects


def test_a_lineage_is_the_process_or_an_ancestor() -> None:
    """Each is a row of the rule. Where doubt refuses, certainty is asked for first."""
    rows, subjects = lineage_rows(
        "{exec: {}, match: {lineage: {uid: 7}}, action: kill}",
        "{exec: {}, match: {lineage: {uid: 7}}, action: allow}",
    )

    itself, above = [(Whose.PROCESS, 0)], [(Whose.ANCESTOR, 0)]
    assert [itself, above, itself, itself, above] == terms_of(rows, subjects)
    assert [0, 0, 0, 1, 1] == [row.info.rule_index for row in rows]
    assert [
        *(OnError.SKIP, OnError.DENY, OnError.DENY),
        *(OnError.SKIP, OnError.SKIP),
    ] == [row.on_error for row in rows]
    assert subjects.needs_lineage


def test_no_lineage_is_neither() -> None:
    """One row, in which both must not be."""
    rows, subjects = lineage_rows("{exec: {}, match: {notLineage: {uid: 7}}, action: kill}")

    assert [[(Whose.PROCESS, 1), (Whose.ANCESTOR, 1)]] == terms_of(rows, subjects)
    assert [OnError.DENY] == [row.on_error for row in rows]


def test_guards_and_attempts_ask_for_certainty_first() -> None:
    """What a rule keeps in place and what it records of attempts follows the same order."""
    rows, _ = lineage_rows(
        "{name: r, file: write, match: {path: /x/y, lineage: {uid: 7}}, action: deny, "
        "onError: log, attempts: true}",
    )

    def doubts(kind):
        return [row.on_error for row in rows if row.info.kind is kind]

    expected = [OnError.SKIP, OnError.LOG, OnError.LOG]
    assert expected == doubts(RowKind.RULE)
    assert expected == doubts(RowKind.GUARD)
    assert expected == doubts(RowKind.ATTEMPT)


def test_names_of_a_guard_are_certain_before_they_are_in_doubt() -> None:
    """A directory that a cut path leaves in doubt does not hide the rule's own name, which is certain."""
    both = "{path: {prefix: /x/, glob: '/x/**/y'}}"
    for match, expected in (
        ("{path: /x/y}", [OnError.LOG]),
        (both, [OnError.SKIP, OnError.LOG, OnError.LOG]),
    ):
        rows = rows_of(
            load(f"{{name: r, file: write, match: {match}, action: deny, onError: log}}")
        )
        assert expected == [row.on_error for row in rows if row.info.kind is RowKind.GUARD]


def test_lineages_share_limits_and_marks() -> None:
    """Records of a rule are limited together, and its rows set one mark."""
    rows, _ = lineage_rows(
        "{exec: {}, match: {lineage: {uid: 7}}, action: kill, rateLimit: 1/m, mark: m}",
        "{exec: {}, match: {within: {mark: m, last: 1s}}, action: log}",
    )

    of_rule = [row for row in rows if row.info.rule_index == 0]
    assert 3 == len(of_rule)
    assert 1 == len({(row.limit, row.mark) for row in of_rule})
    assert of_rule[0].limit
    assert of_rule[0].mark


# ---- Limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "limit"),
    [
        (
            [f"{{exec: {{}}, match: {{process: {{uid: {i}}}}}, action: log}}" for i in range(513)],
            "too many distinct conditions on one process: 513, the limit is 512",
        ),
        (
            [f"{{file: read, match: {{path: [/same, /x{i}]}}, action: log}}" for i in range(513)],
            "too many different conditions that match one value: 513, the limit is 512",
        ),
    ],
)
def test_what_exceeds_a_limit_is_refused_with_place_and_number(rules, limit) -> None:
    """The 513th of either is named by its line."""
    with pytest.raises(LimitError) as caught:
        compiled(*rules)

    assert limit in str(caught.value)
    assert "513" in str(caught.value)
    assert caught.value.span is not None
    assert 6 + 512 == caught.value.span.line


def test_too_many_policies_are_refused() -> None:
    """One image holds 512."""
    (policy,) = load("{exec: {}, action: log}").policies

    with pytest.raises(
        LimitError, match=r"p\.yaml:\d+:\d+: too many policies: 513, the limit is 512"
    ):
        compile_policies(PolicySet((policy,) * 513), host=BareHost())


def test_too_many_rows_are_refused() -> None:
    """Rules, defaults and guards together."""
    (policy,) = load("{exec: {}, action: log}").policies
    many = attrs.evolve(policy, rules=policy.rules * 65537)

    with pytest.raises(LimitError, match="65537, the limit is 65536"):
        compile_policies(PolicySet((many,)), host=BareHost())


def test_an_image_that_would_be_too_large_is_refused(monkeypatch) -> None:
    """Before the kernel is asked for the memory."""
    monkeypatch.setitem(
        __import__("enforcer.compiler.limits", fromlist=["LIMITS"]).LIMITS, "ENF_IMAGE_MAX", 500
    )

    with pytest.raises(LimitError, match=r"bytes of the compiled policies: \d+, the limit is 500"):
        compiled("{file: read, match: {path: /x/y/z}, action: deny}")
