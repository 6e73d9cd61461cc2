# SPDX-License-Identifier: MIT
"""Every kind of field with every operator that it has, as values of the model."""

from __future__ import annotations

import pytest
from policy_text import HEAD, errors, load_conditions, load_rule

from enforcer.policy.language.vocabulary import FIELDS, OPERATORS, PROCESS_FIELDS, Dim
from enforcer.policy.model.policy import (
    Address,
    CapabilityMask,
    Flag,
    Interval,
    Mask,
    Text,
    TextKind,
)
from enforcer.policy.readers.syscalls import NUMBER_OPERATORS

V4 = 0xFFFF << 32


def _exact(*values):
    return tuple(Text(TextKind.EXACT, v) for v in values)


def _glob(*values):
    return tuple(Text(TextKind.GLOB, v) for v in values)


def _one(value):
    return (Interval(value, value),)


OBJECTS = [
    # path
    ("exec: {}", "path: /bin/sh", _exact(b"/bin/sh"), False),
    ("exec: {}", "path: [/a, /b/*]", (*_exact(b"/a"), *_glob(b"/b/*")), False),
    ("exec: {}", "path: /a/**", _glob(b"/a/**"), False),
    ("exec: {}", "path: /a/", _glob(b"/a/**"), False),
    ("exec: {}", "path: /", _glob(b"/**"), False),
    ("exec: {}", r"path: '/a\*\[b'", _exact(b"/a*[b"), False),
    ("exec: {}", r"path: '/a\*/?'", _glob(rb"/a\*/?"), False),
    ("exec: {}", "path: '/[a-c]x'", _glob(b"/[a-c]x"), False),
    ("exec: {}", "path: '/[]!]'", _glob(b"/[]!]"), False),
    ("exec: {}", r"path: '/[z\-a]'", _glob(rb"/[z\-a]"), False),
    ("exec: {}", "path: '/[c-e-a]'", _glob(b"/[c-e-a]"), False),
    ("exec: {}", "path: /ü", _exact("/ü".encode()), False),
    ("exec: {}", "path: {equal: /a*}", _exact(b"/a*"), False),
    ("exec: {}", "path: {equal: /}", _exact(b"/"), False),
    ("exec: {}", "path: {notEqual: /a}", _exact(b"/a"), True),
    ("exec: {}", "path: {in: [/a, '/b?']}", _exact(b"/a", b"/b?"), False),
    ("exec: {}", "path: {notIn: [/a, /b]}", _exact(b"/a", b"/b"), True),
    ("exec: {}", "path: {prefix: /usr/lo}", (Text(TextKind.PREFIX, b"/usr/lo"),), False),
    ("exec: {}", "path: {prefix: /usr/}", (Text(TextKind.PREFIX, b"/usr/"),), False),
    ("exec: {}", "path: {suffix: [.so, /x]}", tuple(Text(TextKind.SUFFIX, v) for v in (b".so", b"/x")), False),
    ("exec: {}", "path: {contains: '/..'}", (Text(TextKind.CONTAINS, b"/.."),), False),
    ("exec: {}", "path: {contains: tmp}", (Text(TextKind.CONTAINS, b"tmp"),), False),
    ("exec: {}", "path: {notPrefix: /etc}", (Text(TextKind.PREFIX, b"/etc"),), True),
    ("exec: {}", "path: {notSuffix: [.so, /x]}", tuple(Text(TextKind.SUFFIX, v) for v in (b".so", b"/x")), True),
    ("exec: {}", "path: {notContains: tmp}", (Text(TextKind.CONTAINS, b"tmp"),), True),
    ("exec: {}", "path: {notGlob: /etc/}", (Text(TextKind.GLOB, b"/etc/**"),), True),
    ("exec: {}", "path: {glob: [/a, /b/**]}", (*_exact(b"/a"), *_glob(b"/b/**")), False),
    # plain text
    ("network: bind", "abstract: foo", _exact(b"foo"), False),
    ("network: bind", "abstract: 'a*b'", _glob(b"a*b"), False),
    ("network: bind", "abstract: {equal: 'a*'}", _exact(b"a*"), False),
    ("network: bind", "abstract: {notEqual: a}", _exact(b"a"), True),
    ("network: bind", "abstract: {in: [a, b]}", _exact(b"a", b"b"), False),
    ("network: bind", "abstract: {notIn: [a]}", _exact(b"a"), True),
    ("network: bind", "abstract: {prefix: a}", (Text(TextKind.PREFIX, b"a"),), False),
    ("network: bind", "abstract: {suffix: a}", (Text(TextKind.SUFFIX, b"a"),), False),
    ("network: bind", "abstract: {contains: a}", (Text(TextKind.CONTAINS, b"a"),), False),
    ("network: bind", "abstract: {notPrefix: a}", (Text(TextKind.PREFIX, b"a"),), True),
    ("network: bind", "abstract: {notSuffix: a}", (Text(TextKind.SUFFIX, b"a"),), True),
    ("network: bind", "abstract: {notContains: a}", (Text(TextKind.CONTAINS, b"a"),), True),
    ("network: bind", "abstract: {notGlob: 'a*'}", (Text(TextKind.GLOB, b"a*"),), True),
    ("network: bind", "abstract: {glob: 'a?'}", _glob(b"a?"), False),
    ("file: setxattr", "xattr: security.*", _glob(b"security.*"), False),
    ("mount: mount", "source: /dev/sd*", _glob(b"/dev/sd*"), False),
    ("mount: mount", "fsType: [ext4, fuse*]", (*_exact(b"ext4"), *_glob(b"fuse*")), False),
    ("mount: mount", "mountFlags: nosuid", (CapabilityMask("any", 2),), False),
    ("mount: mount", "mountFlags: {any: [RO, nodev]}", (CapabilityMask("any", 5),), False),
    ("mount: mount", "mountFlags: {all: [nosuid, nodev]}", (CapabilityMask("all", 6),), False),
    ("mount: mount", "mountFlags: {none: noexec}", (CapabilityMask("none", 8),), False),
    ("process: signal", "signal: [KILL, SIGTERM, 2]", (*_one(9), *_one(15), *_one(2)), False),
    ("process: signal", "target: /usr/bin/*d", _glob(b"/usr/bin/*d"), False),
    ("process: setuid", "newUid: root", _one(0), False),
    ("process: setgid", "newGid: {notIn: [wheel]}", _one(10), True),
    ("process: capset", "gained: {any: [SYS_ADMIN]}", (CapabilityMask("any", 1 << 21),), False),
    ("process: capability", "capability: [CAP_SYS_ADMIN, net_raw]", (*_one(21), *_one(13)), False),
    ("kernel: bpf", "command: [BPF_PROG_LOAD, map_create]", (*_one(5), *_one(0)), False),
    ("kernel: moduleRequest", "module: net-pf-*", _glob(b"net-pf-*"), False),
    ("mount: unmount", "unmountFlags: lazy", (CapabilityMask("any", 2),), False),
    # addresses
    ("network: connect", "address: 192.0.2.7", (Address(V4 | 0xC0000207, V4 | 0xC0000207),), False),
    ("network: connect", "address: 10.0.0.0/8", (Address(V4 | 0x0A000000, V4 | 0x0AFFFFFF),), False),
    ("network: connect", "address: '::ffff:10.0.0.0/104'", (Address(V4 | 0x0A000000, V4 | 0x0AFFFFFF),), False),
    ("network: connect", "address: '::1'", (Address(1, 1),), False),
    ("network: connect", "address: '::/0'", (Address(0, 2**128 - 1),), False),
    ("network: connect", "address: 10.0.0.1-10.0.0.3", (Address(V4 | 0x0A000001, V4 | 0x0A000003),), False),
    ("network: connect", "address: {equal: 0.0.0.1}", (Address(V4 | 1, V4 | 1),), False),
    ("network: connect", "address: {notEqual: 0.0.0.1}", (Address(V4 | 1, V4 | 1),), True),
    ("network: connect", "address: {in: [0.0.0.0/31]}", (Address(V4, V4 | 1),), False),
    ("network: connect", "address: {notIn: [0.0.0.0/31]}", (Address(V4, V4 | 1),), True),
    ("network: connect", "address: {cidr: 0.0.0.0/31}", (Address(V4, V4 | 1),), False),
    # ports
    ("network: connect", "port: 80", _one(80), False),
    ("network: connect", "port: '80'", _one(80), False),
    ("network: connect", "port: 0x50", _one(80), False),
    ("network: connect", "port: 8000-9000", (Interval(8000, 9000),), False),
    ("network: connect", "port: [22, 8000-9000]", (Interval(22, 22), Interval(8000, 9000)), False),
    ("network: connect", "port: {equal: 80}", _one(80), False),
    ("network: connect", "port: {notEqual: 80}", _one(80), True),
    ("network: connect", "port: {in: [80, 81]}", (*_one(80), *_one(81)), False),
    ("network: connect", "port: {notIn: [1-1023]}", (Interval(1, 1023),), True),
    ("network: connect", "port: {range: 1-1023}", (Interval(1, 1023),), False),
    # numbers with names
    ("network: socket", "family: inet6", _one(10), False),
    ("network: socket", "family: AF_NETLINK", _one(16), False),
    ("network: socket", "family: [44, unix]", (*_one(44), *_one(1)), False),
    ("network: socket", "type: SOCK_RAW", _one(3), False),
    ("network: socket", "type: {notIn: [stream, dgram]}", (*_one(1), *_one(2)), True),
    ("network: socket", "type: {equal: raw}", _one(3), False),
    ("network: socket", "type: {notEqual: raw}", _one(3), True),
    ("network: socket", "type: {in: [raw]}", _one(3), False),
    ("network: socket", "protocol: {range: 1-17}", (Interval(1, 17),), False),
    ("network: socket", "protocol: IPPROTO_ICMPV6", _one(58), False),
    ("network: socket", "protocol: {mask: 0x10}", (Mask(16),), False),
    # modes
    ("file: chmod", "mode: 0644", _one(0o644), False),
    ("file: chmod", "mode: 4755", _one(0o4755), False),
    ("file: chmod", "mode: 0o755", _one(0o755), False),
    ("file: chmod", "mode: {equal: '755'}", _one(0o755), False),
    ("file: chmod", "mode: {notEqual: 755}", _one(0o755), True),
    ("file: chmod", "mode: {in: [755, 644]}", (*_one(0o755), *_one(0o644)), False),
    ("file: chmod", "mode: {notIn: [755]}", _one(0o755), True),
    ("file: chmod", "mode: {range: 0-0777}", (Interval(0, 0o777),), False),
    ("file: chmod", "mode: {mask: 06000}", (Mask(0o6000),), False),
    ("file: chmod", "mode: {mask: [04000, 0022=0022]}", (Mask(0o4000), Mask(0o22, 0o22)), False),
    # arguments of the program
    ("exec: {}", "args: [{index: 1, equal: -e}]", _exact(b"-e"), False),
    ("exec: {}", "args: [{index: 1, notEqual: -e}]", _exact(b"-e"), True),
    ("exec: {}", "args: [{index: 1, in: [-e, 12]}]", _exact(b"-e", b"12"), False),
    ("exec: {}", "args: [{index: 1, notIn: [-e]}]", _exact(b"-e"), True),
    ("exec: {}", "args: [{index: 1, prefix: -e}]", (Text(TextKind.PREFIX, b"-e"),), False),
    ("exec: {}", "args: [{index: 1, suffix: -e}]", (Text(TextKind.SUFFIX, b"-e"),), False),
    ("exec: {}", "args: [{index: 1, contains: -e}]", (Text(TextKind.CONTAINS, b"-e"),), False),
    ("exec: {}", "args: [{index: 1, notPrefix: -e}]", (Text(TextKind.PREFIX, b"-e"),), True),
    ("exec: {}", "args: [{index: 1, notSuffix: -e}]", (Text(TextKind.SUFFIX, b"-e"),), True),
    ("exec: {}", "args: [{index: 1, notContains: -e}]", (Text(TextKind.CONTAINS, b"-e"),), True),
    ("exec: {}", "args: [{index: 1, notGlob: '-*'}]", (Text(TextKind.GLOB, b"-*"),), True),
    ("exec: {}", "args: [{index: 1, glob: '*-e*'}]", _glob(b"*-e*"), False),
    ("exec: {}", "args: [{index: 1, type: String, operator: Equal, values: [a, b]}]", _exact(b"a", b"b"), False),
    ("exec: {}", "args: [{index: 1, operator: NotEqual, values: a}]", _exact(b"a"), True),
    ("exec: {}", "args: [{index: 1, operator: Postfix, values: [a]}]", (Text(TextKind.SUFFIX, b"a"),), False),
    ("exec: {}", "args: [{index: 1, match: {type: String, literal: a}}]", _exact(b"a"), False),
    ("exec: {}", "args: [{index: 1, match: {literal: [a, b]}}]", _exact(b"a", b"b"), False),
    ("exec: {}", "args: [{index: 1, match: {prefix: a}}]", (Text(TextKind.PREFIX, b"a"),), False),
]  # fmt: skip


