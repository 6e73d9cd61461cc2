# SPDX-License-Identifier: MIT
"""Whole policies: the forms of events, actions and defaults, and what is filled in."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_text import FILE, HEAD, errors, load, load_rule, load_spec

from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.vocabulary import EVENTS, LIFTED_SYSCALLS, Op
from enforcer.policy.model.policy import Action, Mode, OnError, Process, Text, TextKind, Verb
from enforcer.policy.store import load_policies

EXAMPLES = Path(__file__).parents[3] / "policies" / "examples"


def test_the_article_loads_as_it_stands():
    """The policy that the project started from is a policy of ours."""
    (policy,) = load_policies([EXAMPLES / "detect-bash-exec.yaml"]).policies
    (rule,) = policy.rules

    assert "detect-bash-exec" == policy.name
    assert Mode.ENFORCE is policy.mode
    assert (
        "Suspicious /bin/bash execution detected in pod {pod_name} (namespace {pod_namespace})"
        == policy.message
    )
    assert ("exec", "execve", Verb.ALLOW) == (rule.event, rule.syscall, rule.action.verb)
    assert (Text(TextKind.EXACT, b"/bin/bash"),) == rule.conditions[0].values
    assert 8 == rule.span.line


def test_the_tamil_key_means_actions():
    """Both keys give the same policy."""
    text = (EXAMPLES / "detect-bash-exec.yaml").read_text("utf-8")
    ours = load(text.replace("திராட்சை", "actions"))
    assert ours.rules == load(text).rules


def test_defaults_of_a_policy():
    """What is not written has the value that the reference states."""
    policy = load_spec("  rules: [{exec: {}, action: deny}]\n")
    (rule,) = policy.rules

    assert (Mode.ENFORCE, None, Process(), {}, True, False) == (
        policy.mode,
        policy.message,
        policy.selector,
        policy.defaults,
        policy.record_allowed,
        policy.allow_degraded,
    )
    assert ("rule-1", "medium", (), True, False, None) == (
        rule.name,
        rule.severity,
        rule.tags,
        rule.guard,
        rule.strict,
        rule.syscall,
    )
    assert Action(Verb.DENY, errno=1, signal=9) == rule.action


def test_everything_that_can_be_written():
    """Each key of metadata, spec and rule arrives."""
    policy = load(
        HEAD.replace("{name: x}", "{name: a-b.c, description: Some text., labels: {k: 1}}")
        + """spec:
  mode: audit
  message: "{policy}: {{braces}}"
  recordAllowed: false
  allowDegraded: true
  selector: {unit: a.service}
  rules:
  - name: One_1
    file: read
    match: {path: /x}
    action: {deny: {errno: eacces}}
    message: >
      hello
      {path}
    severity: critical
    tags: [a, T1.2]
    onError: log
    guard: false
    strict: true
  - {exec: {}, action: deny, loader: false}
"""
    )
    rule, other = policy.rules

    assert ("a-b.c", "Some text.", True) == (policy.name, policy.description, policy.allow_degraded)
    assert Mode.AUDIT is policy.mode
    assert policy.record_allowed is False
    assert "{policy}: {{braces}}" == policy.message
    assert policy.selector
    assert Action(Verb.DENY, errno=13, message="hello {path}") == rule.action
    assert ("One_1", "critical", ("a", "T1.2")) == (rule.name, rule.severity, rule.tags)
    assert (OnError.LOG, False, True) == (rule.on_error, rule.guard, rule.strict)
    assert [True, False] == [rule.loader, other.loader]


@pytest.mark.parametrize("form", ["{}", "true", "null", "~"])
def test_forms_of_exec(form):
    """Nothing follows exec, however that is written."""
    assert "exec" == load_rule(f"{{exec: {form}, action: log}}").event


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("file: read", ["read"]),
        ("file: [read, write]", ["read", "write"]),
        ("file: {operations: read}", ["read"]),
        ("file: {operations: [read, any]}", ["read", "any"]),
        ("network: connect", ["connect"]),
        ("network: {operations: [bind, listen]}", ["bind", "listen"]),
    ],
)
def test_forms_of_operations(form, words):
    """One, several, or in a mapping."""
    assert words == [o.name for o in load_rule(f"{{{form}, action: log}}").operations]


@pytest.mark.parametrize(
    "word", [f"{e}: {o}" for e in EVENTS if e != "exec" for o in EVENTS[e].operations]
)
def test_every_operation_can_be_written(word):
    """All words of the tables are known to the builder."""
    match = ", match: {capability: BPF}" if word == "process: capability" else ""
    rule = load_rule(f"{{{word}{match}, action: log}}")
    assert word == f"{rule.event}: {rule.operations[0].name}"


@pytest.mark.parametrize("name", LIFTED_SYSCALLS)
def test_every_lifted_system_call_can_be_written(name):
    """In both forms; the rule is on the hook's event and remembers the name."""
    lift = LIFTED_SYSCALLS[name]
    for form in (name, f"{{name: {name}}}"):
        rule = load_rule(f"{{syscall: {form}, action: log}}")
        assert (lift.event, lift.operations.split(), name) == (
            rule.event,
            [o.name for o in rule.operations],
            rule.syscall,
        )


