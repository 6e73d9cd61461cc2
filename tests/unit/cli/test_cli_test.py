# SPDX-License-Identifier: MIT
"""`enforcer test`: cases on policies."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from plain import documents
from printed import document

from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.policy.language.vocabulary import ObjectFlag, Op
from enforcer.workbench.cases.deeds import DEEDS, Operands, accesses
from enforcer.workbench.cases.reader import CASE_KEYS, TOP
from enforcer.workbench.cases.schema import schema

ROOT = Path(__file__).parents[3]

POLICY = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: web}
spec:
  rules:
    - name: config
      file: [read, write]
      match:
        path: /etc/web/**
        process: {binary: /usr/sbin/nginx, uid: www}
      action: allow
    - {name: others, file: any, match: {path: /etc/web/**}, action: {deny: {errno: EACCES}}}
    - name: shells
      exec: {}
      match: {path: /bin/sh, lineage: {binary: /usr/sbin/nginx}}
      action: {kill: {signal: SIGTERM}}
    - {name: curl, exec: {}, match: {args: [{index: any, prefix: http}], path: /usr/bin/curl}, action: kill}
    - {name: port, network: connect, match: {port: 1-1023, address: 10.0.0.0/8}, action: deny}
    - {name: local, network: egress, match: {port: 6379, address: [127.0.0.1, "::1"]}, action: deny}
    - {name: typed, network: bind, match: {path: /run/typed, type: dgram}, action: deny}
    - {name: bus, network: connect, match: {path: /run/bus}, action: deny}
    - {name: tmp, mount: mount, match: {fsType: tmpfs, mountFlags: {none: [nosuid]}}, action: deny}
    - {name: suid, file: [chmod, create], match: {mode: {mask: "06000"}}, action: deny}
    - {name: term, process: signal, match: {signal: term, target: /usr/sbin/sshd}, action: deny}
    - {name: caps, process: capability, match: {capability: sys_module}, action: kill}
    - {name: maps, kernel: bpf, match: {command: [prog_load]}, action: deny}
    - {name: mods, kernel: module, match: {path: {notEqual: /lib/modules/**}}, action: log}
    - {name: pods, file: read, match: {path: /p, process: {pod: {namespace: prod}}, notProcess: {pod: {labels: {free: "*"}}}}, action: deny}
    - {name: trust, file: read, match: {path: /t, notProcess: {binary: /usr/bin/t, trustedCode: true}}, action: deny}
    - {name: names, file: read, match: {path: /c, process: {container: {name: web-*}}}, action: kill}
    - {name: online, network: connect, match: {port: 8443}, mark: {name: online, of: tree}}
    - {name: late, file: unlink, match: {path: /y, within: {mark: online, last: 5s}}, action: deny}
    - {name: drift, exec: {}, match: {path: /d/**, drift: true, volumes: trusted}, action: deny}
    - {name: by-drift, file: read, match: {path: /d, process: {drift: true}}, action: deny}
    - {name: root, file: read, match: {path: /x, process: {capabilities: CAP_SYS_ADMIN}}, action: log}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: trial}
spec:
  mode: audit
  rules:
    - {name: all, exec: {}, match: {process: {unit: cron.service}}, action: deny}
"""
HEAD = """\
apiVersion: enforcer/v1
kind: EnforcerCases
policies: [web.yaml]
users: {www: 33}
cases:
"""

