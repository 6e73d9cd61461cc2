# SPDX-License-Identifier: MIT
"""
A kernel whose list of active LSMs lacks bpf: enforced around the functions that call the hooks.

Runs on a boot of its own; elsewhere it is skipped:
``tests/vm/run --append lsm=landlock,lockdown,yama,apparmor -- .venv/bin/pytest tests/vm/test_without_bpf_lsm.py``
"""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from daemon import PINS, Daemon, ask, leftovers, managed, told
from engine import attempt, perl, python

from enforcer.kernel import host

PASSPHRASE = b"a passphrase of some length\n"

ROOT = Path("/srv/without")
TOUCH = Path("/usr/bin/touch")
PORTS = {"deny": 40001, "kill": 40002, "open": 40003}
USER = 4321
NOTHING = {"programs": [], "links": [], "pins": []}

pytestmark = [
    pytest.mark.skipif(
        "bpf" in (host.active_lsms() or ("bpf",)),
        reason="bpf is among the active LSMs: boot with --append lsm=landlock,lockdown,yama,apparmor",
    ),
    pytest.mark.skipif(
        bool(host.preempts()),
        reason="this kernel takes the processor from its own functions: nothing can be prevented around them",
    ),
]


def _rules(verb: str) -> str:
    rules = [
        f"file: read, match: {{path: {ROOT}/{verb}/read}}",
        f"file: write, match: {{path: {ROOT}/{verb}/write}}",
        f"file: unlink, match: {{path: {ROOT}/{verb}/unlink}}",
        f"file: rename, match: {{path: {ROOT}/{verb}/rename}}",
        f"file: mmapExec, match: {{path: {ROOT}/{verb}/map}}",
        f"exec: {{}}, match: {{path: {ROOT}/{verb}/run}}",
        f"network: connect, match: {{port: {PORTS[verb]}}}",
        f"file: read, match: {{path: {ROOT}/{verb}/lineage, ancestors: {{binary: {ROOT}/{verb}/sh}}}}",
    ]
    if verb == "kill":
        rules.append(
            f"exec: {{}}, match: {{path: {ROOT}/open/run, args: [{{index: 1, equal: --}}]}}"
        )
    return "".join(f"    - {{{rule}, action: {verb}}}\n" for rule in rules)


