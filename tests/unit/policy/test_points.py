# SPDX-License-Identifier: MIT
"""Rules on points of the kernel: what is read of them, and what the image says of operands."""

from __future__ import annotations

import struct

import attrs
import header
import jsonschema
import pytest
from kernel_types import small_kernel
from plain import documents
from policy_text import errors, load_rule, load_spec

from enforcer.compiler import BareHost, compile_policies, layout
from enforcer.compiler.points import place
from enforcer.compiler.verify import verify
from enforcer.errors import EnforcerBug, PolicyError
from enforcer.kernel.image_map import ImageHead, checksum
from enforcer.policy.kernel_types.btf import Btf, BtfError, TypeKind
from enforcer.policy.kernel_types.operand_path import NoTypes, PointError
from enforcer.policy.lint.linter import Host, lint
from enforcer.policy.model.points import RETURNS, Operand, OperandType, Point, PointKind
from enforcer.policy.model.policy import Interval, PolicySet, Verb
from enforcer.policy.schema.policy import schema
from enforcer.policy.store import load_text
from enforcer.policy.writers.printer import print_policy

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: x}\nspec:\n  rules:\n"


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel that is known; this machine's is not asked."""
    types = small_kernel(tmp_path)
    monkeypatch.setattr("enforcer.policy.readers.context.local_types", lambda: types)
    monkeypatch.setattr("enforcer.policy.lint.checks.local_types", lambda: types)
    return types


@pytest.fixture
def nobody(monkeypatch):
    """A machine that says nothing of its kernel."""
    monkeypatch.setattr("enforcer.policy.readers.context.local_types", NoTypes)


def operand(event: str, item: str) -> Operand:
    rule = load_rule(f"{{{event}, match: {{args: [{item}]}}, action: log}}")
    (found,) = {c.operand for c in rule.conditions if c.operand is not None}
    return found


def said(rule: str) -> str:
    (line,) = errors(f"{HEAD}  - {rule}\n")
    return line.partition(": ")[2]


@pytest.mark.parametrize(
    ("written", "kind", "name"),
    [
        ("lsm: file_open", PointKind.LSM, "file_open"),
        ("lsm: {hook: security_file_open}", PointKind.LSM, "file_open"),
        ("kprobe: do_unlinkat", PointKind.KPROBE, "do_unlinkat"),
        ("kprobe: {function: do_unlinkat, at: entry}", PointKind.KPROBE, "do_unlinkat"),
        ("kprobe: {function: do_unlinkat, at: return}", PointKind.KRETPROBE, "do_unlinkat"),
        ("kprobe: undescribed", PointKind.KPROBE, "undescribed"),
        ("tracepoint: sched/sched_process_exec", PointKind.TRACEPOINT, "sched/sched_process_exec"),
        (
            "tracepoint: {category: sched, event: sched_process_exec}",
            PointKind.TRACEPOINT,
            "sched/sched_process_exec",
        ),
        ("tracepoint: {event: sched_process_exec, raw: true}", PointKind.RAW, "sched_process_exec"),
    ],
)
def test_points_are_named(kernel, written, kind, name):
    """Each way to write a point."""
    rule = load_rule(f"{{{written}, action: log}}")

    assert Point(kind, name) == rule.point
    assert rule.conditions[-1].values == (Interval(rule.point.number, rule.point.number),)


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ("{index: 5, type: Capability, equal: SYS_ADMIN}", 21),
        ("{index: 5, type: capability, equal: CAP_SYS_PTRACE}", 19),
        ("{index: 6, type: Bool, equal: 'true'}", 1),
        ("{index: 5, type: Int32, equal: -1}", 2**64 - 1),
        ("{index: 5, type: UInt32, equal: 0xffffffff}", 2**32 - 1),
    ],
)
def test_numbers_have_words_where_people_know_them(kernel, item, value):
    """Compared as they lie in the kernel."""
    rule = load_rule(f"{{kprobe: takes, match: {{args: [{item}]}}, action: log}}")

    assert (Interval(value, value),) == rule.conditions[0].values


