# SPDX-License-Identifier: MIT
"""What the kernel itself refuses: recorded where a rule asks, once, and nothing else is."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import compiled
import pytest
from daemon import told
from engine import Engine, attempt, running

ROOT = Path("/opt/enforcer-test-attempts")
PROGRAM = ROOT / "attempts"
WATCHED, DENIED, ERRORS, PLAIN, AUDITED, JAIL = (
    ROOT / name for name in ("watched", "denied", "errors", "plain", "audited", "jail")
)
STRANGER, OTHER = "4711", "4712"
CREATE, EXCLUSIVE, WRITE, READ_WRITE, TRUNCATE, PLACE = 0o100, 0o200, 1, 2, 0o1000, 0o10000000
FIFO, REMOVE_DIRECTORY = 0o010600, 0x200

POLICY = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: seen}}
spec:
  rules:
    - {{name: tree, file: any, match: {{path: [{WATCHED}/**, {JAIL}/**], notProcess: {{uid: {OTHER}}}}}, action: log, attempts: true}}
    - {{name: run, exec: {{}}, match: {{path: {WATCHED}/**}}, action: log, attempts: true}}
    - {{name: denied, file: mkdir, match: {{path: {DENIED}/**}}, action: deny, attempts: true}}
    - {{name: errors, file: unlink, match: {{path: {ERRORS}/**}}, action: log, attempts: [EACCES, EROFS]}}
    - {{name: plain, file: any, match: {{path: {PLAIN}/**}}, action: log}}
    - {{name: acts, process: [signal, ptrace, setuid], match: {{process: {{uid: {STRANGER}}}}}, action: log, attempts: true}}
    - {{name: sockets, network: [bind, connect, accept, socket], match: {{process: {{uid: {STRANGER}}}}}, action: log, attempts: true}}
    - {{name: mounts, mount: any, match: {{path: {WATCHED}/**}}, action: log, attempts: true}}
    - {{name: modules, kernel: module, match: {{process: {{uid: {STRANGER}}}}}, action: log, attempts: true}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: audited}}
spec:
  mode: audit
  rules:
    - {{name: strict, file: mkdir, match: {{path: {AUDITED}/**}}, action: deny, attempts: true}}
"""


@pytest.fixture(scope="module")
def place() -> Iterator[None]:
    """Directories that the stranger may enter and not change, and a program that fails there."""
    os.umask(0o022)
    for directory in (ROOT, WATCHED, DENIED, ERRORS, PLAIN, AUDITED, JAIL, WATCHED / "sub"):
        directory.mkdir()
    (WATCHED / "secret").write_text("secret")
    (WATCHED / "secret").chmod(0o600)
    for file in (WATCHED / "file", ERRORS / "file", PLAIN / "file", WATCHED / "sub" / "file"):
        file.write_text("content")
    (WATCHED / "free").mkdir(mode=0o777)
    (WATCHED / "free").chmod(0o777)
    (WATCHED / "free" / "f").touch()
    os.chown(WATCHED / "free" / "f", int(STRANGER), int(STRANGER))
    (DENIED / "there").mkdir()
    compiled.place("attempts", PROGRAM)
    yield
    shutil.rmtree(ROOT)


