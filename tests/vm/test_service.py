# SPDX-License-Identifier: MIT
"""
The service as it is shipped, under a real systemd: ``tests/vm/run --systemd``.

A drop-in changes only what a clone needs that is not installed: where the program is, and that its
folders are visible behind the sandbox.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from engine import ENFORCER, attempt, python, whole_lines
from pages.blocks import blocks, commands
from patience import scaled, wait_until

from enforcer.errors import ControlError
from enforcer.runtime.control.protocol import CONFIRM, RELOAD, Client

_T = TypeVar("_T")
_REPOSITORY = Path(__file__).resolve().parents[2]
_PACKAGING = _REPOSITORY / "packaging"
_UNIT = "enforcer.service"
_LIMIT = 600.0
_CGROUP = Path("/sys/fs/cgroup/system.slice") / _UNIT
_LOG = Path("/var/log/enforcer/events.json")

# Seconds that are waited for, in the place of the shipped five minutes. Two commands must fit in.
_WINDOW = round(min(scaled(20.0), 60.0))
# An attempt at the end of a time is made again, in the next.
_TRIES = 3
_POLICY_FILE = Path("/etc/enforcer/policies/vault.yaml")

_PAGE = _REPOSITORY / "docs/locked-out.md"

_DROP_IN = f"""\
[Service]
ExecStart=
ExecStart={ENFORCER} start --config /etc/enforcer/enforcer.yaml
ExecReload=
ExecReload={ENFORCER} reload
ProtectHome=tmpfs
BindReadOnlyPaths={_REPOSITORY} {sys.base_prefix}
WatchdogSec=1min
# An emulated machine is slow.
TimeoutStartSec=15min
"""

_POLICY = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata:
  name: vault
spec:
  rules:
    - name: nobody-reads
      file: read
      match:
        path: [/srv/vault/secret, /home/ward/link/note]
      action: deny
"""

_WIDER = _POLICY.replace("[/srv/vault/secret,", "[/srv/vault/other, /srv/vault/secret,")

# Neither a shell nor a login, the service manager's command or enforcer itself: only who runs already goes on.
_LOCKOUT = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata:
  name: lockout
spec:
  rules:
    - name: nobody-runs
      exec: {{}}
      match:
        path: [/usr/bin/dash, /usr/bin/bash, /usr/bin/su, /usr/bin/systemctl, {os.path.realpath(sys.executable)}]
      action: deny
    - name: nobody-reads
      file: read
      match: {{path: /srv/vault/other}}
      action: deny
"""

pytestmark = pytest.mark.skipif(
    not Path("/run/systemd/system").is_dir(),
    reason="systemd is not process 1: start the guest with --systemd",
)


def systemctl(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["systemctl", *words], check=False, capture_output=True, timeout=scaled(_LIMIT)
    )


def shown(name: str) -> str:
    return systemctl("show", "--value", "-p", name, _UNIT).stdout.decode().strip()


def processes() -> set[str]:
    """Those of the unit. To ask the manager starts a program, which holds up the daemon that begins."""
    try:
        return set((_CGROUP / "cgroup.procs").read_text().split())
    except OSError as error:
        # The cgroup goes between two daemons: before the file is opened, or while it is read.
        if error.errno not in {errno.ENOENT, errno.ENODEV}:
            raise
        return set()


def has_follower(pid: str) -> bool:
    """Whether the manager has started another daemon than *pid*, which need not be ready."""
    found = processes()
    return bool(found) and pid not in found


def wait_for_follower(pid: str, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Wait until another daemon than *pid* is ready; call *meanwhile* before each look."""
    until(lambda: (meanwhile(), has_follower(pid))[1], "not replaced")
    # Its start goes on already: the manager answers when it has ended.
    with subprocess.Popen(["systemctl", "start", _UNIT]) as start:
        until(lambda: (meanwhile(), start.poll() is not None)[1], "not ready")
    assert 0 == start.returncode, journal()
    assert shown("MainPID") not in {"0", pid}


