# SPDX-License-Identifier: MIT
"""Explanations of records, in words."""

import json

import attrs
import pytest
from fakes import ENFORCED, PREVENTED, denied, record

from enforcer.compiler import BareHost
from enforcer.compiler.host import Mount
from enforcer.events.document import as_document
from enforcer.events.types import Origin, RowFlag
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import PolicySet, Verb
from enforcer.policy.store import load_text
from enforcer.runtime.policies.followed_links import beside
from enforcer.workbench.explain.access import RecordError, facts_of
from enforcer.workbench.explain.explanation import explain
from enforcer.workbench.explain.logic import Truth
from enforcer.workbench.explain.rendering import as_dict, lines

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: %s}\nspec:\n"
VAULT = (
    HEAD % "vault"
    + """\
  rules:
    - name: public
      file: read
      match:
        path: /srv/vault/public/**
      action: allow
    - name: secrets
      file: [read, write]
      match:
        path: /srv/vault/**
        notProcess: {binary: /usr/bin/vault}
      action: deny
    - name: shells
      exec: {}
      match:
        path: [/bin/sh, /bin/bash]
        ancestors: {binary: /usr/bin/vault}
      action: kill
"""
)
NET = (
    HEAD % "net"
    + """\
  default: {network: deny}
  rules:
    - name: dns
      network: egress
      match: {address: 10.0.0.0/8, port: 53}
      action: allow
"""
)
SECRETS = Origin("vault", "secrets", "vault.yaml:11:7")


@attrs.frozen
class Host(BareHost):
    """A host with merged /usr."""

    mounts: tuple[Mount, ...] = ()

    def link(self, path):
        return b"usr/bin" if path == b"/bin" else None


def read(**values):
    return denied(
        **{"op": Op.READ, "origin": SECRETS, "exe": b"/usr/bin/cat", "comm": b"cat", **values}
    )


def explained(item, *texts, host=None):
    policies = [p for text in texts for p in load_text(text, "vault.yaml").policies]
    return explain(as_document(item), PolicySet(tuple(policies)), host or Host())


def said(item, *texts, **more):
    return [text for text, _ in lines(explained(item, *texts, **more))]


@attrs.frozen
class Linked(Host):
    """The same, where a file has several names."""

    def hard_linked(self, path):
        return (8 << 20 | 1, 42) if path == b"/srv/tool" else None


def test_another_name_of_a_file_holds_against_who_acts_only():
    """As in the kernel: the number may be another file's by now, so it excepts nothing."""
    rules = (
        HEAD % "links"
        + """\
  rules:
    - {name: kept, file: write, match: {path: /srv/tool}, action: deny}
    - {name: known, file: [read, chmod], match: {path: /srv/tool}, action: allow}
    - {name: others, file: read, match: {path: {notEqual: /srv/tool}}, action: deny}
"""
    )

    def part(op, rule):
        item = read(op=op, path=b"/srv/alias", ino=42, dev=8 << 20 | 1)
        found = explained(
            attrs.evolve(item, origin=Origin("links", rule, "vault.yaml:6:7")),
            rules,
            host=Linked(),
        )
        told = [text.partition("  (vault.yaml")[0].split() for text, _ in lines(found)]
        return [" ".join(words) for words in told if words[:1] in (["yes"], ["no"])]

    assert ["yes path: /srv/alias is /srv/tool"] == part(Op.WRITE, "kept")
    assert part(Op.READ, "others") == [
        "yes path: /srv/alias is not /srv/tool",
        "no path: /srv/alias is not /srv/tool",
    ]