@pytest.mark.parametrize(
    ("call", "ops"),
    [
        ("unlinkat", {Op.UNLINK, Op.RMDIR}),
        ("unlink", {Op.UNLINK}),
        ("mknod", {Op.MKNOD}),
        ("mknodat", {Op.MKNOD}),
    ],
)
def test_a_rule_on_a_call_is_about_all_that_the_call_does(call, ops):
    """A directory is removed by unlinkat, too. What mknod makes as open does is another rule's."""
    rule = load_rule(f"{{syscall: {call}, action: deny}}")
    assert ops == {op for operation in rule.operations for op in operation.ops}


def test_creat_of_an_existing_file_is_a_write():
    """What creat does to a file that exists must not escape a rule on it."""
    rule = load_rule("{syscall: creat, action: deny}")
    assert {Op.WRITE, Op.CREATE, Op.TRUNCATE} <= set(rule.operations[0].ops)


@pytest.mark.parametrize(
    ("form", "action"),
    [
        ("allow", Action(Verb.ALLOW)),
        ("Allow", Action(Verb.ALLOW)),
        ("LOG", Action(Verb.LOG)),
        ("deny", Action(Verb.DENY)),
        ("kill", Action(Verb.KILL)),
        ("{Deny: }", Action(Verb.DENY)),
        ("{log: {}}", Action(Verb.LOG)),
        ("{deny: {errno: ENOENT}}", Action(Verb.DENY, errno=2)),
        ("{deny: {errno: 2}}", Action(Verb.DENY, errno=2)),
        ("{kill: {signal: SIGTERM}}", Action(Verb.KILL, signal=15)),
        ("{kill: {signal: term, errno: EACCES}}", Action(Verb.KILL, errno=13, signal=15)),
        ("{kill: {signal: 15}}", Action(Verb.KILL, signal=15)),
    ],
)
def test_forms_of_actions(form, action):
    """A verb in any case, or a mapping with the verb's options."""
    assert action == load_rule(f"{{exec: {{}}, action: {form}}}").action


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("deny", OnError.DENY),
        ("kill", OnError.DENY),
        ("allow", OnError.SKIP),
        ("log", OnError.SKIP),
    ],
)
def test_direction_of_errors(verb, expected):
    """Rules that refuse fall to the safe side, others do not match."""
    assert expected is load_rule(f"{{exec: {{}}, action: {verb}}}").on_error


@pytest.mark.parametrize(
    ("word", "expected"), [("deny", OnError.DENY), ("allow", OnError.SKIP), ("log", OnError.LOG)]
)
def test_on_error_is_the_authors(word, expected):
    """What is written counts, whatever the verb."""
    for verb in ("allow", "log", "deny", "kill"):
        assert expected is load_rule(f"{{exec: {{}}, action: {verb}, onError: {word}}}").on_error


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ("deny", {"exec": Verb.DENY, "file": Verb.DENY}),
        ("{deny: {errno: EACCES}}", {"exec": Verb.DENY, "file": Verb.DENY}),
        ("{exec: deny}", {"exec": Verb.DENY}),
        (
            "{exec: deny, network: {kill: {signal: TERM}}}",
            {"exec": Verb.DENY, "network": Verb.KILL},
        ),
    ],
)
def test_forms_of_default(default, expected):
    """One verdict for the events that the rules name, or one for each event."""
    policy = load_spec(
        f"  default: {default}\n  rules: [{{exec: , action: log}}, {{file: read, action: log}}]\n".replace(
            "exec: ,", "exec: {},"
        )
    )
    assert expected == {event: action.verb for event, action in policy.defaults.items()}


def test_a_default_needs_no_rules():
    """A policy may refuse a whole event."""
    assert {"network"} == set(load_spec("  default: {network: deny}\n").defaults)


