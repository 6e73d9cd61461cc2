# SPDX-License-Identifier: MIT
"""A program that is trusted with something is so with its own code alone, not with anybody's."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import compiled
import pytest
from daemon import Daemon, Tail, leftovers, managed
from engine import attempt

ROOT = Path("/opt/enforcer-test-code")
KEEPER, SECRET, LENIENT = ROOT / "keeper", ROOT / "secret", ROOT / "lenient"
USER = 1001
POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: code}}
spec:
  rules:
    - file: read
      match:
        path: {SECRET}
        notProcess: {{binary: {KEEPER}, trustedCode: true}}
      action: deny
    - file: read
      match:
        path: {LENIENT}
        notProcess: {{binary: {KEEPER}, trustedCode: true}}
      action: deny
      onError: allow
    - file: create
      match:
        path: {{notGlob: [/run/keeper/**]}}
        process: {{binary: {KEEPER}}}
      action: deny
"""
CORES = ROOT / "cores"
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
OPEN, SHUT = 0, errno.EPERM
TRACED = """
import ctypes, os, sys
ptrace = ctypes.CDLL(None).ptrace
child = os.fork()
if not child:
    ptrace(0, 0, 0, 0)  # PTRACE_TRACEME: the program that begins stops for its tracer before its first instruction
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    status = os.waitpid(child, 0)[1]
    if not os.WIFSTOPPED(status):
        sys.exit(os.waitstatus_to_exitcode(status))
    ptrace(7, child, 0, 0)  # PTRACE_CONT
"""

FAULTS = """
import ctypes, os, socket, sys

def send_one():
    socket.send_fds(theirs, [b"."], [ctypes.CDLL(None).syscall(323, 1)])  # userfaultfd, UFFD_USER_MODE_ONLY

ours, theirs = socket.socketpair()
if sys.argv[1] == "inherited":
    send_one()
elif not os.fork():
    ours.close()
    send_one()
    theirs.recv(1)  # until the other one has ended
    os._exit(0)
theirs.close()
os.dup2(socket.recv_fds(ours, 1, 1)[1][0], 0)
ours.set_inheritable(True)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Gives a program a userfaultfd as standard input, which was made in its place, or by a process that lives on."""


@attrs.frozen
class Way:
    """Arguments of keeper behind the secret, its environment, and what starts it."""

    mode: tuple[str, ...] = ()
    env: dict[str, str] = attrs.field(factory=dict)
    starter: tuple[str, ...] = ()

    def run(self, secret: Path = SECRET) -> int:
        """Return the errno that the keeper met."""
        argv = (*self.starter, str(KEEPER), str(secret), *self.mode)
        who = {"user": USER, "group": USER, "extra_groups": []}
        return attempt(*argv, env={**os.environ, **self.env}, **who).returncode


def _library(name: str) -> str:
    return str(ROOT / "libraries" / name)


IN_MEMORY = str(ROOT / "memory" / "good.so")  # of a tmpfs
MINE, GOOD, COPY = _library("mine.so"), _library("good.so"), _library("copy.so")

FOREIGN = {
    "preload": Way(env={"LD_PRELOAD": MINE}),
    "audit": Way(env={"LD_AUDIT": _library("audit.so")}),
    "library path": Way(env={"LD_LIBRARY_PATH": str(ROOT / "path")}),
    "written by a group": Way(env={"LD_PRELOAD": _library("group.so")}),
    "written by all": Way(env={"LD_PRELOAD": _library("world.so")}),
    "where set-ID programs are none": Way(env={"LD_PRELOAD": str(ROOT / "nosuid/good.so")}),
    "loaded later": Way(("load", MINE)),
    "loaded by another thread": Way(("load in thread", MINE)),
    "mapped by who shares the memory": Way(("shared memory", MINE)),
    "mapped for a child in the same memory": Way(("beside a thread", MINE)),
    "mapped for one that is not waited for": Way(("beside a thread, not waited for", MINE)),
    "mapped by a sibling in the same memory": Way(("beside a sibling", MINE)),
    "mapped by a grandchild in the same memory": Way(("below a child", MINE)),
    "mapped by a thread of a child that has ended": Way(("beside a thread of a child", MINE)),
    "inherited": Way(("load, fork", MINE)),
    "mapped to be read": Way(("read, then executable", MINE)),
    "writable as well": Way(("writable", GOOD)),
    "written before": Way(("written", GOOD)),
    "anonymous": Way(("anonymous",)),
    "made executable": Way(("protected",)),
    **{
        f"{mode}, by a userfaultfd": Way((mode, IN_MEMORY))
        for mode in (
            "filled by a call",
            "filled by the device",
            "filled by a child in the same memory",
            "filled by an heir",
        )
    },
    "traced from before": Way(starter=(sys.executable, "-ISc", TRACED)),
}
OWN = {
    "plain": Way(),
    "preload": Way(env={"LD_PRELOAD": GOOD}),
    "loaded later": Way(("load", GOOD)),
    "loaded by another thread": Way(("load in thread", GOOD)),
    "loaded from memory": Way(("load", IN_MEMORY)),
    "mapped to be read": Way(("read, then executable", GOOD)),
    "a child in the same memory": Way(("beside a thread", GOOD)),
    "a child that runs another program": Way(("spawn",)),
    "inherited": Way(("load, fork", GOOD)),
    "executed again": Way(("load, again", MINE)),
}


