# SPDX-License-Identifier: MIT
"""System calls that no LSM hook means: refused at every entry, or not promised to be."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import compiled
import pytest
from daemon import ask
from engine import ENFORCER, Engine, attempt, perl, running

from enforcer.compiler import compile_policies
from enforcer.kernel import entries, functions
from enforcer.kernel.entries import can_override
from enforcer.kernel.image_map import PlainImage
from enforcer.kernel.session import Session
from enforcer.policy.store import load_text

ROOT = Path("/opt/enforcer-test-calls")
DENIED, KILLED, FREE = ROOT / "denied", ROOT / "killed", ROOT / "free"
ERRORS = {
    "memfd_create": "ENODEV",
    "eventfd2": "EROFS",
    "epoll_create1": "ENOTTY",
    "timerfd_create": "ENXIO",
    "inotify_init1": "EXDEV",
    "fanotify_init": "ENOTDIR",
    "signalfd4": "ESPIPE",
    "pidfd_open": "EMLINK",
    "dup3": "EPIPE",
    "sethostname": "EDOM",
    "setdomainname": "ERANGE",
    "personality": "ENOLCK",
    "setpriority": "ENOTEMPTY",
    "sched_setscheduler": "ELOOP",
    "prctl": "ENOMSG",
    "mlockall": "EIDRM",
    "chroot": "ENOSTR",
    "add_key": "ENODATA",
    "alarm": "ETIME",
    "ioctl": "ENONET",
    "shmget": "EREMOTE",
    "semget": "ENOLINK",
    "msgget": "EPROTO",
    "setsockopt": "EBADMSG",
    "socketpair": "EOVERFLOW",
    "fcntl": "ENOTUNIQ",
    "settimeofday": "EBADFD",
    "sendfile": "EREMCHG",
    "ppoll": "ELIBACC",
    "fallocate": "ELIBBAD",
    "pread64": "ELIBSCN",
    "keyctl": "ELIBMAX",
    "mmap": "ELIBEXEC",
}
"""Every call has an error of its own, so that none is taken for another's."""

ALSO_32 = {
    "fcntl64": "fcntl",
    "stime": "settimeofday",
    "ppoll_time64": "ppoll",
    "nice": "setpriority",
}
"""Further numbers by which 32-bit programs reach a call."""

COMMANDS = {"tsc": "prctl"}
"""Another command of a call, which the same rule names."""

ARGUMENTS = {
    "memfd_create": "{index: 0, prefix: chan}",
    "sethostname": "{index: 1, equal: 7}",
    "personality": "{index: 0, notEqual: 0xffffffff}",
    "setpriority": "{index: 2, range: 1-19}",
    "prctl": "{index: 0, in: [26, 29, 30]}, {index: 1, in: [2, 12345]}",
    "chroot": "{index: 0, equal: /tmp}",
    "add_key": "{index: 4, equal: -3}",
    "ioctl": "{index: 1, mask: 0xffff=0x5421}",
    "shmget": "{index: 2, mask: 01000}",
    "setsockopt": "{index: 2, equal: 12}",
    "dup3": "{index: 1, range: 40-41}",
    "fcntl": "{index: 1, equal: 4}, {index: 2, equal: 0x800}",
    "fallocate": "{index: 1, equal: 0}",
    "pread64": "{index: 3, equal: 1}",
    "keyctl": "{index: 1, equal: -1}, {index: 2, equal: 1}",
    "mmap": "{index: 4, range: 3-9}",
}
UNKNOWN = (("mux", "shmget"), ("mux", "setsockopt"), ("32", "pread64"), ("32", "nice"))
"""Where what the rule compares is unknown."""

MUX = ("shmget", "semget", "msgget", "setsockopt", "socketpair")
DIRTY = (
    *("eventfd2", "epoll_create1", "personality", "setpriority", "mlockall", "alarm"),
    *("keyctl", "fcntl", "tsc"),  # of which the last argument is a long that is cast
    "mmap",  # of which the descriptor is one
)
ENTRIES = (
    *(("64", name) for name in (*ERRORS, *COMMANDS)),
    *(("32", name) for name in (*ERRORS, *COMMANDS, *ALSO_32)),
    *(("mux", name) for name in MUX),
    *(("dirty", name) for name in DIRTY),
)