GOOD = [
    "{do: file.read, path: /etc/web/a, as: {binary: /usr/sbin/nginx, uid: www}, expect: allow, by: web/config}",
    "{do: file.read, path: /etc/web/a, as: {binary: /usr/sbin/nginx}, expect: deny, by: web/others, errno: EACCES}",
    "{do: file.unlink, path: /etc/web/a, as: {binary: /usr/sbin/nginx, uid: 33}, expect: refused}",
    "{do: [file.read, file.write], path: /etc/web/a, expect: deny}",
    "{do: file.rename, path: /etc/web, to: /etc/old, expect: deny, by: web/others, guard: true}",
    "{do: file.rename, path: /tmp/a, to: /etc/web/a, replaces: true, expect: deny, by: web/others}",
    "{do: file.link, path: /etc/web/a, to: /tmp/a, expect: deny}",
    "{do: file.link, path: /tmp/a, to: /tmp/b, expect: nothing}",
    "{do: file.link, path: /tmp/a, to: /tmp/b, mode: 04755, expect: deny, by: web/suid}",
    "{do: file.read, unknown: [path], expect: deny, onError: true}",
    "{do: file.read, path: /etc/webs, expect: nothing}",
    "{do: file.chmod, path: /tmp/a, mode: 04755, expect: deny, by: web/suid}",
    "{do: file.chmod, path: /tmp/a, mode: 0755, expect: nothing}",
    "{do: file.create, path: /tmp/a, expect: permitted}",
    "{do: file.setxattr, path: /tmp/a, xattr: user.a, expect: nothing}",
    "{do: exec, path: /usr/bin/sh, as: {binary: /usr/bin/perl}, parent: {binary: /usr/sbin/nginx}, expect: kill, by: web/shells, killedBy: SIGTERM}",
    "{do: exec, path: /usr/bin/sh, as: {binary: /usr/sbin/nginx}, expect: kill, by: web/shells}",
    "{do: exec, path: /usr/bin/sh, unknown: [binary], parent: {binary: /usr/sbin/nginx}, expect: kill}",
    "{do: exec, path: /usr/bin/sh, unknown: [binary], expect: deny, by: web/shells, onError: true}",
    "{do: exec, path: /usr/bin/sh, ancestors: [{binary: /usr/sbin/nginx}, {binary: /usr/bin/perl}], expect: kill}",
    "{do: exec, path: /usr/bin/sh, parent: {binary: /usr/bin/perl}, expect: nothing}",
    "{do: exec, path: /srv/x.py, interpreter: /usr/bin/python3, parent: {binary: /usr/sbin/nginx}, expect: nothing}",
    "{do: exec, path: /srv/x.sh, interpreter: /usr/bin/sh, parent: {binary: /usr/sbin/nginx}, expect: kill}",
    "{do: exec, path: /usr/bin/curl, args: [curl, 'http://x'], expect: kill, by: web/curl}",
    "{do: exec, path: /usr/bin/curl, args: [curl, -V], expect: nothing}",
    "{do: exec, path: /usr/bin/curl, unknown: [args], expect: deny, by: web/curl, onError: true}",
    "{do: exec, path: /usr/bin/id, as: {unit: cron.service}, expect: nothing, audit: {expect: deny, by: trial/all}}",
    "{do: exec, path: /usr/bin/id, as: {unit: ssh.service}, expect: nothing, audit: {expect: nothing}}",
    "{do: network.connect, address: 10.1.2.3, port: 22, expect: deny, by: web/port}",
    "{do: network.connect, address: '::ffff:10.1.2.3', port: 22, expect: deny}",
    "{do: network.connect, address: 10.1.2.3, port: 2222, expect: nothing}",
    "{do: network.connect, address: 10.1.2.3, unknown: [port], expect: deny, onError: true}",
    "{do: network.connect, address: 0.0.0.0, port: 6379, expect: deny, by: web/local}",
    "{do: network.send, address: '::ffff:0.0.0.0', port: 6379, expect: deny, by: web/local}",
    "{do: network.connect, address: '::', port: 6379, expect: deny, by: web/local}",
    "{do: network.bind, address: 0.0.0.0, port: 6379, expect: nothing}",
    "{do: network.bind, path: /run/typed, type: dgram, expect: deny, by: web/typed}",
    "{do: network.bind, path: /run/typed, expect: nothing}",
    "{do: network.connect, path: /run/bus, expect: deny, by: web/bus}",
    "{do: network.send, path: /run/bus, type: dgram, expect: deny, by: web/bus}",
    "{do: network.connect, abstract: bus, expect: nothing}",
    "{do: network.socket, family: packet, type: raw, expect: nothing}",
    "{do: network.listen, address: 0.0.0.0, port: 80, expect: nothing}",
    "{do: mount, path: /mnt, fsType: tmpfs, expect: deny, by: web/tmp}",
    "{do: mount, path: /mnt, fsType: tmpfs, mountFlags: [nosuid, nodev], expect: nothing}",
    "{do: mount, path: /mnt, fsType: tmpfs.x, expect: deny, by: web/tmp}",
    "{do: mount.move, path: /etc/web, to: /mnt, expect: deny, by: web/others, guard: true}",
    "{do: mount.unmount, path: /etc, expect: deny, guard: true}",
    "{do: process.signal, signal: term, target: /usr/sbin/sshd, targetUid: 0, expect: deny, by: web/term}",
    "{do: process.signal, signal: kill, target: /usr/sbin/sshd, targetUid: 0, expect: nothing}",
    "{do: process.signal, signal: term, unknown: [target], targetUid: 0, expect: deny, onError: true}",
    "{do: process.capability, capability: sys_module, expect: kill, by: web/caps}",
    "{do: process.userns, expect: nothing}",
    "{do: kernel.bpf, command: prog_load, expect: deny, by: web/maps}",
    "{do: kernel.module, path: /tmp/x.ko, expect: log, by: web/mods}",
    "{do: memory.mapExec, expect: nothing}",
    "{do: file.read, path: /x, expect: log, by: web/root}",
    "{do: file.read, path: /x, as: {uid: 1000}, expect: nothing}",
    "{do: file.read, path: /x, as: {uid: 0, capabilities: none}, expect: nothing}",
    "{do: file.read, path: /x, as: {uid: 7, capabilities: [CAP_SYS_ADMIN]}, expect: log}",
    "{do: file.unlink, path: /y, expect: nothing}",
    "{do: exec, path: /d/x, drift: true, expect: deny, by: web/drift}",
    "{do: exec, path: /d/x, drift: [memory, volume], expect: deny, by: web/drift}",
    "{do: exec, path: /d/x, drift: volume, expect: nothing}",
    "{do: exec, path: /d/x, drift: false, expect: nothing}",
    "{do: exec, path: /d/x, expect: nothing}",
    "{do: exec, path: /d/x, unknown: [drift], expect: deny, by: web/drift, onError: true}",
    "{do: exec, path: /x, interpreter: /d/x, drift: true, expect: nothing}",
    "{do: file.read, path: /d, as: {drift: written}, expect: deny, by: web/by-drift}",
    "{do: file.read, path: /d, as: {drift: false}, expect: nothing}",
    "{do: file.read, path: /d, expect: nothing}",
    "{do: file.unlink, path: /y, marks: {web/online: 5s}, expect: deny, by: web/late}",
    "{do: file.unlink, path: /y, marks: {web/online: 5001ms}, expect: nothing}",
    "{do: file.unlink, path: /y, after: [{do: network.connect, address: 192.0.2.1, port: 8443, ago: 4s}], expect: deny}",
    "{do: file.unlink, path: /y, after: [{do: network.connect, address: 192.0.2.1, port: 443, ago: 4s}], expect: nothing}",
    "{do: file.unlink, path: /y, after: [{do: network.connect, address: 192.0.2.1, port: 8443, ago: 1s}, {do: network.connect, address: 192.0.2.1, port: 8443, ago: 9s}], expect: deny}",
    "{do: file.read, path: /etc/web/a, as: {uid: 33}, unknown: [binary], expect: deny, by: web/others, onError: false}",
    "{do: exec.loaded, path: /usr/bin/curl, as: {uid: 5}, expect: deny, by: web/curl, onError: true}",
    "{do: exec.loaded, path: /usr/bin/id, as: {uid: 5}, expect: nothing}",
    "{do: file.read, path: /t, as: {binary: /usr/bin/t, trustedCode: true}, expect: nothing}",
    "{do: file.read, path: /t, as: {binary: /usr/bin/t}, expect: deny, by: web/trust, onError: false}",
    "{do: file.read, path: /t, as: {binary: /usr/bin/t}, unknown: [trustedCode], expect: deny, onError: true}",
    "{do: file.read, path: /p, as: {pod: {namespace: prod}}, expect: deny, by: web/pods, onError: false}",
    "{do: file.read, path: /p, as: {pod: {namespace: dev}}, expect: nothing}",
    "{do: file.read, path: /p, as: {pod: {namespace: prod, labels: {free: x}}}, expect: nothing}",
    "{do: file.read, path: /p, as: {container: {name: x}}, expect: nothing}",
    "{do: file.read, path: /p, as: {cgroup: /kubepods/x}, expect: deny, onError: true}",
    "{do: file.read, path: /p, expect: nothing}",
    "{do: file.read, path: /c, as: {container: {name: web-1}}, expect: kill}",
    "{do: file.read, path: /c, as: {pod: {}, container: {name: web-1}, uid: 5}, expect: kill}",
    "{do: file.read, path: /c, as: {pod: {name: web-1}}, expect: nothing}",
]  # fmt: skip


