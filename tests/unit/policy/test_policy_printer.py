# SPDX-License-Identifier: MIT
"""Printed and read again, a policy is the same but for places."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_text import FILE, HEAD, USERS
from test_policy_conditions import OBJECTS, PROCESSES
from test_policy_fuzz import GOOD

from enforcer.errors import EnforcerBug, PolicyError, PolicyErrors
from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.symbols import CAPABILITIES, ERRNOS, SIGNALS
from enforcer.policy.language.vocabulary import (
    EVENTS,
    FIELDS,
    LIFTED_SYSCALLS,
    OPERATORS,
    PROCESS_FIELDS,
    Kind,
)
from enforcer.policy.model.policy import (
    CapabilityMask,
    Condition,
    PolicySet,
    Process,
    Text,
    TextKind,
)
from enforcer.policy.store import load_text, policy_files
from enforcer.policy.writers.conditions import spell_fields, spell_process
from enforcer.policy.writers.printer import print_policies
from enforcer.span import Span

ROOT = Path(__file__).parents[3]
NOWHERE = Span("", 0, 0)


def placeless(policies: PolicySet):
    return [
        attrs.evolve(
            policy,
            span=NOWHERE,
            rules=tuple(attrs.evolve(rule, span=NOWHERE) for rule in policy.rules),
        )
        for policy in policies.policies
    ]


def check(policies: PolicySet) -> str:
    text = print_policies(policies.policies)
    again = load_text(text, "printed.yaml", USERS)
    assert placeless(policies) == placeless(again)
    assert [p.description for p in policies.policies] == [p.description for p in again.policies]
    # One form: what is printed of what was printed differs in places only.
    assert strip(text) == strip(print_policies(again.policies))
    return text


def strip(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.lstrip().startswith("#")]


@pytest.mark.parametrize("path", list(policy_files(ROOT / "policies")), ids=lambda path: path.name)
def test_shipped_policies(path):
    """Every shipped policy can be printed."""
    check(load_text(path.read_bytes(), str(path), USERS))


@pytest.mark.parametrize("text", [GOOD, GOOD.replace("audit", "enforce")])
def test_a_policy_with_everything(text):
    """So can one that uses every key."""
    check(load_text(text, FILE, USERS))


@pytest.mark.parametrize(("event", "match"), [(e, m) for e, m, *_ in OBJECTS])
def test_every_condition_on_the_object(event, match):
    """Every form of a condition has a canonical one."""
    rule = f"{{{event}, match: {{{match}}}, action: kill}}"
    check(load_text(f"{HEAD}spec: {{rules: [{rule}]}}\n", FILE, USERS))


@pytest.mark.parametrize("match", [m for m, *_ in PROCESSES])
def test_every_condition_on_a_process(match):
    """So has every form of a condition on a process."""
    rule = f"{{exec: {{}}, match: {{notParent: {{{match}}}}}, action: deny}}"
    check(load_text(f"{HEAD}spec: {{selector: {{{match}}}, rules: [{rule}]}}\n", FILE, USERS))


@pytest.mark.parametrize(
    ("match", "printed"),
    [
        ("path: [/etc/passwd]", "match: {path: /etc/passwd}"),
        ("path: {in: [/a, /b]}", "path: [/a, /b]"),
        ("path: {equal: /a*}", r"match: {path: /a\*}"),
        ("path: {equal: /}", "path: {equal: /}"),
        ("path: /srv/", "match: {path: /srv/**}"),
        ("path: {prefix: /a, notEqual: /ab}", "path: {prefix: /a, notEqual: /ab}"),
        ("process: {unit: a.service}", "process: {unit: a.service}"),
        ("process: {cgroup: [/a.slice, /b/**]}", "cgroup: [/a.slice, /b/**]"),
        ("process: {cgroup: {glob: /a*}}", "cgroup: {glob: /a*}"),
        ("process: {uid: [alice, 5-7]}", "uid: [1000, 5-7]"),
        ("process: {capabilities: {all: [bpf, perfmon]}}", "all: [CAP_PERFMON, CAP_BPF]"),
    ],
)
def test_canonical_forms(match, printed):
    """Of several ways to say something, one is printed: the shortest."""
    rule = f"{{file: read, match: {{{match}}}, action: deny}}"

    assert printed in check(load_text(f"{HEAD}spec: {{rules: [{rule}]}}\n", FILE, USERS))


@pytest.mark.parametrize(
    ("rule", "printed"),
    [
        ("syscall: prctl, match: {args: [{index: 1, notIn: [1, 5-9]}]}", "notIn: [1, 5-9]"),
        ("syscall: prctl, match: {args: [{index: 0, in: [-1, 5-9]}]}", "in: [-1, 5-9]"),
        ("syscall: prctl, match: {args: [{index: 0, range: '-7-3'}]}", "range: [-7--1, 0-3]"),
        (
            "syscall: mprotect, match: {args: [{index: 1, range: 6-18446744073709551615}]}",
            "range: 6-18446744073709551615",
        ),
        (
            "syscall: chroot, match: {args: [{index: 0, notPrefix: [/a, /b]}]}",
            "notPrefix: [/a, /b]",
        ),
        ("syscall: chroot, match: {args: [{index: 0, notGlob: '/a*'}]}", "notGlob: /a*"),
    ],
)
def test_what_is_not_in_a_range(rule, printed):
    """Ranges and texts that are passed come back, also where they must not be."""
    text = f"{HEAD}spec: {{rules: [{{{rule}, action: deny}}]}}\n"

    assert printed in check(load_text(text, FILE, USERS))


def test_places_are_comments():
    """A reader sees where each rule and each of its parts stood."""
    text = f"{HEAD}spec:\n  rules:\n  - file: read\n    match:\n      path: /a\n      process:\n"
    text += "        uid: 0\n    action: deny\n"

    printed = print_policies(load_text(text, FILE, USERS).policies)

    assert "    # p.yaml:6:5, path 8:13, process 10:14\n    - name: rule-1\n" in printed
    assert printed.startswith("# p.yaml:1:1\napiVersion: enforcer/v1\n")


def test_the_name_of_a_file_stays_a_comment():
    """A file's name cannot break out of the comment that it stands in."""
    policies = load_text(GOOD, "x\nmode: audit\r\u2028\u034f.yaml", USERS)

    assert placeless(policies) == placeless(load_text(print_policies(policies.policies), "", USERS))


