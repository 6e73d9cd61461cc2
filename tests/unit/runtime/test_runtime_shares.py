# SPDX-License-Identifier: MIT
"""What policies of namespaces may take of an image, so that those of the cluster, and of other namespaces, have room."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

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