@pytest.fixture
def write(tmp_path):
    (tmp_path / "web.yaml").write_text(POLICY)

    def write(*cases, head=HEAD):
        path = tmp_path / "web.cases.yaml"
        path.write_text(head + "".join(f"  - {case}\n" for case in cases))
        return path

    return write


SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def is_valid(case, head=HEAD):
    (document,) = documents(f"{head}  - {case}\n")
    return VALIDATOR.is_valid(document)


def test_the_schema_is_current():
    """policies/cases.schema.json is the output of the generator, and obeys its own dialect."""
    assert SCHEMA == json.loads((ROOT / "policies/cases.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("case", GOOD)
def test_the_schema_takes_what_the_reader_takes(case):
    """No form of a case is marked as wrong."""
    assert is_valid(case)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("policies/**/*.cases.yaml")), ids=lambda p: p.name
)
def test_the_schema_takes_the_samples(path):
    """An editor marks nothing in them."""
    (document,) = documents(path.read_bytes())
    VALIDATOR.validate(document)


def test_the_schema_has_the_keys_of_the_reader():
    """All of them."""
    case = SCHEMA["$defs"]["case"]["properties"]

    assert set(TOP) == SCHEMA["properties"].keys()
    assert {*CASE_KEYS, "do", "unknown"} <= case.keys()