@pytest.mark.parametrize(
    "text",
    [
        "é ü 語",
        "a\u202eb",
        "\ufeffx",
        "a\u3164\u034fb",
        "ends in a blank\xa0",
        "\u3000",
        "#\ufe0f is no comment",
        "a\n#\ufe0f b",
        "0o17",
        "on",
        "1:20",
        "# x",
        "'\"",
        "it's: {} - [x]",
    ],
)
def test_text_that_yaml_would_turn_into_something_else(text):
    """Text comes back as it was, whatever it looks like."""
    rule = {
        "exec": {},
        "match": {"path": {"equal": f"/{text}"}, "args": [{"index": 1, "equal": text}]},
        "action": "kill",
    }
    head = HEAD.replace("{name: x}", json.dumps({"name": "x", "description": text}))
    check(load_text(f"{head}spec: {json.dumps({'rules': [rule]})}\n", FILE, USERS))


def test_arguments_and_fields_of_a_system_call_together():
    """Conditions on one field from two places stay two conditions; all must hold in any order."""
    rule = "{syscall: chmod, action: deny, match: {args: [{index: 0, equal: /a}], mode: 1, path: {equal: /b}}}"
    policies = load_text(f"{HEAD}spec: {{rules: [{rule}]}}\n", FILE, USERS)

    again = load_text(print_policies(policies.policies), FILE, USERS)

    found = [sorted(map(repr, p.policies[0].rules[0].conditions)) for p in (policies, again)]
    assert 3 == len(found[0])
    assert [w.split("span")[0] for w in found[0]] == [w.split("span")[0] for w in found[1]]


@pytest.mark.parametrize(
    ("rule", "printed"),
    [
        ("{syscall: keyctl, action: log}", "syscall: keyctl"),
        ("{syscall: {list: [keyctl]}, action: log}", "syscall: keyctl"),
        ("{syscall: {class: keyring}, action: log}", "syscall: [add_key, keyctl, request_key]"),
        ("{syscall: [keyctl, kill, tkill], action: log}", "syscall: [kill, keyctl]"),
        (
            "{syscall: [prctl, kill], match: {args: [{index: 1, in: [9, 0xf]}]}, action: log}",
            "- index: 1\n          in: [9, 15]",
        ),
        (
            "{syscall: prctl, match: {args: [{index: 0, range: -5-3}, {index: 1, mask: 3=1}]}, action: log}",
            "- index: 0\n          range: [-5--1, 0-3]\n        - {index: 1, mask: 3=1}",
        ),
        (
            "{syscall: fcntl, match: {args: [{index: 2, equal: 0xffffffff}]}, action: log}",
            "in: [4294967295, 18446744073709551615]",
        ),
        (
            "{syscall: [unlink, rmdir], match: {args: [{index: 0, prefix: /a}]}, action: log}",
            "match:\n        path: {prefix: /a}",
        ),
        (
            "{syscall: [setuid, socket], match: {args: [{index: 0, equal: 1}]}, action: log}",
            "syscall: [setuid, socket]",
        ),
        ("{syscall: memfd_create, match: {args: [{index: 0, glob: a*}]}, action: log}", "glob: a*"),
        (
            "{syscall: [ftruncate, truncate], match: {path: /a}, action: log}",
            "syscall: [ftruncate, truncate]",
        ),
    ],
)
def test_system_calls(rule, printed):
    """A list of calls stays one rule, whatever it is made of inside."""
    policies = load_text(f"{HEAD}spec: {{rules: [{rule}]}}\n", FILE, USERS)

    assert printed in check(policies)


