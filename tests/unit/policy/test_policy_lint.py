# SPDX-License-Identifier: MIT
"""Remarks on policies that load."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from policy_text import FILE, HEAD, USERS

from enforcer.policy.language.vocabulary import LIFTED_SYSCALLS
from enforcer.policy.lint.linter import CHECKS, Host, Severity, lint
from enforcer.policy.lint.lockout_needs import EnforcerPrograms
from enforcer.policy.lint.shadowed import MAX_WIDE
from enforcer.policy.store import load_policies, load_text

OWN = EnforcerPrograms(
    (b"/usr/bin/python3.11", b"/usr/bin/python3"), b"/usr/bin/enforcer", b"/usr/lib/enforcer.py"
)
ELSEWHERE = (b"/nope", b"/usr/libexec/", b"/usr/lib64/")
HERE = Host(
    exists=lambda path: not path.startswith(ELSEWHERE),
    own=OWN,
    folded_by=lambda path: "vfat" if path.startswith(b"/boot/efi") else None,
    is_script=lambda path: path.endswith(b".sh"),
)
POLICIES = Path(__file__).parents[3] / "policies"


def _issues(spec, host=HERE):
    return lint(load_text(f"{HEAD}spec:\n{spec}", FILE, USERS), host)


def _found(*rules, head=""):
    lines = "".join(f"  - {rule}\n" for rule in rules)
    return {(i.check, i.span.line - 5) for i in _issues(f"{head}  rules:\n{lines}") if not head}


def _checks(*rules):
    return {name for name, _ in _found(*rules)}


SHADOWED = [
    ("{exec: {}, match: {path: /a}, action: log}", "{exec: {}, match: {path: /a}, action: deny}"),
    ("{exec: {}, match: {path: [/a, /b]}, action: log}", "{exec: {}, match: {path: /b}, action: log}"),
    ("{exec: {}, match: {path: /a/**}, action: log}", "{exec: {}, match: {path: /a/b/c}, action: log}"),
    ("{exec: {}, match: {path: /a/**}, action: log}", "{exec: {}, match: {path: /a/b/**}, action: log}"),
    ("{exec: {}, match: {path: {prefix: /a}}, action: log}", "{exec: {}, match: {path: /ab/*}, action: log}"),
    ("{exec: {}, match: {path: /a*}, action: log}", "{exec: {}, match: {path: /ab}, action: log}"),
    ("{exec: {}, action: log}", "{exec: {}, match: {path: /a, process: {uid: 0}}, action: log}"),
    ("{exec: {}, match: {process: {uid: 0-9}}, action: log}",
     "{exec: {}, match: {process: {uid: 5, gid: 1}}, action: log}"),
    ("{file: any, action: log}", "{file: [read, write], action: log}"),
    ("{network: egress, match: {address: 10.0.0.0/8}, action: log}",
     "{network: connect, match: {address: 10.1.0.0/16, port: 80}, action: log}"),
    ("{exec: {}, match: {path: {notIn: [/a]}}, action: log}",
     "{exec: {}, match: {path: {notIn: [/a, /b]}}, action: log}"),
    ("{exec: {}, match: {script: true}, action: log}",
     "{exec: {}, match: {script: true, fileless: true}, action: log}"),
    ("{exec: {}, match: {notParent: {uid: 0}}, action: log}",
     "{exec: {}, match: {notParent: {uid: 0}, path: /a}, action: log}"),
    ("{exec: {}, match: {lineage: {uid: 0-9}}, action: log}",
     "{exec: {}, match: {process: {uid: 5}}, action: log}"),
    ("{exec: {}, match: {lineage: {uid: 0-9}}, action: log}",
     "{exec: {}, match: {ancestors: {uid: 5}}, action: log}"),
    ("{exec: {}, match: {notProcess: {uid: 0}}, action: log}",
     "{exec: {}, match: {notLineage: {uid: 0}}, action: log}"),
    ("{exec: {}, match: {notAncestors: {uid: 0}}, action: log}",
     "{exec: {}, match: {notLineage: {uid: 0}}, action: log}"),
]  # fmt: skip


@pytest.mark.parametrize(("above", "below"), SHADOWED)
def test_shadowed_rules_are_found(above, below):
    """The lower rule never decides."""
    assert ("shadowed-rule", 2) in _found(above, below)


@pytest.mark.parametrize(
    ("above", "below"),
    [
        *[(b, a) for a, b in SHADOWED[1:]],
        ("{exec: {}, match: {path: /a}, action: log}", "{exec: {}, match: {path: /b}, action: log}"),
        ("{file: read, action: log}", "{exec: {}, action: log}"),
        ("{file: read, action: log}", "{file: any, action: log}"),
        ("{exec: {}, action: log}",
         "{exec: {}, match: {args: [{index: 1, equal: a}]}, action: kill}"),
        ("{exec: {}, match: {path: /a/**}, action: log}", "{exec: {}, match: {path: /a}, action: log}"),
        ("{exec: {}, match: {process: {uid: 0}}, action: log}",
         "{exec: {}, match: {parent: {uid: 0}}, action: log}"),
        ("{exec: {}, match: {args: [{index: 1, equal: a}]}, action: kill}",
         "{exec: {}, match: {args: [{index: 2, equal: a}]}, action: kill}"),
        ("{file: read, match: {path: /a/**}, action: deny}",
         "{file: read, match: {path: /a/**}, action: deny, strict: true}"),
        ("{file: read, match: {path: /a}, action: deny}",
         "{file: read, match: {path: /a}, action: deny, strict: true}"),
        ("{exec: {}, match: {path: /a}, action: deny, loader: false}",
         "{exec: {}, match: {path: /a}, action: deny}"),
        ("{exec: {}, match: {path: /a/**}, action: kill, loader: false}",
         "{exec: {}, match: {path: /a/**}, action: kill}"),
        ("{file: read, match: {path: /a}, action: deny, guard: false}",
         "{file: read, match: {path: /a}, action: deny}"),
        ("{file: read, match: {path: /a}, action: deny}",
         "{file: read, match: {path: /a}, action: deny, attempts: true}"),
    ],
)  # fmt: skip
def test_rules_that_are_not_shadowed(above, below):
    """No false remark where the lower rule can decide."""
    assert "shadowed-rule" not in _checks(above, below)


@pytest.mark.parametrize(
    ("above", "below", "never"),
    [
        ("{file: read, match: {path: /a}, action: deny}", "{file: read, match: {path: /a}, action: kill}", True),
        ("{file: read, match: {path: /a}, action: deny, strict: true}",
         "{file: read, match: {path: /a}, action: deny, strict: true}", True),
        ("{file: read, match: {path: /a}, action: allow}",
         "{file: read, match: {path: /a}, action: log, strict: true}", True),
        ("{file: read, match: {path: /a}, action: deny}", "{file: read, match: {path: /a}, action: allow}", True),
        ("{file: read, action: log}", "{file: read, match: {path: /a}, action: deny}", True),
        ("{exec: {}, match: {path: /a}, action: deny, loader: false}",
         "{exec: {}, match: {path: /a}, action: deny, loader: false}", True),
        ("{syscall: keyctl, action: log}",
         "{syscall: keyctl, match: {args: [{index: 0, equal: 1}]}, action: deny}", True),
        ("{file: read, match: {process: {trustedCode: true}}, action: allow}",
         "{file: read, match: {process: {trustedCode: true}}, action: deny}", False),
        ("{file: read, match: {path: /a}, action: deny, onError: allow}",
         "{file: read, match: {path: /a}, action: deny}", False),
        ("{file: read, match: {path: /a}, action: log}",
         "{file: read, match: {path: /a}, action: deny, strict: true}", False),
        ("{file: read, match: {path: /a}, action: log, onError: deny}",
         "{file: read, match: {path: /a}, action: deny}", False),
    ],
)  # fmt: skip
def test_a_rule_that_decides_in_doubt_is_told_from_one_that_never_does(above, below, never):
    """A rule above that leaves out what is unknown, or permits by the host's names, leaves that to others."""
    (said,) = [
        issue.message
        for issue in _issues(f"  rules:\n  - {above}\n  - {below}\n")
        if issue.check == "shadowed-rule"
    ]

    assert ("never decides" in said, "only in doubt" in said) == (never, not never)


