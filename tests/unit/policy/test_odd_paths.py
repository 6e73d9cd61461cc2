# SPDX-License-Identifier: MIT
"""Paths that are hardly what was meant, and those beside them that are."""

from __future__ import annotations

import pytest
from policy_text import FILE, HEAD, USERS

from enforcer.policy.lint import odd_paths
from enforcer.policy.lint.linter import CHECKS, Host, lint
from enforcer.policy.store import load_text

HERE = Host(
    exists=lambda path: path.startswith(b"/here"), is_file=lambda path: path == b"/etc/passwd"
)


def _said(match):
    text = f"{HEAD}spec:\n  rules:\n  - {{file: read, match: {match}, action: log}}\n"
    found = lint(load_text(text, FILE, USERS), HERE)
    names = {name for name, function in CHECKS.items() if function.__module__ == odd_paths.__name__}
    return [(issue.check, issue.span.column) for issue in found if issue.check in names]


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ("{path: /home/$USER/x}", [("variable-in-path", 32)]),
        ("{path: [/a, /home/$USER/**]}", [("variable-in-path", 37)]),
        ("{path: {notIn: [/$a]}}", [("variable-in-path", 41)]),
        ("{process: {binary: /opt/$APP/x}}", [("variable-in-path", 44)]),
        ("{path: /srv/cost$}", []),
        ("{path: /srv/$5}", []),
        ("{path: '/srv/a '}", [("blank-in-path", 32)]),
        ("{path: '/srv/a b'}", []),
        ("{path: '/srv/a\u00a0b'}", [("blank-in-path", 32)]),
        ("{path: '/srv/a\\nb'}", []),
        ('{path: "/srv/a\\nb"}', [("blank-in-path", 32)]),
        ("{path: /proc/self/mem}", [("path-of-each-process", 32)]),
        ("{path: /proc/self/**}", [("path-of-each-process", 32)]),
        ("{path: /proc/thread-self}", [("path-of-each-process", 32)]),
        ("{path: /proc/net/tcp}", [("path-of-each-process", 32)]),
        ("{path: /dev/stdin}", [("path-of-each-process", 32)]),
        ("{path: /proc/selfish}", []),
        ("{path: /proc/*/mem}", []),
        ("{path: {equal: /b/*sh}}", [("glob-that-is-literal", 40)]),
        ("{path: {prefix: /b/*}}", [("glob-that-is-literal", 41)]),
        ("{path: {glob: /b/*}}", []),
        ("{path: {equal: '/here/*'}}", []),
        ("{path: '/a, /b'}", [("several-paths-in-one", 32)]),
        ("{path: '/here, /b'}", []),
        ("{path: '/a,b'}", []),
        ("{process: {cgroup: /sys/fs/cgroup/a.slice}}", [("name-of-no-cgroup", 44)]),
        ("{process: {cgroup: /a.slice}}", []),
        ("{process: {container: {id: 0123}}}", [("name-of-no-cgroup", 52)]),
        ("{process: {container: {id: 0123*}}}", []),
        (f"{{process: {{container: {{id: {'0a' * 32}}}}}}}", []),
        ("{path: /etc/passwd/**}", [("path-below-file", 32)]),
        ("{path: /etc/passwd/}", [("path-below-file", 32)]),
        ("{path: /etc/passwd*}", []),
        ("{path: /etc/passwd}", []),
        ("{path: /etc/**}", []),
    ],
)
def test_an_odd_path_is_remarked_at_its_place(match, said):
    """One remark for one path, and none where the path may be meant so."""
    assert said == _said(match)


def test_the_paths_of_a_selector_count():
    """They are executables, too."""
    text = f"{HEAD}spec:\n  selector: {{binary: /opt/$APP/x}}\n  default: {{exec: log}}\n"

    assert "variable-in-path" in {issue.check for issue in lint(load_text(text, FILE, USERS), HERE)}