def test_a_rule_with_an_exception():
    """What decided, which parts held on what, what was asked before, and what would allow it."""
    assert said(read(), VAULT) == [
        "Decided by",
        "  vault.yaml:11:7: policy vault, rule secrets: denied",
        "  yes  path: /srv/vault/secret is /srv/vault/**  (vault.yaml:14:15)",
        "  yes  notProcess.binary: /usr/bin/cat is not /usr/bin/vault  (vault.yaml:15:30)",
        "",
        "Rules before it, which did not match",
        "  vault.yaml:6:7: policy vault, rule public (allow)",
        "    no   path: /srv/vault/secret is not /srv/vault/public/**  (vault.yaml:9:15)",
        "",
        "What would allow it",
        "  vault.yaml:15:30: add /usr/bin/cat to notProcess.binary of rule secrets",
        "  or: vault.yaml:9:15: add /srv/vault/secret to path of rule public, which allows",
        "  or: vault.yaml:11:7: add a rule before rule secrets:",
        "      - name: allow-cat",
        "        file: read",
        "        match:",
        "          path: /srv/vault/secret",
        "          process: {binary: /usr/bin/cat}",
        "        action: allow",
    ]


def test_names_are_those_of_the_host():
    """The kernel's /usr/bin/dash is the policy's /bin/sh where /bin is a link."""
    item = record(
        op=Op.EXEC,
        action=Verb.KILL,
        error=1,
        signal=9,
        flags=ENFORCED | PREVENTED,
        origin=Origin("vault", "shells", "vault.yaml:17:7"),
        path=b"/usr/bin/sh",
        exe=b"/usr/bin/vault",
    )

    text = said(item, VAULT)

    assert "  yes  path: /usr/bin/sh is /bin/sh  (vault.yaml:20:15)" in text
    assert text[3].startswith("  ?    ancestors.binary: wanted /usr/bin/vault, found a value")
    assert "          path: /usr/bin/sh" in text


def test_ancestors_that_are_recorded():
    """If the record has the lineage, it is asked."""
    document = as_document(
        record(
            op=Op.EXEC,
            action=Verb.KILL,
            flags=ENFORCED,
            origin=Origin("vault", "shells", "vault.yaml:17:7"),
            path=b"/bin/sh",
        )
    )
    above = [{"pid": 1, "name": "vault", "exe": "/usr/bin/vault", "cmdline": None}]

    found = explain({**document, "ancestors": above}, load_text(VAULT, "vault.yaml"), Host())

    assert "  yes  ancestors.binary: /usr/bin/vault is /usr/bin/vault  (vault.yaml:21:29)" in [
        text for text, _ in lines(found)
    ]


LINEAGE = (
    HEAD % "vault"
    + """\
  rules:
    - name: shells
      exec: {}
      match:
        path: /bin/sh
        lineage: {binary: /usr/bin/vault}
      action: kill
    - name: heirs
      file: read
      match:
        path: /srv/vault/**
        notLineage: {binary: /usr/bin/vault}
      action: deny
"""
)


def of_lineage(exe, *above, **values):
    """The parts that a record of a process that runs *exe* leads to."""
    item = record(action=Verb.KILL, error=1, flags=ENFORCED | PREVENTED, exe=exe, **values)
    actors = [{"pid": 1, "name": "x", "exe": each, "cmdline": None} for each in above]
    document = {**as_document(item), "ancestors": actors}
    found = explain(document, load_text(LINEAGE, "vault.yaml"), Host())
    return [text for text, _ in lines(found) if "ineage" in text]


def test_a_lineage_by_the_process_itself():
    """The process counts, whatever is known of those above it."""
    shells = Origin("vault", "shells", "vault.yaml:6:7")

    (part,) = of_lineage(b"/usr/bin/vault", "/bin/bash", op=Op.EXEC, path=b"/bin/sh", origin=shells)

    assert "  yes  lineage.binary: /usr/bin/vault is /usr/bin/vault  (vault.yaml:10:27)" == part


def test_a_lineage_by_an_ancestor():
    """It is enough if one of them fits; if none is known to, the record does not say."""
    shells = Origin("vault", "shells", "vault.yaml:6:7")
    asked = {"op": Op.EXEC, "path": b"/bin/sh", "origin": shells}

    (met,) = of_lineage(b"/bin/env", "/bin/bash", "/usr/bin/vault", **asked)
    (open_,) = of_lineage(b"/bin/env", "/bin/bash", **asked)

    assert "  yes  lineage.binary: /usr/bin/vault is /usr/bin/vault  (vault.yaml:10:27)" == met
    assert open_.startswith("  ?    lineage.binary")