def test_what_leaves_no_doubt_is_named():
    """Not the rule that comes first, if it leaves something to the next."""
    rules = [
        f"{{name: {name}, file: read, match: {{path: /a}}, action: {action}}}"
        for name, action in (("a", "log"), ("b", "deny"), ("c", "deny"))
    ]
    lines = "".join(f"  - {rule}\n" for rule in rules)

    said = [i.message for i in _issues(f"  rules:\n{lines}") if i.check == "shadowed-rule"]

    assert ["rule 'b' decides only in doubt: rule 'a'", "rule 'c' never decides: rule 'b'"] == [
        text.partition(" in line")[0] for text in said
    ]


def test_parts_of_one_rule_do_not_hide_each_other():
    """Two system calls that mean the same are written together."""
    assert "shadowed-rule" not in _checks(
        "{syscall: [truncate, ftruncate], match: {path: /a}, action: log}"
    )


def test_too_many_wide_rules_are_said_to_be_left_out():
    """Nothing is cut silently, not even a remark."""
    rules = [f"{{exec: {{}}, match: {{path: /a{i}/**}}, action: log}}" for i in range(MAX_WIDE + 5)]
    assert ("shadowed-rule", -4) in _found(*rules)


@pytest.mark.parametrize(
    "rule",
    [
        "{exec: {}, match: {path: /usr/bin/**}, action: deny}",
        "{exec: {}, match: {path: /bin/*}, action: kill}",
        "{exec: {}, match: {path: {suffix: sh}}, action: deny}",
        "{file: read, match: {path: /**}, action: deny}",
        "{file: any, match: {path: {contains: lib}}, action: deny}",
        "{file: mmapExec, match: {path: /usr/}, action: deny}",
        "{exec: {}, match: {path: {notIn: [/usr/bin/ls]}}, action: deny}",
        "{exec: {}, action: deny}",
        "{exec: {}, match: {path: /usr/bin/bash}, action: deny}",
    ],
)
def test_rules_that_stop_the_machine_are_found(rule):
    """Refusing everybody the shell, the service manager or the C library is hardly meant."""
    assert ("breaks-the-machine", 1) in _found(rule)