@pytest.mark.parametrize(("event", "match", "values", "negate"), OBJECTS)
def test_object_fields(event, match, values, negate):
    """The values are what was written, in the kernel's terms."""
    (condition,) = load_conditions(event, match)
    assert values == condition.values
    assert negate is condition.negate
    assert condition.span


PROCESSES = [
    ("binary: /usr/bin/x", _exact(b"/usr/bin/x"), False),
    ("binary: {notIn: [/a, /b]}", _exact(b"/a", b"/b"), True),
    ("uid: 0", _one(0), False),
    ("uid: alice", _one(1000), False),
    ("uid: www-data", _one(33), False),
    ("uid: 1000-60000", (Interval(1000, 60000),), False),
    ("euid: {notEqual: root}", _one(0), True),
    ("euid: {equal: root}", _one(0), False),
    ("euid: {in: [root, 1]}", (*_one(0), *_one(1)), False),
    ("euid: {notIn: [root]}", _one(0), True),
    ("euid: {range: 0-999}", (Interval(0, 999),), False),
    ("gid: wheel", _one(10), False),
    ("gid: [web-data, 5]", (*_one(34), *_one(5)), False),
    ("egid: {notEqual: 0}", _one(0), True),
    ("egid: {equal: wheel}", _one(10), False),
    ("gid: {in: [wheel]}", _one(10), False),
    ("gid: {notIn: [wheel]}", _one(10), True),
    ("gid: {range: 0-99}", (Interval(0, 99),), False),
    ("capabilities: CAP_SYS_ADMIN", (CapabilityMask("any", 1 << 21),), False),
    ("capabilities: [net_raw, Cap_Bpf]", (CapabilityMask("any", 1 << 13 | 1 << 39),), False),
    ("capabilities: {any: [CHOWN]}", (CapabilityMask("any", 1),), False),
    ("capabilities: {all: [CHOWN, KILL]}", (CapabilityMask("all", 1 | 1 << 5),), False),
    ("capabilities: {none: SYS_PTRACE}", (CapabilityMask("none", 1 << 19),), False),
    ("cgroup: /a/b", (*_exact(b"/a/b"), *_glob(b"/a/b/**")), False),
    ("cgroup: '/a/*'", _glob(b"/a/*", b"/a/*/**"), False),
    (r"cgroup: '/a\*'", (*_exact(b"/a*"), *_glob(rb"/a\*/**")), False),
    ("cgroup: /a/", _glob(b"/a/**"), False),
    ("cgroup: {equal: /a}", _exact(b"/a"), False),
    ("cgroup: {notIn: [/a]}", _exact(b"/a"), True),
    ("cgroup: {prefix: /kubepods}", (Text(TextKind.PREFIX, b"/kubepods"),), False),
]