def journal() -> str:
    told = subprocess.run(
        ["journalctl", "-u", _UNIT, "-o", "cat", "--no-pager"],
        check=True,
        capture_output=True,
    )
    return told.stdout.decode()


def until(holds: Callable[[], object], what: str) -> None:
    wait_until(holds, lambda: f"{what}: {systemctl('status', _UNIT).stdout.decode()}", _LIMIT, 0.2)


def is_denied(path: str) -> bool:
    """Try to read *path*; whatever else than a refusal or the content comes back is an error."""
    refused = 0
    try:
        assert Path(path).read_text() == "secret"
    except OSError as error:
        refused = error.errno or -1
    assert refused in {0, errno.EPERM}
    return bool(refused)


def records() -> list[str]:
    """The paths in the current log."""
    return [json.loads(line).get("object", {}).get("target", "") for line in whole_lines(_LOG)]


def _mount_points(pid: str) -> dict[bytes, bytes]:
    """Where something is mounted for a process, and with which options; the last mounted wins."""
    lines = Path(f"/proc/{pid}/mountinfo").read_bytes().splitlines()
    return {fields[4]: fields[5] + b"," for fields in (line.split() for line in lines)}


@pytest.fixture(scope="module")
def installed() -> Iterator[None]:
    """Install what is in packaging/ as an administrator would, with one policy."""
    units = Path("/etc/systemd/system")
    (units / f"{_UNIT}.d").mkdir(parents=True)
    shutil.copy(_PACKAGING / _UNIT, units)
    (units / f"{_UNIT}.d/clone.conf").write_text(_DROP_IN)
    etc = Path("/etc/enforcer")
    (etc / "policies").mkdir(parents=True)
    shipped = (_PACKAGING / "enforcer.yaml").read_text()
    assert "\nreloadConfirmWithin: 5m\n" in shipped
    (etc / "enforcer.yaml").write_text(shipped.replace("Within: 5m", f"Within: {_WINDOW}s"))
    _POLICY_FILE.write_text(_POLICY)
    for path in (etc / "enforcer.yaml", _POLICY_FILE):
        path.chmod(0o600)
    for folder in ("/srv/vault", "/srv/notes", "/home/ward"):
        Path(folder).mkdir(parents=True)
    for file in ("/srv/vault/secret", "/srv/vault/other", "/srv/notes/note"):
        Path(file).write_text("secret")
    Path("/home/ward/link").symlink_to("/srv/notes")
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    yield
    systemctl("stop", _UNIT)


@pytest.fixture
def service(installed: None) -> None:
    """Have the service running."""
    started = systemctl("start", _UNIT)
    assert started.returncode == 0, started.stderr.decode() + journal()


def test_nothing_is_refused_before(installed: None) -> None:
    """The other side of every refusal below."""
    assert not is_denied("/srv/vault/secret")
    assert not is_denied("/srv/notes/note")


def test_the_unit_is_sound(installed: None) -> None:
    """systemd understands every line, and finds little that the service may do."""
    verified = attempt("systemd-analyze", "verify", f"/etc/systemd/system/{_UNIT}")
    judged = attempt("systemd-analyze", "security", "--no-pager", "--threshold=25", _UNIT)

    assert (0, b"") == (verified.returncode, verified.stderr)
    assert 0 == judged.returncode, judged.stdout.decode()[-200:]


def test_enforcement_is_active_when_start_returns(service: None) -> None:
    """Ready means that the first read after it is refused, and only that one."""
    assert is_denied("/srv/vault/secret")
    assert not is_denied("/srv/vault/other")
    assert "active" == shown("ActiveState")
    assert shown("StatusText").startswith("active: 1 policy enforces, 1 rule, ")
    assert "enforcer: active: 1 policy enforces, 1 rule, " in journal()


def test_names_are_the_hosts(service: None) -> None:
    """A rule on a link below /home, which the daemon itself does not see, holds for what it leads to."""
    assert b"/home" in _mount_points(shown("MainPID"))
    assert is_denied("/srv/notes/note")
    assert is_denied("/home/ward/link/note")