@pytest.mark.parametrize(
    "rules",
    [
        ["{exec: {}, match: {path: /usr/bin/zsh}, action: deny}"],
        ["{exec: {}, match: {path: /usr/bin/**, process: {uid: 33}}, action: deny}"],
        ["{exec: {}, match: {path: /tmp/**}, action: deny}"],
        ["{exec: {}, match: {path: /usr/**, fileless: true}, action: deny}"],
        ["{exec: {}, match: {path: /usr/**}, action: log}"],
        ["{file: write, match: {path: /usr/**}, action: deny}"],
        [
            "{exec: {}, match: {path: [/usr/bin/, /usr/sbin/, /usr/lib/]}, action: allow}",
            "{exec: {}, match: {path: /**}, action: deny}",
        ],
    ],
)
def test_rules_that_leave_the_machine_alone(rules):
    """Something else, for somebody, elsewhere, or allowed above."""
    assert "breaks-the-machine" not in _checks(*rules)


def test_a_default_can_stop_the_machine_too():
    """Without a selector, default deny needs allow rules for what must live on."""
    (issue,) = _issues("  default: {exec: deny}\n")
    assert "breaks-the-machine" == issue.check
    assert not _issues("  selector: {uid: 33}\n  default: {exec: deny}\n")


@pytest.mark.parametrize(
    ("rule", "check"),
    [
        ("{file: chmod, action: deny}", "hits-everything"),
        (
            "{syscall: execve, match: {args: [{index: 0, equal: /a}]}, action: log}",
            "lifted-syscall",
        ),
        ("{exec: {}, match: {path: /nope}, action: log}", "missing-path"),
        ("{exec: {}, match: {path: /nope/a/*}, action: log}", "missing-path"),
        ("{file: create, match: {path: /nope/a}, action: log}", "missing-path"),
        ("{exec: {}, match: {parent: {binary: /nope}}, action: log}", "missing-path"),
        ("{exec: {}, match: {path: /a}, action: {kill: {signal: TERM}}}", "soft-signal"),
        ("{exec: {}, match: {path: {in: [/a], notIn: [/a]}}, action: log}", "never-matches"),
        ("{network: connect, match: {port: 80}, action: deny}", "connect-without-send"),
        ("{network: bind, match: {abstract: '@a'}, action: deny}", "printed-abstract-name"),
        ("{exec: {}, match: {path: /memfd:a, memfd: true}, action: deny}", "path-of-fileless"),
        (
            "{exec: {}, match: {path: /a.sh, args: [{index: 1, equal: x}]}, action: kill}",
            "path-of-script",
        ),
        (
            "{exec: {}, match: {path: [/a, /a.sh], fileCapabilities: true}, action: deny}",
            "path-of-script",
        ),
        ("{exec: {}, match: {drift: true}, action: deny}", "drift-of-no-overlay"),
        ("{file: read, match: {parent: {drift: true}}, action: log}", "drift-of-no-overlay"),
        ("{exec: {}, match: {path: [/a, /b, /a]}, action: deny}", "repeated-value"),
        ("{process: signal, match: {target: /a}, action: deny}", "ended-by-cgroup"),
        ("{exec: {}, match: {path: /a}, action: deny}", "run-without-the-kernel"),
        ("{exec: {}, match: {args: [{index: 1, equal: x}]}, action: kill}", "arguments-by-loader"),
        (
            "{file: {operations: read, strict: true}, match: {path: /a}, action: deny}",
            "mapped-before",
        ),
        ("{mount: mount, match: {source: /dev/sdb1}, action: deny}", "made-by-source"),
        ("{file: write, match: {path: /boot/efi/loader.conf}, action: deny}", "spelled-otherwise"),
        ("{file: write, match: {path: '/boot/efi/*.conf'}, action: kill}", "spelled-otherwise"),
        (
            "{network: egress, match: {family: inet, port: 80}, action: deny}",
            "family-of-one-version",
        ),
        ("{network: bind, match: {port: 40000-50000}, action: deny}", "port-that-the-kernel-picks"),
        ("{network: egress, match: {address: 10.9.0.2}, action: deny}", "address-of-one-machine"),
        ("{network: listen, match: {address: 10.0.0.1}, action: deny}", "local-address-of-many"),
        (
            "{file: read, match: {path: /a, notProcess: {binary: /b}}, action: deny}",
            "trusted-by-name",
        ),
        (
            "{file: read, match: {path: /a, process: {binary: /b}}, action: allow}",
            "trusted-by-name",
        ),
        (
            "{file: read, match: {path: /a, lineage: {binary: /b}}, action: allow}",
            "trusted-by-name",
        ),
        (
            "{file: read, match: {path: /a, notLineage: {binary: /b}}, action: deny}",
            "trusted-by-name",
        ),
        (
            "{file: read, match: {path: /a, notProcess: {binary: /b, trustedCode: true}}, action: deny}",
            "core-of-trusted",
        ),
        ("{exec: {}, match: {path: /a, lineage: {binary: /nope}}, action: log}", "missing-path"),
        ("{exec: {}, match: {path: /a, ancestors: {binary: /b}}, action: kill}", "ancestors-alone"),
        (
            "{file: read, match: {ancestors: {binary: /**/b, uid: 9}}, action: deny}",
            "ancestors-alone",
        ),
        (
            "{file: read, match: {lineage: {binary: {notIn: [/b]}}}, action: log}",
            "any-other-program",
        ),
        (
            "{file: read, match: {ancestors: {binary: {notEqual: /b}}}, action: log}",
            "any-other-program",
        ),
    ],
)
def test_remarks(rule, check):
    """Each check has something to say about its case."""
    assert (check, 1) in _found(rule)


