# SPDX-License-Identifier: MIT
"""Rules whose conditions can never hold together."""

from __future__ import annotations

import time

import pytest
from policy_text import FILE, HEAD, USERS

from enforcer.policy.lint.linter import Host, Severity, lint
from enforcer.policy.store import load_text

LINKS = {b"/bin/sh": b"/usr/bin/sh", b"/bin": b"/usr/bin"}
HERE = Host(exists=lambda _: True, resolve=lambda path: LINKS.get(path, path))


def _said(rule, head=""):
    text = f"{HEAD}spec:\n{head}  rules:\n  - {rule}\n"
    found = lint(load_text(text, FILE, USERS), HERE)
    return [issue for issue in found if issue.check == "never-matches"]


def _exec(match):
    return f"{{exec: {{}}, match: {{{match}}}, action: log}}"


@pytest.mark.parametrize(
    "match",
    [
        "path: {in: [/a], notIn: [/a]}",
        "path: {in: [/a, /b], notIn: [/b, /a, /c]}",
        "path: {in: [/a, /b/c], notIn: [/a], notPrefix: /b/}",
        "path: {equal: /a, notGlob: '/*'}",
        "path: {prefix: /usr/, equal: /etc/passwd}",
        "path: {prefix: /usr/, glob: '/etc/**'}",
        "path: {prefix: /usr/, suffix: .so, equal: /usr/a.txt}",
        "path: {suffix: .so, glob: '/a/*.txt'}",
        "path: {equal: /usr/x, in: [/usr/y, /usr/z]}",
        "path: {prefix: /usr/lib/, notPrefix: /usr/}",
        "path: {equal: /bin/sh, notIn: [/bin/sh, /usr/bin/sh]}",
        "path: {equal: /bin/sh, notPrefix: /bin/}",
        "process: {uid: {in: [5], notIn: [0-9]}}",
        "process: {uid: {equal: 5, range: 6-9}}",
        "parent: {uid: {in: [5, 7], notIn: [5, 7]}}",
        "ancestors: {binary: {equal: /a, notEqual: /a}}",
        "process: {capabilities: {all: [NET_RAW, BPF], none: [BPF]}}",
        "process: {capabilities: {any: [BPF], none: [BPF, NET_RAW]}}",
        "process: {binary: /a}, notProcess: {binary: [/a, /b]}",
        "process: {binary: /a, uid: 0}, notProcess: {binary: /a}",
        "ancestors: {binary: /a}, notAncestors: {binary: /a}",
        "lineage: {binary: /a}, notLineage: {binary: /a}",
        "process: {binary: /a}, notLineage: {binary: [/a, /b]}",
        "ancestors: {binary: /a}, notLineage: {binary: /a}",
        "lineage: {uid: {in: [5, 7], notIn: [5, 7]}}",
        (
            "process: {pod: {labels: {matchExpressions: [{key: a, operator: In, values: [b]},"
            " {key: a, operator: NotIn, values: [b, c]}]}}}"
        ),
    ],
)
def test_conditions_that_exclude_each_other(match):
    """Nothing satisfies them all, and the author does not see that from silence."""
    (issue,) = _said(_exec(match))

    assert Severity.WARNING is issue.severity
    assert "rule 'rule-1' never matches: " in str(issue)


@pytest.mark.parametrize(
    "match",
    [
        "path: {in: [/a, /b], notIn: [/a]}",
        "path: {prefix: /usr/, equal: /bin/sh}",
        "path: {prefix: /bin/, equal: /usr/bin/sh}",
        "path: {prefix: /usr/, suffix: .so}",
        "path: {prefix: /usr/, glob: '/*/lib/**'}",
        "path: {prefix: /usr/lib/, prefix: /usr/}".replace("prefix: /usr/}", "glob: '/usr/**'}"),
        "path: {equal: /A, in: [/a, /b]}",
        "path: {contains: x, equal: /a/x}",
        "process: {uid: {range: 0-9, notIn: [5]}}",
        "process: {uid: 5}, notProcess: {uid: 5, gid: 1}",
        "process: {uid: 5}, notParent: {uid: 5}",
        "lineage: {uid: 5}, notProcess: {uid: 5}",
        "lineage: {uid: 5}, notAncestors: {uid: 5}",
        "parent: {uid: 5}, notLineage: {uid: 5, gid: 1}",
        "process: {capabilities: {any: [BPF, NET_RAW], none: [BPF]}}",
        (
            "process: {pod: {labels: {matchExpressions: [{key: a, operator: In, values: [b]},"
            " {key: c, operator: In, values: [d]}]}}}"
        ),
    ],
)
def test_conditions_that_can_hold_together(match):
    """No false remark: by symbolic links and by the case of letters, more is possible than it seems."""
    assert not _said(_exec(match))