def test_several_names_are_several_rules(kernel):
    """With one name, and each at a point of its own."""
    rules = load_spec("  rules:\n  - {name: n, lsm: [file_open, file_lock], action: deny}\n").rules

    assert [("n", "file_open"), ("n", "file_lock")] == [(r.name, r.point.name) for r in rules]


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("[a/x, b/y]", ["a/x", "b/y"]),
        ("{category: a, event: [x, y]}", ["a/x", "a/y"]),
        ("{category: [a, b], event: x}", ["a/x", "b/x"]),
        ("{category: [a, b], event: [x, y]}", ["a/x", "a/y", "b/x", "b/y"]),
        ("{event: [x, y], raw: true}", ["x", "y"]),
    ],
)
def test_no_name_of_several_tracepoints_is_left_out(nobody, written, names):
    """Each event of each category is a point, and the schema for editors takes it, too."""
    text = f"{HEAD}  - {{tracepoint: {written}, action: log}}\n"

    (policy,) = load_text(text, "p").policies

    assert names == [rule.point.name for rule in policy.rules]
    jsonschema.Draft202012Validator(schema()).validate(*documents(text))


def test_every_one_of_several_tracepoints_must_be_there(kernel):
    """One that the kernel does not have is an error, whatever its place in the list."""
    rule = "{tracepoint: {category: sched, event: [sched_process_exec, nothing]}, action: log}"

    assert "no tracepoint sched/nothing" in said(rule)


@pytest.mark.parametrize(
    ("item", "kind", "bits", "signed"),
    [
        ("{index: 0, equal: 0}", OperandType.NUMBER, 32, False),  # cred: its effective user
        ("{index: 1, equal: 1}", OperandType.NUMBER, 32, True),  # task: its process
        ("{index: sk, port: 1}", OperandType.SOCK, 64, False),
        ("{index: address, port: 1}", OperandType.SOCKADDR, 64, False),
        ("{index: 4, equal: 0}", OperandType.NUMBER, 64, False),
        ("{index: 6, equal: 1}", OperandType.NUMBER, 8, False),
        ("{index: 7, equal: 1}", OperandType.NUMBER, 32, False),
        ("{index: 8, prefix: a}", OperandType.TEXT, 64, False),
        ("{index: 1, resolve: comm, equal: sh}", OperandType.TEXT, 64, False),
        ("{index: 1, resolve: cred.uid.val, equal: 0}", OperandType.NUMBER, 32, False),
        ("{index: 1, resolve: caps.1, mask: 2}", OperandType.NUMBER, 32, False),
        ("{index: 4, type: Bytes, size: 5, equal: a}", OperandType.BYTES, 64, False),
    ],
)
def test_operands_are_typed_from_btf(kernel, item, kind, bits, signed):
    """What the kernel says they are, if nobody says otherwise."""
    found = operand("kprobe: takes", item)

    assert (kind, bits, signed) == (found.type, found.bits, found.signed)


@pytest.mark.parametrize(
    ("point", "index", "members", "found"),
    [
        ("lsm file_open", 0, (), (0, (), OperandType.FILE)),
        ("lsm file_open", 0, ("f_path",), (0, (64,), OperandType.PATH)),
        ("lsm file_open", "file", ("f_path", "dentry"), (0, (72,), OperandType.DENTRY)),
        ("lsm file_open", 0, ("f_inode", "i_ino"), (0, (32, 40), OperandType.NUMBER)),
        ("lsm file_open", 0, ("f_inode", "i_size"), (0, (32, 48), OperandType.NUMBER)),
        ("lsm file_open", 0, ("f_inode", "i_uid"), (0, (32, 4), OperandType.NUMBER)),
        (
            "lsm file_open",
            0,
            ("f_path", "dentry", "d_name", "name"),
            (0, (72, 24), OperandType.TEXT),
        ),
        ("kretprobe do_unlinkat", RETURNS, (), ("returns", (), OperandType.NUMBER)),
        ("raw sched_process_exec", 2, ("file",), (2, (8,), OperandType.FILE)),
        ("tracepoint sched/sched_process_exec", 4, (), ("record", (8,), OperandType.TEXT)),
        ("tracepoint sched/sched_process_exec", "pid", (), ("record", (12,), OperandType.NUMBER)),
        ("tracepoint sched/sched_process_exec", "comm", (), ("record", (16,), OperandType.TEXT)),
        ("tracepoint sched/sched_process_exec", "name", (), ("record", (32,), OperandType.TEXT)),
        (
            "tracepoint sched/sched_process_exec",
            "file",
            ("f_inode", "i_ino"),
            ("record", (40, 32, 40), OperandType.NUMBER),
        ),
    ],
)
def test_the_way_to_an_operand(kernel, point, index, members, found):
    """Offsets of members within one structure are one step, and each pointer begins another."""
    word, _, name = point.partition(" ")
    kinds = {"lsm": PointKind.LSM, "kretprobe": PointKind.KRETPROBE, "raw": PointKind.RAW}
    way = kernel.way(Point(kinds.get(word, PointKind.TRACEPOINT), name), index, members)

    assert found == (way.arg, way.steps, way.type)