@pytest.mark.parametrize(
    "rules",
    [
        [
            "{exec: {}, match: {path: /a}, action: deny}",
            "{file: mmapExec, match: {path: /a}, action: deny}",
        ],
        ["{exec: {}, match: {path: /a}, action: log}"],
        ["{exec: {}, match: {path: /**, process: {uid: 1000}}, action: deny}"],
        ["{exec: {}, match: {path: /a, setuid: true}, action: deny}"],
        ["{exec: {}, match: {args: [{index: 1, equal: x}]}, action: kill, loader: false}"],
        ["{exec: {}, match: {path: /a.sh}, action: log}"],
        ["{exec: {}, match: {path: {notIn: [/a.sh]}, args: [{index: 1, equal: x}]}, action: log}"],
        ["{exec: {}, match: {path: /a*.sh, args: [{index: 1, equal: x}]}, action: log}"],
        [
            "{file: read, match: {path: /a, process: {binary: /b, trustedCode: true}}, action: allow}"
        ],
        [
            "{file: read, match: {path: /a, notProcess: {binary: /b, unit: c.service}}, action: deny}"
        ],
        ["{file: read, match: {path: /a, process: {binary: /b}}, action: deny}"],
        [
            "{file: read, match: {path: /a, notProcess: {binary: /b, trustedCode: true}}, action: deny}",
            "{file: create, match: {path: {notGlob: [/run/b/**]}, process: {binary: /b}}, action: deny}",
        ],
        ["{file: create, match: {path: /nope}, action: deny}"],
        ["{file: read, match: {lineage: {binary: /b}}, action: deny}"],
        ["{file: read, match: {ancestors: {binary: /b}}, action: log}"],
        ["{file: read, match: {ancestors: {binary: /b}}, action: allow}"],
        ["{file: read, match: {ancestors: {uid: 33}}, action: deny}"],
        ["{file: read, match: {path: /a, ancestors: {binary: {notPrefix: /b/}}}, action: deny}"],
        ["{file: read, match: {ancestors: {binary: {notIn: [/b]}, uid: 33}}, action: deny}"],
        ["{file: read, match: {process: {uid: 33}, ancestors: {binary: /b}}, action: deny}"],
        ["{file: read, match: {path: /a, notAncestors: {binary: /b}}, action: deny}"],
        [
            "{file: read, match: {ancestors: {binary: /b}}, action: deny}",
            "{file: [read, write], match: {process: {binary: /b}}, action: deny}",
        ],
        [
            "{file: read, match: {process: {binary: /b, trustedCode: true}}, action: allow}",
            "{file: read, match: {ancestors: {binary: /b, trustedCode: true}}, action: deny}",
        ],
        ["{exec: {}, match: {path: {suffix: nope}}, action: log}"],
        ["{network: egress, match: {port: 80}, action: deny}"],
        ["{network: connect, match: {port: 80, type: stream}, action: deny}"],
        ["{network: connect, match: {port: 80, protocol: tcp}, action: deny}"],
        ["{network: connect, match: {port: 80}, action: log}"],
        ["{network: egress, match: {family: [inet, inet6], port: 80}, action: deny}"],
        ["{network: socket, match: {family: inet, type: raw}, action: deny}"],
        ["{network: bind, match: {port: 80}, action: deny}"],
        ["{network: bind, match: {port: 0-65535, process: {uid: 9}}, action: deny}"],
        ["{network: listen, match: {address: '::/0', process: {uid: 9}}, action: deny}"],
        ["{network: egress, match: {address: [10.0.0.1, 10.0.0.255, 224.0.0.0/3]}, action: deny}"],
        ["{network: egress, match: {address: 10.0.0.1, protocol: tcp}, action: deny}"],
        ["{network: egress, match: {address: [127.0.0.1, '::1']}, action: deny}"],
        ["{network: bind, match: {port: 1024-65535, process: {uid: 9}}, action: deny}"],
        [
            "{network: connect, match: {port: 80}, action: deny}",
            "{network: send, match: {port: 80}, action: deny}",
        ],
        ["{file: read, match: {path: /a}, action: {kill: {signal: KILL}}}"],
        ["{process: signal, match: {target: /a}, action: log}"],
        [
            "{process: signal, match: {target: /a}, action: deny}",
            "{file: write, match: {path: '/sys/fs/cgroup/**/cgroup.kill'}, action: deny}",
        ],
        ["{file: {operations: read, strict: true}, match: {path: /a}, action: allow}"],
        ["{file: read, match: {path: /a}, action: deny}"],
        ["{file: write, match: {path: /boot/efi/loader.conf}, action: log}"],
        ["{mount: mount, match: {fsType: ramfs}, action: deny}"],
        ["{mount: unmount, match: {fsType: ramfs}, action: deny}"],
        [
            "{kernel: module, match: {path: /a}, action: allow}",
            "{kernel: module, action: deny}",
        ],
    ],
)
def test_no_remarks(rules):
    """Nothing is said about what is plainly meant."""
    assert set() == _found(*rules)