@pytest.mark.parametrize(
    ("rule", "column"),
    [
        ("{network: socket, match: {type: {equal: raw, in: [stream, dgram]}}, action: deny}", 54),
        ("{network: connect, match: {port: {in: [80], notIn: [1-99]}}, action: deny}", 56),
        (
            "{network: connect, match: {address: {equal: 10.0.0.1, in: [192.0.2.0/24]}}, action: deny}",
            63,
        ),
        ("{file: create, match: {mode: {equal: 0644, mask: 06000}}, action: deny}", 54),
        ("{file: create, match: {mode: {mask: 02000=02000, equal: 0644}}, action: deny}", 61),
        (
            "{syscall: keyctl, match: {args: [{index: 0, equal: 1}, {index: 0, equal: 2}]}, action: log}",
            71,
        ),
    ],
)
def test_where_it_is_said(rule, column):
    """At the later one of the conditions."""
    (issue,) = _said(rule)
    assert f"{FILE}:6:{column}: warning: " in str(issue)


@pytest.mark.parametrize(
    "rule",
    [
        "{network: socket, match: {protocol: {equal: 0, in: [tcp]}}, action: deny}",
        "{exec: {}, match: {args: [{index: any, equal: a}, {index: any, equal: b}]}, action: kill}",
        "{syscall: keyctl, match: {args: [{index: 0, equal: 1}, {index: 1, equal: 2}]}, action: log}",
        "{file: create, match: {mode: {mask: 0600=0600, equal: 0644}}, action: deny}",
        "{network: socket, match: {family: inet, type: raw, protocol: tcp}, action: deny}",
        "{network: socket, match: {family: inet6, type: raw, protocol: udp}, action: deny}",
        "{network: socket, match: {type: [raw, dgram], protocol: tcp}, action: deny}",
        "{network: socket, match: {family: netlink, type: dgram, protocol: 6}, action: deny}",
        "{network: socket, match: {family: {notIn: [inet]}, type: dgram, protocol: 6}, action: deny}",
    ],
)
def test_what_an_operation_has_several_values_of(rule):
    """A socket made with protocol 0 is of two, and a program has several arguments."""
    assert not _said(rule)


@pytest.mark.parametrize(
    "match",
    [
        "type: dgram, protocol: tcp",
        "type: stream, protocol: udp",
        "family: [inet, inet6], type: dgram, protocol: tcp",
    ],
)
def test_types_of_sockets_that_a_protocol_does_not_have(match):
    """Of IP, where protocols have these numbers."""
    (issue,) = _said(f"{{network: connect, match: {{{match}}}, action: deny}}")

    assert "no socket of this type has this protocol" in str(issue)


def test_a_selector_is_a_condition_of_every_rule():
    """The process must be of the selector and of the rule."""
    (issue,) = _said(_exec("process: {uid: 5}"), "  selector: {uid: 0-4}\n")
    assert f"{FILE}:7:39" == str(issue.span)
    assert _said(_exec("notProcess: {uid: 0-9}"), "  selector: {uid: 0-4}\n")
    assert _said(_exec("process: {script: true}"), "  selector: {script: false}\n")
    assert not _said(_exec("parent: {uid: 5}"), "  selector: {uid: 0-4}\n")


def test_a_selector_that_selects_nothing_is_said_once():
    """However many rules there are."""
    (issue,) = _said(
        f"{_exec('path: /a')}\n  - {_exec('path: /b')}",
        "  selector: {uid: {in: [5], notIn: [5]}}\n",
    )
    assert "no rule of the policy ever matches" in str(issue)


@pytest.mark.parametrize(("last", "number"), [("20s", 1), ("10s", 1), ("5s", 0)])
def test_marks(last, number):
    """Within ten seconds and not within twenty is never; not within five is possible."""
    asked = f"within: {{mark: m, last: 10s}}, notWithin: {{mark: m, last: {last}}}"
    found = _said(f"{{exec: {{}}, mark: m}}\n  - {_exec(asked)}")
    assert number == len(found)


def test_long_lists_are_compared_quickly():
    """Each value is looked up, not compared with each."""
    names = ", ".join(f"/srv/{i}" for i in range(5000))
    began = time.monotonic()

    assert _said(_exec(f"path: {{in: [{names}], notIn: [{names}]}}"))
    assert time.monotonic() - began < 60
