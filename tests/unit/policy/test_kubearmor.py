# SPDX-License-Identifier: MIT
"""KubeArmor's policies: what each part becomes, what is refused and where, and hostile input."""

from __future__ import annotations

import attrs
import pytest
from hostile import flow, mutated, read_foreign, trees
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_text import FILE, USERS, errors, load

from enforcer.errors import PolicyErrors
from enforcer.policy.foreign import DIALECTS
from enforcer.policy.language.symbols import Machine, TableResolver
from enforcer.policy.language.templates import render
from enforcer.policy.model.policy import Interval, OnError, Verb
from enforcer.policy.store import load_text
from enforcer.policy.writers.conditions import spell_process
from enforcer.policy.writers.printer import print_policies

API = "apiVersion: security.kubearmor.com/v1\n"
HEAD = f"{API}kind: KubeArmorHostPolicy\nmetadata: {{name: x}}\n"
PODS = f"{API}kind: KubeArmorPolicy\nmetadata: {{name: x, namespace: y}}\n"
BLOCK_FILES = HEAD.replace("name: x", "name: x, annotations: {kubearmor-file-posture: block}")
HERE = attrs.evolve(USERS, machine=Machine("web-1.example.org", "x86_64"))


def spec(text, head=HEAD):
    return load(f"{head}spec: {text}\n")


def rules(text, head=HEAD):
    return {rule.name: rule for rule in spec(text, head).rules}


def printed(text, head=HEAD):
    return print_policies([spec(text, head)])


# ---- What becomes of it -----------------------------------------------------------------------


def test_a_record_shows_the_place_in_the_foreign_file():
    """Rules and their conditions stand where the foreign items stand."""
    text = f"{HEAD}spec:\n  file:\n    matchPaths:\n    - path: /a\n      fromSource:\n      - path: /b\n"

    (rule,) = load(text).rules

    assert f"{FILE}:7:7" == str(rule.span)
    assert f"{FILE}:7:13" == str(rule.conditions[0].span)
    assert f"{FILE}:9:7" == str(rule.subject.process.conditions[0].span)


@pytest.mark.parametrize(
    ("written", "verb", "on_error"),
    [
        ("", Verb.DENY, OnError.DENY),
        (", action: Block", Verb.DENY, OnError.DENY),
        (", action: block", Verb.DENY, OnError.DENY),
        (", action: Audit", Verb.LOG, OnError.SKIP),
        (", action: Allow", Verb.ALLOW, OnError.SKIP),
    ],
)
def test_actions(written, verb, on_error):
    """Block is meant if nothing is said; what does not refuse does not refuse on errors either."""
    rule = rules(f"{{process: {{matchPaths: [{{path: /a}}]}}{written}}}")["process.matchPaths.1"]

    assert (verb, on_error) == (rule.action.verb, rule.on_error)


def test_what_an_item_says_goes_before_its_section_and_that_before_the_policy():
    """Each of action, severity, tags and message is inherited by itself."""
    found = rules(
        "{action: Audit, severity: 1, tags: [a], message: spec,"
        " process: {severity: 5, message: section, matchPaths: [{path: /a}, "
        "{path: /b, action: Block, tags: [b, c], message: item}]}}"
    )
    first, second = found["process.matchPaths.1"], found["process.matchPaths.2"]

    assert (Verb.LOG, "medium", ("a",), "section") == (
        first.action.verb,
        first.severity,
        first.tags,
        first.action.message,
    )
    assert (Verb.DENY, "medium", ("b", "c"), "item") == (
        second.action.verb,
        second.severity,
        second.tags,
        second.action.message,
    )


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (1, "low"),
        (3, "low"),
        (4, "medium"),
        (6, "medium"),
        (7, "high"),
        (9, "critical"),
        (10, "critical"),
    ],
)
def test_severities(number, level):
    """Ten steps become four."""
    found = rules(f"{{severity: {number}, process: {{matchPaths: [{{path: /a}}]}}}}")
    assert level == found["process.matchPaths.1"].severity


def test_tags_with_what_the_language_has_no_room_for():
    """Tags of KubeArmor's own policies have parentheses and blanks."""
    found = rules(
        '{tags: ["NIST_800-53_CM-7(5)", "PCI DSS", T1059.004], process: {matchPaths: [{path: /a}]}}'
    )
    assert ("NIST_800-53_CM-7-5", "PCI-DSS", "T1059.004") == found["process.matchPaths.1"].tags


def test_a_message_is_no_template():
    """Braces are themselves, and a text of several lines is one line."""
    found = rules('{message: "a {pid}\\n b}", process: {matchPaths: [{path: /a}]}}')
    message = found["process.matchPaths.1"].action.message

    assert "a {pid} b}" == render(message or "", {"pid": "1"})