@pytest.mark.parametrize(("match", "values", "negate"), PROCESSES)
@pytest.mark.parametrize("part", ["process", "parent", "ancestors", "lineage"])
def test_process_fields(part, match, values, negate):
    """Subject fields read alike wherever a process is described."""
    rule = load_rule(f"{{exec: , match: {{{part}: {{{match}}}}}, action: deny}}")
    (condition,) = getattr(rule.subject, part).conditions
    assert values == condition.values
    assert negate is condition.negate


@pytest.mark.parametrize(
    ("unit", "quoted"),
    [("nginx.service", b"nginx.service"), (r"'a\x2db.scope'", rb"a\\x2db.scope")],
)
def test_a_unit_is_its_cgroup_and_all_below(unit, quoted):
    """A unit may lie in slices of any depth and have cgroups of its own."""
    rule = load_rule(f"{{exec: , match: {{process: {{unit: {unit}}}}}, action: deny}}")
    (condition,) = rule.subject.process.conditions
    assert Dim.CGROUP is condition.field.dim
    assert {
        Text(TextKind.EXACT, b"/" + quoted.replace(rb"\\", b"\\")),
        *_glob(b"/" + quoted + b"/**", b"/**/" + quoted, b"/**/" + quoted + b"/**"),
    } == set(condition.values)