def test_the_sandbox_holds(service: None) -> None:
    """Few capabilities, no new ones, filtered system calls, a read-only view of the files."""
    pid = shown("MainPID")
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )

    capabilities = {n for n in range(64) if int(status["CapBnd"], 16) >> n & 1}
    assert {2, 19, 21, 34, 38, 39} == capabilities  # SYS_ADMIN, SYS_PTRACE, SYSLOG, PERFMON, BPF
    assert ("1", "2") == (status["NoNewPrivs"], status["Seccomp"])
    points = _mount_points(pid)
    assert points[b"/sys"].startswith(b"ro,")
    assert points[b"/proc/sys"].startswith(b"ro,")
    assert points[b"/"].startswith(b"ro,")
    assert points[b"/sys/fs/bpf"].startswith(b"rw,")


_SET_LIMITS = """\
import ctypes, errno
call, limit = ctypes.CDLL(None, use_errno=True).syscall, (ctypes.c_ulong * 2)(9, 9)
for number, *words in ((160, 0, limit), (302, 0, 0, limit, None)):
    print("refused" if call(number, *words) and ctypes.get_errno() == errno.EPERM else "set")
"""


@pytest.mark.parametrize(("left_out", "said"), [(" setrlimit", "refused"), ("", "set")])
def test_the_filter_lets_processes_have_limits(installed: None, left_out: str, said: str) -> None:
    """By setrlimit, which systemd counts to what the unit takes away, and by prlimit64."""
    lines = (_PACKAGING / _UNIT).read_text().splitlines()
    filters = [line.replace(left_out, "") for line in lines if line.startswith("SystemCall")]
    how = [f"--property={line}" for line in filters]

    ended = attempt(
        "systemd-run", "--quiet", "--wait", "--pipe", *how, sys.executable, "-c", _SET_LIMITS
    )

    assert [said, "set"] == ended.stdout.decode().split(), ended.stderr


def test_what_compiles_has_its_limits(service: None) -> None:
    """Under the filter, and while protection is on: nobody refuses them, and nothing is recorded of it."""
    config = Path("/etc/enforcer/enforcer.yaml")
    shipped = config.read_text()
    config.write_text(shipped + "\ntolerant: true\n")
    try:
        restarted = systemctl("restart", _UNIT)
        reloaded = systemctl("reload", _UNIT)
    finally:
        config.write_text(shipped)
    is_protected = json.loads(attempt(ENFORCER, "status", "--json").stdout)["protected"]
    assert 0 == systemctl("restart", _UNIT).returncode, journal()

    assert (0, 0, True) == (restarted.returncode, reloaded.returncode, is_protected)
    assert "refuses limits" not in journal()
    assert "limit" not in {json.loads(line).get("operation") for line in whole_lines(_LOG)}


def test_records_are_in_the_log(service: None) -> None:
    """For its owner only, with who did it."""
    assert python("open(sys.argv[1])", "/srv/vault/secret").returncode == 1

    until(lambda: "/srv/vault/secret" in records(), "no record")

    assert 0o600 == _LOG.stat().st_mode & 0o777
    record = json.loads(whole_lines(_LOG)[-1])
    assert record["process"]["cgroup"]
    assert record["parent"]["exe"] == os.path.realpath(sys.executable)


def _attempt_and_end(cgroup: Path) -> None:
    """Have a process enter *cgroup*, attempt what is refused, and end before anybody could look at it."""
    pid = os.fork()
    if pid == 0:
        try:
            (cgroup / "cgroup.procs").write_text("0")
            os.open("/srv/vault/secret", os.O_RDONLY)
        finally:
            os._exit(1)
    assert 1 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_records_name_the_cgroup_of_who_has_ended(service: None) -> None:
    """One after the other, faster than the daemon may search the tree: the filter lets it ask for each by its number."""
    before = len(whole_lines(_LOG))

    def named() -> list[str | None]:
        return [json.loads(line)["process"]["cgroup"] for line in whole_lines(_LOG)[before:]]

    there = [Path(f"/sys/fs/cgroup/short-{number}") for number in range(8)]
    for number, cgroup in enumerate(there, 1):
        cgroup.mkdir()
        _attempt_and_end(cgroup)
        until(lambda number=number: len(named()) >= number, "no record")

    assert [f"/{cgroup.name}" for cgroup in there] == named()
    for cgroup in there:
        cgroup.rmdir()