@pytest.mark.parametrize(
    ("pattern", "globs"),
    [
        ("/etc/*hado?", ["/etc/*hado?"]),
        ("/**/*.conf", ["/*/**/*.conf"]),
        ("/a/**", ["/a/**"]),
        ("/a/**/b/**/c", ["/a/*/**/b/*/**/c"]),
        ("/a**/b", ["/a*/**/b"]),
        ("/a/**b", ["/a/**/*b"]),
        ("/a**b", ["/a*b", "/a*/**/*b"]),
        ("/{a,b}**", ["/a*", "/a*/**", "/b*", "/b*/**"]),
        ("/{a,b}/c", ["/a/c", "/b/c"]),
        ("/{a{1,2},b}[x-z]", ["/a1[x-z]", "/a2[x-z]", "/b[x-z]"]),
        ("/usr/{,local/}bin/x", ["/usr/bin/x", "/usr/local/bin/x"]),
        (r"/a\{b,c\}", ["/a{b,c}"]),
        ("/a,b", ["/a,b"]),
        ("/a/[^b]", ["/a/[^b]"]),
        ("/{a,a}", ["/a"]),
    ],
)
def test_patterns(pattern, globs):
    """Globs are those of AppArmor."""
    found = rules(f"{{process: {{matchPatterns: [{{pattern: '{pattern}'}}]}}}}")
    (condition,) = found["process.matchPatterns.1"].conditions

    assert globs == [value.value.decode() for value in condition.values]


def test_rules_that_refuse_come_first():
    """The order of the file says nothing: what any rule refuses is refused."""
    found = spec(
        "{process: {matchPaths: [{path: /a, action: Allow}, {path: /b, action: Audit}, {path: /c}]}}"
    )
    assert [
        "process.matchPaths.3",
        "process.matchPaths.2",
        "process.matchPaths.1",
        "posture.process",
    ] == [rule.name for rule in found.rules]


SOURCE = "fromSource: [{path: /s}]"


def test_what_a_source_is_allowed_comes_before_what_everybody_is_refused():
    """There, rules for the program that acts are looked up first: it keeps its own data."""
    found = spec(
        "{file: {matchDirectories: ["
        "{dir: /d/, recursive: true, action: Block}, "
        f"{{dir: /d/, recursive: true, action: Allow, {SOURCE}}}], "
        f"matchPaths: [{{path: /d/x, action: Block, {SOURCE}}}, {{path: /e, action: Allow}}, "
        "{path: /d/y, action: Audit}]}}"
    )

    assert [
        "file.matchPaths.1",
        "file.matchDirectories.2",
        "file.matchDirectories.1",
        "file.matchPaths.3",
        "file.matchPaths.2",
        "posture.file",
    ] == [rule.name for rule in found.rules]


def test_what_a_source_may_read_comes_before_what_everybody_is_refused():
    """Read-only permits reading, also what others may not read."""
    found = spec(
        "{file: {matchPaths: [{path: /d, action: Block}, "
        f"{{path: /d, readOnly: true, action: Block, {SOURCE}}}]}}}}"
    )

    assert [
        ("file.matchPaths.2", Verb.DENY),
        ("file.matchPaths.2.read", Verb.ALLOW),
        ("file.matchPaths.1", Verb.DENY),
    ] == [(rule.name, rule.action.verb) for rule in found.rules]


@pytest.mark.parametrize("flags", ["", "readOnly: true, "])
def test_what_is_only_audited_of_a_source_lifts_nothing(flags):
    """Audit decides nothing there, so what everybody is refused stays refused."""
    found = spec(
        "{file: {matchPaths: [{path: /d, action: Block}, {path: /e, action: Allow}, "
        f"{{path: /d, {flags}action: Audit, {SOURCE}}}]}}}}"
    )

    assert "file.matchPaths.1" == found.rules[0].name


def test_what_a_source_is_allowed_is_recorded_where_nothing_is_refused():
    """Without a rule that refuses the order of the actions stays, and with it the records."""
    found = spec(
        f"{{file: {{matchPaths: [{{path: /d, action: Allow, {SOURCE}}}, {{path: /d, action: Audit}}]}}, "
        "process: {matchPaths: [{path: /d, action: Block}]}}"
    )

    assert ["process.matchPaths.1", "file.matchPaths.2", "file.matchPaths.1", "posture.file"] == [
        rule.name for rule in found.rules
    ]
    assert not found.notes