def test_no_lineage_has_a_part_for_the_process_and_one_for_the_rest():
    """Neither may fit."""
    heirs = Origin("vault", "heirs", "vault.yaml:12:7")

    found = of_lineage(
        b"/bin/cat", "/usr/bin/vault", op=Op.READ, path=b"/srv/vault/x", origin=heirs
    )

    own, above = (
        line
        for line in found
        if "notLineage" in line and "add" not in line and "no longer" not in line
    )
    assert own.startswith("  yes  notLineage.binary: /bin/cat is not /usr/bin/vault")
    assert above.startswith("  no   notLineage.binary: /usr/bin/vault is /usr/bin/vault")


LOADED = {
    "op": Op.EXEC_LOADED,
    "path": b"/usr/bin/python3",
    "obj_flags": 0x1000,
    "exe": b"/usr/sbin/cron",
}


def test_a_program_that_a_loader_ran():
    """Its arguments are unknown; the rule may leave loaders alone."""
    text = (
        HEAD % "p"
        + """\
  rules:
    - name: py
      exec: {}
      match: {path: /usr/bin/python3, args: [{index: 1, equal: -c}]}
      action: kill
"""
    )
    item = denied(**LOADED, flags=ENFORCED | PREVENTED | 4, origin=Origin("p", "py", "p.yaml:6:7"))

    found = said(item, text)

    assert "  yes  path: /usr/bin/python3 is /usr/bin/python3  (vault.yaml:8:21)" in found
    assert any(line.startswith("  ?") and "args[1]" in line for line in found), found
    assert any("loader: false" in line for line in found)


@pytest.mark.parametrize(
    ("wanted", "flags", "holds"),
    [("true", 0, "no"), ("true", 0x10000, "?"), ("false", 0x8000, "no"), ("false", 0x10000, "?")],
)
def test_code_that_is_trusted_or_not(wanted, flags, holds):
    """Whether it is may be unknown, unlike other facts on processes."""
    text = (
        HEAD % "p"
        + """\
  rules:
    - {name: t, file: read, match: {path: /srv/**, process: {trustedCode: WANTED}}, action: log}
    - {name: d, file: read, match: {path: /srv/**}, action: deny}
"""
    ).replace("WANTED", wanted)
    item = read(subj_flags=flags, origin=Origin("p", "d", "p.yaml:7:7"))

    (line,) = [each for each in said(item, text) if "process.trustedCode" in each]

    assert holds == line.split()[0]


def test_a_name_that_is_kept():
    """A rename that would take a protected name away."""
    text = said(read(op=Op.GUARD, row_flags=8, path=b"/srv/vault"), VAULT)

    assert "policy vault, guard of rule secrets: denied" in text[1]
    assert "  yes  path: /srv/vault is a guarded name  (vault.yaml:14:15)" in text
    assert "        file: any" in text
    assert any("guard: false" in line for line in text)


def test_a_default_and_a_rule_that_came_close():
    """The rule that allows fails in one thing; that is the smallest change."""
    item = denied(
        op=Op.CONNECT,
        row_flags=4,
        path=b"",
        family=2,
        type=1,
        protocol=6,
        addr_lo=0xFFFF_0A000001,
        port=443,
        exe=b"/usr/bin/curl",
        origin=Origin("net", "default-network", "net.yaml:1:1"),
    )

    text = said(item, NET)

    assert "policy net, default default-network: denied" in text[1]
    assert "    no   port: 443 is not 53  (vault.yaml:9:42)" in text
    first = text.index("What would allow it") + 1
    assert text[first] == "  vault.yaml:9:42: add 443 to port of rule dns, which allows"
    assert "          address: 10.0.0.1" in text


