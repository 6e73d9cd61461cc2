# SPDX-License-Identifier: MIT
"""What the policies of one namespace may have together."""

from __future__ import annotations

import time

import pytest

from enforcer.errors import PolicyErrors
from enforcer.policy.store import FileText, load_text
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import Order, make
from enforcer.runtime.policies.quotas import Quota
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.policies.tolerance import choose

TEXT = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: {name}, {namespace}}}
spec: {{rules: [{rules}]}}
"""
RULE = "{name: r, file: read, match: {path: /x}, action: deny}"


def _text(name, namespace="namespace: shop", rules=RULE):
    return TEXT.format(name=name, namespace=namespace, rules=rules)


def _policies(*texts):
    return load_text("---\n".join(texts), "p.yaml").policies


def _rules(number):
    return ", ".join(
        f"{{name: r{n}, file: read, match: {{path: /{n}}}, action: deny}}" for n in range(number)
    )


@pytest.mark.parametrize(
    ("quota", "rules", "what"),
    [
        (Quota(rules=2), _rules(3), "3 rules and defaults together, the quota is 2"),
        (
            Quota(values=3),
            "{name: r, exec: {}, match: {path: [/a, /b, /c]}, action: deny}",
            "4 values in conditions",
        ),
        (
            Quota(processes=1),
            "{name: r, exec: {}, match: {path: /a, process: {uid: 1}}, action: deny}",
            "2 different conditions on processes",
        ),
        (
            Quota(calls=1),
            "{name: r, syscall: [getpid, sched_yield], action: deny}",
            "2 different system calls",
        ),
        (
            Quota(marks=0),
            "{name: r, exec: {}, match: {path: /a}, mark: m, action: log}",
            "1 different marks",
        ),
        (Quota(policies=0), RULE, "1 policies"),
        (
            Quota(met=1),
            _rules(1) + ", {name: other, file: read, match: {path: [/0, /9]}, action: deny}",
            "2 different conditions that one value may meet",
        ),
        (
            Quota(depth=3),
            "{name: r, file: read, match: {path: /a/*/b/**}, action: deny}",
            "4 directories in one path or pattern",
        ),
        (
            Quota(directories=3),
            "{name: r, file: read, match: {path: [/a/b/c, /a/b/d, /a/e/f]}, action: deny}",
            "4 different directories in paths and patterns",
        ),
    ],
)
def test_what_is_counted(quota, rules, what):
    """Each with its number; of what is for the whole host, nothing."""
    (error,) = quota.exceeding(_policies(_text("a", rules=rules)))

    assert what in str(error)
    assert "namespace shop" in str(error)
    assert str(error).startswith("p.yaml:1:1")
    assert not list(quota.exceeding(_policies(_text("a", namespace="", rules=rules))))


def _limited(number, first=1):
    return ", ".join(
        f"{{name: r{n}, file: read, match: {{path: /{n}}}, action: log, rateLimit: {n}/m}}"
        for n in range(first, first + number)
    )


def test_namespaces_leave_room_for_policies_of_the_cluster(tmp_path):
    """One has its quota of limits of records, and a policy of the cluster is tried before theirs."""
    for number in range(8):
        rules = _limited(32, 1 + 32 * number)
        (tmp_path / f"a{number}.yaml").write_text(_text("a", f"namespace: n{number}", rules))
    (tmp_path / "b.yaml").write_text(_text("b", "namespace: shop", _limited(33)))
    (tmp_path / "z.yaml").write_text(_text("z", "", _limited(20, 500)))

    made = make(Order(Sources((tmp_path,), is_tolerant=True), Overlay(), generation=1))

    names = [facts.name for facts in made.now.facts]
    assert "z" in names
    assert 6 == len(names)
    errors = " ".join(error for each in made.now.refused for error in each.errors)
    assert "33 different limits of records together, the quota is 32" in errors
    assert "all namespaces would need more than 191 different limits of records" in errors


def test_deep_paths_of_one_namespace_cost_it_alone(tmp_path):
    """Each directory above a named file makes a pattern: those of 96,000 took minutes, and no other policy came through."""
    deep = "/d" * 400
    rules = ", ".join(
        f"{{name: r{n}, file: read, match: {{path: [{', '.join(f'/{n}/{m}{deep}' for m in range(8))}]}}, action: deny}}"
        for n in range(30)
    )
    (tmp_path / "a.yaml").write_text(_text("a", rules=rules))
    (tmp_path / "z.yaml").write_text(_text("z", ""))
    began = time.process_time()

    made = make(Order(Sources((tmp_path,), is_tolerant=True), Overlay(), generation=1))

    assert ["z"] == [facts.name for facts in made.now.facts]
    (refused,) = made.now.refused
    assert "402 directories in one path or pattern, the quota is 64" in refused.errors[0]
    assert time.process_time() - began < 5


def test_many_directories_of_one_namespace_cost_it_alone(tmp_path):
    rules = ", ".join(
        f"{{name: r{n}, file: read, match: {{path: /{n}{'/d' * 60}}}, action: deny}}"
        for n in range(70)
    )
    (tmp_path / "a.yaml").write_text(_text("a", rules=rules))
    (tmp_path / "z.yaml").write_text(_text("z", ""))

    made = make(Order(Sources((tmp_path,), is_tolerant=True), Overlay(), generation=1))

    assert ["z"] == [facts.name for facts in made.now.facts]
    (refused,) = made.now.refused
    assert (
        "4201 different directories in paths and patterns together, the quota is 4096"
        in refused.errors[0]
    )


def test_the_ordinary_quota_has_room():
    assert not list(Quota().exceeding(_policies(_text("a", rules=_rules(200)))))


def test_one_namespace_leaves_room_on_a_path_for_others(tmp_path):
    """The kernel side has room for so many conditions that one path meets: who takes all keeps others out."""
    for number in range(200):
        rule = RULE.replace("/x", f"[/bin/sh, /opt/{number}]")
        (tmp_path / f"a{number:03}.yaml").write_text(_text(f"a{number}", "namespace: red", rule))
    rule = RULE.replace("/x", "[/bin/sh, /opt/mine]")
    (tmp_path / "z.yaml").write_text(_text("z", "namespace: blue", rule))

    made = make(Order(Sources((tmp_path,), is_tolerant=True), Overlay(), generation=1))

    names = [facts.name for facts in made.now.facts]
    assert "blue/z" in names
    assert Quota().met == len(names) - 1


def test_each_namespace_has_its_own():
    """What one uses is nothing to others; what has no room takes none of what comes behind it."""
    texts = [
        _text("a", rules=_rules(2)),
        _text("b", "namespace: lab", _rules(3)),
        _text("c", rules=_rules(2)),
        _text("d", rules=_rules(1)),
    ]

    (error,) = Quota(rules=3).exceeding(_policies(*texts))

    assert "shop/c" == next(p.name for p in _policies(*texts) if p.span == error.span)


def test_without_tolerance_nothing_is_active(tmp_path):
    (tmp_path / "a.yaml").write_text(_text("a", rules=_rules(3)))
    sources = Sources((tmp_path,), quota=Quota(rules=2))

    with pytest.raises(PolicyErrors, match="the quota is 2"):
        make(Order(sources, Overlay(), generation=1))


def test_with_tolerance_only_what_has_no_room_is_refused(tmp_path):
    """And not another tenant's, nor the own that were active before."""
    sources = Sources((tmp_path,), quota=Quota(rules=3), is_tolerant=True)
    (tmp_path / "m.yaml").write_text(_text("m", rules=_rules(2)))
    texts = make(Order(sources, Overlay(), generation=1)).now.texts
    for number in range(50):
        (tmp_path / f"a{number:02}.yaml").write_text(_text(f"a{number}", rules=_rules(2)))
    (tmp_path / "z.yaml").write_text(_text("z", "namespace: lab"))

    made = make(Order(sources, Overlay(), generation=2, texts=texts))

    assert ["shop/m", "lab/z"] == [facts.name for facts in made.now.facts]
    assert 50 == len(made.now.refused)
    assert all("the quota is 3" in each.errors[0] for each in made.now.refused)


def test_what_was_added_at_run_time_counts(tmp_path):
    """It is there already."""
    sources = Sources((tmp_path,), quota=Quota(rules=3), is_tolerant=True, may_be_empty=True)
    overlay = Overlay().add(_text("added", rules=_rules(2)), "/root/added.yaml")
    (tmp_path / "a.yaml").write_text(_text("a", rules=_rules(2)))

    made = make(Order(sources, overlay, generation=1))

    assert ["shop/added"] == [facts.name for facts in made.now.facts]
    assert 1 == len(made.now.refused)


def test_a_quota_never_stops_the_rounds():
    """Whoever is named falls back; who is not, is compiled."""
    found = [FileText(f"/{n}", _text(f"p{n}", rules=_rules(2)).encode()) for n in range(5)]
    quota = Quota(rules=4)

    chosen = choose(
        found,
        {},
        {},
        make=lambda policies: len(policies.policies),
        check=lambda policies: {},
        exceeding=quota.exceeding,
    )

    assert 2 == chosen.made
    assert 3 == len(chosen.refused)