def _rule(name: str, binary: Path, action: str) -> str:
    args = f"args: [{ARGUMENTS[name]}], " if name in ARGUMENTS else ""
    args = args.replace("01000", "0o1000")
    return (
        f"    - {{name: {binary.name}-{name.replace('_', '-')}, syscall: {name}, "
        f"match: {{{args}process: {{binary: {binary}}}}}, action: {action}}}\n"
    )


def _policy(*, degraded: bool = False) -> str:
    rules = "".join(
        _rule(name, DENIED, f"{{deny: {{errno: {error}}}}}") + _rule(name, KILLED, "kill")
        for name, error in ERRORS.items()
    )
    return f"""\
{HEAD}
  allowDegraded: {str(degraded).lower()}
  rules:
{rules}"""


HEAD = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: calls}
spec:"""


@pytest.fixture(scope="module")
def programs() -> Iterator[None]:
    """One program that makes every call, by three names."""
    ROOT.mkdir()
    compiled.place("calls", DENIED)
    for other in (KILLED, FREE):
        shutil.copy(DENIED, other)
    yield
    shutil.rmtree(ROOT)


LIFTED = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: lifted}
spec:
  allowDegraded: %s
  rules:
    - {name: kept, syscall: unlink, match: {path: %s}, action: deny}
    - {name: entry, syscall: setdomainname, match: {process: {binary: %s}}, action: deny}
    - {name: hook, syscall: mkdir, match: {path: %s/*}, action: {deny: {errno: EROFS}}}
"""


def test_lifted_rules_prevent_on_every_kernel(programs, tmp_path):
    """The rest of the same policy is refused with the option that is missing, or prevents as well.

    Stands before the tests of the engine that is active for all of them.
    """
    kept, spared, policy = ROOT / "kept", ROOT / "spared", tmp_path / "policy.yaml"
    for each in (kept, spared):
        each.write_text("content")
    policy.write_text(LIFTED % ("false", kept, DENIED, ROOT))
    lacks = not can_override()
    if lacks:
        refused = ask("start", str(policy), "--socket", str(tmp_path / "s"))
        first, *_ = refused.stderr.splitlines()
        assert (1, True) == (refused.returncode, f"{policy}:8:7: " in first)
        assert "CONFIG_BPF_KPROBE_OVERRIDE" in first
        assert f"{policy}:7:" not in refused.stderr
        assert f"{policy}:9:" not in refused.stderr

    with running(LIFTED % (str(lacks).lower(), kept, DENIED, ROOT), tmp_path / "run") as engine:
        unlink = "syscall(87, $ARGV[0]) == 0 or die"  # the unlink of Perl looks at the file before
        done = [perl(unlink, str(each)) for each in (kept, spared)]
        made = perl("mkdir($ARGV[0]) or die", str(ROOT / "made"))
        ended = attempt(str(DENIED), "64", "setdomainname")
        event = engine.wait_for(lambda e: e.get("rule") == "entry")

    assert ([errno.EPERM, 0], True, False) == (
        [d.returncode for d in done],
        kept.exists(),
        spared.exists(),
    )
    assert (errno.EROFS, False) == (made.returncode, (ROOT / "made").exists())
    assert lacks is not event["prevented"]
    if lacks:
        assert -signal.SIGKILL == ended.returncode
    else:
        result, before, after = map(int, ended.stdout.split())
        assert (-errno.EPERM, True) == (result, before == after)


_PREEMPTING = """\
mkdir "$0"
mount --bind /sys/kernel/debug "$0"
mount -t tmpfs debug /sys/kernel/debug
mkdir /sys/kernel/debug/sched /sys/kernel/debug/error_injection
mount --bind "$0/error_injection" /sys/kernel/debug/error_injection
echo 'none voluntary (full)' >/sys/kernel/debug/sched/preempt
exec "$@"
"""


def test_who_may_be_passed_by_does_not_prevent(programs, tmp_path):
    """What can be refused at a call, but not every time, is refused, unless it may do less.

    The laboratory's kernel has no such mode: one command sees another file in the place of the kernel's.
    """
    if not can_override():
        pytest.skip("this kernel cannot replace the result of a system call")
    policy = tmp_path / "policy.yaml"
    policy.write_text(LIFTED % ("false", ROOT / "kept", DENIED, ROOT))
    start = (ENFORCER, "start", str(policy), "--socket", str(tmp_path / "s"))
    apart = ("unshare", "--mount", "bash", "-ec", _PREEMPTING, str(tmp_path / "debug"))

    refused = subprocess.run((*apart, *start), capture_output=True, text=True, check=False)

    assert 1 == refused.returncode
    (said,) = (line for line in refused.stderr.splitlines() if line.startswith(f"{policy}:"))
    assert said.startswith(f"{policy}:8:7: this kernel can preempt tasks")
    assert "pass undecided" in said
    assert "preempt=voluntary" in said