def test_every_policy_that_refuses_must_change():
    """One policy never lifts what another refuses."""
    other = VAULT.replace("{name: vault}", "{name: other}")

    text = said(read(), VAULT, other)

    assert "  for policy vault:" in text
    assert "  for policy other:" in text
    assert any("policy other, rule secrets: deny, enforce" in line for line in text)
    assert text[-1] == "  change all of these policies: the strictest verdict counts"


def test_a_policy_in_audit_mode():
    """What would have happened is explained like what did."""
    audit = VAULT.replace("spec:\n", "spec:\n  mode: audit\n")

    text = said(read(flags=0, error=0), audit)

    assert "rule secrets: would deny" in text[1]
    assert text[2].startswith("  audit mode or dry run: nothing was refused")
    first = text.index("What would allow it when the policy is enforced") + 1
    assert "add /usr/bin/cat to notProcess.binary" in text[first]


def test_what_was_audited_is_explained_as_if_enforced():
    """Files that say enforce differ in nothing: a daemon audits them with --audit, and a dry run does."""
    audit = VAULT.replace("spec:\n", "spec:\n  mode: audit\n")
    item = read(flags=0, error=0)

    by_files = explained(item, VAULT)
    by_mode = explained(item, audit)
    enforced = explained(read(), VAULT)

    assert by_files.is_audited
    assert not enforced.is_audited
    assert "" == by_files.doubt == by_mode.doubt
    assert (
        [change.says for change in enforced.refusals[0].changes]
        == [change.says for change in by_files.refusals[0].changes]
        == [change.says for change in by_mode.refusals[0].changes]
    )
    assert not any("no change is needed" in line for line, _ in lines(by_files))
    assert as_dict(by_files)["audited"]
    assert not as_dict(enforced)["audited"]


def test_what_was_audited_names_every_policy_that_would_refuse():
    """Whatever their modes are: once enforced, each of them refuses."""
    other = VAULT.replace("{name: vault}", "{name: other}").replace("spec:", "spec:\n  mode: audit")

    found = explained(read(flags=0, error=0), VAULT, other)

    assert ["vault", "other"] == [r.answer.entry.policy.name for r in found.refusals]


def test_what_was_audited_and_only_logs_needs_no_change():
    """A rule that would log refuses nothing when it is enforced either."""
    logs = VAULT.replace("action: deny", "action: log")

    text = said(read(action=Verb.LOG, flags=0, error=0), logs)

    assert "rule secrets: would log" in text[1]
    assert "no change is needed" in text[-1]


def test_what_could_not_be_read():
    """The rule's onError decided, and can be changed."""
    item = read(path=b"", unknown=1 << Dim.PATH, flags=ENFORCED | PREVENTED | 4)

    text = said(item, VAULT)

    assert "  an operand could not be read: the rule's onError decided" in text
    assert any(line.startswith("  ?    path: wanted /srv/vault/**, found") for line in text)
    assert any("set onError: allow in rule secrets" in line for line in text)


def test_exceptions_among_the_objects():
    """A list of what a rule leaves out can be longer."""
    text = HEAD % "net" + (
        "  rules:\n    - name: out\n      network: connect\n"
        "      match: {address: {notIn: [10.0.0.0/8]}}\n      action: deny\n"
    )
    item = denied(
        op=Op.CONNECT,
        path=b"",
        family=2,
        addr_lo=0xFFFF_01010101,
        port=443,
        origin=Origin("net", "out", "x"),
    )

    found = said(item, text)

    assert "  yes  address: 1.1.1.1 is not 10.0.0.0/8  (vault.yaml:8:32)" in found
    assert any("add 1.1.1.1 to the exceptions of address in rule out" in line for line in found)


LISTED = (
    HEAD % "vault"
    + """\
  rules:
    - name: public
      file: [read, chmod]
      match: {path: PUBLIC}
      action: allow
    - name: secrets
      file: [read, chmod]
      match: {path: SECRETS}
      action: deny
"""
)
RULES = Origin("vault", "secrets", "vault.yaml:10:7")


def proposed(item, text):
    return [line for line in said(item, text) if ": add /" in line or ": add 4755 " in line]