def test_a_reload_is_active_when_it_returns(service: None) -> None:
    """The daemon stays, the new rule holds; a broken set fails the reload and changes nothing."""
    pid, policy = shown("MainPID"), _POLICY_FILE
    assert not is_denied("/srv/vault/other")
    policy.write_text(_WIDER)

    reloaded = systemctl("reload", _UNIT)
    refused = is_denied("/srv/vault/other"), is_denied("/srv/vault/secret")
    policy.write_text(_POLICY.replace("action: deny", "action: dney"))
    failed = systemctl("reload", _UNIT)
    kept = is_denied("/srv/vault/other"), is_denied("/srv/vault/secret")
    policy.write_text(_POLICY)
    restored = systemctl("reload", _UNIT)

    assert (0, 0) == (reloaded.returncode, restored.returncode), journal()
    assert failed.returncode != 0
    assert (True, True) == refused == kept
    assert not is_denied("/srv/vault/other")
    assert f"{policy}:11:15: " in journal()
    assert (pid, "active") == (shown("MainPID"), shown("ActiveState"))


def test_logrotate_loses_nothing(service: None) -> None:
    """Each refusal is in one file, across three rotations."""
    if shutil.which("logrotate") is None:
        pytest.skip("no logrotate: run scripts/setup.sh")
    for left in _LOG.parent.glob("events.json*"):
        left.unlink()
    config = Path("/etc/logrotate.d/enforcer")
    config.parent.mkdir(exist_ok=True)
    shutil.copy(_PACKAGING / "logrotate/enforcer", config)
    config.chmod(0o644)
    state = Path("/run/logrotate-state")
    systemctl("kill", "--signal=USR1", "--kill-whom=main", _UNIT)
    until(_LOG.exists, "no log")

    for _ in range(3):
        for _ in range(5):
            assert is_denied("/srv/vault/secret")
        until(records, "nothing to rotate")
        rotated = attempt("logrotate", "-f", "-s", str(state), str(config))
        assert 0 == rotated.returncode, rotated.stderr
        until(_LOG.exists, "no new log")

    def written() -> int:
        texts = [
            attempt("zcat", "-f", str(file)).stdout for file in _LOG.parent.glob("events.json*")
        ]
        return sum(text.count(b'"target":"/srv/vault/secret"') for text in texts)

    until(lambda: written() == 15, f"{written()} of 15 records")
    assert 4 == len(list(_LOG.parent.glob("events.json*")))


def _kill() -> None:
    # By way of the service manager, whom a daemon that protects itself lets through.
    assert 0 == systemctl("kill", "--signal=KILL", "--kill-whom=main", _UNIT).returncode


def test_a_killed_daemon_is_started_again(service: None) -> None:
    """Without anybody's doing, and enforcement is active afterwards."""
    pid, restarts = shown("MainPID"), int(shown("NRestarts"))

    _kill()
    wait_for_follower(pid)

    assert restarts + 1 == int(shown("NRestarts"))
    assert is_denied("/srv/vault/secret")


def test_no_read_succeeds_between_death_and_return(service: None) -> None:
    """
    The kernel goes on without the daemon: every read is refused until the next one is ready.

    That one may read everything that its predecessor left.
    """
    pid = shown("MainPID")
    tried = [is_denied("/srv/vault/secret")]

    _kill()
    wait_for_follower(pid, lambda: tried.append(is_denied("/srv/vault/secret")))

    assert set(tried) == {True}
    assert "cannot be read" not in journal()


def test_a_loop_that_hangs_is_replaced(service: None) -> None:
    """The watchdog misses its signs of life."""
    pid = shown("MainPID")

    systemctl("kill", "--signal=STOP", "--kill-whom=main", _UNIT)
    wait_for_follower(pid)

    assert "Watchdog timeout" in journal()
    assert is_denied("/srv/vault/secret")