def test_calls_that_cannot_be_written_together():
    """One argument that is octal in one call and decimal in another becomes two rules."""
    rule = (
        "{name: a, syscall: [fchmod, kill], match: {args: [{index: 1, equal: 0o10}]}, action: log}"
    )
    policies = load_text(f"{HEAD}spec: {{rules: [{rule}]}}\n", FILE, USERS)

    again = load_text(print_policies(policies.policies), FILE, USERS)

    assert ["a-1", "a-2"] == [r.name for r in again.policies[0].rules]
    assert [r.conditions for r in policies.policies[0].rules] == [
        r.conditions for r in again.policies[0].rules
    ]


_BINARY, _CAPABILITIES = PROCESS_FIELDS["binary"], PROCESS_FIELDS["capabilities"]


def _texts(kind, *values, negate=False, field=_BINARY):
    return Condition(field, tuple(Text(kind, value) for value in values), negate)


def _bits(how, mask):
    return Condition(_CAPABILITIES, (CapabilityMask(how, mask),))


@pytest.mark.parametrize(
    ("conditions", "written"),
    [
        (
            [_texts(TextKind.PREFIX, value, negate=True) for value in (b"/a", b"/b", b"/a")],
            {"binary": {"notPrefix": ["/a", "/b"]}},
        ),
        (
            [_texts(TextKind.EXACT, value, negate=True) for value in (b"/a", b"/b", b"/c", b"/d")],
            {"binary": {"notIn": ["/a", "/b", "/c", "/d"]}},
        ),
        (
            [
                _texts(TextKind.GLOB, b"/a*", b"/b*", negate=True),
                _texts(TextKind.SUFFIX, b".so", negate=True),
                _texts(TextKind.GLOB, b"/c*", negate=True),
                _texts(TextKind.PREFIX, b"/"),
                _texts(TextKind.PREFIX, b"/"),
            ],
            {"binary": {"notGlob": ["/a*", "/b*", "/c*"], "notSuffix": ".so", "prefix": "/"}},
        ),
        ([_bits("any", 1), _bits("any", 2)], {"capabilities": {"all": ["CAP_CHOWN", "CAP_DAC_OVERRIDE"]}}),
        (
            [_bits("none", 1), _bits("any", 4), _bits("none", 2), _bits("any", 8), _bits("any", 3)],
            {
                "capabilities": {
                    "none": ["CAP_CHOWN", "CAP_DAC_OVERRIDE"],
                    "all": ["CAP_DAC_READ_SEARCH", "CAP_FOWNER"],
                    "any": ["CAP_CHOWN", "CAP_DAC_OVERRIDE"],
                }
            },
        ),
    ],
)  # fmt: skip
def test_conditions_that_mean_one_together_are_written_as_one(conditions, written):
    """What must be in no list of several must not be in all of them together."""
    assert written == spell_process(Process(tuple(conditions)))


@pytest.mark.parametrize(
    "conditions",
    [
        [_texts(TextKind.PREFIX, b"/a"), _texts(TextKind.PREFIX, b"/a/b")],
        [_bits("any", 3), _bits("any", 5)],
        [
            _texts(TextKind.EXACT, *pair)
            for pair in ((b"/a", b"/b"), (b"/b", b"/c"), (b"/b", b"/d"))
        ],
    ],
)
def test_an_operator_that_is_needed_twice_is_an_error_with_its_place(conditions):
    """Not a mistake of ours: only policies that were written for others say it."""
    placed = [attrs.evolve(c, span=Span(FILE, 7, n)) for n, c in enumerate(conditions, 1)]

    with pytest.raises(PolicyError, match="need one operator twice") as refused:
        spell_process(Process(tuple(placed)))

    assert FILE == refused.value.span.file


