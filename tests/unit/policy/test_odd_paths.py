# SPDX-License-Identifier: MIT
"""Paths that are hardly what was meant, and those beside them that are."""

from __future__ import annotations

import pytest
from policy_text import FILE, HEAD, USERS

from enforcer.policy.lint import odd_paths
from enforcer.policy.lint.linter import CHECKS, Host, lint
from enforcer.policy.store import load_text

HERE = Host(
    exists=lambda path: path.startswith(b"/here"),
    is_file=lambda path: path == b"/etc/passwd",
    is_directory=lambda path: path in {b"/tmp", b"/usr/bin"},
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
        ("{path: '/usr/bin/(ba|da)sh'}", [("regular-expression", 32)]),
        ("{path: {suffix: sh$}}", [("regular-expression", 41)]),
        ("{path: {suffix: '/python3\\.[0-9]+'}}", [("regular-expression", 41)]),
        ("{path: '/usr/bin/python3\\.[0-9]+'}", [("regular-expression", 32)]),
        ("{path: '/**/x.+'}", [("regular-expression", 32)]),
        ("{path: /usr/bin/.*}", [("regular-expression", 32)]),
        ("{process: {binary: '/usr/bin/(ba|da)sh'}}", [("regular-expression", 44)]),
        ("{path: '/here/(ba|da)sh'}", []),
        ("{path: /usr/include/c++/**}", []),
        ("{path: '/usr/bin/[[]'}", []),
        ("{path: '/srv/a (copy)'}", []),
        ("{path: /home/*/.*}", []),
        ("{path: /tmp/.*}", []),
        ("{path: '/usr/bin/[.]*'}", []),
        ("{path: /var/log/app.log.*}", []),
        ("{process: {binary: /usr/bin}}", [("directory-as-file", 44)]),
        ("{path: /tmp}", []),
    ],
)
def test_an_odd_path_is_remarked_at_its_place(match, said):
    """One remark for one path, and none where the path may be meant so."""
    assert said == _said(match)


def test_the_paths_of_a_selector_count():
    """They are executables, too."""
    text = f"{HEAD}spec:\n  selector: {{binary: /opt/$APP/x}}\n  default: {{exec: log}}\n"

    assert "variable-in-path" in {issue.check for issue in lint(load_text(text, FILE, USERS), HERE)}


@pytest.mark.parametrize(
    ("rule", "is_odd"),
    [
        ("{exec: {}, match: {path: /tmp}, action: deny}", True),
        ("{exec: {}, match: {path: [/a, /usr/bin]}, action: kill}", True),
        ("{file: write, match: {path: /tmp}, action: deny}", True),
        ("{file: mmapExec, match: {path: /tmp}, action: deny}", True),
        ("{file: [write, rmdir], match: {path: /tmp}, action: deny}", False),
        ("{file: read, match: {path: /tmp}, action: deny}", False),
        ("{file: any, match: {path: /tmp}, action: deny}", False),
        ("{file: write, match: {path: /tmp}, action: allow}", False),
        ("{file: write, match: {path: {notIn: [/tmp]}}, action: deny}", False),
        ("{exec: {}, match: {path: /tmp/**}, action: deny}", False),
        ("{network: bind, match: {path: /tmp}, action: deny}", False),
    ],
)
def test_a_directory_is_neither_run_nor_written(rule, is_odd):
    """Operations on directories themselves are meant so."""
    found = lint(load_text(f"{HEAD}spec:\n  rules:\n  - {rule}\n", FILE, USERS), HERE)

    assert is_odd is ("directory-as-file" in {issue.check for issue in found})


@pytest.mark.parametrize(
    ("rules", "check"),
    [
        ("- {network: egress, action: deny}", "sockets-of-the-machine"),
        (
            "- {network: connect, match: {process: {uid: 33}}, action: kill}",
            "sockets-of-the-machine",
        ),
        ("- {network: egress, match: {family: [inet, inet6]}, action: deny}", None),
        ("- {network: egress, match: {address: 10.0.0.0/8}, action: deny}", None),
        ("- {network: listen, action: deny}", None),
        (
            "- {network: egress, match: {family: unix}, action: allow}\n  - {network: egress, action: deny}",
            None,
        ),
        ("- {network: bind, match: {port: 1-1023}, action: deny}", "dhcp-port"),
        ("- {network: bind, match: {port: {notIn: [80, 443]}}, action: deny}", "dhcp-port"),
        ("- {network: bind, match: {port: 68}, action: deny}", None),
        ("- {network: bind, match: {port: 1-1023, protocol: tcp}, action: deny}", None),
        ("- {network: bind, match: {port: 1-1023, type: stream}, action: deny}", None),
        ("- {network: bind, match: {port: 1-1023, process: {uid: 33}}, action: deny}", None),
        ("- {network: bind, match: {port: 1-1023, notProcess: {uid: 0}}, action: deny}", None),
        ("- {network: bind, match: {port: 1024-2000}, action: deny}", None),
        (
            "- {network: bind, match: {port: 68}, action: allow}\n  - {network: bind, match: {port: 1-1023}, action: deny}",
            None,
        ),
    ],
)
def test_rules_on_sockets_that_refuse_what_the_machine_needs(rules, check):
    """Unix sockets, the resolver and the DHCP client; not where the rule leaves them out."""
    found = lint(load_text(f"{HEAD}spec:\n  rules:\n  {rules}\n", FILE, USERS), HERE)
    named = {"sockets-of-the-machine", "dhcp-port"} & {issue.check for issue in found}

    assert ({check} if check else set()) == named