def test_what_may_map_code_by_itself_is_said_once():
    """One remark, however many rules and policies it is about; not of those that care for it."""
    rules = "".join(f"{{exec: {{}}, match: {{path: /{i}}}, action: deny}}, " for i in "abc")
    other = "{file: any, match: {path: /b}, action: deny}"
    policy = (
        "{apiVersion: enforcer/v1, kind: EnforcerPolicy, metadata: {name: %s}, spec: {rules: [%s]}}"
    )
    text = f"---\n{policy % ('p', rules + other)}\n---\n{policy % ('q', rules)}\n"

    found = lint(load_text(text, FILE, USERS), HERE)

    (said,) = [issue for issue in found if issue.check == "run-without-the-kernel"]
    assert (2, 4) == (said.span.line, said.others)
    assert str(said).endswith("on the same path (and 4 more like it: -v lists them)")


def test_a_rule_about_other_operations_says_nothing_of_the_programs_themselves():
    """Only what is decided about the programs at the same operations shows that they were thought of."""
    above = "{file: read, match: {path: /a, ancestors: {binary: /b}}, action: deny}"
    others = (
        "{exec: {}, match: {path: /a, process: {binary: /b}}, action: allow}",
        "{file: read, match: {path: /a, process: {binary: /c}}, action: deny}",
    )

    assert ("ancestors-alone", 3) in _found(*others, above)


