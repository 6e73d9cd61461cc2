# SPDX-License-Identifier: MIT
"""Marks by number over images, what an image says of them, and what cannot be."""

from __future__ import annotations

import struct
import zlib

import attrs
import pytest
from compiler_text import compiled, load

from enforcer.compiler import BareHost, LabelNumbers, compile_policies, layout, verify
from enforcer.compiler.lower import RowFlag
from enforcer.errors import EnforcerBug, LimitError, PolicyError
from enforcer.libbpf.decision import Access, Core, Identity
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import Mode, PolicySet, Scope

ONLINE = "{name: online, network: connect, mark: {name: online, of: tree}}"
SHELL = "{name: shell, exec: {}, match: {path: /x, within: {mark: online, last: 5s}}, action: deny}"
SEEN = "{name: seen, file: read, match: {path: /x}, action: log, mark: {name: seen, of: host}}"


def marks(*rules, **options):
    return compiled(*rules, **options).labels.marks


def head(image: bytes) -> dict[str, int]:
    return layout.HEAD.named(image)


def named(name: str, text: str) -> PolicySet:
    (policy,) = load(text).policies
    return PolicySet((attrs.evolve(policy, name=name),))


def both(*sets: PolicySet) -> PolicySet:
    return PolicySet(tuple(policy for one in sets for policy in one.policies))


# ---- Numbers ----------------------------------------------------------------------------------


def test_a_mark_keeps_number_and_birth_while_a_rule_sets_it():
    """Whatever stands in front of it by now."""
    first = compiled(ONLINE, now_ns=100)
    second = compiled(SEEN, ONLINE, previous=first.labels, now_ns=200)

    assert {"p/online@tree": (0, 100)} == first.labels.marks
    assert {"p/online@tree": (0, 100), "p/seen@host": (1, 200)} == second.labels.marks


def test_a_number_is_not_given_on_while_the_image_before_may_set_it():
    """Only the image after that may, and it says since when."""
    first = compiled(ONLINE, now_ns=100)
    second = compiled(SEEN, previous=first.labels, now_ns=200)
    third = compiled(ONLINE, SEEN, previous=second.labels, now_ns=300)

    assert {"p/seen@host": (1, 200)} == second.labels.marks
    assert {"p/online@tree": (0, 300), "p/seen@host": (1, 200)} == third.labels.marks


def test_another_scope_or_policy_is_another_mark():
    other = ONLINE.replace("tree", "process")
    first = compile_policies(both(load(ONLINE), named("q", ONLINE)), host=BareHost(), now_ns=1)
    second = compiled(other, previous=first.labels, now_ns=2)

    assert {"p/online@tree": (0, 1), "q/online@tree": (1, 1)} == first.labels.marks
    assert {"p/online@process": (2, 2)} == second.labels.marks


def test_what_may_come_back_keeps_its_marks():
    """As long as a change waits to be confirmed, trees inherit for the policies before it."""
    first = compiled(ONLINE, now_ns=1)
    second = compiled(SEEN, previous=first.labels, keep=load(ONLINE), now_ns=2)

    assert (0, 1) == second.labels.marks["p/online@tree"]
    assert 1 == head(second.image)["tree_marks"]


def test_when_no_number_is_left_everything_begins_anew():
    """A successor that carries nothing; only more at a time than there are is an error."""
    many = [f"{{exec: {{}}, mark: m{i}}}" for i in range(64)]
    full = compiled(*many, now_ns=1)

    fresh = compiled("{exec: {}, mark: other}", previous=full.labels, now_ns=2)

    assert full.continues
    assert not fresh.continues
    assert not fresh.keeps_marks
    assert {"p/other@process": (0, 2)} == fresh.labels.marks
    with pytest.raises(LimitError, match="too many distinct marks: 65, the limit is 64"):
        compiled(*many, "{exec: {}, mark: other}")