PLAIN_POLICY = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: later}}
spec:
  rules:
    - {{name: tree, file: any, match: {{path: {WATCHED}/**}}, action: log}}
"""


def test_asked_for_later(place, tmp_path):
    """
    Without the option the kernel's refusals leave no record; a reload that asks for them needs no new start.

    Stands before the tests of the engine that is active for all of them.
    """
    with running(PLAIN_POLICY, tmp_path, "--no-watch") as engine:
        before = tried("-u", STRANGER, "open", WATCHED / "secret", 0)
        sentinel = tried("-u", STRANGER, "mkdir", WATCHED / "free" / "sentinel")
        engine.wait_for(lambda e: e.get("process", {}).get("pid") == sentinel.pid)
        none = [e for e in engine.events() if e["process"]["pid"] == before.pid]
        asking = PLAIN_POLICY.replace("action: log", "action: log, attempts: true")
        (tmp_path / "policy.yaml").write_text(asking)
        told("reload")
        after = tried("-u", STRANGER, "open", WATCHED / "secret", 0)
        (found,) = records(engine, after)
        (tmp_path / "policy.yaml").write_text(PLAIN_POLICY)
        told("reload")
        no_more = tried("-u", STRANGER, "open", WATCHED / "secret", 0)
        sentinel = tried("-u", STRANGER, "mkdir", WATCHED / "free" / "second")
        engine.wait_for(lambda e: e.get("process", {}).get("pid") == sentinel.pid)
        silent = [e for e in engine.events() if e["process"]["pid"] == no_more.pid]
        lost = json.loads(told("status", "--json"))

    assert [errno.EACCES] * 3 == [before.error, after.error, no_more.error]
    assert ([], ["EACCES"], []) == (none, [e["errno"] for e in found], silent)
    assert 0 == lost["kernel"]["attempt_lost"]


@pytest.fixture(scope="module")
def engine(place, tmp_path_factory) -> Iterator[Engine]:
    with running(POLICY, tmp_path_factory.mktemp("attempts")) as it:
        yield it


class Tried(NamedTuple):
    """A call that was made: by which process, and the errno that it saw; 0 if the call succeeded."""

    pid: int
    error: int


def tried(*arguments: object) -> Tried:
    ended = attempt(str(PROGRAM), *map(str, arguments))
    assert ended.returncode == 0, ended
    return Tried(*map(int, ended.stdout.split()))


def records(engine: Engine, *of: Tried) -> list[list[dict]]:
    """The attempts on record of each of these processes: what was tried before has arrived."""
    marker = tried("rmdir", WATCHED / "marker")
    engine.wait_for(lambda e: e.get("process", {}).get("pid") == marker.pid)
    found = [e for e in engine.events() if "attempt" in e]
    return [[e for e in found if e["process"]["pid"] == each.pid] for each in of]


# By name: the errno, the path below the directory, operation and call on record, and what is done.
CASES = {
    "open": (errno.EACCES, "secret", "read", "open", ("open", "{}/secret", 0)),
    "write": (errno.EACCES, "file", "write", "open", ("open", "{}/file", WRITE)),
    "both": (errno.EACCES, "secret", "write", "open", ("open", "{}/secret", READ_WRITE)),
    "make": (errno.EACCES, "new", "create", "open", ("open", "{}/new", CREATE | WRITE)),
    "again": (errno.EEXIST, "file", "create", "open", ("open", "{}/file", CREATE | EXCLUSIVE)),
    "missing": (errno.ENOENT, "no/such", "read", "open", ("open", "{}/no/such", 0)),
    "no directory": (errno.ENOTDIR, "file/x", "read", "open", ("open", "{}/file/x", 0)),
    "creat": (errno.EACCES, "created", "create", "creat", ("creat", "{}/created")),
    "mkdir": (errno.EACCES, "dir", "mkdir", "mkdir", ("mkdir", "{}/dir")),
    "mkdir there": (errno.EEXIST, "sub", "mkdir", "mkdir", ("mkdir", "{}/sub/")),
    "rmdir": (errno.EACCES, "sub", "rmdir", "rmdir", ("rmdir", "{}/sub")),
    "unlink": (errno.EACCES, "file", "unlink", "unlink", ("unlink", "{}/file")),
    "link there": (errno.EEXIST, "file", "link", "link", ("link", "/bin/sh", "{}/file")),
    "link from": (errno.EPERM, "sub/file", "link", "link", ("link", "{}/sub/file", "/usr/x")),
    "rename from": (errno.EACCES, "file", "rename", "rename", ("rename", "{}/file", "{}/free/g")),
    "rename to": (errno.EACCES, "named", "rename", "rename", ("rename", "{}/free/f", "{}/named")),
    "symlink": (errno.EACCES, "sym", "symlink", "symlink", ("symlink", "/bin/sh", "{}/sym")),
    "mknod": (errno.EACCES, "fifo", "mknod", "mknod", ("mknod", "{}/fifo", FIFO)),
    "mknod file": (errno.EACCES, "regular", "create", "mknod", ("mknod", "{}/regular", 0o100600)),
    "chmod": (errno.EPERM, "file", "chmod", "chmod", ("chmod", "{}/file", 0o777)),
    "chown": (errno.EPERM, "file", "chown", "chown", ("chown", "{}/file", 4711)),
    "truncate": (errno.EACCES, "file", "truncate", "truncate", ("truncate", "{}/file")),
    "setxattr": (errno.EACCES, "file", "setxattr", "setxattr", ("setxattr", "{}/file")),
    "fchmod": (errno.EPERM, "file", "chmod", "fchmod", ("fchmod", "{}/file")),
    "openat": (errno.EACCES, "secret", "read", "openat", ("openat", "{}", "secret", 0)),
    "openat2": (errno.EACCES, "secret", "write", "openat2", ("openat2", "{}", "secret", WRITE)),
    "mkdirat": (errno.EACCES, "at", "mkdir", "mkdirat", ("mkdirat", "{}/sub", "../at")),
    "unlinkat": (errno.EACCES, "file", "unlink", "unlinkat", ("unlinkat", "{}", "file", 0)),
    "unlinkat of a directory": (
        errno.EACCES,
        "sub",
        "rmdir",
        "unlinkat",
        ("unlinkat", "{}", "sub", REMOVE_DIRECTORY),
    ),
    "renameat": (errno.EACCES, "f2", "rename", "renameat", ("renameat", "{}/sub", "file", "../f2")),
    "32-bit open": (errno.EACCES, "secret", "read", "open", ("open32", "{}/secret", 0)),
    "32-bit mkdir": (errno.EACCES, "dir32", "mkdir", "mkdir", ("mkdir32", "{}/dir32")),
    "32-bit rename": (errno.EACCES, "r32", "rename", "rename", ("rename32", "{}/free/f", "{}/r32")),
    "32-bit chown": (errno.EPERM, "file", "chown", "chown", ("chown32", "{}/file")),
}


def _state() -> list[tuple[str, int, bytes]]:
    return sorted(
        (str(p), p.lstat().st_mode, p.read_bytes() if p.is_file() else b"")
        for p in WATCHED.rglob("*")
    )


@pytest.fixture(scope="module")
def made(engine) -> dict[str, tuple[Tried, bool, list[dict]]]:
    """Every case, whether it left all as it was, and what is on record of it."""
    found = {}
    for name, (*_, (call, *given)) in CASES.items():
        before = _state()
        words = [str(each).replace("{}", str(WATCHED)) for each in given]
        found[name] = tried("-u", STRANGER, call, *words), before == _state()
    of = records(engine, *(each for each, _ in found.values()))
    return {name: (*found[name], of[at]) for at, name in enumerate(found)}


@pytest.mark.parametrize("name", CASES)
def test_who_tried_what_and_what_the_kernel_said(made, name):
    """The caller saw the kernel's error, nothing changed, and there is one record that says so."""
    error, path, operation, call, _ = CASES[name]
    got, is_unchanged, found = made[name]

    assert (error, True) == (got.error, is_unchanged)
    about = [e for e in found if e["object"]["path"] == str(WATCHED / path)]
    assert about == found or call in {"link", "rename", "renameat"}  # these have two names
    (record,) = about
    assert (operation, call, errno.errorcode[error]) == tuple(
        record[key] for key in ("operation", "syscall", "errno")
    )
    assert (call, error) == (record["attempt"]["call"], record["attempt"]["errno"])
    assert f"file.{operation}" in record["attempt"]["operations"]
    assert ("seen", "tree", "log", False, False, False) == tuple(
        record[key] for key in ("policy", "rule", "action", "enforced", "prevented", "onError")
    )
    assert (int(STRANGER), str(PROGRAM)) == (record["process"]["uid"], record["process"]["exe"])


# By name: the errno, then rule, operation and call on record, and what is done.
OTHERS = {
    "signal": (errno.EPERM, "acts", "signal", "kill", ("kill", 1, 15)),
    "attach": (errno.EPERM, "acts", "ptrace", "ptrace", ("ptrace", 1, 16)),
    "uid": (errno.EPERM, "acts", "setuid", "setuid", ("setuid", 0)),
    "port": (errno.EACCES, "sockets", "bind", "bind", ("bind",)),
    "32-bit port": (errno.EACCES, "sockets", "bind", "bind", ("bind32",)),
    "connect": (errno.EINVAL, "sockets", "connect", "connect", ("connect",)),
    "raw socket": (errno.EPERM, "sockets", "socket", "socket", ("raw",)),
    "mount": (errno.EPERM, "mounts", "mount", "mount", ("mount", WATCHED / "sub", 0)),
    "bind mount": (errno.EPERM, "mounts", "bind", "mount", ("mount", WATCHED / "sub", 0x1000)),
    "unmount": (errno.EPERM, "mounts", "unmount", "umount2", ("umount", WATCHED / "sub")),
    "module": (errno.EPERM, "modules", "module", "init_module", ("init_module",)),
}
NOBODYS = {
    "signal 0": (errno.EPERM, ("kill", 1, 0)),
    "peeking": (errno.ESRCH, ("ptrace", 1, 1)),
    "nobody there yet": (errno.EAGAIN, ("accept",)),
    "another 32-bit call": (errno.EBADF, ("listen32",)),
}


def test_calls_on_no_file(engine):
    """Who, which call, which error; and what is not a refusal, or what nobody asks about, leaves no record."""
    made = [tried("-u", STRANGER, *words) for *_, words in OTHERS.values()]
    none = [tried("-u", STRANGER, *words) for _, words in NOBODYS.values()]

    assert [case[0] for case in OTHERS.values()] == [each.error for each in made]
    assert [error for error, _ in NOBODYS.values()] == [each.error for each in none]
    found = records(engine, *made, *none)
    assert [[]] * len(none) == found[len(made) :]
    assert [
        [(rule, operation, call, errno.errorcode[error], False)]
        for error, rule, operation, call, _ in OTHERS.values()
    ] == [
        [
            (*(e[key] for key in ("rule", "operation", "syscall", "errno", "enforced")),)
            for e in part
        ]
        for part in found[: len(made)]
    ]


def test_all_that_a_call_would_have_been(made):
    """Whether a name was there the kernel does not say any more, so it may have been either."""
    said = {
        name: next(
            e["attempt"]["operations"]
            for e in made[name][2]
            if e["object"]["path"] == str(WATCHED / CASES[name][1])
        )
        for name in ("open", "both", "make", "rename from", "rename to")
    }
    assert ["file.read"] == said["open"]
    assert ["file.write", "file.read"] == said["both"]
    assert ["file.create", "file.write"] == said["make"]
    assert ["file.rename"] == said["rename from"]
    assert ["file.rename", "file.create", "file.write", "file.unlink"] == said["rename to"]


def test_a_program_that_may_not_be_run(engine):
    """Without the right to execute there is no exec, and no hook of one."""
    refused = tried("-u", STRANGER, "execve", WATCHED / "file")
    missing = tried("-u", STRANGER, "execve", WATCHED / "none")

    assert (errno.EACCES, errno.ENOENT) == (refused.error, missing.error)
    found = records(engine, refused, missing)
    assert [[("run", "exec", "execve", "EACCES")], [("run", "exec", "execve", "ENOENT")]] == [
        [(e["rule"], e["event"], e["syscall"], e["errno"]) for e in part] for part in found
    ]


NAMES = {
    "secret": "watched",
    "../secret": "watched/sub",
    ".//./sub/../secret": "watched",
    "sub/..//../watched/sub/../secret": "watched",
    "/../../opt/./enforcer-test-attempts//watched/secret": "",
    "../../../../../opt/enforcer-test-attempts/watched/secret": "",
}


def test_names_are_made_absolute(engine):
    made = [
        tried("-u", STRANGER, "-d", ROOT / where, "open", given, 0)
        for given, where in NAMES.items()
    ]

    assert [errno.EACCES] * len(NAMES) == [each.error for each in made]
    assert [[(str(WATCHED / "secret"), given)] for given in NAMES] == [
        [(e["object"]["path"], e["object"]["asked"]) for e in part]
        for part in records(engine, *made)
    ]


def test_names_in_another_root_are_the_hosts(engine):
    """Nor does ``..`` lead out of it."""
    made = tried("-r", JAIL, "-u", STRANGER, "mkdir", "/../../made")

    assert errno.EACCES == made.error
    (found,) = records(engine, made)
    assert [(str(JAIL / "made"), "/../../made")] == [
        (e["object"]["path"], e["object"]["asked"]) for e in found
    ]


def test_symbolic_links_are_not_followed(engine):
    """The kernel has ended before; so the name is that of the link."""
    (WATCHED / "link").symlink_to(WATCHED / "secret")
    by_link = tried("-u", STRANGER, "open", WATCHED / "link", 0)
    (ROOT / "outside").symlink_to(WATCHED / "secret")
    outside = tried("-u", STRANGER, "open", ROOT / "outside", 0)

    assert [errno.EACCES] * 2 == [by_link.error, outside.error]
    found, none = records(engine, by_link, outside)
    assert ([str(WATCHED / "link")], []) == ([e["object"]["path"] for e in found], none)


def test_what_succeeds_is_no_attempt(engine):
    new = WATCHED / "free" / "made"
    made = tried("-u", STRANGER, "mkdir", new), tried("-u", STRANGER, "open", WATCHED / "file", 0)

    assert ([0, 0], True) == ([each.error for each in made], new.is_dir())
    assert [[], []] == records(engine, *made)
    assert engine.wait_for(lambda e: e.get("object", {}).get("path") == str(new))["enforced"]


def test_neighbours_are_not_recorded(engine):
    """Nobody asks about this user, this path, this error, this operation; nor about a place without a use."""
    made = {
        tried("-u", OTHER, "open", WATCHED / "secret", 0): errno.EACCES,
        tried("-u", STRANGER, "mkdir", PLAIN / "new"): errno.EACCES,
        tried("-u", STRANGER, "mkdir", ROOT / "watchedmore"): errno.EACCES,
        tried("-u", STRANGER, "unlink", ERRORS / "none"): errno.ENOENT,
        tried("-u", STRANGER, "mkdir", ERRORS / "none"): errno.EACCES,
        tried("-u", STRANGER, "openat", "-", "secret", 0): errno.EBADF,
        tried("-u", STRANGER, "-d", WATCHED, "mkdir", ""): errno.ENOENT,
        tried("-u", STRANGER, "open", WATCHED / "none", PLACE): errno.ENOENT,
    }
    wanted = tried("-u", STRANGER, "unlink", ERRORS / "file")

    assert [*made.values()] == [each.error for each in made]
    *none, found = records(engine, *made, wanted)
    assert [[]] * len(made) == none
    assert (["EACCES"], True) == ([e["errno"] for e in found], (ERRORS / "file").exists())


def test_our_own_refusal_is_no_attempt(engine):
    """It is recorded as a denial, once; the kernel's own in the same place is an attempt."""
    target = DENIED / "new"
    ours = [tried("mkdir", target), tried("mkdir", target), tried("-u", STRANGER, "mkdir", target)]
    theirs = tried("mkdir", DENIED / "there")

    assert ([errno.EPERM] * 3, False) == ([each.error for each in ours], target.exists())
    assert errno.EEXIST == theirs.error
    *none, found = records(engine, *ours, theirs)
    assert ([[]] * 3, ["EEXIST"]) == (none, [e["errno"] for e in found])
    denials = [
        (e["process"]["pid"], e["action"], e["enforced"], e["prevented"])
        for e in engine.events()
        if e.get("rule") == "denied" and "attempt" not in e
    ]
    assert [(each.pid, "deny", True, True) for each in ours] == denials


def test_both_by_one_process(engine):
    """A refusal of ours does not hide what the kernel refuses the same process afterwards, nor the other way."""
    both = tried("mkdir-both", DENIED / "new", DENIED / "there")

    assert errno.EEXIST == both.error
    (found,) = records(engine, both)
    assert [(str(DENIED / "there"), "EEXIST")] * 2 == [
        (e["object"]["path"], e["errno"]) for e in found
    ]


def test_audited_policies_record_them_as_well(engine):
    """In audit mode the rule refuses nothing; what the kernel refuses is on record all the same."""
    made = tried("mkdir", AUDITED / "new"), tried("mkdir", AUDITED / "new")

    assert [0, errno.EEXIST] == [each.error for each in made]
    none, found = records(engine, *made)
    assert ([], [("audited", "log", False, "EEXIST")]) == (
        none,
        [tuple(e[key] for key in ("policy", "action", "enforced", "errno")) for e in found],
    )


def test_a_name_that_cannot_be_read_is_recorded(engine):
    """In doubt there is a record, which says so."""
    made = tried("-u", STRANGER, "mkdir-fault")

    assert errno.EFAULT == made.error
    (found,) = records(engine, made)
    by_policy = {e["policy"]: e for e in found}
    assert (2, {"seen", "audited"}) == (len(found), {*by_policy})
    record = by_policy["seen"]
    assert ("tree", True, ["path"], None) == (
        record["rule"],
        record["onError"],
        record["object"]["unknown"],
        record["object"].get("path"),
    )
