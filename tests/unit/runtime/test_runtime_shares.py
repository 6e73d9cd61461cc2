# SPDX-License-Identifier: MIT
"""What policies of namespaces may take of an image, so that those of the cluster, and of other namespaces, have room."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.compiler import limits
from enforcer.errors import LimitError
from enforcer.runtime.policies import namespace_shares
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import Order, make
from enforcer.runtime.policies.namespace_shares import ROOMS, Share, beyond, displaced
from enforcer.runtime.policies.runtime_changes import Overlay

TEXT = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: {name}, {namespace}}}
spec: {{rules: [{rules}]}}
"""
RULE = "{name: r, file: read, match: {path: /x}, action: deny}"


def text(name, namespace="namespace: shop", rules=RULE):
    return TEXT.format(name=name, namespace=namespace, rules=rules)


# ---- Patterns ------------------------------------------------------------------------------------


def _wild(first, number):
    """Return rules with patterns that multiply each other: some four of them fit into an automaton."""
    words = ["".join(chr(97 + int(d)) for d in f"{first + n:05}") for n in range(number)]
    patterns = ", ".join(f'"/**/*{word}*{word[::-1]}"' for word in words)
    return f"{{name: r, file: read, match: {{path: [{patterns}]}}, action: deny}}"


def _names(made):
    return sorted(facts.name for facts in made.now.facts)


@pytest.fixture
def small_shares(monkeypatch):
    """Shares for which few patterns are compiled: four automata, and what these take."""
    monkeypatch.setattr(namespace_shares, "OF_ONE", Share(4, of=64))
    monkeypatch.setattr("enforcer.runtime.policies.refused_files._LONG", 0.0)


@pytest.mark.usefixtures("small_shares")
def test_one_namespace_does_not_take_all_automata(tmp_path):
    """What was active keeps its room, and so do others, also those without a namespace; the message says why."""
    sources = Sources((tmp_path,), is_tolerant=True)
    (tmp_path / "m.yaml").write_text(text("m", "namespace: red", _wild(0, 6)))
    first = make(Order(sources, Overlay(), generation=1)).now
    for number in range(3):
        rules = _wild(1000 * (number + 1), 6)
        (tmp_path / f"a{number}.yaml").write_text(text(f"a{number}", "namespace: red", rules))
    (tmp_path / "y.yaml").write_text(text("y", "namespace: blue", _wild(7000, 4)))
    (tmp_path / "z.yaml").write_text(text("z", "", _wild(9000, 12)))

    made = make(Order(sources, Overlay(), generation=2, texts=first.texts))

    assert ["red/m"] == [facts.name for facts in first.facts]
    assert {"blue/y", "red/m", "z"} <= set(_names(made))
    assert "red/a2" not in _names(made)
    errors = {each.path: each.errors for each in made.now.refused}
    assert "namespace red would need more than 4 automata" in errors[str(tmp_path / "a2.yaml")][0]


@pytest.mark.usefixtures("small_shares")
def test_a_policy_that_needs_more_than_its_namespace_may_have(tmp_path):
    """Alone it would have room. It is known to be too much then, and not compiled at each change."""
    rules = _wild(0, 20)
    (tmp_path / "a.yaml").write_text(text("a", "namespace: red", rules))
    sources = Sources((tmp_path,), is_tolerant=True)
    found = make(Order(sources, Overlay(), generation=1)).now
    assert not found.facts
    assert found.refused[0].again_at > 0

    (tmp_path / "a.yaml").write_text(text("a", "", rules))
    assert ["a"] == _names(make(Order(sources, Overlay(), generation=1)))


def _long(number):
    """Return a policy's rules with patterns that take many steps and few automata."""
    words = ["".join(chr(97 + (n * m) % 26) for m in range(1, 30)) for n in range(1, number + 1)]
    return ", ".join(
        f"{{name: r{n}, file: read, match: {{path: '/d{n}/**/*{word}*{word[::-1]}*'}}, action: deny}}"
        for n, word in enumerate(words)
    )