def _run(*argv: str) -> int:
    """How a program ends; -1 if it may not run."""
    try:
        return subprocess.run(argv, check=False, capture_output=True, timeout=scaled(60)).returncode
    except PermissionError:
        return -1


def _can_run() -> list[bool]:
    """Whether a shell runs, another user gets one, and the command of the service manager runs."""
    tried = (
        ["sh", "-c", ":"],
        ["su", "nobody", "-s", "/bin/sh", "-c", ":"],
        ["systemctl", "--version"],
    )
    return [0 == _run(*argv) for argv in tried]


def _until_it_is_back(began: float) -> float:
    """Wait until the earlier policies count; returns the seconds since *began*."""
    until(lambda: not is_denied("/srv/vault/other"), "the earlier policies are not back")
    took = time.monotonic() - began
    assert _WINDOW <= took
    return took


def test_a_policy_that_locks_out_goes_back(service: None) -> None:
    """Without anybody's doing, whatever runs no more; the manager says until when, and what came of it."""
    assert [True, True, True] == _can_run()
    lockout = _POLICY_FILE.with_name("lockout.yaml")
    lockout.write_text(_LOCKOUT)
    lockout.chmod(0o600)
    try:
        began = time.monotonic()
        assert 0 == systemctl("reload", _UNIT).returncode, journal()
        assert is_denied("/srv/vault/other")
        assert [False, False, False] == _can_run()

        print(f"lapse after {_until_it_is_back(began):.1f} s of {_WINDOW}")
    finally:
        lockout.unlink()
    assert [True, True, True] == _can_run()
    assert is_denied("/srv/vault/secret")
    until(lambda: "was not confirmed in time" in shown("StatusText"), "not told")
    assert f"not confirmed within {_WINDOW} s" in journal()


def test_what_is_confirmed_stays(service: None) -> None:
    """By the command of the first day, which the service manager passes on."""
    _POLICY_FILE.write_text(_WIDER)
    began = time.monotonic()
    assert 0 == systemctl("reload", _UNIT).returncode, journal()
    assert shown("StatusText").endswith(" unless confirmed: enforcer confirm")

    confirmed = attempt(ENFORCER, "confirm")
    print(f"reload and confirmation: {time.monotonic() - began:.1f} s")
    again = attempt(ENFORCER, "confirm")
    time.sleep(max(0.0, began + _WINDOW + 3 - time.monotonic()))

    assert (0, b"") == (confirmed.returncode, confirmed.stderr), confirmed.stderr
    assert confirmed.stdout.startswith(b"enforcer: confirmed, generation ")
    assert again.stdout.startswith(b"enforcer: nothing awaits confirmation: generation ")
    assert is_denied("/srv/vault/other")
    assert "unless confirmed" not in shown("StatusText")
    assert "confirmed by SIGUSR2: generation " in journal()


def test_a_corrected_file_replaces_what_waits(service: None) -> None:
    """The same file again neither confirms nor prolongs; another takes the change back at once."""
    _POLICY_FILE.write_text(_POLICY)
    assert 0 == systemctl("reload", _UNIT).returncode, journal()
    assert not is_denied("/srv/vault/other")

    same = systemctl("reload", _UNIT)
    _POLICY_FILE.write_text(_WIDER)
    corrected = systemctl("reload", _UNIT)

    assert 0 != same.returncode
    assert "another change waits for confirmation" in journal()
    assert 0 == corrected.returncode, journal()
    assert is_denied("/srv/vault/other")
    assert "unless confirmed" not in shown("StatusText")


def _tries_to_confirm(pid: int) -> None:
    """What root can do without the service manager; none of it may reach the daemon."""
    with Client.connect(Path("/run/enforcer/enforcer.sock")) as client:
        for word, fields in ((CONFIRM, {}), (RELOAD, {}), (RELOAD, {"confirmWithin": 1})):
            with pytest.raises(ControlError, match="protected without a key"):
                client.ask(word, **fields)
    for number in (signal.SIGUSR2, signal.SIGHUP, signal.SIGUSR1):
        with pytest.raises(PermissionError):
            os.kill(pid, number)
    handle = os.pidfd_open(pid)
    with pytest.raises(PermissionError):
        signal.pidfd_send_signal(handle, signal.SIGUSR2)
    os.close(handle)
    here, there = socket.socketpair()
    with here, there:  # a signal of the kernel's, for whoever is called the owner of a file
        for command, value in (
            (fcntl.F_SETOWN, pid),
            (fcntl.F_SETSIG, signal.SIGUSR2),
            (fcntl.F_SETFL, os.O_ASYNC),
        ):
            fcntl.fcntl(here, command, value)
        there.send(b".")