def test_marks_go_on_where_the_numbers_of_conditions_are_used_up():
    """With their numbers and births: who changes conditions all the time does not lift them."""
    known = {f"gone {n}": n for n in range(512)}
    first = compiled(ONLINE, SEEN, now_ns=100)
    asks = "{exec: {}, match: {process: {uid: 7}}, action: deny}"
    used_up = attrs.evolve(first.labels, known=known)

    second = compiled(SEEN, ONLINE, asks, previous=used_up, now_ns=200)

    assert (False, True) == (second.continues, second.keeps_marks)
    assert first.labels.marks == second.labels.marks
    assert [0] == list(second.labels.known.values())


# ---- The image --------------------------------------------------------------------------------


def test_the_head_says_whose_marks_are_and_who_asks():
    rules = [f"{{exec: {{}}, mark: {{name: {scope.value}, of: {scope.value}}}}}" for scope in Scope]
    ask = "{file: read, match: {path: /x, within: {mark: host, last: 2s}}, action: deny}"
    log = "{network: bind, match: {notWithin: {mark: container, last: 7s}}, action: log}"

    found = head(compiled(*rules, ask, log, now_ns=5).image)

    assert (4, 2, 4, 8) == tuple(
        found[name] for name in ("n_marks", "tree_marks", "container_marks", "host_marks")
    )
    assert 1 << Op.READ | 1 << Op.BIND == found["within_ops"]
    assert 1 << 3 == found["refuse_marks"]
    assert 7 * 10**9 == found["longest_ns"]
    assert [5] * 4 + [0] * 60 == [found[f"mark_born[{i}]"] for i in range(64)]


def test_what_a_refusing_rule_asks_about_must_not_fail_to_be_marked():
    """Then the operation is refused when nothing can be decided; in audit mode nothing is."""
    asks = load(ONLINE, SHELL)
    audit = PolicySet(tuple(attrs.evolve(p, mode=Mode.AUDIT) for p in asks.policies))

    enforced = head(compile_policies(asks, host=BareHost()).image)
    audited = head(compile_policies(audit, host=BareHost()).image)

    assert enforced["refuse_ops"] >> Op.CONNECT & 1
    assert not head(compiled(ONLINE).image)["refuse_ops"] >> Op.CONNECT & 1
    assert (0, 0) == (audited["refuse_ops"], audited["refuse_marks"])


@pytest.mark.parametrize(
    ("action", "spec", "is_needed"),
    [
        ("allow", "  default: {network: deny}\n", True),
        ("log", "  default: {network: deny}\n", True),
        ("allow", "  default: {network: kill}\n", True),
        ("allow", "  default: {file: deny}\n", False),
        ("allow", "", False),
        ("allow", "  mode: audit\n  default: {network: deny}\n", False),
    ],
)
def test_what_ends_a_permission_must_not_fail_to_be_marked(action, spec, is_needed):
    """Whoever read the keys would keep the network, for lack of memory."""
    reads = "{file: read, match: {path: /etc/keys}, mark: {name: keys, of: container}}"
    goes = f"{{network: any, match: {{notWithin: {{mark: keys, last: 1h}}}}, action: {action}}}"

    found = head(compiled(reads, goes, spec=spec).image)

    assert is_needed == bool(found["refuse_marks"])


@pytest.mark.parametrize(
    ("below", "is_needed"),
    [
        ("{network: connect, match: {port: 443}, action: deny}", True),
        ("{network: bind, match: {port: 443}, action: deny}", False),
        ("{file: read, match: {path: /x}, action: deny}", False),
    ],
)
def test_an_exception_is_one_of_what_stands_below_it(below, is_needed):
    """A rule that nothing below refuses is none."""
    goes = "{network: connect, match: {notWithin: {mark: keys, last: 1h}}, action: allow}"
    sets = "{exec: {}, mark: keys}"

    for rules, expected in (((sets, goes, below), is_needed), ((sets, below, goes), False)):
        assert expected == bool(head(compiled(*rules).image)["refuse_marks"])