@pytest.mark.parametrize(
    ("public", "number"),
    [
        ("/srv/public/key", 1),
        ("[/srv/public/, /srv/*.txt]", 1),
        ("{in: [/srv/public/key]}", 1),
        ("{prefix: /srv/public/}", 0),
        ("{suffix: .txt}", 0),
        ("{contains: /public/}", 0),
    ],
)
def test_a_list_of_beginnings_takes_no_whole_path(public, number):
    """Behind ``prefix`` the path would permit each that begins so; a rule in front permits it alone."""
    text = LISTED.replace("PUBLIC", public).replace("SECRETS", "/srv/**")
    item = read(origin=RULES)

    assert number == len(proposed(item, text))
    assert any("add a rule before rule secrets" in line for line in said(item, text))


@pytest.mark.parametrize(
    ("secrets", "number"),
    [
        ("{notIn: [/srv/public]}", 1),
        ("{notGlob: /usr/*}", 1),
        ("{notPrefix: /usr/}", 0),
        ("{notSuffix: .txt}", 0),
        ("{notContains: /public/}", 0),
    ],
)
def test_nor_does_a_list_of_exceptions(secrets, number):
    """Behind ``notPrefix`` it would leave out each that begins so."""
    text = LISTED.replace("PUBLIC", "/usr/**").replace("SECRETS", secrets)
    found = proposed(read(origin=RULES), text)

    assert number == len([line for line in found if "to the exceptions of path" in line])


def test_nor_do_exceptions_of_programs():
    """The same of those that a rule is not about."""
    text = VAULT.replace(
        "notProcess: {binary: /usr/bin/vault}", "notProcess: {binary: {prefix: /opt/}}"
    )

    assert not [line for line in said(read(), text) if "notProcess.binary of rule" in line]
    assert any("add a rule before rule secrets" in line for line in said(read(), text))


@pytest.mark.parametrize(("mode", "number"), [("[0644, 0600-0640]", 1), ("{mask: 06000=0}", 0)])
def test_a_mask_takes_no_number(mode, number):
    """As a mask it would mean any of its bits."""
    text = LISTED.replace("PUBLIC}", f"/srv/**, mode: {mode}}}").replace("SECRETS", "/srv/**")
    text = text.replace("[read, chmod]", "chmod")

    found = proposed(read(op=Op.CHMOD, mode=0o4755, origin=RULES), text)

    assert number == len(found)


def test_arguments():
    """Which argument was met; a rule in front must know the arguments, too."""
    text = HEAD % "c" + (
        "  rules:\n    - name: code\n      exec: {}\n      match:\n        args:\n"
        "          - {index: 1, equal: -c}\n      action: kill\n"
    )
    item = record(
        op=Op.EXEC_ARGV,
        action=Verb.KILL,
        flags=ENFORCED,
        path=b"/usr/bin/python3",
        name=b"python3\0-c\0import x: y\0",
        argc=3,
        origin=Origin("c", "code", "x"),
        exe=b"/usr/bin/bash",
    )

    found = said(item, text)

    assert "  yes  args[1]: -c is -c  (vault.yaml:10:31)" in found
    assert '          - {index: 1, equal: "-c"}' in [line[2:] for line in found]


def test_a_system_call():
    """Its name and its numbers; what would allow it names the call."""
    text = HEAD % "calls" + (
        "  rules:\n    - name: no-keys\n      syscall: keyctl\n"
        "      match:\n        args: [{index: 0, equal: 11}]\n      action: deny\n"
    )
    (rule,) = load_text(text, "vault.yaml").policies[0].rules
    item = denied(
        op=Op.SYSCALL,
        path=b"",
        code=rule.calls[0].number,
        origin=Origin("calls", "no-keys", "x"),
        exe=b"/usr/bin/keyctl",
        argc=1,
        **{"arg[0]": 11},
    )

    found = said(item, text)

    assert "  yes  call: keyctl is keyctl  (vault.yaml:7:7)" in found
    assert any(line.startswith("  yes  argument[0]: 11 is 11") for line in found)
    assert "        syscall: keyctl" in found