@pytest.mark.parametrize("case", GOOD)
def test_the_verdict_is_the_expected_one(write, capsys, case):
    """Subjects, operations and operands in the words of policies."""
    code = main(["test", str(write(case))])

    assert (Exit.OK, "ok: 1 case, 0 not as expected\n") == (code, capsys.readouterr().out)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (
            "{name: n, do: file.read, path: /etc/web/a, expect: allow}",
            "n: expected allow, got deny by web/others (",
        ),
        (
            "{name: n, do: file.read, path: /etc/web/a, expect: deny, by: web/config}",
            "n: expected deny by web/config, got deny by web/others (",
        ),
        (
            "{name: n, do: file.read, path: /etc/web/a, expect: deny, errno: EPERM}",
            "n: expected the error EPERM, got EACCES: deny by web/others (",
        ),
        (
            "{name: n, do: file.read, path: /etc/web/a, expect: deny, guard: true}",
            "n: expected guard true, got deny by web/others (",
        ),
        ("{do: file.read, path: /a, expect: refused}", "case 1: expected refused, got nothing"),
        (
            "{do: exec, path: /a, expect: nothing, audit: {expect: deny}}",
            "case 1: in audit mode: expected deny, got nothing",
        ),
        (
            "{do: exec, path: /usr/bin/curl, args: ['http:'], expect: kill, killedBy: SIGTERM}",
            "case 1: expected the signal SIGTERM, got SIGKILL: kill by web/curl (",
        ),
    ],
)
def test_another_verdict_is_told_with_its_place(write, capsys, case, said):
    """The case's place, what was expected, what was decided, and where that rule stands."""
    path = write(case)

    code = main(["test", str(path)])

    out = capsys.readouterr().out.splitlines()
    assert code == Exit.DIFFERS
    assert out[0].startswith(f"{path}:6:5: {said}")
    assert out[1] == "failed: 1 case, 1 not as expected"


