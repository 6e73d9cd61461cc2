# SPDX-License-Identifier: MIT
"""
Tables of policy, subject, operation and object with the verdict that is right, on every build.
"""

from __future__ import annotations

import ipaddress
from functools import cache
from pathlib import Path

import attrs
import pytest
import yaml
from builds import BORN, GENERATION, checked, decide_by, decide_by_all
from reference.semantics import UNKNOWN, Access, Actor, Identity, Outcome

from enforcer.compiler import BareHost, compile_policies
from enforcer.events.folded import Folded
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import EVENTS, OPS, Dim, ObjectFlag, Op, SubjectFlag
from enforcer.policy.model.policy import PolicySet, Verb
from enforcer.policy.model.workloads import Workload
from enforcer.policy.store import load_text

TABLES = sorted((Path(__file__).parent / "tables").glob("*.yaml"))
NUMBERS = {
    "port": Dim.PORT,
    "family": Dim.FAMILY,
    "type": Dim.TYPE,
    "protocol": Dim.PROTOCOL,
    "mode": Dim.MODE,
    "code": Dim.CODE,
    "bits": Dim.BITS,
    "to_uid": Dim.TO_UID,
    "to_gid": Dim.TO_GID,
    "drift": Dim.DRIFT,
    "n0": Dim.N0,
    "n1": Dim.N1,
}


NOW = 10**15


def cases():
    for table in TABLES:
        for scene in yaml.safe_load(table.read_text()):
            for i, case in enumerate(scene["cases"]):
                name = case.get("about") or f"{i} {case['do']}"
                yield pytest.param(
                    yaml.safe_dump(scene, sort_keys=False), case, id=f"{scene['about']}: {name}"
                )


@cache
def load(scene_text: str) -> tuple[PolicySet, object]:
    scene = yaml.safe_load(scene_text)
    specs = scene.get("policies") or {"table": {"rules": scene["rules"]}}
    documents = [
        {
            "apiVersion": "enforcer/v1",
            "kind": "EnforcerPolicy",
            "metadata": {"name": name},
            "spec": spec,
        }
        for name, spec in specs.items()
    ]
    policies = load_text(yaml.safe_dump_all(documents, sort_keys=False), "table.yaml")
    return policies, checked(
        compile_policies(policies, host=BareHost(), generation=GENERATION, now_ns=BORN)
    )


def text(value):
    return UNKNOWN if value == "unknown" else value.encode()


def _workload(cgroup, container, **pod):
    known = {"container.name": (container.encode(),) if container else None}
    for key, value in pod.items():
        known[f"pod.{key}"] = value if isinstance(value, tuple | None) else (value.encode(),)
    return Workload(cgroup.encode(), known)


WORLD = (
    _workload("/kubepods/web", None, name="web-1", namespace="prod", labels=(b"app=web",)),
    _workload("/kubepods/web/main", "main", name="web-1", namespace="prod", labels=(b"app=web",)),
    _workload("/kubepods/web/side", "side", name="web-1", namespace="prod", labels=(b"app=web",)),
    _workload("/kubepods/dev/main", "main", name="web-2", namespace="dev", labels=(b"app=web",)),
    _workload("/kubepods/bare/main", "main", name="web-3", namespace="prod", labels=None),
    _workload("/kubepods/canary/main", "main", name="c", namespace="prod", labels=(b"canary=",)),
    _workload("/kubepods/system", "main", name="dns", namespace="kube-system", labels=()),
    _workload("/lxc/plain", "plain"),
)
"""Containers and pods that are known where the tables of foreign policies are decided."""


