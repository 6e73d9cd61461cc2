# SPDX-License-Identifier: MIT
"""Whatever the input, the answer is policies or errors with places: never another exception."""

from __future__ import annotations

import pytest
from hostile import flow, mutated, read, trees
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_text import HEAD

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
      interpreter: true
      args: [{{index: 1, equal: -c}}, {{index: any, operator: Prefix, values: [x]}}]
      process: {{binary: {{notIn: [/a, /b]}}, capabilities: {{any: [CAP_BPF]}}}}
      notAncestors: {{cgroup: /system.slice}}
      lineage: {{uid: 33}}
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
  - {{network: connect, mark: {{name: online, of: tree}}, onError: allow}}
  - {{exec: {{}}, match: {{within: {{mark: online, last: 5s}}}}, action: kill, rateLimit: 9/m}}
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


def test_the_seed_is_sound():
    """The text that is mutated below loads, so that mutations reach deep."""
    assert read(GOOD)


@given(st.binary(max_size=300))
def test_any_bytes(content):
    """Bytes from anywhere."""
    read(content)


@given(st.text(max_size=300))
def test_any_text(content):
    """Text from anywhere."""
    read(content)


@given(st.text(alphabet="{}[],:-#&*!|>'\"%@`?\n \tab01/\\", max_size=200))
def test_any_yaml_punctuation(content):
    """Text that a YAML parser takes seriously."""
    read(content)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_text(data):
    """A good policy with pieces cut out and others put in."""
    read(mutated(data, GOOD))


@settings(max_examples=200)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
def test_mutated_bytes(at, piece):
    """A good policy with bytes overwritten."""
    content = GOOD.encode()
    read(content[:at] + piece + content[at + len(piece) :])


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
        "lineage",
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
        "loader",
        "default",
        "rules",
        "actions",
        "selector",
        "memory",
        "pod",
        "container",
        "name",
        "namespace",
        "labels",
        "matchLabels",
        "matchExpressions",
        "key",
        "operator",
        "values",
        "within",
    ]
)
_TREES = trees(_LEAVES, _WORDS)


@settings(max_examples=300)
@given(_TREES)
def test_any_structure_as_a_spec(tree):
    """Known words in places where they do not belong."""
    read(f"{HEAD}spec: {flow(tree)}\n")


@settings(max_examples=300)
@given(st.sampled_from(["exec: {}", "file: any", "network: egress", "syscall: openat"]), _TREES)
def test_any_structure_as_a_match(event, tree):
    """Every reader below match meets every form."""
    read(f"{HEAD}spec: {{rules: [{{{event}, action: kill, match: {flow(tree)}}}]}}\n")


@pytest.mark.parametrize("text", ["[" * 500_000, "{a: " * 200_000, "- " * 400_000, "a: " * 300_000])
def test_bombs(text):
    """Large hostile inputs end in an error soon, whatever they nest."""
    assert read(text) is None