def test_what_is_not_recorded_of_a_source_is_said():
    """A rule that permits comes first there, and a rule that records below it is not asked."""
    found = spec(
        f"{{file: {{matchPaths: [{{path: /d, action: Allow, {SOURCE}}}, {{path: /d, action: Block}}, "
        "{path: /d, action: Audit}]}}"
    )

    (note,) = found.notes
    assert "is not recorded where line 4 allows it" in note.text


@pytest.mark.parametrize("blocking_first", [True, False])
def test_what_another_policy_refuses_is_said(blocking_first):
    """There all policies are one list; here the strictest of several policies counts."""
    allow = f"file: {{matchPaths: [{{path: /d, action: Allow, {SOURCE}}}]}}"
    block = "file: {matchPaths: [{path: %s, action: Block}]}"
    texts = [
        f"{HEAD.replace('name: x', 'name: allow')}spec: {{{allow}}}\n",
        f"{HEAD.replace('name: x', 'name: near')}spec: {{{block % '/d'}}}\n",
        f"{HEAD.replace('name: x', 'name: far')}spec: {{{block % '/e'}}}\n",
        f"{PODS.replace('name: x', 'name: pods')}spec: {{{block % '/d'}}}\n",
    ]
    if blocking_first:
        texts.reverse()

    policies = load_text("---\n".join(texts), FILE, USERS).policies

    (note,) = [note for policy in policies for note in policy.notes]
    assert note.matters
    assert "put both into one policy" in note.text
    assert note.text.startswith(f"the rule of {FILE}:{14 if blocking_first else 9}:")


def test_posture():
    """Where a rule allows, the rest is recorded, or blocked if an annotation says so."""
    allow = "{message: m, severity: 9, process: {matchPaths: [{path: /a}]}, action: Allow}"
    audited, blocked = rules(allow)["posture.process"], rules(allow, BLOCK_FILES)["posture.process"]

    assert (Verb.LOG, Verb.DENY) == (audited.action.verb, blocked.action.verb)
    assert ("m", "critical", ()) == (blocked.action.message, blocked.severity, blocked.conditions)
    assert rules(allow)["process.matchPaths.1"].action.message is None


def test_a_posture_is_only_for_its_own_kind():
    """The posture of files is also that of programs, and no other."""
    allow = "{file: {matchPaths: [{path: /a}]}, network: {matchProtocols: [{protocol: tcp}]}, action: Allow}"
    found = rules(allow, BLOCK_FILES)

    assert Verb.DENY is found["posture.file"].action.verb
    assert Verb.LOG is found["posture.network"].action.verb
    assert "posture.process" not in found


def test_without_a_rule_that_allows_there_is_no_posture():
    """Block and Audit alone are about what they name."""
    found = rules("{process: {matchPaths: [{path: /a}, {path: /b, action: Audit}]}}", BLOCK_FILES)
    assert {"process.matchPaths.1", "process.matchPaths.2"} == set(found)


def test_a_read_only_file_is_readable_where_the_rest_is_not():
    """Read-only permits reading and refuses the rest, whatever the action."""
    text = "{file: {matchPaths: [{path: /a, readOnly: true%s}%s]}}"
    alone = rules(text % ("", ""))
    among = rules(text % ("", ", {path: /b, action: Allow}"))
    allowed = rules(text % (", action: Allow", ""))

    assert {"file.matchPaths.1": Verb.DENY} == {n: r.action.verb for n, r in alone.items()}
    assert Verb.ALLOW is among["file.matchPaths.1.read"].action.verb
    assert Verb.DENY is allowed["file.matchPaths.1.modify"].action.verb
    assert ["read", "mmapExec"] == [o.name for o in allowed["file.matchPaths.1"].operations]


def test_the_root_with_everything_below_is_everything():
    """Allowing all of / allows the root itself and what has no name."""
    text = "{file: {matchDirectories: [{dir: /, recursive: true}]}, action: Allow}"
    assert () == rules(text)["file.matchDirectories.1"].conditions


