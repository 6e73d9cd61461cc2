# SPDX-License-Identifier: MIT
"""Whatever the input, the answer is policies or errors with places: never another exception."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_text import FILE, HEAD, USERS

from enforcer.errors import PolicyErrors
from enforcer.policy.lint import Host, lint
from enforcer.policy.store import load_text

FULL = f"""{HEAD.replace("{name: x}", "{name: full, labels: {a: b}, description: text}")}spec:
  mode: audit
  message: "{{process}} did {{operation}} on {{path}}"
  allowDegraded: true
  selector: {{unit: nginx.service, uid: [root, 1000-2000]}}
  default: {{exec: deny, file: {{deny: {{errno: EACCES}}}}}}
  rules:
  - name: one
    exec: {{}}
    match:
      path: [/bin/sh, '/usr/**/[a-c]?*', {{}}]
      script: true
      args: [{{index: 1, equal: -c}}, {{index: any, operator: Prefix, values: [x]}}]
      process: {{binary: {{notIn: [/a, /b]}}, capabilities: {{any: [CAP_BPF]}}}}
      notAncestors: {{cgroup: /system.slice}}
    action: {{kill: {{signal: TERM, errno: 13}}}}
    tags: [T1059.004]
    severity: high
    onError: log
  - file: {{operations: [read, write], strict: true}}
    match: {{path: /srv/, mode: {{mask: 06000=04000}}}}
    action: deny
    guard: false
  - network: egress
    match: {{address: [10.0.0.0/8, "::1"], port: [80, 8000-9000], family: inet}}
    action: log
  - syscall: {{name: execve}}
    match: {{args: [{{index: 0, match: {{type: String, literal: /bin/bash}}}}]}}
  actions:
  - {{syscall: {{name: execve}}, action: Allow}}
"""
GOOD = (
    FULL.replace(", {}]", "]")
    .replace("read, write]", "write]")
    .replace(", mode: {mask: 06000=04000}", "")
)

# Pieces that mean something to YAML or to the language, to be put in at random places.
PIECES = [
    "",
    " ",
    "\n",
    "\n  ",
    "\t",
    "- ",
    ": ",
    ", ",
    "{",
    "}",
    "[",
    "]",
    "'",
    '"',
    "#",
    "&a ",
    "*a",
    "!!int ",
    "<<: ",
    "? ",
    "| ",
    "> ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "null",
    "true",
    "off",
    "010",
    "1:20",
    "-1",
    "99999999999999999999999",
    "\\",
    "{pid",
    "/..",
    "**",
    "\u202e",
    "\ufeff",
    "\x00",
    "é",
    "rules",
    "exec",
    "syscall",
    "process",
]


def _load(content):
    found = ()
    try:
        policies = load_text(content, FILE, USERS)
    except PolicyErrors as caught:
        policies, found = None, caught.errors
    if policies is None:
        assert found
        assert all(error.span and error.message for error in found)
        assert all(error.span.line >= 1 and error.span.column >= 1 for error in found)
        return None
    assert policies.policies
    for issue in lint(policies, Host(exists=lambda _: False)):
        assert str(issue)
    return policies


def test_the_seed_is_sound():
    """The text that is mutated below loads, so that mutations reach deep."""
    assert _load(GOOD)


@given(st.binary(max_size=300))
def test_any_bytes(content):
    """Bytes from anywhere."""
    _load(content)


@given(st.text(max_size=300))
def test_any_text(content):
    """Text from anywhere."""
    _load(content)


@given(st.text(alphabet="{}[],:-#&*!|>'\"%@`?\n \tab01/\\", max_size=200))
def test_any_yaml_punctuation(content):
    """Text that a YAML parser takes seriously."""
    _load(content)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_text(data):
    """A good policy with pieces cut out and others put in."""
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.sampled_from(PIECES)) + text[end:]
    _load(text)


@settings(max_examples=200)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
def test_mutated_bytes(at, piece):
    """A good policy with bytes overwritten."""
    content = GOOD.encode()
    _load(content[:at] + piece + content[at + len(piece) :])


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from(["/a", "/a/**", "any", "deny", "read", "execve", "1-2", "::1", "", "root"]),
    st.text(max_size=8),
)
_WORDS = st.sampled_from(
    [
        "exec",
        "file",
        "network",
        "syscall",
        "name",
        "match",
        "args",
        "index",
        "type",
        "literal",
        "operator",
        "values",
        "action",
        "deny",
        "kill",
        "errno",
        "signal",
        "process",
        "parent",
        "ancestors",
        "notProcess",
        "binary",
        "uid",
        "unit",
        "cgroup",
        "capabilities",
        "path",
        "port",
        "address",
        "family",
        "mode",
        "equal",
        "in",
        "notIn",
        "prefix",
        "glob",
        "range",
        "mask",
        "cidr",
        "any",
        "all",
        "none",
        "operations",
        "strict",
        "message",
        "severity",
        "tags",
        "onError",
        "guard",
        "default",
        "rules",
        "actions",
        "selector",
        "memory",
        "pod",
        "within",
    ]
)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)


def _flow(tree):
    """Write a tree in flow style, with every text quoted."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(_flow, tree)) + "]"
    if tree is None or isinstance(tree, bool):
        return str(tree).lower().replace("none", "null")
    if isinstance(tree, int):
        return str(tree)
    return "'" + tree.replace("'", "''").replace("\n", " ").replace("\r", " ") + "'"


@settings(max_examples=300)
@given(_TREES)
def test_any_structure_as_a_spec(tree):
    """Known words in places where they do not belong."""
    _load(f"{HEAD}spec: {_flow(tree)}\n")


@settings(max_examples=300)
@given(st.sampled_from(["exec: {}", "file: any", "network: egress", "syscall: openat"]), _TREES)
def test_any_structure_as_a_match(event, tree):
    """Every reader below match meets every form."""
    _load(f"{HEAD}spec: {{rules: [{{{event}, action: kill, match: {_flow(tree)}}}]}}\n")


@pytest.mark.parametrize("text", ["[" * 500_000, "{a: " * 200_000, "- " * 400_000, "a: " * 300_000])
def test_bombs(text):
    """Large hostile inputs end in an error soon, whatever they nest."""
    assert _load(text) is None