def test_a_time_from_before_the_birth_is_no_mark():
    """It was of another mark that had the number."""
    found = compiled(ONLINE, SHELL, now_ns=10**12)
    core = Core(found.image)
    subject = core.subject(Identity(exe=b"/bin/app"))

    def verdict(at: int):
        asked = Access(
            ops=(Op.EXEC,), operands={Dim.PATH: b"/x"}, marks={0: at}, now=10**12 + 10**9
        )
        return core.decide(subject, asked).row

    assert verdict(10**12 - 1) is None
    assert verdict(10**12) is not None


def test_rows_say_what_they_ask_about_in_the_order_of_their_terms():
    rule = (
        "{file: [read, write], match: {path: [/x, /y], within: [{mark: online, last: 1s}, "
        "{mark: q/seen, last: 1s}], notWithin: {mark: online, last: 2s}}, action: deny}"
    )
    found = compile_policies(both(load(ONLINE, rule), named("q", SEEN)), host=BareHost(), now_ns=1)

    rows = layout.ROW.unpack_all(found.image, head(found.image)["off_rows"], len(found.rows))
    asking = [number for number, row in enumerate(rows) if row[11] & RowFlag.WITHIN]
    assert {("p/online", "q/seen", "p/online")} == {found.rows[n].asked for n in asking}
    terms = layout.TERM.unpack_all(
        found.image, head(found.image)["off_terms"], head(found.image)["n_terms"]
    )
    first = rows[asking[0]][1]
    assert [(0, 0), (1, 0), (0, 1)] == [(t[0], t[3]) for t in terms[first : first + 3]]


def test_a_limit_is_said_once():
    """Rules with the same one share it; guards have it, what is implied for descriptors does not log."""
    one = "{file: read, match: {path: /x}, action: deny, rateLimit: 3/m}"
    other = "{file: read, match: {path: /y}, action: deny, rateLimit: {records: 3, per: 1m, by: process}}"

    image = compiled(one, other, one.replace("/x", "/z")).image

    found = layout.LIMIT.unpack_all(image, head(image)["off_limits"], head(image)["n_limits"])
    assert [(60 * 10**9, 3, 0), (60 * 10**9, 3, 1)] == found


# ---- What cannot be ---------------------------------------------------------------------------


def test_a_mark_of_a_policy_that_is_not_there_is_refused():
    """Else the rule would never hold, and nobody would know."""
    asks = "{file: read, match: {within: {mark: q/seen, last: 1s}}, action: deny}"

    with pytest.raises(PolicyError, match="which no active rule sets: add the policy 'q'"):
        compiled(asks)
    assert compile_policies(both(load(asks), named("q", SEEN)), host=BareHost()).rows


def damaged(**changes: int) -> bytes:
    """An image with a row that asks, whose head says something else."""
    image = bytearray(compiled(ONLINE, SHELL).image)
    for field, value in changes.items():
        code = layout.HEAD.fields[field]
        struct.pack_into(f"<{code}", image, layout.HEAD.offset(field), value)
    at = layout.HEAD.offset("crc")
    struct.pack_into("<I", image, at, 0)
    struct.pack_into("<I", image, at, zlib.crc32(image))
    return bytes(image)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"n_marks": 0}, "names no mark"),
        ({"n_marks": 65}, "n_marks is above"),
        ({"within_ops": 0}, "ask about marks where"),
        ({"n_limits": 1, "off_limits": 8}, "start at 8"),
    ],
)
def test_an_image_that_contradicts_itself_is_never_activated(changes, problem):
    with pytest.raises(EnforcerBug, match=problem):
        verify(damaged(**changes))


def test_numbers_are_remembered_by_name():
    assert LabelNumbers().marks == {}
    assert {"p/online@tree"} == set(marks(ONLINE))


def test_rows_say_what_they_mark():
    """For people, in `enforcer policy show`."""
    found = compiled(ONLINE, SEEN, SHELL)

    said = [found.explain(row) for row in range(len(found.rows))]
    assert said[0].endswith("rule 'online': marks online")
    assert said[1].endswith("rule 'seen': log, marks seen")
    assert said[2].endswith("rule 'shell': deny")