@pytest.fixture(scope="module")
def engine(programs, tmp_path_factory) -> Iterator[Engine]:
    if not can_override():
        pytest.skip("this kernel cannot replace the result of a system call")
    with running(_policy(), tmp_path_factory.mktemp("calls")) as it:
        yield it


def call(program: Path, entry: str, name: str) -> tuple[int, bool]:
    """What the call returned, and whether it changed anything."""
    ended = attempt(str(program), entry, name)
    assert ended.returncode == 0, ended
    result, before, after = map(int, ended.stdout.split())
    return result, before != after


def test_everything_works_without_the_policy(programs):
    """The control: no entry is closed but by the rules."""
    for entry, name in ENTRIES:
        if name not in {"chroot", "sethostname", "setdomainname"}:
            result, changed = call(DENIED, entry, name)
            assert (True, True) == (result >= 0, changed), (entry, name)
    forget_ipc()


@pytest.mark.parametrize(("entry", "name"), ENTRIES)
def test_denied_at_every_entry(engine, entry, name):
    """The chosen error, and nothing changed; a neighbour's call takes effect."""
    try:
        error = ERRORS[{**ALSO_32, **COMMANDS}.get(name, name)]
        assert (-getattr(errno, error), False) == call(DENIED, entry, name)
        if name not in {"chroot", "sethostname", "setdomainname"}:  # these are for good
            result, changed = call(FREE, entry, name)
            assert (True, True) == (result >= 0, changed)
    finally:
        forget_ipc()


@pytest.mark.parametrize(("entry", "name"), ENTRIES)
def test_killed_at_every_entry(engine, entry, name):
    """The process ends in the call, which has done nothing that outlives it."""
    host = os.uname().nodename
    shared = [Path(f"/proc/sysvipc/{kind}").read_text() for kind in ("shm", "sem", "msg")]

    ended = attempt(str(KILLED), entry, name)
    if (entry, name) in UNKNOWN:  # onError denies
        assert str(-errno.EPERM).encode() == ended.stdout.split()[0]
    else:
        assert -signal.SIGKILL == ended.returncode

    assert host == os.uname().nodename
    assert shared == [Path(f"/proc/sysvipc/{kind}").read_text() for kind in ("shm", "sem", "msg")]


def test_other_arguments_are_nobodys_business(engine):
    """The same calls with arguments that the rules do not name work in the same process."""
    ended = attempt(str(DENIED), "64", "personality")
    # What it is was asked before and after, by the same call.
    assert b"-37 0 0\n" == ended.stdout


def test_what_a_call_does_not_cast_is_compared_whole(engine):
    """The slack of timers is a long, of which the upper half counts."""
    result, changed = call(DENIED, "dirty", "prctl")
    assert (0, True) == (result, changed)


def test_a_string_that_cannot_be_read_falls_to_on_error(engine):
    """The rule denies, so it does here; it is counted, and a neighbour hears of the address."""
    assert (-errno.ENODEV, False) == call(DENIED, "unreadable", "memfd_create")
    assert (-errno.EFAULT, False) == call(FREE, "unreadable", "memfd_create")

    event = engine.wait_for(lambda e: e.get("rule") == "denied-memfd-create" and e["onError"])
    assert event["prevented"]


def test_records_tell_what_was_passed(engine):
    """Name, number and arguments: numbers as the call looks at them, strings as they were."""
    call(DENIED, "32", "memfd_create")
    # Others were denied it before, one with a name that could not be read.
    event = engine.wait_for(lambda e: e.get("rule") == "denied-memfd-create" and not e["onError"])

    assert ("memfd_create", "syscall") == (event["syscall"], event["operation"])
    assert {"call": "memfd_create", "number": 319, "arguments": ["changed", 0]}.items() <= (
        event["object"].items()
    )
    assert event["prevented"]
    call(DENIED, "64", "add_key")
    event = engine.wait_for(lambda e: e.get("rule") == "denied-add-key")
    assert ["user", "changed", -3] == [event["object"]["arguments"][i] for i in (0, 1, 4)]