def identity(given):
    exe = given.get("binary", "/usr/bin/app")
    return Identity(
        exe=None if exe == "none" else text(exe),
        cgroup=text(given.get("cgroup", "/")),
        workloads=WORLD,
        uid=given.get("uid", 0),
        euid=given.get("euid", 0),
        gid=given.get("gid", 0),
        egid=given.get("egid", 0),
        caps=sum(1 << cap for cap in given.get("caps", [])),
        flags=sum(SubjectFlag[word.upper()] for word in given.get("flags", []))
        | SubjectFlag.FILELESS * given.get("fileless", False)
        | SubjectFlag.OFFHOST * given.get("offhost", False)
        | SubjectFlag.USERNS * given.get("userns", False)
        | (Folded.read(given["folded"]).process_flags if "folded" in given else 0),
    )


def live(case):
    first, *rest = case.get("life") or [case.get("as", {})]
    actor = Actor(identity(first), lineage_unknown=case.get("strangers", False))
    for step in rest:
        actor = actor.fork() if step == "fork" else actor.exec(identity(step))
    return actor


def access(case):
    do = case["do"] if isinstance(case["do"], list) else [case["do"]]
    operands = {}
    if "path" in case:
        operands[Dim.PATH] = text(case["path"])
    if case.get("deep"):  # the head of what lies this far below
        operands[Dim.PATH] += (b"/" + b"x" * 180) * 22
    if "name" in case:
        operands[Dim.NAME] = text(case["name"])
    if "fstype" in case:
        operands[Dim.FSTYPE] = text(case["fstype"])
    if "address" in case:
        operands[Dim.ADDR] = UNKNOWN if case["address"] == "unknown" else number(case["address"])
    for word, dim in NUMBERS.items():
        if word in case:
            value = case[word]
            if value == "unknown":
                operands[dim] = UNKNOWN
                continue
            operands[dim] = int(value, 0) if isinstance(value, str) else value
    if "call" in case:
        operands[Dim.CODE] = SYSCALLS[case["call"]].number
    args = tuple(arg.encode() for arg in case.get("args", ()))
    return Access(
        tuple(Op[word.upper()] for word in do),
        operands,
        args,
        case.get("argc", len(args)) if "args" in case else None,
        sum(ObjectFlag[word.upper()] for word in case.get("flags", []))
        | (ObjectFlag.CUT if case.get("deep") else 0)
        | (Folded.read(case["folded"]).object_flags if "folded" in case else 0),
        {tuple(mark.split("/")): NOW - age for mark, age in case.get("marks", {}).items()},
        NOW,
    )


def number(address):
    ip = ipaddress.ip_address(address)
    return int(ip) | 0xFFFF << 32 if ip.version == 4 else int(ip)


def said(policies, decision):
    """Return verdict and rule as the tables write them."""
    if decision.verb is None:
        return "nothing", None
    by_name = {policy.name: policy for policy in policies.policies}
    if decision.kind == "default":
        return decision.verb.name.lower(), "default"
    rule = by_name[decision.policy].rules[decision.rule].name
    prefix = f"{decision.kind} " if decision.kind in {"guard", "attempt"} else ""
    return decision.verb.name.lower(), prefix + rule


def expected(case):
    by = case.get("by")
    return case["is"], "default" if by and by.startswith("default-") else by


@pytest.mark.parametrize(("scene", "case"), list(cases()))
def test_every_build_gives_the_verdict_of_the_table(builds, scene, case) -> None:
    """Reference and compiled builds say what the table says, and name the rule."""
    policies, compiled = load(scene)
    actor, asked = live(case), access(case)

    outcome = decide_by_all(builds, policies, compiled, actor, asked)

    assert expected(case) == said(policies, outcome.enforced)
    assert case.get("on_error", False) == outcome.enforced.on_error
    if "would" in case:
        assert (case["would"], case["would_by"]) == said(policies, outcome.audited)
    assert set(case.get("sets", [])) == {"/".join(mark) for mark in outcome.marks}