def test_steps_to_make_automata_have_a_share(tmp_path, monkeypatch):
    """Who writes what takes long waits alone: the others are active, and the same text takes no time again."""
    monkeypatch.setattr(namespace_shares, "OF_ONE", Share(1, of=32))
    monkeypatch.setattr("enforcer.runtime.policies.refused_files._LONG", 0.0)
    (tmp_path / "a.yaml").write_text(text("a", "namespace: red", _long(150)))
    (tmp_path / "b.yaml").write_text(text("b", "namespace: blue"))
    (tmp_path / "z.yaml").write_text(text("z", "", _long(150)))
    sources = Sources((tmp_path,), is_tolerant=True)

    made = make(Order(sources, Overlay(), generation=1)).now
    again = make(Order(sources, Overlay(), generation=2, refused=made.refused)).now

    for now in (made, again):
        assert ["blue/b", "z"] == sorted(facts.name for facts in now.facts)
        (refused,) = now.refused
        words = "policies of namespace red would need more than 625000 steps to make automata"
        assert words in refused.errors[0]


# ---- Which are refused ---------------------------------------------------------------------------


def _policy(name, namespace, weight):
    return SimpleNamespace(name=name, namespace=namespace, span=None, weight=weight)


def _policies(weights):
    return [
        _policy(f"{namespace}/{n}", namespace, weight)
        for namespace, found in weights.items()
        for n, weight in enumerate(found)
    ]


def _counts(policies, *_):
    zero = dict.fromkeys((room.count for room in ROOMS.values()), 0)
    return SimpleNamespace(**{**zero, "dfas": sum(each.weight for each in policies)})


@pytest.mark.parametrize(
    ("weights", "new", "refused"),
    [
        # Namespaces one after the other, each with the weight of its policies.
        ({"a": [8, 8], "b": [16], "": [16]}, "all", 0),
        ({"a": [8, 9, 1]}, "all", 2),
        ({"a": [17], "b": [16]}, "all", 1),
        ({"a": [17], "b": [16]}, "none", 0),
        ({"a": [16], "b": [16], "c": [16], "d": [1, 1]}, "all", 2),
        ({"a": [16], "b": [16], "c": [16], "": [10]}, "all", 0),
        ({"": [60]}, "all", 0),
    ],
)
def test_what_is_beyond_a_share(weights, new, refused):
    """Of a namespace, and of all of them; what has none has no share, and what was active is not asked."""
    policies = _policies(weights)
    names = {each.name for each in policies} if new == "all" else set()

    found = list(beyond(policies, lambda each: each.name in names, _counts, _counts(policies)))

    assert refused == len(found)


@pytest.mark.parametrize(
    ("weights", "refused"),
    [
        ({"a": [16], "b": [16], "": [30]}, 0),
        ({"a": [16], "b": [16], "": [40]}, 1),
        ({"a": [16], "b": [16], "": [64]}, 2),
        ({"a": [16], "b": [16], "": [65]}, 0),  # it helps nobody if these are refused
        ({"": [65]}, 0),
    ],
)
def test_policies_without_a_namespace_have_their_room_first(weights, refused):
    """Those of namespaces give way, active or not, if that helps."""
    policies = _policies(weights)

    def problem(some):
        return LimitError("too many") if sum(each.weight for each in some) > 64 else None

    found = list(displaced(policies, lambda _: False, problem))

    assert refused == len(found)
    assert all("need the room of this one: too many" in str(error) for error in found)


# ---- Of all rooms --------------------------------------------------------------------------------

SMALL = {"ENF_MAX_MARKS": 8, "ENF_MAX_LIMITS": 8}
"""Limits for which a few rules are much: 2 of each are the share of a namespace, and 6 that of all."""


def _needing(numbers, first=0):
    """Return rules that need so many marks and so many limits of records."""
    marks, limits_ = numbers
    rules = [
        f"{{name: m{n}, file: read, match: {{path: /{n}}}, mark: m{n}, action: log}}"
        for n in range(marks)
    ]
    rules += [
        f"{{name: l{n}, file: read, match: {{path: /{n}}}, action: log, rateLimit: {first + n + 1}/m}}"
        for n in range(limits_)
    ]
    return ", ".join([*rules, RULE])


@contextlib.contextmanager
def _small_rooms():
    with pytest.MonkeyPatch.context() as patch:
        for name, most in SMALL.items():
            patch.setitem(limits.LIMITS, name, most)
            patch.setitem(ROOMS, name, attrs.evolve(ROOMS[name], most=most))
        yield