def test_what_has_no_words_is_not_printed():
    """A model that no text leads to is a mistake of ours, not another policy."""
    mixed = Condition(FIELDS["path"], (Text(TextKind.PREFIX, b"/a"), Text(TextKind.EXACT, b"/b")))

    with pytest.raises(EnforcerBug, match="no words"):
        spell_fields([mixed], [])


# ---- Generated policies -----------------------------------------------------------------------

_PATHS = ["/", "/a", "/a/", "/a/**", "/**/x[0-9]", "/a*b/?", r"/a\*", "/usr/bin/env", "/é", "/a b"]
_VALUES = {
    Kind.PATH: _PATHS,
    Kind.CGROUP: ["/a.slice", "/b/**", "/*", "/"],
    Kind.STRING: ["a", "b*", "a/b", "#", "0o7", "null", "'"],
    Kind.ARGS: ["-c", "*x*", "12", "true", "{}"],
    Kind.ADDRESS: ["10.0.0.0/8", "::1", "::/0", "0.0.0.0", "1.2.3.4-1.2.3.9", "::2-2001:db8::"],
    Kind.PORT: [0, 80, "8000-9000", 65535],
    Kind.MODE: ["0644", "0", "0100-0700", "4755"],
    Kind.USER: [0, "alice", "1000-60000"],
    Kind.GROUP: ["wheel", 7],
    Kind.CAPABILITY: list(CAPABILITIES)[::5],
    Kind.UNIT: ["nginx.service", "a\\x2db.scope", "user@1000.service"],
}
_RANGES = {Kind.ADDRESS: ["10.0.0.0/8", "::1"], Kind.MODE: ["0-0777"]}


@st.composite
def _operand(draw, field, operator):
    pool = list(field.names) if field.names else _VALUES.get(field.kind, [1, 2, 6, "3-9"])
    if operator == "mask":
        pool = ["06000", "7", "022=020"] if field.kind is Kind.MODE else ["0x10", "3=1"]
    if operator in {"range", "cidr"}:
        pool = _RANGES.get(field.kind, ["3-9", "0-1"])
    if operator in {"equal", "notEqual"}:
        return draw(st.sampled_from([v for v in pool if "-" not in str(v)] or pool))
    return draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3, unique=True))


@st.composite
def _fields(draw, known, *, most=3):
    written = {}
    for name in draw(st.lists(st.sampled_from(sorted(known)), max_size=most, unique=True)):
        field = known[name]
        if field.kind in {Kind.FLAG, Kind.DRIFT}:
            written[name] = draw(st.booleans())
            if field.kind is Kind.DRIFT and draw(st.booleans()):
                written["volumes"] = draw(st.sampled_from(["trusted", "drift"]))
        elif field.kind is Kind.ARGS:
            operators = st.sampled_from(OPERATORS[Kind.ARGS])
            written[name] = [
                {"index": index, operator: draw(_operand(field, operator))}
                for index in draw(st.lists(st.sampled_from([0, 1, 15, "any"]), min_size=1))
                for operator in [draw(operators)]
            ]
        elif draw(st.booleans()):
            written[name] = draw(_operand(field, None))
        else:
            operators = st.sampled_from(OPERATORS[field.kind])
            chosen = draw(st.lists(operators, min_size=1, max_size=3, unique=True))
            written[name] = {operator: draw(_operand(field, operator)) for operator in chosen}
    return written


_CALLS = (
    *("keyctl", "add_key", "ioctl", "prctl", "memfd_create", "shmget", "mmap", "personality"),
    *("kill", "tkill", "unlink", "rmdir", "chmod", "fchmod", "setuid", "socket", "openat"),
)
_PASSED = ["1", "-3", "0x10", "0o10", "7", "0xffffffff", "kill", "/a", "5-9", "-5-3", "8=8", "1"]


@st.composite
def _call_rule(draw):
    names = st.lists(st.sampled_from(_CALLS), min_size=1, max_size=3, unique=True)
    rule = {
        "syscall": draw(names | st.builds(dict, **{"class": st.sampled_from(["keyring", "ipc"])}))
    }
    operators = st.sampled_from([*OPERATORS[Kind.NUMBER], "prefix", "glob"])
    arguments = [
        {"index": index, draw(operators): draw(st.sampled_from(_PASSED))}
        for index in draw(st.lists(st.sampled_from([0, 1, 2]), max_size=2))
    ]
    for argument in arguments:
        for key in {"in", "notIn"} & set(argument):
            argument[key] = [argument[key], "1"]
    if arguments:
        rule["match"] = {"args": arguments}
    return rule