@pytest.mark.parametrize(
    "labels",
    [
        "{}",
        "{kubernetes.io/hostname: '*'}",
        "{kubearmor.io/hostname: '*'}",
        "{kubernetes.io/hostname: web-1}",
        "{kubernetes.io/hostname: web-1.example.org}",
        "{kubernetes.io/hostname: 'db-1,web-1'}",
        "{kubernetes.io/arch: amd64, kubernetes.io/os: linux}",
    ],
)
def test_policies_for_this_host(labels):
    """Labels that can be compared are."""
    text = f"{HEAD}spec: {{nodeSelector: {{matchLabels: {labels}}}, process: {{matchPaths: [{{path: /a}}]}}}}\n"
    assert load_text(text, FILE, HERE).policies


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (
            "{kubernetes.io/hostname: web-2}",
            "for nodes with kubernetes.io/hostname web-2, and this is web-1",
        ),
        ("{kubernetes.io/hostname: web}", "and this is web-1.example.org"),
        ("{kubernetes.io/arch: arm64}", "and this is amd64"),
        ("{kubernetes.io/arch: 'amd64,arm64'}", "and this is amd64"),
        ("{kubernetes.io/os: windows}", "and this is linux"),
        ("{tier: front}", "label 'tier' is not supported by this version"),
        ("{kubearmor.io/hostnamereg: web-*}", "'kubearmor.io/hostnamereg' is not supported"),
    ],
)
def test_policies_for_other_hosts(labels, words):
    """A policy for another host is not activated on this one."""
    text = f"{HEAD}spec: {{nodeSelector: {{matchLabels: {labels}}}, process: {{matchPaths: [{{path: /a}}]}}}}\n"
    with pytest.raises(PolicyErrors) as found:
        load_text(text, FILE, HERE)

    (error,) = found.value.errors
    assert words in str(error)
    assert error.span
    assert 4 == error.span.line


def test_conversion_compares_no_host():
    """It says instead which hosts are meant."""
    text = "{nodeSelector: {matchLabels: {kubernetes.io/hostname: web-2}}, process: {matchPaths: [{path: /a}]}}"
    assert "A KubeArmorHostPolicy for nodes with kubernetes.io/hostname=web-2." in printed(text)


def test_capabilities():
    """The use of a capability is an event of its own, with a list and a posture of its own."""
    text = "{capabilities: {matchCapabilities: [{capability: 'net_raw,CAP_BPF', fromSource: [{path: /a}]}]%s}}"

    found = rules(text % "")
    assert {
        "capabilities.matchCapabilities.1.net_raw": Verb.DENY,
        "capabilities.matchCapabilities.1.bpf": Verb.DENY,
    } == {name: rule.action.verb for name, rule in found.items()}
    rest = rules(text % ", action: Allow")["posture.capabilities"]
    assert Verb.LOG is rest.action.verb
    assert (Interval(0, 40),) == rest.conditions[0].values
    assert "capability: 0-40" in printed(text % ", action: Allow")


def test_system_calls():
    """What an LSM hook means is decided there, the rest at the entry; all is only recorded."""
    found = rules("{syscalls: {matchSyscalls: [{syscall: [unlink, keyctl]}]}, action: Block}")
    lifted, entered = found.values()

    assert ("file", ()) == (lifted.event, lifted.calls)
    assert ("syscall", ["keyctl"]) == (entered.event, [call.name for call in entered.calls])
    assert {Verb.LOG} == {rule.action.verb for rule in found.values()}


# ---- What is refused --------------------------------------------------------------------------