def test_what_lies_there_itself_and_in_which_order(kernel):
    """Not every operand is a pointer, and not every number is the machine's."""

    def way(*members, function="takes", index=1):
        return kernel.way(Point(PointKind.KPROBE, function), index, members)

    assert (True, 16) == (way("comm").is_inline, way("comm").width)
    assert (True, 2) == (way("skc_dport", index=3).is_swapped, way("skc_dport", index=3).width)
    exec_ = Point(PointKind.TRACEPOINT, "sched/sched_process_exec")
    assert kernel.way(exec_, "filename", ()).is_located


@pytest.mark.parametrize(
    ("member", "step", "number", "signed"),
    [
        ("three", 72, (4, 2, 3), False),
        ("less", 72 + 4, (4, 29, 3), True),
        ("over", 72 + 9, (2, 4, 7), False),  # packed over the edge of an unsigned short
        ("plain", 72 + 12, (4, 0, 0), False),
    ],
)
def test_bits_of_a_member(kernel, member, step, number, signed):
    """The number that has them in it, and which of its bits they are."""
    way = kernel.way(Point(PointKind.KPROBE, "takes"), 1, ("flags", member))

    assert ((step,), number) == (way.steps, (way.width, way.shift, way.bits))
    assert (OperandType.NUMBER, signed, False) == (way.type, way.signed, way.is_pointer)


def test_functions_of_modules_are_described_by_theirs(kernel):
    """Whose types and names build on the kernel's."""
    point = Point(PointKind.KPROBE, "module_open")

    assert 2 == kernel.signature(point).n_args
    own = kernel.way(point, "mine", ("mark",))
    assert ((4,), OperandType.NUMBER, True) == (own.steps, own.type, own.signed)
    assert (48,) == kernel.way(point, 0, ("inode", "i_ino")).steps
    assert OperandType.FILE is kernel.way(point, "file", ()).type
    assert (
        kernel.signature(Point(PointKind.KPROBE, "tcp_close")) is None
    )  # of a module that says nothing


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ("{index: 0, port: 53}", OperandType.SKB),
        ("{index: 0, type: Skb, address: 10.0.0.1, protocol: udp}", OperandType.SKB),
        ("{index: 0, type: SkbSource, port: 53}", OperandType.SKB_SOURCE),
        ("{index: 0, resolve: mark, equal: 5}", OperandType.NUMBER),
    ],
)
def test_packets(kernel, item, kind):
    """Where they go to, unless it is said that where they come from is meant; members as of any structure."""
    assert kind is operand("kprobe: sends", item).type