POLICY = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: around}}
spec:
  rules:
{_rules("deny")}{_rules("kill")}"""
CAPABILITIES = f"""\
    - name: capable
      exec: {{}}
      match: {{path: {ROOT}/caps/**, fileCapabilities: true}}
      action: deny
"""
HOOKS = f"""\
    - name: hook
      lsm: file_open
      match: {{args: [{{index: 0, equal: {ROOT}/hooked}}]}}
      action: {{deny: {{errno: EROFS}}}}
"""
UNLIKE = """\
    - {name: unlike, lsm: inode_rename, match: {args: [{index: 1, type: Dentry, prefix: /nowhere}]}, action: deny}
"""


READERS = 6
# Tries to read what is denied in some processes, as often as each can for some seconds; prints how often they could.
# They are forked, as Linux before 6.2 refuses in doubt what a program that starts meanwhile would map.
READER = f"""
import os, time
counts, told = os.pipe()
for _ in range({READERS}):
    if os.fork():
        continue
    end, read = time.monotonic() + 10, 0
    while time.monotonic() < end:
        try:
            os.close(os.open("{ROOT}/deny/read", os.O_RDONLY))
            read += 1
        except PermissionError:
            pass
    os.write(told, b"%d " % read)
    os._exit(0)
os.close(told)
print(os.fdopen(counts).read())
"""


@attrs.define
class Stage:
    """Files to attack, and listeners to reach."""

    ears: dict[str, socket.socket]

    @classmethod
    def set_up(cls) -> Stage:
        """Make everything anew."""
        shutil.rmtree(ROOT, ignore_errors=True)
        for verb in (*PORTS, "caps"):
            (ROOT / verb).mkdir(parents=True)
            for name in ("read", "write", "unlink", "rename", "lineage", "map"):
                (ROOT / verb / name).write_text("content\n")
            shutil.copy(TOUCH, ROOT / verb / "run")
            shutil.copy("/bin/sh", ROOT / verb / "sh")
        (ROOT / "hooked").write_text("content\n")
        for name in ("capable", "plain"):
            shutil.copy(TOUCH, ROOT / "caps" / name)
        subprocess.run(
            ["/usr/sbin/setcap", "cap_net_raw+ep", ROOT / "caps" / "capable"], check=True
        )
        return cls({verb: socket.create_server(("127.0.0.1", p)) for verb, p in PORTS.items()})

    def close(self) -> None:
        """Listen no longer."""
        for ear in self.ears.values():
            ear.close()

    def try_(self, what: str, verb: str) -> tuple[bool, int]:
        """Make one attempt; returns whether it had its effect, and how the process ended."""
        return getattr(self, what)(ROOT / verb, verb)

    def read(self, here: Path, _: str) -> tuple[bool, int]:
        ended = attempt("/bin/cat", str(here / "read"))
        return ended.stdout == b"content\n", ended.returncode

    def write(self, here: Path, _: str) -> tuple[bool, int]:
        ended = attempt("/usr/bin/dd", "if=/dev/null", f"of={here}/write", "status=none")
        return (here / "write").read_text() == "", ended.returncode

    def unlink(self, here: Path, _: str) -> tuple[bool, int]:
        ended = attempt("/bin/rm", str(here / "unlink"))
        return not (here / "unlink").exists(), ended.returncode

    def rename(self, here: Path, _: str) -> tuple[bool, int]:
        ended = attempt("/bin/mv", str(here / "rename"), str(here / "renamed"))
        return (here / "renamed").exists(), ended.returncode

    def run(self, here: Path, verb: str) -> tuple[bool, int]:
        mark = ROOT / f"mark-{verb}"
        ended = attempt(str(here / "run"), str(mark))
        ran = mark.exists()
        mark.unlink(missing_ok=True)
        return ran, ended.returncode

    def connect(self, _: Path, verb: str) -> tuple[bool, int]:
        code = "my $to = pack('S n C4 x8', 2, $ARGV[0], 127, 0, 0, 1);"
        code += "socket(S, 2, 1, 0) and connect(S, $to) or die"
        ended = perl(code, str(PORTS[verb]))
        return self.heard(verb), ended.returncode

    def lineage(self, here: Path, _: str) -> tuple[bool, int]:
        ended = attempt(str(here / "sh"), "-c", f"/bin/sh -c '/bin/cat {here}/lineage; exit $?'")
        return ended.stdout == b"content\n", ended.returncode

    def map(self, here: Path, _: str) -> tuple[bool, int]:
        """Reading implies execution here, which the function is not told."""
        code = """
            open(F, "<", $ARGV[0]) or die;
            syscall(135, 0x0400000) >= 0 or die;  # personality, READ_IMPLIES_EXEC
            syscall(9, 0, 4, 1, 2, fileno(F), 0) != -1 or die;  # mmap, PROT_READ, MAP_PRIVATE
            print("mapped");
        """
        ended = perl(code, str(here / "map"))
        return ended.stdout == b"mapped", ended.returncode

    def heard(self, verb: str) -> bool:
        """Whether a connection has come."""
        ear = self.ears[verb]
        ear.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            ear.accept()[0].close()
            return True
        return False


ATTEMPTS = ["read", "write", "unlink", "rename", "run", "connect", "lineage", "map"]


@attrs.define
class Bench:
    """The daemon, and what attempts came to before it was there."""

    stage: Stage
    daemon: Daemon
    file: Path
    before: dict[tuple[str, str], tuple[bool, int]]

    def put(self, text: str) -> None:
        """Change what is active."""
        self.file.write_text(text)
        told("reload")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One daemon for all tests."""
    directory = tmp_path_factory.mktemp("around")
    stage = Stage.set_up()
    before = {(w, v): stage.try_(w, v) for w in ATTEMPTS for v in ("deny", "kill")}
    stage.close()
    stage = Stage.set_up()
    file = directory / "policies" / "around.yaml"
    file.parent.mkdir()
    file.write_text(POLICY)
    with managed(directory, file.parent, is_executed=True) as daemon:
        daemon.start()
        yield Bench(stage, daemon, file, before)
    stage.close()


@pytest.mark.parametrize("what", ATTEMPTS)
def test_what_succeeds_without_a_policy_is_refused(bench: Bench, what: str):
    """By the effect, not by what is said: and neighbours that no rule names go on."""
    assert (True, 0) == bench.before[what, "deny"] == bench.before[what, "kill"]

    refused = bench.stage.try_(what, "deny")
    killed = bench.stage.try_(what, "kill")
    neighbour = bench.stage.try_(what, "open")

    assert not refused[0]
    assert refused[1] > 0
    assert not killed[0]
    assert killed[1] in {-9, 137}  # where a shell is the parent, it says so
    assert (True, 0) == neighbour


def test_arguments_of_a_program_are_seen(bench: Bench):
    """No program sleeps around a function; the strings are there all the same."""
    mark = ROOT / "argued"

    assert attempt(str(ROOT / "open" / "run"), "--", str(mark)).returncode == -9
    assert not mark.exists()
    assert attempt(str(ROOT / "open" / "run"), str(mark)).returncode == 0
    assert mark.exists()


def test_it_is_said(bench: Bench):
    """By the status, and that nobody was passed by."""
    status = bench.daemon.status()

    assert "security_* functions" == status["enforcesAt"]
    assert 0 == status["kernel"]["passed_by"]


def test_file_capabilities_are_late(bench: Bench):
    """A rule that denies by them is refused, unless it may kill instead; then nothing of it runs."""
    bench.file.write_text(POLICY + CAPABILITIES)
    refused = ask("reload")
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "the capabilities of a file too late" in said
    bench.put(POLICY.replace("spec:\n", "spec:\n  allowDegraded: true\n") + CAPABILITIES)
    ROOT.chmod(0o777)
    # Who is root, or was and keeps what root may, gains nothing.
    become = f"os.setgid({USER}); os.setuid({USER}); os.execv(sys.argv[1], sys.argv[1:])"

    capable = python(become, str(ROOT / "caps" / "capable"), str(ROOT / "by-capable"))
    plain = python(become, str(ROOT / "caps" / "plain"), str(ROOT / "by-plain"))

    assert -9 == capable.returncode, capable.stderr
    assert not (ROOT / "by-capable").exists()
    assert 0 == plain.returncode, plain.stderr
    assert (ROOT / "by-plain").exists()
    (record,) = [each for each in bench.daemon.records() if each["rule"] == "capable"]
    assert ("kill", True) == (record["action"], record["enforced"]), record


def test_hooks_by_name(bench: Bench):
    """Where the function has the arguments of the hook; where it has others, it is said."""
    assert attempt("/bin/cat", str(ROOT / "hooked")).returncode == 0
    bench.put(POLICY + HOOKS)

    assert b"Read-only file system" in attempt("/bin/cat", str(ROOT / "hooked")).stderr
    bench.file.write_text(POLICY + UNLIKE)
    refused = ask("reload")
    assert refused.returncode != 0
    assert "security_inode_rename" in refused.stdout + refused.stderr


def test_a_reload_changes_what_is_refused(bench: Bench):
    """The old rules are gone, the new one is there."""
    bench.put(POLICY.replace(f"{ROOT}/deny/read", f"{ROOT}/open/read"))
    try:
        assert bench.stage.try_("read", "deny")[0]
        assert not bench.stage.try_("read", "open")[0]
    finally:
        bench.put(POLICY)


def test_it_outlives_its_daemon(bench: Bench):
    """The active policies stay when the daemon is killed; the next one takes over, protected."""
    daemon = bench.daemon
    daemon.kill()

    assert not bench.stage.try_("read", "deny")[0]
    assert (True, 0) == bench.stage.try_("read", "open")
    key = daemon.directory / "key"
    assert ask("key", "--key-fd", "0", str(key), said=PASSPHRASE).returncode == 0
    daemon.start("--protect", "--key", str(key))
    assert not bench.stage.try_("read", "deny")[0]
    assert not bench.stage.try_("run", "deny")[0]
    assert (True, 0) == bench.stage.try_("read", "open")


def test_protection_keeps_root_away(bench: Bench):
    """Process, pins and programs are out of reach, as they are with hooks."""
    assert bench.daemon.status()["protected"]

    sent = perl("kill(9, $ARGV[0]) or die", str(bench.daemon.pid))
    removed = attempt("/bin/rm", "-rf", *map(str, PINS.glob("[0-9]*")))
    moved = perl("rename($ARGV[0], $ARGV[0] . '-gone') or die", str(PINS))
    other = ask("doctor")
    keyless, wrong = ask("stop", "--force"), ask("stop", "--key-fd", "0", said=b"wrong\n")

    refusals = {errno.EPERM, errno.EACCES}
    assert sent.returncode in refusals, sent
    assert b"not permitted" in removed.stderr
    assert moved.returncode in refusals, moved
    assert other.returncode != 0
    assert (2, 2) == (keyless.returncode, wrong.returncode)
    assert bench.daemon.is_active
    assert not bench.stage.try_("read", "deny")[0]


def test_who_has_the_key_ends_it(bench: Bench):
    """No signal reaches it, so this comes behind what needs a daemon."""
    assert ask("stop", "--key-fd", "0", said=PASSPHRASE).returncode == 0
    assert bench.daemon.process is not None
    assert 0 == bench.daemon.process.wait(120)
    assert NOTHING == leftovers()


def test_doctor_says_how(bench: Bench):
    """When no daemon is in the way."""
    assert NOTHING == leftovers()

    found = json.loads(told("doctor", "--json"))

    assert found["canPrevent"]
    assert "security_* functions" == found["enforcesAt"]
    gives = {each["operation"]: each["gives"] for each in found["operations"]}
    less = {"syscall", "kprobe", "tracepoint", "attempts"}
    assert {"prevent"} == {what for word, what in gives.items() if word not in less}
    programs = found["operations"][0]
    assert "exec" == programs["operation"]
    assert "security_bprm_check" in programs["hooks"]
    for field in ("fileCapabilities", "args"):
        assert f"with {field}: kill after, " in programs["reason"]


def test_who_may_be_passed_by_does_not_prevent(bench: Bench, preemption: None):
    """Refused, unless it may do less: what passes then is counted."""
    bench.file.write_text(POLICY)
    refused = ask("start", str(bench.file))
    problem = json.loads(told("doctor", "--json"))["problems"][0]["what"]

    assert 1 == refused.returncode
    assert "preempt=full or lazy" in problem
    assert problem in refused.stderr
    assert NOTHING == leftovers()
    bench.daemon.start("--allow-degraded")
    read = 0
    for _ in range(20):
        read += _readers()
        passed_by = bench.daemon.status()["kernel"]["passed_by"]
        if read:
            break
    assert 0 < read <= passed_by
    bench.daemon.stop()


def _readers() -> int:
    done = python(READER)
    counts = done.stdout.split()
    assert READERS == len(counts), done.stderr
    return sum(map(int, counts))