# (what stands under spec, from column 7 of line 4; column of the error; words of its message)
REFUSED = [
    ("", 1, "the policy has no spec"),
    ("spec: []", 7, "spec must be a mapping"),
    ("spec: {}", 7, "the policy is empty"),
    ("spec: {proces: {}}", 8, "'proces' is not a key of spec; did you mean 'process'?"),
    ("spec: {process: {}}", 17, "process is empty: give it matchPaths or"),
    ("spec: {process: []}", 17, "process must be a mapping"),
    ("spec: {process: {matchPaths: {}}}", 30, "matchPaths must be a list"),
    ("spec: {process: {matchPaths: []}}", 30, "matchPaths is an empty list"),
    ("spec: {process: {matchPaths: [x]}}", 31, "an item of matchPaths must be a mapping"),
    ("spec: {process: {matchPaths: [{}]}}", 31, "process.matchPaths needs path or execname"),
    ("spec: {process: {matchPaths: [{path: bin/x}]}}", 38, "must be absolute"),
    ("spec: {process: {matchPaths: [{path: /bin/}]}}", 38, "ends in /"),
    ("spec: {process: {matchPaths: [{path: 5}]}}", 38, "path must be text"),
    ("spec: {process: {matchPaths: [{path: /x, execname: y}]}}", 42, "write two items"),
    ("spec: {process: {matchPaths: [{execname: a/b}]}}", 42, "a name without directories"),
    ("spec: {process: {matchPaths: [{execname: ..}]}}", 42, "has a component '..'"),
    ("spec: {process: {matchPaths: [{path: /x, readOnly: true}]}}", 42, "'readOnly' is not a key of process"),
    ("spec: {process: {matchPaths: [{path: /x, ownerOnly: true}]}}", 42, "'ownerOnly' is not supported"),
    ("spec: {process: {matchPaths: [{path: /x, ownerOnly: yes}]}}", 53, "ownerOnly must be true or false"),
    ("spec: {process: {matchPaths: [{path: /x, pts: false}]}}", 42, "'pts' is not supported"),
    ("spec: {process: {matchPaths: [{path: /x, allowedArgs: [-c]}]}}", 42, "'allowedArgs' is not supported"),
    ("spec: {process: {matchPaths: [{path: /x, fromSource: []}]}}", 54, "fromSource is an empty list"),
    ("spec: {process: {matchPaths: [{path: /x, fromSource: [{}]}]}}", 55, "a source needs path"),
    ("spec: {process: {matchPaths: [{path: /x, fromSource: [{dir: /a/}]}]}}", 56, "'dir' is not a key of fromSource"),
    ("spec: {process: {matchDirectories: [{dir: /x}]}}", 43, "must end in /"),
    ("spec: {process: {matchDirectories: [{recursive: true}]}}", 37, "needs dir"),
    ("spec: {process: {matchDirectories: [{dir: /x/, recursive: 1}]}}", 59, "recursive must be true or false"),
    ("spec: {process: {matchDirectories: [{dir: /a//b/}]}}", 43, "has an empty component"),
    ("spec: {process: {matchPatterns: [{pattern: '/a/(b|c)'}]}}", 44, "looks like a regular expression"),
    ("spec: {process: {matchPatterns: [{pattern: '/a\\d'}]}}", 44, "looks like a regular expression"),
    ("spec: {process: {matchPatterns: [{pattern: '@{HOME}/x'}]}}", 44, "a variable of AppArmor"),
    ("spec: {process: {matchPatterns: [{pattern: '/{a,b'}]}}", 44, "is not closed"),
    ("spec: {process: {matchPatterns: [{pattern: '/a}'}]}}", 44, "closes nothing"),
    ("spec: {process: {matchPatterns: [{pattern: /a/}]}}", 44, "ends in /"),
    ("spec: {process: {matchPatterns: [{pattern: a*}]}}", 44, "must be absolute"),
    ("spec: {process: {matchPatterns: [{pattern: /a, fromSource: [{path: /b}]}]}}", 48, "'fromSource' is not a key"),
    (f"spec: {{process: {{matchPatterns: [{{pattern: '/{'{a,b}' * 7}'}}]}}}}", 44, "more than 64 alternatives"),
    (f"spec: {{process: {{matchPatterns: [{{pattern: '/{'a**' * 8}b'}}]}}}}", 44, "more than 64 alternatives"),
    ("spec: {file: {matchPaths: [{readOnly: true}]}}", 28, "file.matchPaths needs path"),
    ("spec: {file: {matchPaths: [{path: /x, execname: y}]}}", 39, "'execname' is not a key of file.matchPaths"),
    ("spec: {network: {matchProtocols: [{protocol: tpc}]}}", 46, "did you mean 'tcp'?"),
    ("spec: {network: {matchProtocols: [{protocol: 'tcp,'}]}}", 46, "'' is not a protocol"),
    ("spec: {network: {matchProtocols: [{protocol: 'tcp,TCP'}]}}", 46, "a word twice"),
    ("spec: {network: {matchProtocols: [{fromSource: [{path: /a}]}]}}", 35, "needs protocol"),
    ("spec: {network: {matchDNSQueries: [{domain: x}]}}", 18, "'matchDNSQueries' is not supported"),
    ("spec: {syscalls: {matchSyscalls: [{syscall: [create_module]}]}}", 46, "the text 'create_module' is not a system call"),
    ("spec: {syscalls: {matchSyscalls: [{syscall: []}]}}", 45, "syscall is an empty list"),
    ("spec: {syscalls: {matchSyscalls: [{syscall: unlink}]}}", 45, "syscall must be a list"),
    ("spec: {syscalls: {matchSyscalls: [{syscall: [unlink, unlink]}]}}", 54, "given twice"),
    ("spec: {syscalls: {matchSyscalls: [{syscall: [unlink], action: Audit}]}}", 55, "'action' is not a key"),
    ("spec: {syscalls: {action: Audit, matchSyscalls: [{syscall: [unlink]}]}}", 19, "'action' is not a key"),
    ("spec: {syscalls: {matchPaths: [{path: /a, syscall: [connect]}]}}", 53, "by the path of a file"),
    ("spec: {syscalls: {matchPaths: [{path: /a, syscall: [access]}]}}", 53, "by the path of a file"),
    ("spec: {syscalls: {matchPaths: [{path: /a, syscall: [bpf]}]}}", 53, "by the path of a file"),
    ("spec: {capabilities: {matchCapabilities: [{capability: net_rwa}]}}", 56, "did you mean 'net_raw'?"),
    ("spec: {syscalls: {matchPaths: [{path: /a, recursive: true, syscall: [rmdir]}]}}", 39, "ends in /"),
    ("spec: {syscalls: {matchSyscalls: [{syscall: [unlink], fromSource: [{recursive: true}]}]}}", 68, "path or dir"),
    ("spec: {device: {matchDevice: [{class: x}]}}", 8, "'device' is not supported"),
    ("spec: {apparmor: x}", 8, "'apparmor' is not supported"),
    ("spec: {presets: [{name: filelessExec}]}", 8, "'presets' is not supported"),
    ("spec: {selector: {matchLabels: {a: b}}}", 8, "'selector' is not supported"),
    ("spec: {nodeSelector: {matchExpressions: []}}", 23, "'matchExpressions' is not a key of nodeSelector"),
    ("spec: {action: Deny}", 16, "action must be one of Allow, Audit, Block"),
    ("spec: {action: [Block]}", 16, "not a list"),
    ("spec: {severity: 11}", 18, "a number from 1 to 10"),
    ("spec: {severity: high}", 18, "a number from 1 to 10"),
    ("spec: {tags: x}", 14, "tags must be a list"),
    ("spec: {tags: ['()']}", 15, "a tag must be a text"),
    ("spec: {message: [x]}", 17, "message must be text"),
    ('spec: {message: "a\\u202eb"}', 17, "must be printable"),
    ("spec: {process: {matchPaths: [{path: /a}, {path: /b, message: x}], action: Allow}}", 43, "has the message of line"),
    ("status: {}", 1, "'status' is not supported"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column", "words"), REFUSED)
def test_what_is_refused(text, column, words):
    """Every key is carried over or refused in its place."""
    found = errors(f"{HEAD}{text}\n")
    line = 4 if text else 1

    assert any(e.startswith(f"{FILE}:{line}:{column}: ") and words in e for e in found), found


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ("{name: x, namespace: y}", "'namespace' is not supported"),
        ("{name: x, uid: y}", "'uid' is not supported by this version: the API server writes it"),
        ("{name: x, annotations: {a: b}}", "annotation 'a' is not supported"),
        ("{name: x, annotations: {kubearmor-file-posture: deny}}", "must be one of audit, block"),
        ("{name: X}", "name must be up to 63 lower-case letters"),
        ("{labels: {a: b}}", "metadata has no name"),
    ],
)
def test_heads_that_are_refused(metadata, words):
    """So is every key of the head."""
    head = HEAD.replace("{name: x}", metadata)
    found = errors(f"{head}spec: {{process: {{matchPaths: [{{path: /a}}]}}}}\n")

    assert 1 == len(found)
    assert words in found[0]
    assert found[0].startswith(f"{FILE}:3:")