def test_one_end_of_a_packet_at_a_point(kernel):
    """Both would fill the same place."""
    items = "{index: 0, port: 1}, {index: 0, type: SkbSource, port: 2}"
    text = f"{HEAD}  - {{kprobe: sends, match: {{args: [{items}]}}, action: log}}\n"

    with pytest.raises(PolicyError, match="more than 1 different sockets"):
        place(load_text(text, "p.yaml"))


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("{lsm: nothing, action: deny}", "this kernel has no LSM hook nothing"),
        ("{kprobe: nothing, action: log}", "this kernel has no function nothing"),
        ("{tracepoint: sched/nothing, action: log}", "no tracepoint sched/nothing"),
        ("{tracepoint: {event: x, raw: true}, action: log}", "no raw tracepoint x"),
        ("{lsm: file_open, match: {args: [{index: 1, equal: 1}]}, action: log}", "it has 1"),
        ("{lsm: file_open, match: {args: [{index: f, equal: 1}]}, action: log}", "it has file"),
        (
            "{lsm: file_open, match: {args: [{index: 0, resolve: f_x, equal: 1}]}, action: log}",
            "struct file has no member f_x",
        ),
        (
            "{kprobe: takes, match: {args: [{index: 1, resolve: flags.three.x, equal: 1}]}, action: log}",
            "there are bits",
        ),
        (
            "{kprobe: takes, match: {args: [{index: 1, resolve: flags.wide, equal: 1}]}, action: log}",
            "cannot be read in one piece",
        ),
        ("{kprobe: absent, action: log}", "those of a module are there once it is loaded"),
        (
            "{kprobe: module_open, match: {args: [{index: 0, resolve: count, equal: 1}]}, action: log}",
            "struct private has no member count",
        ),
        (
            "{kprobe: sends, match: {args: [{index: 0, socketType: dgram}]}, action: log}",
            "a packet has no socketType",
        ),
        (
            "{kprobe: takes, match: {args: [{index: 1, resolve: caps.2, equal: 1}]}, action: log}",
            "beyond the end of an array",
        ),
        (
            "{kprobe: takes, match: {args: [{index: 5, resolve: x, equal: 1}]}, action: log}",
            "that is not a structure",
        ),
        ("{kprobe: apart, match: {args: [{index: 1, equal: 1}]}, action: log}", "passed in parts"),
        ("{kprobe: takes, match: {returns: {equal: 0}}, action: log}", "at: return"),
        (
            "{kprobe: takes, match: {args: [{index: any, equal: 0}]}, action: log}",
            "index must be a",
        ),
        ("{kprobe: takes, match: {args: [{index: 5}]}, action: log}", "has no operator"),
        (
            "{kprobe: takes, match: {args: [{index: 5, in: []}]}, action: log}",
            "arg5 in is an empty list, which nothing can match",
        ),
        (
            "{kprobe: {function: do_unlinkat, at: return}, match: {returns: {notIn: []}}, action: log}",
            "returns notIn is an empty list",
        ),
        ("{kprobe: takes, match: {args: [{index: 5, prefix: a}]}, action: log}", "is a number"),
        (
            "{kprobe: takes, match: {args: [{index: 5, port: 1}]}, action: log}",
            "needs an argument of type Sockaddr",
        ),
        (
            "{kprobe: takes, match: {args: [{index: 3, equal: 1}]}, action: log}",
            "compared with address",
        ),
        (
            "{kprobe: takes, match: {args: [{index: 2, protocol: tcp}]}, action: log}",
            "an address has no protocol",
        ),
        (
            "{kprobe: takes, match: {args: [{index: 4, type: Bytes, equal: a}]}, action: log}",
            "Bytes need size",
        ),
        (
            "{kprobe: takes, match: {args: [{index: 4, type: Fil, equal: /a}]}, action: log}",
            "did you mean 'File'?",
        ),
        ("{lsm: file_open, match: {path: /a}, action: deny}", "path does not exist for"),
    ],
)
def test_what_the_kernel_has_not_is_refused(kernel, rule, what):
    """One sentence, in its place."""
    assert what in said(rule)


def test_without_a_kernel_types_are_needed(nobody):
    """Then the rule is read; that it is not checked is for whoever activates it."""
    assert "is not known on this machine" in said(
        "{lsm: x, match: {args: [{index: 0, equal: 1}]}, action: deny}"
    )
    rule = load_rule("{lsm: x, match: {args: [{index: 0, type: Int, equal: 1}]}, action: deny}")

    image = compiled(rule, NoTypes()).image

    (point,) = ImageHead.of(image).points
    assert ("x", False) == (point.name, point.is_bound)


def compiled(rule, types):
    policy = load_spec("  rules:\n  - {exec: {}, action: log}\n")
    policies = PolicySet((attrs.evolve(policy, rules=(rule,)),))
    return compile_policies(policies, host=BareHost(), types=types)


def described(image: bytes) -> dict[str, int]:
    head = layout.HEAD.named(image)
    return layout.POINT.named(image, head["off_points"])


def test_the_image_says_how_operands_are_found(kernel):
    """As the structures of the ABI have it; the check of images takes it."""
    rule = load_rule(
        "{lsm: file_open, match: {args: [{index: 0, resolve: f_inode.i_ino, equal: 5}, "
        "{index: 0, prefix: /a}]}, action: deny}"
    )

    image = compiled(rule, kernel).image

    verify(image)
    found = described(image)
    assert rule.point.number == found["number"]
    assert (1, 2) == (found["n_args"], found["n_operands"])
    number = next(i for i in range(2) if found[f"operand[{i}].type"] == OperandType.NUMBER)
    assert (2, 8, 32, 40) == tuple(
        found[f"operand[{number}].{name}"] for name in ("n_steps", "width", "step[0]", "step[1]")
    )