def test_records_tell_what_is_unknown(engine):
    """The position of a 32-bit program is in two registers; the rest is where a 64-bit one has it."""
    call(DENIED, "32", "pread64")
    event = engine.wait_for(lambda e: e.get("rule") == "denied-pread64" and e["onError"])

    *_, length, position = event["object"]["arguments"]
    assert (3, None, ["n3"]) == (length, position, event["object"]["unknown"])
    assert event["prevented"]


@pytest.mark.parametrize("entry", ["raced", "harmless"])
def test_nobody_can_change_what_was_compared(engine, entry):
    """The arguments of socketcall lie in memory that the kernel reads after the decision: onError denies."""
    assert (-errno.EBADMSG, False) == call(DENIED, entry, "setsockopt")
    event = engine.wait_for(lambda e: e.get("rule") == "denied-setsockopt" and e["onError"])
    assert [None] * 5 == event["object"]["arguments"]

    assert (0, entry == "raced") == call(FREE, entry, "setsockopt")


def test_a_kernel_that_cannot_says_so(programs, tmp_path):
    """Every rule is refused with its place; or it kills after the call, where that is allowed."""
    if can_override():
        pytest.skip("this kernel can replace the result of a system call")
    file = tmp_path / "policy.yaml"
    file.write_text(_policy())
    ended = ask("start", str(file), "--socket", str(tmp_path / "s"))
    lines = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert 2 * len(ERRORS) == sum("CONFIG_BPF_KPROBE_OVERRIDE" in line for line in lines)
    assert all(
        re.match(rf"(enforcer: )?({re.escape(str(file))}:\d+:\d+: |\d+ errors)", x) for x in lines
    )

    with running(_policy(degraded=True), tmp_path / "late") as engine:
        for program in (DENIED, KILLED):
            assert -signal.SIGKILL == attempt(str(program), "64", "sethostname").returncode
        assert "changed" == os.uname().nodename
        event = engine.wait_for(lambda e: e.get("syscall") == "sethostname")
        assert ("kill", False) == (event["action"], event["prevented"])
        result, changed = call(FREE, "64", "eventfd2")
        assert (True, True) == (result >= 0, changed)


def links() -> dict[int, str]:
    """All BPF links in the kernel: what kind each is."""
    said = json.loads(subprocess.check_output(["bpftool", "link", "list", "-j"]))
    return {link["id"]: link["type"] for link in said}


def test_each_entry_by_itself(programs, monkeypatch):
    """Where one program cannot be put at many functions: loaded and attached for one each, in this process."""
    monkeypatch.setattr(functions, "takes_many", lambda: False)
    entries.can_override.cache_clear()
    rules = f"""\
    - {{name: names, syscall: [sethostname, dup3], match: {{process: {{binary: {FREE}}}}}, action: kill}}
    - {{kprobe: __sys_socketpair, match: {{process: {{binary: {FREE}}}}}, action: kill}}
"""
    policies = load_text(f"{HEAD}\n  allowDegraded: true\n  rules:\n{rules}", "alone.yaml")
    others = links()  # of the engine of this file, where this kernel has one
    before = call(FREE, "64", "dup3"), call(FREE, "64", "socketpair")

    try:
        with Session.open(PlainImage(compile_policies(policies).image)):
            kinds = {kind for number, kind in links().items() if number not in others}
            ended = [
                attempt(str(FREE), *each).returncode
                for each in (
                    ("64", "dup3"),
                    ("32", "dup3"),
                    ("64", "socketpair"),
                    ("64", "eventfd2"),
                )
            ]
    finally:
        entries.can_override.cache_clear()

    assert ("perf_event" in kinds, "kprobe_multi" in kinds) == (True, False)
    killed = -signal.SIGKILL
    assert [killed, killed, killed, 0] == ended
    assert [(True, True)] * 2 == [(result >= 0, changed) for result, changed in before]


def forget_ipc() -> None:
    """Remove what neighbours made."""
    for kind, option in (("shm", "-m"), ("sem", "-s"), ("msg", "-q")):
        for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]:
            subprocess.run(["ipcrm", option, line.split()[1]], check=True)