def test_a_signal():
    """Who was to get it is an executable, too."""
    text = HEAD % "peace" + (
        "  rules:\n    - name: leave-vault\n      process: signal\n"
        "      match: {target: /usr/bin/vault}\n      action: deny\n"
    )
    item = denied(
        op=Op.SIGNAL,
        path=b"/usr/bin/vault",
        code=9,
        origin=Origin("peace", "leave-vault", "x"),
        exe=b"/usr/bin/pkill",
    )

    found = said(item, text)

    assert "  yes  target: /usr/bin/vault is /usr/bin/vault  (vault.yaml:8:23)" in found
    assert "          target: /usr/bin/vault" in found
    assert "          signal: kill" in found


def test_self_protection():
    """No policy decided, and none would help."""
    item = denied(kind=2, op=4, signal=9, row=0xFFFFFFFF, path=b"", name=b"", exe=b"/usr/bin/kill")

    text = said(item, VAULT)

    assert "  self-protection, which no policy can change" in text
    assert "  a daemon that was started without --protect" in text


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        (VAULT.replace("{name: vault}", "{name: x}"), "there is no policy vault"),
        (
            VAULT.replace("name: secrets", "name: renamed"),
            "no longer has a rule secrets on this operation",
        ),
        (VAULT.replace("/srv/vault/**", "/srv/other/**"), "no longer matches: path"),
        (VAULT.replace("/srv/vault/public/**", "/srv/vault/*"), "rule public before it"),
        (VAULT.replace("action: deny", "action: log"), "says log now"),
        (VAULT.replace("spec:\n", "spec:\n  mode: audit\n"), "is in mode audit now"),
    ],
)
def test_policies_that_have_changed_since(text, doubt):
    """They are not passed off as those that decided."""
    found = explained(read(), text)

    assert doubt in found.doubt
    assert any("the given policies do not explain it" in line for line, _ in lines(found))


@pytest.mark.parametrize("flags", [ENFORCED | PREVENTED, 0])
def test_policies_without_the_rule_promise_nothing(flags):
    """What did not decide cannot say what would be allowed."""
    text = said(read(flags=flags), VAULT.replace("name: secrets", "name: renamed"))

    why = "policy vault no longer has a rule secrets on this operation"
    assert f"  nothing can be proposed: {why}" == text[-1]


@pytest.mark.parametrize(
    "values",
    [
        {"path": b"/srv/vault/\xff"},
        {"path": rb"/srv/vault/\xff"},
        {"exe": b"/tmp/\x80"},
        {"exe": rb"/tmp/\x80"},
        {"op": Op.EXEC_ARGV, "name": b"sh\0\xe9\0", "argc": 2},
    ],
)
def test_a_name_that_a_record_does_not_tell_is_not_judged(values):
    """A byte that is not UTF-8 is written as a name that has these characters: another file may be meant."""
    found = explained(read(**values), VAULT)

    assert found.doubt.startswith("the record does not tell which name ")
    assert (None, (), ()) == (found.decided, found.refusals, found.before)
    assert f"  nothing can be proposed: {found.doubt}" == [line for line, _ in lines(found)][-1]


def test_a_record_of_many_brackets_is_read():
    """However deep they are, and whatever they are for."""
    document = as_document(read())
    deep = "name"
    for _ in range(10_000):
        deep = [deep]
    document["object"]["brackets"] = deep

    assert explain(document, PolicySet(()), Host()).doubt == "there is no policy vault"


@pytest.mark.parametrize("path", [rb"/srv/vault/\x41", rb"/srv/vault/\xF", "/srv/vault/ÿ".encode()])
def test_a_name_that_only_looks_so_is_judged(path):
    """Bytes below 0x80 are always characters."""
    found = explained(read(path=path), VAULT)

    assert "" == found.doubt
    assert found.refusals[0].changes