def test_the_image_says_which_bits(kernel):
    """All of the number is read, whatever the rule takes it for, and then as many bits as it speaks of."""
    rule = load_rule(
        "{kprobe: takes, match: {args: [{index: 1, resolve: flags.less, equal: -1}]}, action: log}"
    )

    image = compiled(rule, kernel).image

    verify(image)
    found = described(image)
    assert (4, 29, 3, 0x10 | 0x01) == tuple(
        found[f"operand[0].{name}"] for name in ("width", "shift", "size_arg", "flags")
    )


@pytest.mark.parametrize("field", ["number", "kind", "n_operands", "operand[0].n_steps"])
def test_a_damaged_point_is_found(kernel, field):
    """The last check looks at points, too."""
    rule = load_rule("{lsm: file_open, match: {args: [{index: 0, equal: /a}]}, action: deny}")
    image = bytearray(compiled(rule, kernel).image)
    at = layout.HEAD.named(bytes(image))["off_points"] + layout.POINT.offset(field)
    image[at : at + (4 if field == "number" else 1)] = bytes(4) if field == "number" else b"\xf0"
    crc = layout.HEAD.offset("crc")
    image[crc : crc + 4] = checksum(bytes(image)).to_bytes(4, "little")

    with pytest.raises(EnforcerBug, match=r"point|operand"):
        verify(bytes(image))


def test_operands_belong_to_the_point(nobody):
    """Rules that compare the same have the same place, whatever their policies."""
    types = "type: UInt32"
    first, second = (
        load_text(
            f"{HEAD}  - {{lsm: bpf, match: {{args: [{item}]}}, action: deny}}\n".replace(
                "name: x", name
            ),
            "p",
        ).policies[0]
        for name, item in (
            ("name: a", f"{{index: 0, {types}, equal: 1}}, {{index: 2, {types}, equal: 4}}"),
            ("name: b", f"{{index: 2, {types}, equal: 3}}, {{index: 0, type: Int64, equal: 4}}"),
        )
    )

    placement = place(PolicySet((first, second)))

    (point,) = placement.points
    assert [0, 1, 2] == sorted(point.operands.values())
    places = [
        {c.operand: c.index for c in policy.rules[0].conditions if c.operand}
        for policy in placement.policies.policies
    ]
    shared = places[0].keys() & places[1].keys()
    assert 1 == len(shared)
    assert all(places[0][one] == places[1][one] for one in shared)


def test_more_than_is_read_at_a_point_is_refused(nobody):
    """By name, at the rule that is too much."""
    items = ", ".join(f"{{index: {i}, type: Int, equal: 1}}" for i in range(7))
    policy = load_text(f"{HEAD}  - {{lsm: bpf, match: {{args: [{items}]}}, action: deny}}\n", "p")

    with pytest.raises(PolicyError, match="more than 6 different numbers"):
        place(policy)


@pytest.mark.parametrize(
    ("event", "item", "what"),
    [
        ("lsm: file_open", "{index: 0, type: Dentry, equal: /a}", "cannot be compared as dentry"),
        ("lsm: file_open", "{index: 0, type: Fd, equal: /a}", "cannot be compared as fd"),
        ("kprobe: many", "{index: 6, equal: 1}", "is on the stack"),
        ("kprobe: takes", "{index: 1, resolve: comm, type: Int, equal: 1}", "as number"),
    ],
)
def test_what_cannot_be_compared_so_is_refused(kernel, event, item, what):
    """By the compiler, which knows the way."""
    rule = load_rule(f"{{{event}, match: {{args: [{item}]}}, action: log}}")

    with pytest.raises(PolicyError, match=what) as refused:
        compiled(rule, kernel)
    assert refused.value.span is not None