def test_every_operator_of_every_kind_is_tested():
    """The tables above leave no operator of a field out."""
    fields = {**FIELDS, **PROCESS_FIELDS}
    wanted = {(f.kind, o) for f in fields.values() for o in OPERATORS[f.kind]}
    written = {
        (fields[name].kind, operator)
        for text in [m for _, m, *_ in OBJECTS] + [m for m, *_ in PROCESSES] + OTHERS
        for name in [text.partition(":")[0]]
        for operator in OPERATORS[fields[name].kind]
        if f"{operator}:" in text
    }
    assert set() == wanted - written


OTHERS = [
    "drift: {equal: true}",
    "unit: {equal: a.service}",
    "unit: {notEqual: a.service}",
    "unit: {in: [a.service]}",
    "unit: {notIn: [a.service]}",
    "cgroup: {notEqual: /a}",
    "cgroup: {in: [/a]}",
    "cgroup: {suffix: .scope}",
    "cgroup: {contains: docker}",
    "cgroup: {notPrefix: /a}",
    "cgroup: {notSuffix: .scope}",
    "cgroup: {notContains: docker}",
    "cgroup: {notGlob: '/a/*'}",
    "cgroup: {glob: '/a/*'}",
    "script: {equal: true}",
]


@pytest.mark.parametrize("text", OTHERS)
def test_other_operators_are_read(text):
    """They follow the same code; here they only have to be known."""
    rule = load_rule(f"{{exec: , match: {{process: {{{text}}}}}, action: deny}}")
    assert rule.subject.process
    assert ("not" in text) == any(c.negate for c in rule.subject.process.conditions)