def test_text_of_processes_is_harmless():
    """Names in explanations and in YAML to copy move no cursor, and mean what they say."""
    text = said(read(path=b"/srv/vault/\x1b[2J\xe2\x80\xae*", exe=b"/tmp/\x1b[31mx"), VAULT)

    assert not any(ord(c) < 32 or c == "\u202e" for line in text for c in line)
    assert '          path: {equal: "/srv/vault/\\u001b[2J\\u202e*"}' in text


def test_json():
    """The same for programs."""
    found = as_dict(explained(read(), VAULT))

    json.dumps(found)
    assert ["path", "notProcess.binary"] == [part["where"] for part in found["parts"]]
    assert {"true"} == {part["holds"] for part in found["parts"]}
    assert "/srv/vault/**" == found["parts"][0]["met"]
    assert "public" == found["before"][0]["rule"]
    assert 3 == len(found["refusals"][0]["changes"])
    assert found["doubt"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "lost"},
        {"version": 99},
        {"object": None},
        {"process": {}},
        {"policy": None},
        {"event": 7},
    ],
)
def test_what_is_no_record(change):
    """A sentence, not a traceback."""
    with pytest.raises(RecordError):
        facts_of({**as_document(read()), **change})


def test_facts_of_a_socket():
    """Words of records become the numbers of policies."""
    item = denied(
        op=Op.CONNECT, path=b"", family=10, type=1, protocol=6, addr_hi=0x20010DB8 << 32, port=443
    )

    found = facts_of(as_document(item))

    assert {Dim.FAMILY: 10, Dim.TYPE: 1, Dim.PROTOCOL: 6, Dim.PORT: 443} == {
        dim: value for dim, value in found.operands.items() if dim is not Dim.ADDR
    }
    assert 0x20010DB8 << 96 == found.operands[Dim.ADDR]
    assert frozenset({Op.CONNECT}) == found.ops


PODS = VAULT.replace(
    "  rules:", "  selector: {pod: {namespace: prod, labels: {app: web}}}\n  rules:", 1
)


def test_the_pod_is_compared_as_far_as_the_record_names_it():
    """Its labels are not in records; on the host there is none."""
    document = as_document(read())
    document["container"] |= {"id": "ab" * 32, "runtime": "containerd", "name": "main"}
    document["pod"] = {"name": "web-1", "namespace": "prod", "uid": "x"}
    policies = load_text(PODS, "vault.yaml")

    inside = [text for text, _ in lines(explain(document, policies, Host()))]
    outside = [text for text, _ in lines(explain(as_document(read()), policies, Host()))]

    assert any("selector.pod.namespace: prod is prod" in line for line in inside)
    assert any(
        "selector.pod.labels: wanted app=web, found a value that the record does not have" in line
        for line in inside
    )
    assert any("selector.pod.namespace: wanted prod, found none" in line for line in outside)


MARKED = """
  rules:
    - {name: online, network: connect, mark: online}
    - {name: late, file: read, match: {path: /srv/x, within: {mark: online, last: 5s}, notWithin: {mark: online, last: 1s}}, action: deny}
"""


def test_marks_are_said_with_their_age():
    """As the record has it; without it nothing is claimed."""
    policies = load_text((HEAD % "vault") + MARKED, "vault.yaml")
    asked = Origin("vault", "late", "vault.yaml:8:7", asked=("vault/online", "vault/online"))
    times = {"row_flags": RowFlag.WITHIN, "time_ns": 9 * 10**9, "mark_at[0]": 6 * 10**9}

    found = denied(origin=asked, op=Op.READ, path=b"/srv/x", **times, **{"mark_at[1]": 6 * 10**9})
    silent = denied(origin=asked, op=Op.READ, path=b"/srv/x")

    said = "\n".join(text for text, _ in lines(explain(as_document(found), policies, BareHost())))
    assert "yes  within vault/online: it was set 3.000 s ago, in the last 5s" in said
    assert (
        "yes  notWithin vault/online: it was set 3.000 s ago, longer ago than the last 1s" in said
    )
    said = "\n".join(text for text, _ in lines(explain(as_document(silent), policies, BareHost())))
    assert "?    within vault/online: the record does not say when it was set" in said