@pytest.mark.parametrize(
    "rule",
    [
        "lsm: file_open, match: {args: [{index: file, resolve: f_inode.i_ino, range: 5-9}]}",
        "lsm: file_open, match: {args: [{index: 0, notPrefix: /srv/}]}",
        "kprobe: takes, match: {args: [{index: 1, resolve: cred.uid.val, in: [1, 5-7]}]}",
        "kprobe: takes, match: {args: [{index: 3, port: 22, address: {cidr: 10.0.0.0/8}}]}",
        "kprobe: takes, match: {args: [{index: 3, socketType: raw}, {index: 2, family: inet}]}",
        "kprobe: takes, match: {args: [{index: buf, type: Bytes, size: 5, contains: ab}]}",
        (
            "kprobe: {function: do_unlinkat, at: return}, match: {returns: {equal: -2}, "
            "args: [{index: 1, resolve: name, glob: a*}]}"
        ),
        "tracepoint: sched/sched_process_exec, match: {args: [{index: pid, notIn: [1, 2]}]}",
        "tracepoint: {event: sched_process_exec, raw: true}, match: {args: [{index: 2, mask: 4}]}",
    ],
)
def test_printed_rules_are_read_again(kernel, rule):
    """policy show and convert write what means the same."""
    if "mask" in rule:
        rule = rule.replace("index: 2, mask", "index: 1, mask")
    policy = load_spec(f"  rules:\n  - {{{rule}, action: log}}\n")

    (again,) = load_text(print_policy(policy), "p").policies

    (mine,), (others,) = policy.rules, again.rules
    assert (mine.point, set(mine.conditions)) == (others.point, set(others.conditions))
    assert Verb.LOG is others.action.verb


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            "lsm: file_open, match: {args: [{index: 0, equal: /a}]}, action: deny",
            ["at the LSM hook"],
        ),
        ("kprobe: {function: do_unlinkat, at: return}, action: log", ["ends, after the effect"]),
        ("tracepoint: sched/sched_process_exec, action: log", ["which cannot refuse"]),
        (
            "kprobe: do_unlinkat, match: {args: [{index: 1, resolve: name, equal: a}]}, action: log",
            ["is entered", "another thread can change"],
        ),
        ("kprobe: undescribed, action: log", ["could not be checked here"]),
        ("lsm: file_open, action: deny", ["to every process of the host"]),
    ],
)
def test_check_says_where_a_rule_is_decided(kernel, rule, words):
    """The point and why it is not a better, what can be raced, and what would lock everybody out."""
    policies = load_text(f"{HEAD}  - {{{rule}}}\n", "p")

    found = " ".join(str(issue) for issue in lint(policies, Host()))

    assert all(word in found for word in words), found
    assert ("to every process" in found) is ("to every process of the host" in words)


def test_functions_that_take_the_same(kernel):
    """A function is decided at the hook that it calls only if that takes the same."""

    def alike(name):
        one = Point(PointKind.KPROBE, f"security_{name}")
        return kernel.are_alike(one, Point(PointKind.LSM, name))

    assert [True, False, False] == [alike(n) for n in ("file_open", "file_lock", "nothing")]


def _btf(types: bytes, names: bytes = b"\0") -> bytes:
    sizes = (24, 0, len(types), len(types), len(names))
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, *sizes) + types + names


def test_bytes_that_are_no_btf():
    """Refused, not guessed at."""
    of_a_later_kernel = struct.pack("<III", 0, 31 << 24, 0)
    for data in (b"", b"\x9f\xeb" + bytes(10), bytes(64), _btf(b"odd"), _btf(of_a_later_kernel)):
        with pytest.raises(BtfError):
            Btf(data)


def test_a_type_is_found_by_its_own_name():
    """Not where the same bytes are another's size, nor by a name of another kind, nor between two words."""
    names = b"\0" + b"x" * 511 + b"\0called\0"
    at = names.index(b"called")
    other = struct.pack("<III", 1, 4 << 24, at)  # a structure of as many bytes
    between = struct.pack("<III", at << 16, 4 << 24, at >> 16)
    alias = struct.pack("<III", at, 8 << 24, 1)
    function = struct.pack("<III", at, 12 << 24, 1)
    found = Btf(_btf(other + between + alias + function, names))

    assert 4 == found.find(TypeKind.FUNC, "called").number
    assert 3 == found.find(TypeKind.TYPEDEF, "called").number
    assert found.find(TypeKind.STRUCT, "called") is None


def test_a_function_of_nothing_returns_nothing(kernel):
    """A hook that only tells has no result."""
    told = Point(PointKind.LSM, "told")
    assert kernel.signature(told).is_void
    with pytest.raises(PointError, match="returns nothing"):
        kernel.way(Point(PointKind.LSM, "told"), RETURNS, ())


def test_kinds_and_types_are_those_of_the_header():
    """Both sides number them alike."""
    kinds = header.enumeration("enf_point_kind", "ENF_POINT_")
    types = header.enumeration("enf_operand_type", "ENF_OPERAND_")

    assert kinds == {kind.name: kind.value for kind in PointKind}
    assert types == {kind.name: kind.value for kind in OperandType}