_ACTIONS = st.sampled_from(
    ["allow", "log", "deny", "kill"]
    + [{"deny": {"errno": name}} for name in list(ERRNOS)[::20]]
    + [{"kill": {"signal": name, "errno": "EIO"}} for name in list(SIGNALS)[::5]]
)


@st.composite
def _rule(draw):
    if draw(st.integers(0, 2)) == 0:
        return {**draw(_call_rule()), "action": draw(_ACTIONS)}
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(LIFTED_SYSCALLS)))
        lift = LIFTED_SYSCALLS[name]
        words = [EVENTS[lift.event].operations[word] for word in lift.operations.split()]
        rule = {"syscall": name}
    else:
        event = draw(st.sampled_from(sorted(EVENTS)))
        specs = st.sampled_from(sorted(EVENTS[event].operations))
        words = [
            EVENTS[event].operations[word]
            for word in draw(st.lists(specs, min_size=1, max_size=2, unique=True))
        ]
        rule = {event: {} if event == "exec" else [word.name for word in words]}
    here = {n: f for n, f in FIELDS.items() if all(n in word.fields for word in words)}
    if "syscall" in rule:
        here.pop("args", None)
    match = draw(_fields(here)) if here else {}
    for part in draw(st.lists(st.sampled_from(sorted(SUBJECT_PARTS)), max_size=2, unique=True)):
        if process := draw(_fields(PROCESS_FIELDS, most=2)):
            match[part] = process
    optional = {
        "match": st.just(match),
        "message": st.sampled_from(["{process} did it", "0o17", "{{x}}", "a: b"]),
        "severity": st.sampled_from(["low", "medium", "high", "critical"]),
        "tags": st.lists(st.sampled_from(["T1059.004", "010", "x_y"]), min_size=1, unique=True),
        "onError": st.sampled_from(["deny", "allow", "log"]),
        "guard": st.booleans(),
        "strict": st.booleans(),
        "loader": st.booleans(),
    }
    for key in draw(st.lists(st.sampled_from(sorted(optional)), max_size=4, unique=True)):
        rule[key] = draw(optional[key])
    return {**rule, "action": draw(_ACTIONS)}


@st.composite
def _spec(draw):
    defaults = st.dictionaries(st.sampled_from(sorted(EVENTS)), _ACTIONS, min_size=1)
    optional = {
        "mode": st.sampled_from(["audit", "enforce"]),
        "message": st.sampled_from(["{policy}/{rule}", "no"]),
        "selector": _fields(PROCESS_FIELDS).filter(bool),
        "default": defaults | _ACTIONS,
        "recordAllowed": st.booleans(),
        "allowDegraded": st.booleans(),
    }
    keys = draw(st.lists(st.sampled_from(sorted(optional)), max_size=3, unique=True))
    return {"rules": [draw(_rule())], **{key: draw(optional[key]) for key in keys}}


@settings(
    max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(_spec())
def test_any_policy(spec):
    """Whatever can be said can be printed; what cannot be said has said so."""
    try:
        policies = load_text(f"{HEAD}spec: {json.dumps(spec)}\n", FILE, USERS)
    except PolicyErrors:
        # Some combinations have no meaning; the test below sees that most have.
        return
    check(policies)


def test_most_generated_policies_are_valid():
    """The property above is about something."""
    outcomes = []

    @settings(max_examples=100, database=None, suppress_health_check=list(HealthCheck))
    @given(_spec())
    def count(spec):
        try:
            load_text(f"{HEAD}spec: {json.dumps(spec)}\n", FILE, USERS)
        except PolicyErrors:
            outcomes.append(False)
        else:
            outcomes.append(True)

    count()
    assert sum(outcomes) > len(outcomes) / 4, (sum(outcomes), len(outcomes))


MARKS = """
- {name: a, network: connect, mark: online}
- {name: b, exec: {}, match: {path: /x}, mark: {name: seen, of: host}, onError: allow}
- {name: c, exec: {}, action: log, mark: {name: mine, of: container}, rateLimit: 10/m}
- name: d
  file: read
  match:
    within: [{mark: online, last: 90s}, {mark: q/x, last: 1500ms}]
    notWithin: {mark: seen, last: 2h}
  action: deny
  rateLimit: {records: 1, per: 1d, by: process}
"""


def test_marks_and_limits_are_printed():
    """With the shortest of the times that are the same."""
    lines = "".join(f"    {line}\n" for line in MARKS.splitlines())
    text = check(load_text(f"{HEAD}spec:\n  rules:\n{lines}", FILE))

    for part in (
        "last: 90s",
        "last: 1500ms",
        "last: 2h",
        "per: 1d",
        "of: container",
        "mark: online",
    ):
        assert part in text