_AS_ANOTHER_USER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def _while_it_waits(make: Callable[[], _T]) -> _T:
    """Make an attempt while a change waits for confirmation, and again if the time ran out meanwhile."""
    for _ in range(_TRIES):
        if not _is_waiting():
            until(lambda: is_denied("/srv/vault/other"), "it was confirmed")
            assert 0 == systemctl("reload", _UNIT).returncode, journal()
            assert not is_denied("/srv/vault/other")
        made = make()
        if _is_waiting():
            return made
    pytest.fail(f"an attempt took longer than {_WINDOW} s, {_TRIES} times")


def _is_waiting() -> bool:
    return "unless confirmed" in shown("StatusText")


def test_nobody_else_confirms(service: None) -> None:
    """Neither root without the service manager, nor a service that does not reach it, nor another user."""
    _POLICY_FILE.write_text(_POLICY)
    pid = int(shown("MainPID"))

    _while_it_waits(lambda: _tries_to_confirm(pid))
    confined = _while_it_waits(
        functools.partial(
            attempt, "systemd-run", "--quiet", "--wait", "--pipe", "-p",
            "InaccessiblePaths=/run/systemd/private", "-p", "InaccessiblePaths=-/run/dbus",
            ENFORCER, "confirm",
        )
    )  # fmt: skip
    others = [
        _while_it_waits(functools.partial(attempt, *_AS_ANOTHER_USER, *words)).returncode
        for words in (
            ("systemctl", "--no-ask-password", "kill", "--signal=SIGUSR2", _UNIT),
            ("systemctl", "--no-ask-password", "reload", _UNIT),
            ("systemctl", "--no-ask-password", "stop", _UNIT),
            ("kill", "-USR2", str(pid)),
            (ENFORCER, "confirm"),
        )
    ]
    until(lambda: is_denied("/srv/vault/other"), "it was confirmed")

    assert (2, True) == (confined.returncode, b"service manager" in confined.stderr), (
        confined.stderr
    )
    assert 0 not in others
    assert pid == int(shown("MainPID"))
    _POLICY_FILE.write_text(_WIDER)


def test_the_emergency_by_the_file(service: None) -> None:
    """One policy only records: its file says so, and the service manager has it read."""
    assert is_denied("/srv/vault/secret")
    _POLICY_FILE.write_text(_WIDER.replace("spec:\n", "spec:\n  mode: audit\n"))
    began = time.monotonic()

    assert 0 == systemctl("reload", _UNIT).returncode, journal()

    assert not is_denied("/srv/vault/secret")
    assert 0 == attempt(ENFORCER, "confirm").returncode
    print(f"emergency: {time.monotonic() - began:.1f} s")
    assert shown("StatusText").startswith("active: nothing is enforced: 1 policy only audits")
    shown_events = attempt(ENFORCER, "events", "--last", "3")
    assert b"would deny" in shown_events.stdout, shown_events
    _POLICY_FILE.write_text(_POLICY)
    assert 0 == systemctl("reload", _UNIT).returncode
    assert 0 == attempt(ENFORCER, "confirm").returncode
    assert is_denied("/srv/vault/secret")


