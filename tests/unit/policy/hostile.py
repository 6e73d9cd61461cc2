# SPDX-License-Identifier: MIT
"""Hostile policies: how they are made, and what must become of each, in whatever dialect it is."""

from __future__ import annotations

from hypothesis import strategies as st
from policy_text import FILE, USERS

from enforcer.errors import PolicyErrors
from enforcer.policy.lint.linter import Host, lint
from enforcer.policy.store import load_text
from enforcer.policy.writers.printer import print_policies

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


def read(content, users=USERS):
    """Load *content*: policies, or errors with places and None; never another exception."""
    found = ()
    try:
        policies = load_text(content, FILE, users)
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


def read_foreign(content, users=USERS):
    """Likewise; what was read can be printed in the language itself, and read again."""
    policies = read(content, users)
    if policies is not None:
        assert load_text(print_policies(policies.policies), FILE, users).policies
    return policies


def mutated(data, text, pieces=()):
    """Cut pieces out of *text* and put others in."""
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.sampled_from([*PIECES, *pieces])) + text[end:]
    return text


def trees(leaves, words, *, width=4, size=12):
    """Nest *leaves* in lists, and under *words*."""
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=width),
        max_leaves=size,
    )


def flow(tree):
    """Write a tree in flow style, with every text quoted."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{k}: {flow(v)}" for k, v in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(flow, tree)) + "]"
    if tree is None or isinstance(tree, bool):
        return str(tree).lower().replace("none", "null")
    if isinstance(tree, int):
        return str(tree)
    return "'" + tree.replace("'", "''").replace("\n", " ").replace("\r", " ") + "'"