@pytest.mark.parametrize("word", list(OPS))
def test_a_word_of_the_language_is_its_operations_and_no_other(builds, word) -> None:
    """
    A rule on a word decides exactly the kernel operations that the vocabulary gives it.

    One that refuses to run a program also decides on what a loader runs.
    """
    event, _, name = word.partition(".")
    rule = f"{event}: {{}}" if event == "exec" else f"{event}: {name}"
    if word == "process.capability":  # only by name
        rule += ", match: {capability: BPF}"
    policies = load_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\n"
        f"spec: {{rules: [{{{rule}, action: deny}}]}}\n",
        "word.yaml",
    )
    compiled = compile_policies(policies, host=BareHost(), generation=GENERATION, now_ns=BORN)
    meant = {*EVENTS[event].operations[name].ops, *({Op.EXEC_LOADED} if event == "exec" else ())}

    for op in Op:
        asked = Access((op,), {Dim.PATH: b"/x", Dim.CODE: 39})
        for run in builds.values():
            found = decide_by(run, compiled, Actor(), asked)
            assert (op in meant) == (found != Outcome())


def test_hard_links_of_a_named_file_are_the_file(builds) -> None:
    """
    A file with several names on the compiling host is met under each of them, and never in favour of who acts: its
    number may be another file's by now.
    """

    @attrs.frozen
    class Linked(BareHost):
        def hard_linked(self, path):
            return (0x800001, 42) if path == b"/srv/secret" else None

    policies = load_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\n"
        "spec: {rules: [{file: read, match: {path: /srv/secret}, action: deny},"
        "{file: write, match: {path: {notEqual: /srv/secret}}, action: deny},"
        "{file: chmod, match: {path: /srv/secret}, action: allow}, {file: chmod, action: deny},"
        "{file: chown, match: {path: [/srv/secret, /srv/other]}, action: log},"
        "{file: chown, match: {path: {notEqual: /tmp/**}}, action: deny}]}\n",
        "links.yaml",
    )
    compiled = checked(
        compile_policies(policies, host=Linked(), generation=GENERATION, now_ns=BORN)
    )

    def verb(op, inode, path=b"/tmp/alias"):
        asked = Access((op,), {Dim.PATH: path, Dim.INODE: 0x800001 << 64 | inode})
        found = {decide_by(run, compiled, Actor(), asked).enforced.verb for run in builds.values()}
        assert len(found) == 1
        return found.pop()

    assert verb(Op.READ, 42) is Verb.DENY
    assert verb(Op.READ, 43) is None
    assert verb(Op.WRITE, 42) is Verb.DENY
    assert verb(Op.WRITE, 43) is Verb.DENY
    assert verb(Op.WRITE, 42, b"/srv/secret") is None
    assert verb(Op.CHMOD, 42) is Verb.DENY
    assert verb(Op.CHMOD, 42, b"/srv/secret") is Verb.ALLOW
    assert verb(Op.CHMOD, 43, b"/srv/secret") is Verb.ALLOW
    assert verb(Op.CHOWN, 42, b"/mnt/alias") is Verb.DENY
    assert verb(Op.CHOWN, 43, b"/srv/other") is Verb.LOG


def test_a_device_is_met_by_any_node(builds) -> None:
    """A rule on one node of a device is about the others, and about no other device or file."""
    block, character = 0o060000 << 32, 0o020000 << 32

    @attrs.frozen
    class WithDisk(BareHost):
        def node(self, path):
            return (1 << 32, block | 254 << 20) if path == b"/dev/vda" else None

    policies = load_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\n"
        "spec: {rules: [{file: read, match: {path: /dev/vda}, action: deny}]}\n",
        "nodes.yaml",
    )
    compiled = checked(
        compile_policies(policies, host=WithDisk(), generation=GENERATION, now_ns=BORN)
    )

    def is_denied(high, low):
        asked = Access((Op.READ,), {Dim.PATH: b"/tmp/node", Dim.INODE: high << 64 | low})
        (found,) = {
            decide_by(run, compiled, Actor(), asked).enforced.verb for run in builds.values()
        }
        return found is not None

    assert is_denied(1 << 32, block | 254 << 20)
    assert not is_denied(1 << 32, block | 254 << 20 | 1)
    assert not is_denied(1 << 32, character | 254 << 20)
    assert not is_denied(0x800001, block | 254 << 20)