def test_several_operators_must_all_hold():
    """Each becomes a condition of its own."""
    wide, narrow = load_conditions("exec: {}", "path: {prefix: /usr/, notIn: [/usr/bin/x]}")
    assert (False, True) == (wide.negate, narrow.negate)


@pytest.mark.parametrize(("index", "expected"), [("any", None), ("0", 0), ("15", 15)])
def test_argument_index(index, expected):
    """An argument is looked at by number, or wherever it stands."""
    (condition,) = load_conditions("exec: {}", f"args: [{{index: {index}, equal: a}}]")
    assert expected == condition.index


def test_flags():
    """A flag must be as it is wanted."""
    rule = load_rule("{exec: , match: {fileless: true, script: false}, action: kill}")
    wanted = (Flag(FIELDS["fileless"], wanted=True), Flag(FIELDS["script"], wanted=False))
    assert [(f.field, f.wanted) for f in wanted] == [(f.field, f.wanted) for f in rule.flags]


@pytest.mark.parametrize(
    ("syscall", "argument", "field"),
    [
        ("execve", 0, "path"),
        ("openat", 1, "path"),
        ("symlinkat", 2, "path"),
        ("setxattr", 1, "xattr"),
    ],
)
def test_arguments_of_a_system_call_are_fields_of_the_hook(syscall, argument, field):
    """They are compared with the kernel's own copy, not with what user memory held."""
    rule = load_rule(
        f"{{syscall: {syscall}, match: {{args: [{{index: {argument}, equal: /a}}]}}, action: deny}}"
    )
    (condition,) = rule.conditions
    assert FIELDS[field] == condition.field
    assert condition.index is None
    assert syscall == rule.syscall


def test_numbers_of_a_system_call():
    """Number arguments take symbolic names too."""
    rule = load_rule(
        "{syscall: {name: socket}, action: deny, match: {args: ["
        "{index: 0, type: int, operator: Equal, values: [AF_PACKET]}, {index: 1, in: [raw, 5]}]}}"
    )
    assert [_one(17), (*_one(3), *_one(5))] == [c.values for c in rule.conditions]


@pytest.mark.parametrize(
    "compared",
    [
        *(f"{operator}: []" for operator in NUMBER_OPERATORS),
        "operator: In, values: []",
        "match: {literal: []}",
    ],
)
def test_an_empty_list_of_numbers_is_no_condition_that_was_left_out(compared):
    """The rule would be about every call."""
    rule = f"{{syscall: keyctl, match: {{args: [{{index: 0, {compared}}}]}}, action: allow}}"

    (error,) = errors(f"{HEAD}spec: {{rules: [{rule}]}}\n")

    assert "is an empty list, which nothing can match" in error