def test_the_remark_on_ancestors_says_what_to_write():
    """One sentence, with the word that was probably meant."""
    (issue,) = _issues(
        "  rules:\n  - {file: read, match: {ancestors: {binary: /b}}, action: deny}\n"
    )

    assert Severity.INFO is issue.severity
    assert issue.message.endswith("write lineage instead of ancestors to match both")


LIMITED, NETWORK = "255.255.255.255", "the broadcast address of its network"
GROUPS_4, GROUPS_6 = "224.0.0.0/4", '"ff00::/8"'


@pytest.mark.parametrize(
    ("addresses", "kinds", "missing"),
    [
        ("10.9.0.2", "broadcast and multicast", [LIMITED, NETWORK, GROUPS_4]),
        ("10.9.0.2, 224.0.0.0/4", "broadcast", [LIMITED, NETWORK]),
        ("10.9.0.2, 224.0.0.251", "broadcast", [LIMITED, NETWORK]),
        ("10.9.0.2, 224.0.0.0/4, 255.255.255.255", "broadcast", [NETWORK]),
        ("10.9.0.2, 224.0.0.0/4, 10.9.0.255", "broadcast", [LIMITED]),
        ("10.9.0.2, 255.255.255.255, 10.9.0.255", "multicast", [GROUPS_4]),
        ("10.9.0.2, 255.255.255.255, 10.9.0.7, 224.0.0.0/4", "", []),
        ("10.9.0.2, 255.255.255.255, 10.9.0.8, 224.0.0.0/4", "broadcast", [NETWORK]),
        ("10.9.0.3, 255.255.255.255, 224.0.0.0/4", "broadcast", [NETWORK]),
        ("10.9.0.0/24, 255.255.255.255, 224.0.0.0/4", "", []),
        ("10.9.0.0/25, 255.255.255.255, 224.0.0.0/4", "", []),
        ("10.9.0.2/31, 255.255.255.255, 224.0.0.0/4", "broadcast", [NETWORK]),
        ("10.9.0.2, 172.16.0.2, 172.16.255.255, 224.0.0.0/3", "broadcast", [NETWORK]),
        ("10.9.0.2, 10.9.255.255, 224.0.0.0/3", "", []),
        ("10.9.0.2, 10.9.0.255, 224.0.0.0/3, '2001:db8::1'", "multicast", [GROUPS_6]),
        ("'2001:db8::1'", "multicast", [GROUPS_6]),
        ("'2001:db8::1', 'ff02::1'", "", []),
        ("'2001:db8::1', 224.0.0.0/4", "multicast", [GROUPS_6]),
        ("0.0.0.0/0", "", []),
        ("0.0.0.0/0, '::/0'", "", []),
        ("127.0.0.1, '::1'", "", []),
        ("224.0.0.251, 255.255.255.255", "", []),
    ],
)
def test_broadcast_and_multicast_that_a_rule_lacks_are_named(addresses, kinds, missing):
    """Of the versions of IP that the rule names machines of."""
    found = [
        issue.message
        for issue in _issues(
            f"  rules:\n  - {{network: egress, match: {{address: [{addresses}]}}, action: deny}}\n"
        )
        if issue.check == "address-of-one-machine"
    ]

    assert [
        f"datagrams to {kinds} addresses reach this machine as well: add {', '.join(missing)}"
    ] * bool(missing) == found


