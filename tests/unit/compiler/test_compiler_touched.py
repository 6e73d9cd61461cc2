# SPDX-License-Identifier: MIT
"""How many conditions one operation may satisfy: never too few."""

from __future__ import annotations

import pytest

from enforcer.compiler import compile_policies
from enforcer.policy.store import load_text

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\nspec: {rules: [%s]}\n"


def _touched(*matches):
    rules = ", ".join(
        f"{{name: r{n}, network: connect, match: {match}, action: log}}"
        for n, match in enumerate(matches)
    )
    return compile_policies(load_text(HEAD % rules, "p.yaml")).counts.touched


@pytest.mark.parametrize(
    ("matches", "most"),
    [
        (["{port: 1}"], 1),
        (["{port: 1}", "{port: 2}"], 1),
        (["{port: 1}", "{port: '1-2'}"], 2),
        (["{port: 1}", "{port: '1-2', address: 10.0.0.1}"], 3),
    ],
)
def test_numbers(matches, most):
    """Of each kind the most that one number satisfies."""
    assert most == _touched(*matches)


def test_directories_above_count():
    """What holds below each of them holds for the path."""
    deep = "/" + "/".join("d" * 500)

    def of(*paths):
        rules = ", ".join(
            f"{{name: r{n}, exec: {{}}, match: {{path: {path}}}, action: log}}"
            for n, path in enumerate(paths)
        )
        return compile_policies(load_text(HEAD % rules, "p.yaml")).counts.touched

    apart, together = of("/a/x", "/b/x"), of("/a/**", "/a/b/**")
    assert apart < together
    assert of("/a/b/**", "/a/b/c") >= together
    assert of("/a/*x", "/a/**/x*") >= together
    assert of(f"{deep}/**") <= apart