BODY = "process: {matchPaths: [{path: /a}]}"
CLUSTER = f"{API}kind: KubeArmorClusterPolicy\nmetadata: {{name: x}}\n"
IN_Y = {"namespace": "y"}


@pytest.mark.parametrize(
    ("head", "selector", "spelled"),
    [
        (PODS, "", {"pod": IN_Y}),
        (PODS.replace(", namespace: y", ""), "", {"pod": {"namespace": "default"}}),
        (PODS, "{matchLabels: {}}", {"pod": IN_Y}),
        (
            PODS,
            "{matchLabels: {a: b, c/d: ''}}",
            {"pod": {**IN_Y, "labels": {"a": "b", "c/d": ""}}},
        ),
        (
            PODS,
            "{matchLabels: {kubearmor.io/container.name: '[m, n]'}}",
            {"pod": IN_Y, "container": {"name": ["m", "n"]}},
        ),
        (
            PODS,
            "{matchLabels: {kubearmor.io/container.name: m, a: b}}",
            {"pod": {**IN_Y, "labels": {"a": "b"}}, "container": {"name": "m"}},
        ),
        (CLUSTER, "", {"pod": {"name": "*"}}),
        (CLUSTER, "{matchExpressions: []}", {"pod": {"name": "*"}}),
        (
            CLUSTER,
            "{matchExpressions: [{key: namespace, operator: NotIn, values: [m, n]}]}",
            {"pod": {"namespace": {"notIn": ["m", "n"]}}},
        ),
        (
            CLUSTER,
            "{matchExpressions: [{key: namespace, operator: In, values: [m]}]}",
            {"pod": {"namespace": "m"}},
        ),
        (
            CLUSTER,
            "{matchExpressions: [{key: label, operator: In, values: [a=b]}]}",
            {"pod": {"labels": {"a": "b"}}},
        ),
    ],
)
def test_pods(head, selector, spelled):
    """The namespace and the selector say to whom the policy applies."""
    with_selector = f"selector: {selector}, " if selector else ""
    found = spec(f"{{{with_selector}{BODY}}}", head)

    assert spelled == spell_process(found.selector)
    assert ["process.matchPaths.1"] == [rule.name for rule in found.rules]