def test_who_sets_the_marks_is_named():
    """With its place; and a rule with marks gets a change that allows the access."""
    policies = load_text((HEAD % "vault") + MARKED, "vault.yaml")
    asked = Origin("vault", "late", "vault.yaml:8:7", asked=("vault/online", "vault/online"))
    times = {"row_flags": RowFlag.WITHIN, "time_ns": 9 * 10**9, "mark_at[0]": 6 * 10**9}
    found = denied(origin=asked, op=Op.READ, path=b"/srv/x", **times, **{"mark_at[1]": 6 * 10**9})

    explanation = explain(as_document(found), policies, BareHost())

    (setter,) = as_dict(explanation)["marks"]
    assert {"mark": "vault/online", "policy": "vault", "rule": "online"} == {
        key: setter[key] for key in ("mark", "policy", "rule")
    }
    said = "\n".join(text for text, _ in lines(explanation))
    assert f"{setter['place']}: policy vault, rule online sets vault/online" in said
    (refusal,) = explanation.refusals
    assert refusal.changes


def test_a_rule_on_containers_gets_a_change():
    """Also if the record says too little of whom it is about."""
    document = as_document(read())
    document["container"] |= {"id": "ab" * 32, "runtime": "containerd", "name": "main"}
    document["pod"] = {"name": "web-1", "namespace": "prod", "uid": "x"}
    policies = load_text(PODS, "vault.yaml")

    explanation = explain(document, policies, Host())

    (refusal,) = explanation.refusals
    assert refusal.changes


def test_links_in_the_container_of_the_record_count(tmp_path):
    """It is refused for what a link leads to; another container has none there."""
    text = (
        HEAD % "shells"
        + """\
  selector: {container: {name: main}}
  rules:
    - {name: no-bash, exec: {}, match: {path: /opt/bash}, action: deny}
"""
    )
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/bash").symlink_to("busybox")
    policies = load_text(text, "shells.yaml")
    path = str(tmp_path / "opt/busybox").encode()
    origin = Origin("shells", "no-bash", "shells.yaml:7:7")
    document = as_document(denied(op=Op.EXEC, origin=origin, path=path))
    document["container"] |= {"id": "ab" * 32, "runtime": "containerd", "name": "main"}

    def holds(root):
        found = explain(document, policies, beside(root, policies))
        return {part.where: part.holds for part in found.decided.parts}["path"]

    assert Truth.TRUE is holds(str(tmp_path))
    assert Truth.FALSE is holds(None)


def test_names_by_what_a_runtime_shows_in_the_container_count():
    """The record has the host's name of a file in a volume; what decided is the one in the container."""
    text = (
        HEAD % "volumes"
        + """\
  selector: {container: {name: main}}
  rules:
    - {name: other, file: read, match: {path: /other/**}, action: log}
    - {name: secret, file: read, match: {path: /data/secret}, action: deny}
"""
    )
    policies = load_text(text, "volumes.yaml")
    origin = Origin("volumes", "secret", "volumes.yaml:7:7")
    document = as_document(denied(op=Op.READ, origin=origin, path=b"/srv/volume/secret"))
    document["container"] |= {"id": "ab" * 32, "runtime": "containerd", "name": "main"}

    def found(*mounted):
        return explain(document, policies, beside(None, policies, mounted))

    def path_of(explanation):
        return {part.where: (part.holds, part.found) for part in explanation.decided.parts}["path"]

    shown = found((b"/srv/volume", b"/other"), (b"/srv/volume", b"/data"), (b"/srv/vol", b"/data"))
    assert (Truth.TRUE, b"/data/secret") == path_of(shown)
    assert "" == shown.doubt
    for mounted in ((), ((b"/srv/vol", b"/data"),), ((b"/srv/volume", b"/other"),)):
        assert Truth.FALSE is path_of(found(*mounted))[0]
        assert "no longer matches" in found(*mounted).doubt
    assert (Truth.TRUE, b"/data/secret") == path_of(found((b"/srv/volume/secret", b"/data/secret")))