def typed(heading: str, number: int = 0) -> list[str]:
    """Type the block *number* of the page for who is locked out, below *heading*; returns what it printed."""
    lines = _PAGE.read_text().splitlines()
    section = [
        b for b in blocks(_PAGE) if b.is_typed and _heading(lines, b.line).startswith(heading)
    ]
    folder = {"PATH": f"{Path(ENFORCER).parent}:{os.environ['PATH']}"}
    script = "\n".join(command.text for command in commands(section[number]))
    script = script.replace("ExecStart=enforcer", f"ExecStart={ENFORCER}")
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-e", "-c", script], check=False, capture_output=True, text=True,
        timeout=scaled(_LIMIT), env={**os.environ, **folder},
    )  # fmt: skip
    print(f"typed in {time.monotonic() - began:.1f} s: {script.splitlines()}")
    assert 0 == done.returncode, (script, done.stderr, journal())
    return done.stdout.splitlines()


def _heading(lines: list[str], number: int) -> str:
    return next(line for line in reversed(lines[:number]) if line.startswith("## "))[3:]


def _bad(text: str) -> None:
    bad = _POLICY_FILE.with_name("bad.yaml")
    bad.write_text(text)
    bad.chmod(0o600)


_BAD = _LOCKOUT.replace(
    "/usr/bin/dash, /usr/bin/bash, /usr/bin/su, /usr/bin/systemctl, ", ""
).replace(os.path.realpath(sys.executable), "/usr/bin/su")


def test_the_page_for_who_is_locked_out(service: None) -> None:
    """A bad policy that somebody has confirmed, and each way back, as the page has it typed."""
    assert ["ok:", "ok:"] == [line[:3] for line in typed("Before") if line.startswith("ok")]
    assert [True, True, True] == _can_run()
    _bad(_BAD)
    assert 0 == systemctl("reload", _UNIT).returncode
    typed("Before", 1)
    until(lambda: "confirmed by SIGUSR2" in journal(), "not confirmed")
    until(lambda: "unless confirmed" not in shown("StatusText"), "not confirmed")
    assert [True, False, True] == _can_run()

    assert any("policies enforce" in line for line in typed("2."))
    assert any("nobody-runs" in line for line in typed("2.", 1))
    typed("2.", 3)
    assert [True, True, True] == _can_run()
    assert not is_denied("/srv/vault/other")
    assert is_denied("/srv/vault/secret")
    _bad(_BAD)
    assert 0 == systemctl("reload", _UNIT).returncode
    assert [True, False, True] == _can_run()
    typed("2.", 2)
    assert [True, True, True] == _can_run()
    assert is_denied("/srv/vault/secret")


def _refused_to_root(*argv: str) -> None:
    """Root asks enforcer for something that it must not do, and is told who may."""
    ended = attempt(ENFORCER, *argv)
    assert (2, True) == (ended.returncode, b"systemctl" in ended.stderr), ended.stderr
    assert is_denied("/srv/vault/secret")