@pytest.mark.parametrize(
    ("head", "selector", "column", "words"),
    [
        (PODS, "{matchLabels: {a: 'b*'}}", 36, "not a value of a label"),
        (PODS, "{matchLabels: {-a: b}}", 33, "not a name of a label"),
        (PODS, "{matchExpressions: []}", 19, "not a key of selector"),
        (PODS, "{matchLabels: {kubearmor.io/container.name: '[]'}}", 62, "a name, or"),
        (PODS, "{matchLabels: {kubearmor.io/container.name: [a]}}", 62, "must be text"),
        (CLUSTER, "{matchLabels: {a: b}}", 19, "not a key of selector"),
        (
            CLUSTER,
            "{matchExpressions: [{key: x, operator: In, values: [a]}]}",
            44,
            "key must be one of",
        ),
        (CLUSTER, "{matchExpressions: [{key: label, operator: In, values: [a]}]}", 65, "KEY=VALUE"),
        (
            CLUSTER,
            "{matchExpressions: [{key: label, operator: In, values: [a=b, c=d]}]}",
            65,
            "one KEY",
        ),
        (
            CLUSTER,
            "{matchExpressions: [{key: namespace, operator: In, values: []}]}",
            69,
            "empty list",
        ),
        (
            CLUSTER,
            "{matchExpressions: [{key: namespace, operator: In}]}",
            38,
            "an expression needs",
        ),
    ],
)
def test_selectors_that_are_refused(head, selector, column, words):
    """Each with its place."""
    found = errors(f"{head}spec: {{selector: {selector}, {BODY}}}\n")

    assert 1 == len(found)
    assert f"{FILE}:4:{column}: " in found[0]
    assert words in found[0]


def test_lists_of_what_is_allowed_that_may_meet():
    """Of policies for pods two lists are refused unless no pod can be meant by both."""
    allow = "process: {matchPaths: [{path: /a}]}, action: Allow"

    def head(name, namespace="y"):
        return PODS.replace("name: x", f"name: {name}").replace(
            "namespace: y", f"namespace: {namespace}"
        )

    def policy(name, labels, namespace="y"):
        return f"{head(name, namespace)}spec: {{selector: {{matchLabels: {labels}}}, {allow}}}\n"

    apart = [policy("a", "{app: a}"), policy("b", "{app: b}"), policy("c", "{}", "z")]
    assert 3 == len(load_text("---\n".join(apart), FILE).policies)

    meeting = [policy("a", "{app: a}"), policy("b", "{tier: b}")]
    found = errors("---\n".join(meeting))
    assert 1 == len(found)
    assert "put both into one policy" in found[0]


@pytest.mark.parametrize("kind", ["KubeArmorNetworkPolicy"])
def test_other_kinds_are_refused(kind):
    """Kinds that cannot be meant for a host say why."""
    found = errors(f"{API}kind: {kind}\nmetadata: {{name: x}}\nspec: {{}}\n")
    assert [f"{FILE}:2:7"] == [e.partition(": ")[0] for e in found]
    assert "is not supported by this version: it " in found[0]


def test_two_lists_of_what_is_allowed():
    """What either of two policies allows would be allowed there, and refused by the other here."""
    one = f"{HEAD}spec: {{process: {{matchPaths: [{{path: /a}}]}}, action: Allow}}\n"
    other = one.replace("name: x", "name: y")
    third = one.replace("name: x", "name: z").replace("process", "file")

    found = errors(f"{one}---\n{other}---\n{third}")

    assert [f"{FILE}:9:31"] == [e.partition(": ")[0] for e in found]
    assert f"the policy of {FILE}:4:31 also allows something under process" in found[0]


def test_audit_beside_a_list_that_blocks_the_rest():
    """A rule that records permits, so it must not stand before a posture that blocks."""
    text = "{process: {matchPaths: [{path: /a, action: Allow}, {path: /b, action: Audit}]}%s}"
    calls = ", syscalls: {matchSyscalls: [{syscall: [execve]}]}"

    assert [] == errors(f"{HEAD}spec: {text % calls}\n")
    found = errors(f"{BLOCK_FILES}spec: {text % calls}\n")
    assert 2 == len(found)
    assert "put what is audited under process and what is allowed under process" in found[0]
    assert "put what is audited under syscalls and what is allowed under process" in found[1]