ONLY_THE_READER = (
    *("must be resolved", "operations that are done together", "'by' needs a verdict"),
    *("'nobodyelse'", "cannot be unknown", "an address needs", "a socket needs"),
    *("is not an address", "needs 'interpreter'"),
)
"""What a schema cannot say, or would say at great length."""


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("{path: /a, expect: deny}", "6:5: a case needs 'do'"),
        ("{do: file.read, path: /a}", "6:5: a case needs 'expect'"),
        (
            "{do: exec, path: /a, script: true, args: [a], expect: deny}",
            "6:5: a script with 'args' needs 'interpreter'",
        ),
        (
            "{do: exec, path: /a, script: true, unknown: [args], expect: deny}",
            "6:5: a script with 'args' needs 'interpreter'",
        ),
        ("{do: file.raed, path: /a, expect: deny}", "did you mean 'file.read'?"),
        ("{do: file.read, expect: deny}", "6:5: file.read needs 'path'"),
        ("{do: file.read, path: a, expect: deny}", "6:27: path must be an absolute path"),
        ("{do: file.read, path: /a/../b, expect: deny}", "6:27: path must be resolved"),
        (
            "{do: file.read, path: /a, port: 1, expect: deny}",
            "'port' is not an operand of file.read",
        ),
        ("{do: file.rename, path: /a, expect: deny}", "6:5: file.rename needs 'to'"),
        (
            "{do: [file.read, exec], path: /a, expect: deny}",
            "6:6: operations that are done together must be of",
        ),
        ("{do: file.read, path: /a, expect: block}", "expect must be one of allow, log, deny"),
        ("{do: file.read, path: /a, expect: deny, by: web}", "by names a policy and a rule"),
        ("{do: file.read, path: /a, expect: nothing, by: a/b}", "'by' needs a verdict by a rule"),
        ("{do: file.read, path: /a, as: {user: 1}, expect: deny}", "'user' is not a field of as"),
        ("{do: file.read, path: /a, as: {uid: nobodyelse}, expect: deny}", "'nobodyelse'"),
        (
            "{do: file.read, path: /a, as: {unit: x}, expect: deny}",
            "unit must be the name of a unit",
        ),
        ("{do: file.read, path: /a, unknown: [port], expect: deny}", "'port' cannot be unknown"),
        ("{do: network.connect, address: 1.2.3.4, expect: deny}", "an address needs 'port'"),
        ("{do: network.connect, expect: deny}", "a socket needs one of 'address', 'path'"),
        ("{do: network.connect, address: x, port: 1, expect: deny}", "'x' is not an address"),
        ("{do: file.chmod, path: /a, expect: deny}", "file.chmod needs 'mode'"),
        (
            "{do: process.signal, signal: term, targetUid: 0, expect: deny}",
            "process.signal needs 'target'",
        ),
        ("{do: syscall, expect: deny}", "6:10: the text 'syscall' is not an operation"),
        (
            "{do: exec, path: /a, marks: {online: 1s}, expect: deny}",
            "must name a policy and a mark",
        ),
        (
            "{do: exec, path: /a, marks: {a/b/c/online: 1s}, expect: deny}",
            "must name a policy and a mark",
        ),
        ("{do: file.read, path: /a, expect: deny, by: a/b/c/d}", "by names a policy and a rule"),
        ("{do: file.read, path: /a, expect: deny, by: /a}", "by names a policy and a rule"),
        ("{do: exec, path: /a, marks: {web/online: 1}, expect: deny}", "must be a time such as"),
        ("{do: exec, path: /a, after: [{do: file.read, path: /b}], expect: deny}", "needs 'ago'"),
        ("{do: exec, path: /a, after: [{ago: 1s}], expect: deny}", "a case needs 'do'"),
    ],
)
def test_what_is_wrong_in_a_case_is_told_with_its_place(write, capsys, case, error):
    """A case that does not say what its author meant proves nothing."""
    path = write(case)

    code = main(["test", str(path)])

    captured = capsys.readouterr()
    assert code == Exit.POLICY
    assert error in captured.err
    assert captured.err.startswith(f"{path}:6:")
    assert captured.out == "failed: 0 cases, 0 not as expected, 1 error\n"
    assert is_valid(case) is any(word in error for word in ONLY_THE_READER)