@pytest.fixture
def left_alone(service: None) -> Iterator[None]:
    """What a daemon leaves that dies and that the manager does not start again by itself."""
    drop_in = Path(f"/run/systemd/system/{_UNIT}.d/left.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("[Service]\nRestart=no\n")
    systemctl("daemon-reload")
    _kill()
    until(lambda: not processes(), "it lives")
    until(lambda: shown("ActiveState") == "failed", "it has not failed")
    yield
    drop_in.unlink()
    systemctl("daemon-reload")
    systemctl("reset-failed", _UNIT)


def test_root_does_not_end_it_by_itself(service: None) -> None:
    """The manager's word is needed, whatever root says at the socket."""
    for argv in (("stop",), ("stop", "--force"), ("reload",), ("policy", "disable", "vault")):
        _refused_to_root(*argv)
    assert "active" == shown("ActiveState")


def test_the_main_process_of_another_service_does_not_end_it(service: None) -> None:
    """The manager has forked it, it joins the daemon's cgroup, and it begins a program there."""
    joins = f"echo 0 >{_CGROUP}/cgroup.procs && exec {ENFORCER} stop"

    ended = attempt("systemd-run", "--quiet", "--wait", "--pipe", "sh", "-c", joins)

    assert (2, True) == (ended.returncode, b"systemctl" in ended.stderr), ended.stderr
    assert is_denied("/srv/vault/secret")
    assert "active" == shown("ActiveState")


def test_what_it_leaves_is_the_managers(left_alone: None) -> None:
    """Root, in a cgroup of that name, too, neither ends nor replaces it; the manager's start takes over."""
    pins = sorted(Path("/sys/fs/bpf/enforcer").rglob("link-*"))
    _CGROUP.mkdir(exist_ok=True)

    _refused_to_root("stop", "--force")
    _refused_to_root("start", "--config", "/etc/enforcer/enforcer.yaml")
    joined = attempt(
        "sh", "-c", 'echo $$ >"$1/cgroup.procs" && rm "$2"', "sh", str(_CGROUP), str(pins[0])
    )
    adopted = attempt(
        "sh", "-c",
        '(setsid sh -c \'echo $$ >"$1/cgroup.procs"; sleep 1; rm "$2"; echo $? >/run/adopted\' '
        'sh "$1" "$2" &)',
        "sh", str(_CGROUP), str(pins[0]),
    )  # fmt: skip
    until(lambda: Path("/run/adopted").exists() and Path("/run/adopted").read_text(), "no answer")
    until(lambda: not processes(), "they live")

    assert b"not permitted" in joined.stderr
    assert 0 == adopted.returncode
    assert "1" == Path("/run/adopted").read_text().strip()
    assert pins == sorted(Path("/sys/fs/bpf/enforcer").rglob("link-*"))
    assert is_denied("/srv/vault/secret")
    assert 0 == systemctl("start", _UNIT).returncode, journal()
    assert is_denied("/srv/vault/secret")


def test_the_page_without_a_daemon(left_alone: None) -> None:
    """What is pinned goes by the service manager only, also where no daemon can start any more."""
    text = _POLICY_FILE.read_text()
    _POLICY_FILE.write_text(text.replace("deny", "dney"))
    assert 0 != systemctl("start", _UNIT).returncode
    assert is_denied("/srv/vault/secret")

    typed("5.", 1)

    _POLICY_FILE.write_text(text)
    assert not is_denied("/srv/vault/secret")
    assert [] == list(Path("/sys/fs/bpf").glob("enforcer/*"))
    typed("5.")
    assert is_denied("/srv/vault/secret")


def test_stop_ends_it(service: None) -> None:
    """In order: nothing is refused any more, nothing failed, nothing starts it again."""
    assert is_denied("/srv/vault/secret")

    typed("3.")

    assert not is_denied("/srv/vault/secret")
    assert ("inactive", "success") == (shown("ActiveState"), shown("Result"))
    assert "enforcer: stopped after " in journal()
    assert not Path("/run/enforcer").exists()
    assert [] == list(Path("/sys/fs/bpf").glob("enforcer/*"))


def test_the_page_without_a_shell(installed: None) -> None:
    """At a boot with that word the service does not start, and the policy can be taken away."""
    _bad(_BAD)
    line = Path("/run/cmdline")
    line.write_text(Path("/proc/cmdline").read_text().strip() + " enforcer.off\n")
    subprocess.run(["mount", "--bind", line, "/proc/cmdline"], check=True)
    try:
        started = systemctl("start", _UNIT)
        state = shown("ConditionResult"), shown("ActiveState")
    finally:
        subprocess.run(["umount", "/proc/cmdline"], check=True)

    assert (0, "no", "inactive") == (started.returncode, *state)
    assert [True, True, True] == _can_run()
    assert not is_denied("/srv/vault/secret")
    assert any(line.startswith("ok: 1 policy") for line in typed("4."))


def test_wrong_settings_are_told_and_not_tried_again(installed: None) -> None:
    """The reason is in the journal with its place; starting again would change nothing."""
    config = Path("/etc/enforcer/enforcer.yaml")
    text = config.read_text()
    config.write_text(text + "audti: true\n")
    line = len(text.splitlines()) + 1
    try:
        started = systemctl("start", _UNIT)
        state = shown("ActiveState"), shown("ExecMainStatus")
    finally:
        config.write_text(text)
        systemctl("reset-failed", _UNIT)

    assert started.returncode != 0
    assert ("failed", "2") == state
    assert f"{config}:{line}:1: 'audti' is not a setting; did you mean 'audit'?" in journal()
