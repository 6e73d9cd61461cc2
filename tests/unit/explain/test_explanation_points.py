# SPDX-License-Identifier: MIT
"""Explanations of what was decided at points of the kernel: operands by name, and what would allow it."""

import errno

import attrs
import pytest
from fakes import ENFORCED, denied
from kernel_types import small_kernel

from enforcer.compiler import BareHost
from enforcer.compiler.points import Placed, place
from enforcer.events.document import as_document
from enforcer.events.types import Origin
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import PolicySet, Verb
from enforcer.policy.store import load_text
from enforcer.workbench.explain.explanation import explain
from enforcer.workbench.explain.rendering import lines

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\nspec:\n  rules:\n"


@pytest.fixture(autouse=True)
def _kernel(tmp_path, monkeypatch):
    types = small_kernel(tmp_path)
    monkeypatch.setattr("enforcer.policy.readers.context.local_types", lambda: types)


@attrs.frozen
class Engine:
    """Policies, and records of their rules as the kernel side would fill them."""

    policies: PolicySet
    placed: tuple[Placed, ...]

    @classmethod
    def of(cls, *rules):
        text = HEAD + "".join(f"    - {{{rule}}}\n" for rule in rules)
        policies = load_text(text, "p.yaml")
        return cls(policies, place(policies).points)

    def record(self, rule, *, texts=(), numbers=(), **values):
        (found,) = (each for each in self.policies.policies[0].rules if each.name == rule)
        (placed,) = (each for each in self.placed if each.point == found.point)
        origin = Origin("p", rule, str(found.span), point=str(found.point), operands=placed.labels)
        name = b"".join(text + b"\0" for text in texts)
        return denied(
            **{
                "op": Op.POINT,
                "origin": origin,
                "path": b"",
                "exe": b"/usr/bin/cat",
                "comm": b"cat",
                "name": name,
                "argc": len(texts),
                **{f"arg[{i}]": n % 2**64 for i, n in enumerate(numbers)},
                **values,
            }
        )

    def explain(self, *args, **values):
        return explain(as_document(self.record(*args, **values)), self.policies, BareHost())

    def said(self, *args, **values):
        return [text for text, _ in lines(self.explain(*args, **values))]


def test_numbers_texts_and_who():
    """What decided, on what; what was asked before; what would allow it, and is read back as that."""
    engine = Engine.of(
        "name: other, kprobe: takes, match: {args: [{index: count, equal: 7}]}, action: allow",
        "name: mine, kprobe: takes, match: {args: [{index: count, range: 1-9}, {index: 8, prefix: a}],"
        " notProcess: {binary: /bin/x}}, action: deny",
        "name: elsewhere, lsm: file_open, action: deny",
    )

    found = engine.said("mine", numbers=[5], texts=[b"abc"])

    assert "  p.yaml:7:7: policy p, rule mine: denied" in found
    assert "  yes  count: 5 is 1-9  (p.yaml:7:65)" in found
    assert "  yes  arg8: abc is prefix a  (p.yaml:7:97)" in found
    assert "  yes  notProcess.binary: /usr/bin/cat is not /bin/x  (p.yaml:7:123)" in found
    assert "    no   count: 5 is not 7  (p.yaml:6:66)" in found
    assert not any("elsewhere" in line for line in found)  # nobody asked it
    assert found[-9:] == [
        "  or: p.yaml:7:7: add a rule before rule mine:",
        "      - name: allow-cat",
        "        kprobe: takes",
        "        match:",
        "          args:",
        "            - {index: count, type: UInt64, equal: 5}",
        "            - {index: 8, type: String, equal: abc}",
        "          process: {binary: /usr/bin/cat}",
        "        action: allow",
    ]
    text = HEAD + "\n".join(line.removeprefix("  ") for line in found[-8:]) + "\n"
    (again,) = load_text(text, "q.yaml").policies[0].rules
    (refusal,) = engine.explain("mine", numbers=[5], texts=[b"abc"]).refusals
    (proposed,) = (r for r in refusal.changes[-1].policy.rules if r.name == "allow-cat")
    assert (proposed.point, set(proposed.conditions)) == (again.point, set(again.conditions))


def test_numbers_have_their_sign():
    """As the rule has it."""
    engine = Engine.of(
        "name: failed, kprobe: {function: do_unlinkat, at: return}, "
        "match: {returns: {range: -4095--1}}, action: deny"
    )

    found = engine.said("failed", numbers=[-2])

    assert any(line.startswith("  yes  returns: -2 is -4095--1") for line in found)
    assert "        kprobe: {function: do_unlinkat, at: return}" in found
    assert "          returns: {type: Int32, equal: -2}" in found


def test_paths_and_addresses():
    """The file, the address and the port of what was passed."""
    engine = Engine.of(
        "name: file, lsm: file_open, match: {args: [{index: 0, prefix: /srv}]}, action: deny",
        "name: peer, kprobe: takes, match: {args: [{index: address, port: 23, "
        "address: {cidr: 10.0.0.0/8}}]}, action: deny",
    )

    found = engine.said("file", path=b"/srv/x")
    assert any(line.startswith("  yes  arg0: /srv/x is prefix /srv") for line in found)
    assert "            - {index: 0, type: File, equal: /srv/x}" in found

    v4 = 0xFFFF << 32 | 10 << 24 | 1
    found = engine.said("peer", family=2, port=23, addr_lo=v4)
    assert any(line.startswith("  yes  address.port: 23 is 23") for line in found)
    assert any(line.startswith("  yes  address.address: 10.0.0.1 is 10.0.0.0/8") for line in found)
    assert "            - {index: address, type: Sockaddr, port: 23}" in found


def test_what_may_not_be_there_is_not_asserted():
    """Behind a null pointer nothing holds, and a record calls that 0: so another rule may have been asked."""
    engine = Engine.of(
        "name: first, kprobe: takes, match: {args: [{index: 1, notEqual: 3}]}, action: allow",
        "name: member, kprobe: takes, match: {args: [{index: 1, resolve: cred.uid.val, notEqual: 3}]}, "
        "action: allow",
        "name: last, kprobe: takes, action: deny",
    )

    found = engine.said("last", numbers=[3, 0])

    assert any(line.startswith("    no   arg1.tgid: 3 is 3") for line in found) or any(
        line.startswith("    no   arg1: 3 is 3") for line in found
    )
    assert any(line.startswith("    ?    arg1.cred.uid.val") for line in found)
    assert not any("do not explain" in line for line in found)


def test_what_could_not_be_read():
    """The rule's onError decided."""
    engine = Engine.of(
        "name: mine, kprobe: takes, match: {args: [{index: 8, equal: a}]}, action: deny"
    )

    found = engine.said("mine", texts=[b""], unknown=1 << Dim.ARG0 | 1 << Dim.ARG_ANY)

    assert any(line.startswith("  ?    arg8: wanted a, found a value that") for line in found)


def test_a_late_kill_is_no_doubt():
    """The policy says deny; where a kernel cannot, and that is allowed, it kills."""
    engine = Engine.of(
        "name: mine, kprobe: takes, match: {args: [{index: 5, equal: 1}]}, action: deny"
    )

    found = engine.explain("mine", numbers=[1], action=Verb.KILL, flags=ENFORCED, error=errno.EPERM)

    assert not found.doubt