def _furnish() -> None:
    for name in ("libraries", "path", "nosuid", "memory", "cores"):
        (ROOT / name).mkdir(parents=True)
    ROOT.chmod(0o755)
    CORES.chmod(0o777)
    compiled.place("keeper", KEEPER)
    for name in ("mine", "good", "copy", "audit", "group", "world"):
        compiled.place("audit-library", Path(_library(f"{name}.so")))
    for name in ("mine", "audit"):
        os.chown(_library(f"{name}.so"), USER, USER)
    Path(_library("group.so")).chmod(0o664)
    Path(_library("world.so")).chmod(0o666)
    libc = shutil.copy("/usr/lib/x86_64-linux-gnu/libc.so.6", ROOT / "path" / "libc.so.6")
    os.chown(libc, USER, USER)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "nosuid,mode=755", "x", ROOT / "nosuid"], check=True
    )
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "x", ROOT / "memory"], check=True)
    for name in ("nosuid", "memory"):
        shutil.copy(GOOD, ROOT / name / "good.so")
    Path("/dev/userfaultfd").chmod(0o666)
    for secret in (SECRET, LENIENT):
        secret.write_text("secret\n")


@attrs.frozen
class Waiting:
    """A keeper that looks when it is told to."""

    process: subprocess.Popen[str]

    @classmethod
    def begin(cls, secret: Path = SECRET) -> Waiting:
        """Start it, and wait until it has begun to wait."""
        argv = (str(KEEPER), str(secret), "wait", MINE)
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, user=USER, bufsize=1)
        it = cls(process)
        assert it.look() in {OPEN, SHUT}
        return it

    def look(self, how: str = ".") -> int:
        """Return the errno that it meets; *how* l: it loads a library of its user first."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(how)
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self) -> None:
        """Let it go."""
        self.process.communicate()


@attrs.frozen
class Stage:
    """The daemon, what was there before it, and what everything did without it."""

    daemon: Daemon
    strict: Waiting
    lenient: Waiting
    controls: dict[str, int]
    dumped: bytes
    """The core file of the keeper without the daemon."""


def _dump(keeper: Path, secret: Path) -> bytes:
    """Return the core file of *keeper*, which a user of it has dump core after it has read *secret*; b"": none."""
    for path in CORES.iterdir():
        path.unlink()
    who = {"user": USER, "group": USER, "extra_groups": []}
    before = CORE_PATTERN.read_text()
    CORE_PATTERN.write_text(f"{CORES}/core")
    try:
        ended = attempt(str(keeper), str(secret), "dump", **who)
    finally:
        CORE_PATTERN.write_text(before)
    assert -signal.SIGQUIT == ended.returncode, ended
    return b"".join(path.read_bytes() for path in CORES.iterdir())


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    _furnish()
    folder = tmp_path_factory.mktemp("code")
    (folder / "policies").mkdir()
    (folder / "policies" / "code.yaml").write_text(POLICY)
    controls = {name: way.run() for name, way in FOREIGN.items()}
    dumped = _dump(KEEPER, SECRET)
    found = Waiting.begin(), Waiting.begin(LENIENT)
    with managed(folder, folder / "policies") as daemon:
        daemon.start()
        yield Stage(daemon, *found, controls, dumped)
        daemon.stop()
    for each in found:
        each.end()
    assert not any(leftovers().values())
    subprocess.run(["umount", ROOT / "nosuid", ROOT / "memory"], check=True)
    shutil.rmtree(ROOT)
    Path("/dev/userfaultfd").chmod(0o600)


@pytest.mark.parametrize("way", FOREIGN)
def test_code_of_others_is_not_trusted(way, stage):
    assert OPEN == stage.controls[way]

    assert SHUT == FOREIGN[way].run()
    assert SHUT == FOREIGN[way].run(LENIENT)  # it is known, so onError has no say


@pytest.mark.parametrize("way", OWN)
def test_code_of_root_is_trusted(way, stage):
    assert OPEN == OWN[way].run()


@pytest.mark.parametrize("how", ["inherited", "passed"])
def test_userfaultfd_of_another_process_fills_nothing_here(how, stage):
    starter = (sys.executable, "-ISc", FAULTS, how)
    filled = Way(("filled by standard input", IN_MEMORY), starter=starter)

    assert 201 == filled.run()
    assert OPEN == Way(starter=starter).run()  # so it takes no trust


def test_who_else_is_refused_as_before(stage):
    stolen = ROOT / "path" / "keeper"
    shutil.copy(KEEPER, stolen)

    assert b"not permitted" in attempt("/usr/bin/cat", str(SECRET)).stderr
    assert SHUT == attempt(str(stolen), str(SECRET)).returncode


def test_program_that_may_make_no_files_leaves_no_core(stage):
    other = ROOT / "path" / "other"
    shutil.copy(KEEPER, other)
    readable = ROOT / "readable"
    readable.write_text("no secret\n")
    assert b"secret\n" in stage.dumped

    assert b"" == _dump(KEEPER, SECRET)
    assert b"no secret\n" in _dump(other, readable)


def test_file_without_a_name_is_not_trusted(stage):
    code = (
        "import os, sys\n"
        "fd = os.memfd_create('x', 0)\n"
        "os.write(fd, open(sys.argv[1], 'rb').read())\n"
        "os.environ['LD_PRELOAD'] = f'/proc/self/fd/{fd}'\n"
        "os.execv(sys.argv[2], sys.argv[2:])\n"
    )
    argv = (sys.executable, "-ISc", code, GOOD, str(KEEPER))

    assert SHUT == attempt(*argv, str(SECRET)).returncode  # as root, whose file it is
    assert OPEN == attempt(str(KEEPER), str(SECRET)).returncode


def test_file_of_a_mount_that_maps_users_is_not_trusted(stage, scratch):
    (scratch / "libraries").mkdir()
    shutil.copy(GOOD, scratch / "libraries")
    plain, mapped = scratch / "libraries" / "good.so", ROOT / "path" / "mapped"
    mapped.mkdir()
    option = "bind,X-mount.idmap=b:0:0:65536"
    subprocess.run(["mount", "-o", option, scratch / "libraries", mapped], check=True)
    try:
        assert OPEN == Way(env={"LD_PRELOAD": str(plain)}).run()
        assert SHUT == Way(env={"LD_PRELOAD": str(mapped / "good.so")}).run()
    finally:
        subprocess.run(["umount", mapped], check=True)


def test_who_was_there_before_is_unknown(stage):
    assert SHUT == stage.strict.look()
    assert OPEN == stage.lenient.look()


def test_record_says_whether_the_code_was_trusted(stage):
    FOREIGN["preload"].run()
    stage.daemon.catch_up()

    records = [r for r in Tail(stage.daemon.log).records() if r["kind"] == "match"]

    (*_, last) = [r for r in records if r["process"]["exe"] == str(KEEPER)]
    assert "trusted_code" not in last["process"]["flags"]
    assert str(SECRET) == last["object"]["path"]


def test_what_is_known_outlives_the_daemon(stage):
    trusted, foreign, meanwhile = Waiting.begin(), Waiting.begin(), Waiting.begin()
    assert SHUT == foreign.look("l")
    assert OPEN == trusted.look()

    stage.daemon.kill()
    assert SHUT == meanwhile.look("l")  # programs go on without a daemon
    stage.daemon.start()

    assert OPEN == trusted.look()
    assert [SHUT, SHUT] == [foreign.look(), meanwhile.look()]
    assert SHUT == trusted.look("l")
    assert OPEN == OWN["plain"].run()
    for each in (trusted, foreign, meanwhile):
        each.end()