@pytest.mark.parametrize(
    ("head", "error"),
    [
        ("kind: EnforcerCases\ncases:\n", "1:1: apiVersion of a file of cases is enforcer/v1"),
        (HEAD.replace("Cases", "Policy"), "2:7: kind of a file of cases is EnforcerCases"),
        (HEAD.replace("users", "user"), "'user' is not a key of a file of cases"),
        (HEAD.replace("33", "www"), "users.www must be a number"),
        (HEAD.replace("web.yaml", "none.yaml"), "cannot read the file: No such file"),
        (
            HEAD.replace("users: {www: 33}", "links: {bin: usr/bin}"),
            "'bin' must be the absolute path",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_told(write, capsys, head, error):
    """Also what its policies lack."""
    code = main(["test", str(write("{do: exec, path: /a, expect: nothing}", head=head))])

    assert code == (Exit.USAGE if "cannot read" in error else Exit.POLICY)
    assert error in capsys.readouterr().err


def test_the_outcome_as_a_document(write, capsys):
    """Of every case, also of files that are wrong; nothing else is printed."""
    path = write(
        "{name: a, do: file.read, path: /etc/web/a, expect: deny}\n"
        "  - {name: b, do: file.read, path: /etc/web/a, expect: allow}"
    )

    assert Exit.DIFFERS == main(["test", "--json", str(path)])

    found = document("test", capsys.readouterr().out)
    assert (False, 2, 1, 0) == tuple(found[key] for key in ("ok", "cases", "failed", "errors"))
    (suite,) = found["suites"]
    assert [("a", True), ("b", False)] == [(case["name"], case["ok"]) for case in suite["cases"]]
    assert (["deny", "deny"], []) == (
        [case["verdict"] for case in suite["cases"]],
        suite["cases"][0]["problems"],
    )
    assert suite["cases"][1]["problems"][0].startswith("expected allow, got deny by web/others (")
    assert f"{path}:7:5" == suite["cases"][1]["place"]


def test_files_that_are_wrong_are_findings_of_the_document(write, tmp_path, capsys):
    """Each with its place; what cannot be opened, too."""
    assert Exit.POLICY == main(
        ["test", "-o", "json", str(write("{do: nothing}")), str(tmp_path / "none.cases.yaml")]
    )

    said = capsys.readouterr()
    found = document("test", said.out)
    wrong, missing = (suite["findings"] for suite in found["suites"])
    assert ("", False, len(wrong) + 1) == (said.err, found["ok"], found["errors"])
    assert {"invalid-policy"} == {each["kind"] for each in wrong}
    assert ["unreadable-file"] == [each["kind"] for each in missing]


def test_other_policies_can_be_tried(write, tmp_path, capsys):
    """The same cases for a candidate; nobody's policies are an error."""
    path = write("{do: exec, path: /a, expect: nothing}")
    other = tmp_path / "other.yaml"
    other.write_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: o}\n"
        "spec: {rules: [{name: a, exec: {}, action: kill}]}\n"
    )

    assert main(["test", str(path)]) == Exit.OK
    assert main(["test", "--policy", str(other), str(path)]) == Exit.DIFFERS
    assert "got kill by o/a" in capsys.readouterr().out
    path.write_text(path.read_text().replace("policies: [web.yaml]\n", ""))
    assert main(["test", str(path)]) == Exit.USAGE


def test_the_machine_is_the_one_that_the_file_describes(write, capsys):
    """Not the one that the tests run on: its links are those of the file, merged /usr by default."""
    case = "{do: exec, path: /usr/bin/sh, parent: {binary: /usr/sbin/nginx}, expect: kill}"
    bare = HEAD.replace("users", "links: {}\nusers")

    assert main(["test", str(write(case))]) == Exit.OK
    assert main(["test", str(write(case, head=bare))]) == Exit.DIFFERS


def test_a_junit_file_is_for_pipelines(write, tmp_path, capsys):
    """Every case, what failed with its place, and files that could not be tried."""
    path = write(
        "{name: good, do: exec, path: /a, expect: nothing}",
        '{name: "bad \\x01 <&>", do: exec, path: /a, expect: deny}',
    )
    broken = tmp_path / "broken.cases.yaml"
    broken.write_text("cases: 1\n")
    report = tmp_path / "report.xml"

    code = main(["test", "--junit", str(report), str(tmp_path)])

    assert code == Exit.POLICY
    first, second = ET.parse(report).getroot()
    assert (first.get("name"), first.get("errors")) == (str(broken), "3")
    assert (second.get("tests"), second.get("failures"), second.get("errors")) == ("2", "1", "0")
    good, bad = second
    assert (good.get("name"), len(good)) == ("good", 0)
    assert (bad.get("name"), bad.get("line")) == ("bad \ufffd <&>", "7")
    assert bad[0].get("message") == f"{path}:7:5: expected deny, got nothing"


def test_policies_of_a_namespace_are_named_with_it(write, tmp_path, capsys):
    """A rule and a mark of NAMESPACE/POLICY, in cases and in their schema."""
    (tmp_path / "shop.yaml").write_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: net, namespace: shop}\nspec:\n  rules:\n"
        "    - {name: online, network: connect, match: {port: 8443}, mark: online}\n"
        "    - {name: late, file: unlink, match: {within: {mark: online, last: 5s}}, action: deny}\n"
    )
    head = HEAD.replace("web.yaml", "shop.yaml")
    act = "do: file.unlink, path: /y, as: {pod: {namespace: shop}}"
    right = f"{{{act}, marks: {{shop/net/online: 1s}}, expect: deny, by: shop/net/late}}"
    wrong = f"{{name: n, {act}, marks: {{shop/net/online: 1s}}, expect: deny, by: net/late}}"

    assert main(["test", str(write(right, head=head))]) == Exit.OK
    assert is_valid(right, head)
    capsys.readouterr()

    assert main(["test", str(write(wrong, head=head))]) == Exit.DIFFERS
    assert "expected deny by net/late, got deny by shop/net/late" in capsys.readouterr().out