@pytest.mark.parametrize("name", sorted(p.name for p in POLICIES.glob("*.yaml")))
def test_shipped_policies_say_whether_they_are_about_the_programs_themselves(name):
    """None of them is remarked on."""
    found = {issue.check for issue in lint(load_policies([POLICIES / name]), HERE)}

    assert not found & {"ancestors-alone", "any-other-program"}


def test_every_check_is_tested():
    """The registry holds no check that the tables above do not reach."""
    assert {
        "address-of-one-machine",
        "ancestors-alone",
        "any-other-program",
        "arguments-by-loader",
        "blank-in-path",
        "breaks-the-machine",
        "carried-over",
        "connect-without-send",
        "dhcp-port",
        "directory-as-file",
        "drift-of-no-overlay",
        "ended-by-cgroup",
        "exception-asked-apart",
        "family-of-one-version",
        "glob-that-is-literal",
        "hits-everything",
        "lifted-syscall",
        "link-of-others",
        "local-address-of-many",
        "made-by-source",
        "mapped-before",
        "missing-path",
        "name-of-no-cgroup",
        "never-matches",
        "path-below-file",
        "path-of-fileless",
        "path-of-each-process",
        "path-of-script",
        "point-of-rule",
        "port-that-the-kernel-picks",
        "printed-abstract-name",
        "regular-expression",
        "repeated-value",
        "sockets-of-the-machine",
        "several-paths-in-one",
        "run-without-the-kernel",
        "spelled-otherwise",
        "shadowed-rule",
        "trusted-by-name",
        "core-of-trusted",
        "soft-signal",
        "variable-in-path",
    } == set(CHECKS)


def test_scripts_are_found_by_how_they_begin(tmp_path):
    """The file is looked at, and what is no regular file is not waited for."""
    script, program, pipe = (tmp_path / name for name in ("script", "program", "pipe"))
    script.write_bytes(b"#!/bin/sh\n")
    program.write_bytes(b"\x7fELF")
    os.mkfifo(pipe)

    paths = (script, program, pipe, tmp_path, tmp_path / "none")

    assert [True, *[False] * 4] == [Host().is_script(os.fsencode(path)) for path in paths]


def test_the_lifted_example_says_where_it_is_decided():
    """An issue prints its place, severity and sentence."""
    (issue,) = lint(load_policies([POLICIES / "examples" / "detect-bash-exec.yaml"]), HERE)
    assert Severity.INFO is issue.severity
    assert "detect-bash-exec.yaml:8:5: info: syscall execve is decided as exec" in str(issue)


def test_large_policies_are_checked_without_comparing_all_pairs():
    """Ten thousand exact rules have ten thousand comparisons at most, not fifty million."""
    rules = [f"{{exec: {{}}, match: {{path: /srv/{i}}}, action: log}}" for i in range(5000)]
    assert {("shadowed-rule", 5001)} == _found(*rules, rules[17])


@pytest.mark.parametrize("name", sorted(LIFTED_SYSCALLS))
def test_every_lifted_call_says_where_it_is_decided(name):
    """The remark names at least one hook, whatever the call means."""
    text = f"{HEAD}spec: {{rules: [{{syscall: {name}, action: log}}]}}\n"

    found = lint(load_text(text, FILE, USERS), Host())

    (said,) = [str(issue) for issue in found if "is decided as" in str(issue)]

    assert ", at ," not in said


@pytest.mark.parametrize("call", ["mknod", "mknodat"])
def test_a_rule_on_a_call_that_leaves_something_says_so(call):
    """With what to write instead."""
    rule = f"{{syscall: {call}, match: {{args: [{{index: 0, equal: /a}}]}}, action: {{}}}}"
    rule = rule.replace("index: 0", "index: 1") if call == "mknodat" else rule
    refusing, logging = (
        [
            i.severity
            for i in _issues(f"  rules:\n  - {rule.replace('{}', verb)}\n")
            if i.check == "lifted-syscall"
        ]
        for verb in ("deny", "log")
    )

    assert [Severity.INFO, Severity.WARNING] == refusing
    assert [Severity.INFO] == logging