def _made(folder, files, before=None):
    for old in folder.glob("*.yaml"):
        old.unlink()
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    texts = before.texts if before else None
    sources = Sources((folder,), is_tolerant=True, may_be_empty=True)
    return make(Order(sources, Overlay(), generation=1, texts=texts)).now


_needs = st.tuples(st.integers(0, 3), st.integers(0, 3))


@settings(max_examples=8)
@given(
    cluster=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=2),
    is_late=st.booleans(),
    others=st.lists(st.tuples(st.sampled_from("abcd"), _needs), min_size=1, max_size=6),
)
def test_whatever_namespaces_write(tmp_path_factory, cluster, is_late, others):
    """Policies of the cluster that can be compiled alone are active, and so is an active one within its share."""
    folder = tmp_path_factory.mktemp("policies")
    of_cluster = {
        f"z{n}": text(f"z{n}", "", _needing(needs, 100 * n)) for n, needs in enumerate(cluster)
    }
    victim = {"m": text("m", "namespace: m", _needing((2, 2), 5000))}
    written = {
        f"{namespace}{n}": text(f"p{n}", f"namespace: {namespace}", _needing(needs, 1000 + 10 * n))
        for n, (namespace, needs) in enumerate(others)
    }
    with _small_rooms():
        before = _made(folder, victim if is_late else {**victim, **of_cluster})
        now = _made(folder, {**written, **victim, **of_cluster}, before)

    names = {facts.name for facts in now.facts}
    assert set(of_cluster) <= names
    if all(sum(needs) <= 2 for needs in zip(*cluster, strict=True)):
        assert "m/m" in names
    refused = {name for each in now.refused for name in [each.path.rsplit("/", 1)[1]]}
    assert len(names) + len(refused) == len(of_cluster) + len(victim) + len(written)


def test_policies_of_the_cluster_come_before_active_ones_of_namespaces(tmp_path):
    """Those that find no room then say why."""
    with _small_rooms():
        files = {n: text(n, f"namespace: {n}", _needing((2, 0))) for n in "abc"}
        before = _made(tmp_path, files)
        now = _made(tmp_path, {**files, "z": text("z", "", _needing((5, 0)))}, before)

    assert 3 == len(before.facts)
    assert ["a/a", "z"] == sorted(facts.name for facts in now.facts)
    assert {"b.yaml", "c.yaml"} == {each.path.rsplit("/", 1)[1] for each in now.refused}
    for each in now.refused:
        assert "policies without a namespace need the room of this one: too many" in each.errors[0]


def test_conditions_on_processes_have_a_share(tmp_path, monkeypatch):
    """They are counted as they are compiled, with the one on the namespace."""
    monkeypatch.setitem(ROOMS, "ENF_MAX_LABELS", attrs.evolve(ROOMS["ENF_MAX_LABELS"], most=16))

    def of(number):
        return ", ".join(
            f"{{name: r{n}, exec: {{}}, match: {{path: /x, process: {{uid: {n}}}}}, action: deny}}"
            for n in range(1, number + 1)
        )

    now = _made(
        tmp_path,
        {
            "a": text("a", "namespace: red", of(4)),
            "b": text("b", "namespace: blue", of(3)),
            "z": text("z", "", of(12)),
        },
    )

    assert ["blue/b", "z"] == sorted(facts.name for facts in now.facts)
    (refused,) = now.refused
    assert "red would need more than 4 distinct conditions on processes" in refused.errors[0]


def test_conditions_on_one_path_of_all_namespaces_have_a_share(tmp_path, monkeypatch):
    """Sixteen namespaces with 32 each would make it unknown what a path satisfies."""
    monkeypatch.setitem(ROOMS, "ENF_MAX_TOUCHED", attrs.evolve(ROOMS["ENF_MAX_TOUCHED"], most=16))
    rules = ", ".join(
        f"{{name: r{n}, file: read, match: {{path: [/bin/sh, /opt/{n}]}}, action: log}}"
        for n in range(3)
    )
    files = {n: text(n, f"namespace: {n}", rules.replace("/opt", f"/{n}")) for n in "abcdef"}

    now = _made(tmp_path, {**files, "z": text("z", "", rules)})

    names = sorted(facts.name for facts in now.facts)
    assert "z" in names
    assert 1 < len(names) < 7
    words = "all namespaces would need more than 12 conditions that one operation may satisfy"
    assert all(words in each.errors[0] for each in now.refused)