@pytest.mark.parametrize(
    ("event", "field", "prefix", "name", "number"),
    [
        ("process: signal", "signal", "SIG", "KILL", 9),
        ("process: signal", "signal", "sig", "kill", 9),
        ("network: socket", "family", "AF_", "INET", 2),
        ("network: socket", "family", "PF_", "INET", 2),
        ("network: socket", "type", "SOCK_", "RAW", 3),
        ("network: socket", "protocol", "IPPROTO_", "UDP", 17),
        ("process: capability", "capability", "CAP_", "SYS_ADMIN", 21),
        ("kernel: bpf", "command", "BPF_", "PROG_LOAD", 5),
    ],
)
def test_names_of_the_kernel_begin_with_the_prefix_of_their_field(
    event, field, prefix, name, number
):
    """And have it nowhere else: what is left without it must not be taken for another name."""
    (condition,) = load_conditions(event, f"{field}: {prefix}{name}")
    assert _one(number) == condition.values

    for wrong in (f"{name[0]}{prefix}{name[1:]}", f"{name}{prefix}", f"XYZ_{name}"):
        rule = f"{{{event}, match: {{{field}: {wrong}}}, action: deny}}"
        assert errors(f"{HEAD}spec: {{rules: [{rule}]}}\n")


@pytest.mark.parametrize(
    ("mask", "good"), [("3", True), ("3=1", True), ("3 = 1", True), ("3=", False), ("3= ", False)]
)
def test_a_mask_with_a_sign_has_a_value(mask, good):
    """Without one it would mean any of the bits."""
    rule = f'{{syscall: keyctl, match: {{args: [{{index: 0, mask: "{mask}"}}]}}, action: deny}}'

    found = errors(f"{HEAD}spec: {{rules: [{rule}]}}\n")

    assert [] == [error for error in found if "write MASK, or MASK=VALUE" not in error]
    assert good is (not found)


_WORD = 1 << 32


def _negative(low, high=None):
    """What numbers of 32 bits are with their sign, as the kernel side orders numbers."""
    return Interval(low - _WORD + (1 << 64), (high or low) - _WORD + (1 << 64))


@pytest.mark.parametrize(
    ("call", "compared", "values"),
    [
        # A long that some commands cast: as written, and as it is once it has been cast.
        ("fcntl", "index: 2, equal: 0x80000000", (*_one(1 << 31), _negative(1 << 31))),
        ("fcntl", "index: 2, notEqual: 4294967295", (*_one(_WORD - 1), _negative(_WORD - 1))),
        ("prctl", "index: 1, in: [9, 4294967293]",
         (*_one(9), *_one(_WORD - 3), _negative(_WORD - 3))),
        ("keyctl", "index: 4, in: [-3, 0xfffffffd]", (_negative(_WORD - 3), *_one(_WORD - 3))),
        ("[fcntl, prctl]", "index: 2, range: 5-0x1ffffffff",
         (Interval(5, 2 * _WORD - 1), _negative(1 << 31, _WORD - 1))),
        # Numbers that have no sign at 32 bits, or more of them.
        ("fcntl", "index: 2, range: 0-0x7fffffff", (Interval(0, (1 << 31) - 1),)),
        ("fcntl", "index: 2, equal: 0x100000000", _one(_WORD)),
        ("fcntl", "index: 2, equal: -4", (_negative(_WORD - 4),)),
        # Arguments that no command casts.
        ("prctl", "index: 4, equal: 4294967295", _one(_WORD - 1)),
        ("ioctl", "index: 2, equal: 4294967295", _one(_WORD - 1)),
    ],
)  # fmt: skip
def test_numbers_of_arguments_that_a_call_may_cast(call, compared, values):
    """Who saw the upper half of the register unset, or looked at a record, means the same number."""
    rule = load_rule(f"{{syscall: {call}, match: {{args: [{{{compared}}}]}}, action: kill}}")

    (condition,) = (c for c in rule.conditions if c.index is not None)
    assert values == condition.values
    assert condition.negate is ("not" in compared)