PYTHON = "path: /usr/bin/python3"
CODE = f"{PYTHON}, args: [{{index: 1, equal: -c}}]"
APART = [
    [
        f"{{exec: {{}}, match: {{{PYTHON}, process: {{uid: 0}}}}, action: allow}}",
        f"{{exec: {{}}, match: {{{CODE}}}, action: kill}}",
    ],
    [
        f"{{exec: {{}}, match: {{{PYTHON}}}, action: allow}}",
        f"{{exec: {{}}, match: {{{PYTHON}, fileCapabilities: true}}, action: deny}}",
    ],
    [
        f"{{exec: {{}}, match: {{{CODE}}}, action: allow}}",
        "{exec: {}, match: {path: /usr/bin/*}, action: deny}",
    ],
    [
        f"{{exec: {{}}, match: {{{PYTHON}, fileCapabilities: true}}, action: allow}}",
        f"{{exec: {{}}, match: {{{CODE}}}, action: kill}}",
    ],
]


@pytest.mark.parametrize("rules", APART)
def test_exceptions_that_are_asked_at_another_time_are_found(rules):
    """They lift or permit nothing, though they come first."""
    assert ("exception-asked-apart", 1) in _found(*rules)
    assert "exception-asked-apart" not in _checks(*reversed(rules))


@pytest.mark.parametrize(
    "rules",
    [
        [
            f"{{exec: {{}}, match: {{{PYTHON}, process: {{uid: 0}}}}, action: allow}}",
            f"{{exec: {{}}, match: {{{CODE}, process: {{uid: 1-9}}}}, action: kill}}",
        ],
        [
            f"{{exec: {{}}, match: {{{PYTHON}, process: {{uid: 0}}}}, action: allow}}",
            f"{{exec: {{}}, match: {{{CODE}, notProcess: {{uid: 0}}}}, action: kill}}",
        ],
        [
            "{exec: {}, match: {path: /usr/bin/perl}, action: allow}",
            f"{{exec: {{}}, match: {{{CODE}}}, action: kill}}",
        ],
        [
            f"{{exec: {{}}, match: {{{CODE}, process: {{uid: 0}}}}, action: allow}}",
            f"{{exec: {{}}, match: {{{CODE}}}, action: kill}}",
        ],
        [
            f"{{exec: {{}}, match: {{{PYTHON}, process: {{uid: 0}}}}, action: allow}}",
            "{file: read, match: {path: /a}, action: deny}",
        ],
        [
            f"{{exec: {{}}, match: {{{PYTHON}}}, action: log}}",
            f"{{exec: {{}}, match: {{{CODE}}}, action: allow}}",
            "{exec: {}, match: {path: /usr/bin/*}, action: deny}",
        ],
        [
            f"{{exec: {{}}, match: {{{PYTHON}, interpreter: true}}, action: allow}}",
            f"{{exec: {{}}, match: {{{CODE}, interpreter: false}}, action: kill}}",
        ],
    ],
)
def test_exceptions_on_exec_that_hold(rules):
    """What they except is asked at the same time, or is surely something else."""
    assert "exception-asked-apart" not in _checks(*rules)


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([f"{{exec: {{}}, match: {{{CODE}}}, action: allow}}"], True),
        ([f"{{exec: {{}}, match: {{{PYTHON}}}, action: allow}}"], False),
        (
            [
                f"{{exec: {{}}, match: {{{CODE}}}, action: allow}}",
                f"{{exec: {{}}, match: {{{PYTHON}}}, action: allow}}",
            ],
            False,
        ),
    ],
)
def test_what_arguments_would_permit_is_refused_by_the_default_before(rules, found):
    """Unless the program itself is permitted."""
    lines = "".join(f"  - {rule}\n" for rule in rules)
    checks = {i.check for i in _issues(f"  default: {{exec: deny}}\n  rules:\n{lines}")}

    assert found is ("exception-asked-apart" in checks)


def test_too_many_exceptions_are_not_all_compared():
    """The policy says that some were left out, in time."""
    rules = [
        f"{{exec: {{}}, match: {{path: /{n}, args: [{{index: 1, equal: a}}]}}, action: {verb}}}"
        for n in range(200)
        for verb in ("allow", "kill")
    ]

    found = _found(*rules, "{exec: {}, match: {path: /x}, action: deny}")

    assert ("exception-asked-apart", -4) in found