def test_listed_actions_are_for_rules_without():
    """A rule's own action comes first; messages stay the rule's."""
    policy = load_spec(
        """  rules:
  - {exec: {}, message: a}
  - {exec: {}, action: log}
  - {syscall: openat}
  - {file: read}
  actions:
  - {exec: , action: kill}
  - {syscall: openat, action: {deny: {errno: 13}}}
  - {file: {}, action: deny}
""".replace("exec: ,", "exec: {},")
    )
    assert [
        Action(Verb.KILL, message="a"),
        Action(Verb.LOG),
        Action(Verb.DENY, errno=13),
        Action(Verb.DENY),
    ] == [rule.action for rule in policy.rules]


def listed(calls, *actions):
    lines = "".join(f"  - {{syscall: {call}, action: {verb}}}\n" for call, verb in actions)
    return f"  rules:\n  - {{name: x, syscall: {calls}}}\n  actions:\n{lines}"


@pytest.mark.parametrize(
    ("calls", "actions", "expected"),
    [
        (
            "[openat, keyctl]",
            [("openat", "allow"), ("keyctl", "deny")],
            [("file", [], Verb.ALLOW), ("syscall", ["keyctl"], Verb.DENY)],
        ),
        (
            "[keyctl, prctl, add_key]",
            [("keyctl", "log"), ("prctl", "deny"), ("add_key", "log")],
            [("syscall", ["keyctl", "add_key"], Verb.LOG), ("syscall", ["prctl"], Verb.DENY)],
        ),
        (
            "[keyctl, add_key]",
            [("keyctl", "log"), ("add_key", "log")],
            [("syscall", ["keyctl", "add_key"], Verb.LOG)],
        ),
        ("[kill, tkill]", [("kill", "log"), ("tkill", "log")], [("process", [], Verb.LOG)]),
    ],
)
def test_each_of_several_system_calls_has_the_action_that_is_listed_for_it(
    calls, actions, expected
):
    """And not that of the first; what is alike stays together."""
    rules = load_spec(listed(calls, *actions)).rules

    assert {"x"} == {rule.name for rule in rules}
    assert expected == [(r.event, [c.name for c in r.calls], r.action.verb) for r in rules]


@pytest.mark.parametrize(
    ("calls", "actions", "words"),
    [
        ("[openat, keyctl]", [("openat", "allow")], "none is listed for keyctl: list one"),
        ("[keyctl, openat]", [("openat", "log")], "none is listed for keyctl: list one"),
        ("{class: keyring}", [("keyctl", "deny")], "none is listed for add_key, request_key: "),
        ("[kill, tkill]", [("kill", "log")], "none is listed for tkill: list one"),
        (
            "[open, openat]",
            [("open", "allow"), ("openat", "deny")],
            "open and openat are one operation here, file open: list one action for both",
        ),
    ],
)
def test_a_system_call_without_an_action_of_its_own_is_refused(calls, actions, words):
    """Nobody said what is to be done with it, whatever the others get; also where the rule marks."""
    text = f"{HEAD}spec:\n{listed(calls, *actions)}"

    (error,) = errors(text)
    (same,) = errors(text.replace("name: x,", "name: x, mark: m,"))

    assert words in error
    assert words in same


def test_a_rule_about_nothing_is_refused(monkeypatch):
    """Whatever reads its event, and says nothing of it: the rule would be gone."""
    monkeypatch.setattr("enforcer.policy.readers.rules.read_events", lambda *_: ())

    found = errors(f"{HEAD}spec:\n  rules:\n  - {{exec: {{}}, action: deny}}\n")

    assert [
        f"{FILE}:6:5: the event of the rule names nothing, so the rule would do nothing"
    ] == found


def test_subject_parts():
    """Each word fills its part, and only that."""
    parts = ["process", "parent", "ancestors", "lineage"]
    parts += [f"not{word.capitalize()}" for word in parts]
    assert parts == list(SUBJECT_PARTS)
    for word in parts:
        subject = load_rule(f"{{exec: {{}}, action: log, match: {{{word}: {{uid: 0}}}}}}").subject
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in word)
        assert getattr(subject, snake)
        assert [snake] == [
            p for p in type(subject).__slots__ if p[0] != "_" and getattr(subject, p)
        ]


def test_documents_of_one_file_are_one_set():
    """They keep their order and their own places."""
    text = f"{HEAD}spec: {{default: {{exec: log}}}}\n---\n"
    both = text + text.replace("name: x", "name: y")
    from enforcer.policy.store import load_text

    policies = load_text(both, "f.yaml").policies
    assert [("x", 1), ("y", 6)] == [(p.name, p.span.line) for p in policies]


def test_ten_thousand_rules_load():
    """A large policy is not refused by its size."""
    rules = "".join(
        f"  - {{file: read, match: {{path: /srv/{i}}}, action: deny}}\n" for i in range(10_000)
    )
    assert 10_000 == len(load_spec(f"  rules:\n{rules}").rules)