def test_a_folder_has_its_files_of_cases(capsys):
    """The samples are as they should be."""
    assert main(["test", "--quiet", str(ROOT / "policies")]) == Exit.OK
    assert capsys.readouterr().out == ""
    assert main(["test", str(ROOT / "docs")]) == Exit.USAGE


def test_every_deed_is_of_the_records():
    """Words are those of records; what only comes with something else is none."""
    assert {"exec", "file.write", "network.connect", "mount.unmount"} <= DEEDS.keys()
    assert "file.guard" not in DEEDS
    for op in DEEDS.values():
        made = accesses([op], Operands(path=b"/a", to=b"/b"))
        assert op in {Op(number) for access in made for number in access.ops}


def test_a_rename_asks_about_both_names():
    """In the order of the hook."""
    old, new = accesses([Op.RENAME], Operands(path=b"/a", to=b"/b", replaces=True))

    assert (old.operands[0], old.ops) == (b"/a", (Op.RENAME, Op.GUARD))
    assert new.operands[0] == b"/b"
    assert new.ops == (Op.RENAME, Op.UNLINK, Op.WRITE, Op.NAME_GUARD)


def test_what_is_asked_late_is_no_script():
    """By then it is the interpreter that the kernel runs."""
    flags = [
        [
            made.flags & ObjectFlag.SCRIPT
            for made in accesses([Op.EXEC], Operands(path=b"/a", **more))
        ]
        for more in ({"interpreter": b"/b"}, {"flags": ObjectFlag.SCRIPT})
    ]

    assert [[1, 0, 0, 0], [1, 0, 0]] == flags


def test_what_is_made_as_a_directory_is_one():
    """Though it has no inode yet."""
    (made,) = accesses([Op.MKDIR], Operands(path=b"/a"))

    assert (made.ops, made.flags) == ((Op.MKDIR,), ObjectFlag.DIR)


def test_a_bind_to_a_path_makes_a_file():
    """As one access, with the mode of the new file."""
    (made,) = accesses([Op.BIND], Operands(path=b"/a"))

    assert (made.operands[0], made.ops) == (b"/a", (Op.BIND, Op.CREATE))