def test_the_apiversion_is_that_of_the_kind():
    """A kind of KubeArmor is not read under another name."""
    found = errors(f"{HEAD.replace('security.kubearmor.com/v1', 'enforcer/v1')}spec: {{}}\n")
    assert (
        f"{FILE}:1:13: apiVersion of kind KubeArmorHostPolicy must be security.kubearmor.com/v1"
        in found[0]
    )


# ---- Hostile input ----------------------------------------------------------------------------

GOOD = f"""{BLOCK_FILES}spec:
  nodeSelector: {{matchLabels: {{kubernetes.io/hostname: "*", kubernetes.io/os: linux}}}}
  severity: 5
  tags: ["MITRE", "CM-7(5)"]
  message: some {{text}}
  process:
    message: other
    matchPaths:
    - path: /usr/bin/a
    - {{execname: apt, fromSource: [{{path: /bin/bash}}], severity: 1, action: Block}}
    matchDirectories: [{{dir: /tmp/, recursive: true, ownerOnly: false, pts: true}}]
    matchPatterns: [{{pattern: '/usr/{{a,b}}/**/x[0-9]?'}}]
  file:
    action: Allow
    matchPaths: [{{path: /etc/x, readOnly: true}}]
    matchDirectories: [{{dir: /srv/}}]
  network:
    matchProtocols: [{{protocol: 'tcp,icmp', fromSource: [{{path: /bin/bash}}]}}]
  syscalls:
    matchSyscalls: [{{syscall: [chdir2, mkdir], fromSource: [{{dir: /a/, recursive: true}}]}}]
    matchPaths: [{{syscall: [execve], path: /home/, recursive: true}}]
  action: Block
""".replace("chdir2, mkdir", "socket, bind")


def read(content):
    return read_foreign(content, TableResolver())


def test_the_seed_is_sound():
    """The text that is mutated below loads, so that mutations reach deep."""
    assert read(GOOD)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_text(data):
    """A good policy with pieces cut out and others put in gives policies, or errors with places."""
    read(mutated(data, GOOD, ["{a,b}", "Allow", "dir"]))


_WORDS = st.sampled_from(
    [
        "process",
        "file",
        "network",
        "capabilities",
        "syscalls",
        "nodeSelector",
        "selector",
        "matchLabels",
        "matchPaths",
        "path",
        "dir",
        "matchDirectories",
        "matchPatterns",
        "matchProtocols",
        "matchCapabilities",
        "matchSyscalls",
        "pattern",
        "protocol",
        "capability",
        "syscall",
        "recursive",
        "readOnly",
        "ownerOnly",
        "fromSource",
        "execname",
        "pts",
        "allowedArgs",
        "severity",
        "tags",
        "message",
        "action",
        "kubernetes.io/hostname",
    ]
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 11),
    st.sampled_from(
        ["/a", "/a/", "/**/{a,b}", "Allow", "Audit", "tcp,udp", "unlink", "*", "", "x"]
    ),
    st.text(max_size=8),
)
_TREES = trees(_LEAVES, _WORDS)
_ITEMS = {
    "process": {"matchPaths": "path", "matchDirectories": "dir", "matchPatterns": "pattern"},
    "file": {"matchPaths": "path", "matchDirectories": "dir", "matchPatterns": "pattern"},
    "network": {"matchProtocols": "protocol"},
    "capabilities": {"matchCapabilities": "capability"},
    "syscalls": {"matchSyscalls": "syscall", "matchPaths": "syscall"},
}


@settings(max_examples=200)
@given(st.sampled_from(sorted(DIALECTS)), _TREES)
def test_any_structure_as_a_spec(kind, tree):
    """Known words in places where they do not belong."""
    read(f"{API}kind: {kind}\nmetadata: {{name: x}}\nspec: {flow(tree)}\n")


@settings(max_examples=300)
@given(st.data())
def test_any_structure_as_an_item(data):
    """Every reader of an item meets every form."""
    section = data.draw(st.sampled_from(sorted(_ITEMS)))
    key = data.draw(st.sampled_from(sorted(_ITEMS[section])))
    item = {_ITEMS[section][key]: data.draw(_TREES)}
    item |= data.draw(st.dictionaries(_WORDS, _TREES, max_size=3))
    read(f"{HEAD}spec: {{{section}: {{{key}: [{flow(item)}]}}}}\n")
