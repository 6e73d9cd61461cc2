# SPDX-License-Identifier: MIT
"""
Root that knows everything, and a protected daemon: by its socket, its files, its signals, its death.

With a key, only who has the passphrase ends or changes enforcement; without one, only the service
manager. What is active is seen by a file that it refuses, never by what the daemon says.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import compiled
import pods
import pytest
from beginning import CLOSED, NO, Begun
from cheap_keys import make_keys_cheap
from daemon import PINS, Daemon, ask, leftovers, managed, told, until
from engine import attempt, perl, python
from patience import scaled
from pods import built
from siege import BPFFS, CGROUPS, assail, by_manager

from enforcer import places
from enforcer.errors import ControlError
from enforcer.kernel.verifier import Answer, Verifier
from enforcer.kernel.verifier import ask as knock
from enforcer.runtime.control.protocol import Client, KeyNeededError, encode
from enforcer.runtime.protection.key import canonical, key_of, proof_of, stored_of

PASSPHRASE = b"a passphrase of some length\n"
VAULT, OPEN = Path("/srv/around/secret"), Path("/srv/around/open")
POLICY = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: vault}
spec:
  message: "{operation} by {user}"
  rules:
    - {name: no-reading, file: read, match: {path: /srv/around/secret}, action: deny}
"""
NOTHING = POLICY.replace("/srv/around/secret}", "/srv/around/no-such-file}")
NOBODY: dict[str, list[Any]] = {"programs": [], "links": [], "pins": []}
_NO_KEY = ("--key-fd", "0")  # which finds nothing there


def is_refused(path: Path = VAULT) -> bool:
    """Whether reading *path* is; anything but the content and EPERM is an error."""
    done = attempt("cat", str(path))
    if done.returncode == 0:
        assert done.stdout == b"content"
        return False
    assert b"not permitted" in done.stderr, done.stderr
    return True


def is_active() -> bool:
    """The secret is refused, and its neighbour is not."""
    assert not is_refused(OPEN)
    return is_refused()


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Files to read, and a folder with a policy."""
    VAULT.parent.mkdir(parents=True, exist_ok=True)
    VAULT.write_text("content")
    OPEN.write_text("content")
    if not os.path.ismount(BPFFS):
        subprocess.run(["mount", "-t", "bpf", "bpf", BPFFS], check=True)
    folder = tmp_path_factory.mktemp("around")
    (folder / "policies").mkdir()
    (folder / "policies/vault.yaml").write_text(POLICY)
    return folder


@pytest.fixture(scope="module")
def verifier(place) -> Path:
    """What tells the passphrase, made as an operator would."""
    file = place / "key"
    made = ask("key", "--key-fd", "0", str(file), said=PASSPHRASE)
    assert made.returncode == 0, made.stderr
    return file


@pytest.fixture(scope="module")
def key(verifier) -> bytes:
    """The key itself."""
    make_keys_cheap()
    salt = Verifier.read(verifier.read_text()).salt
    return key_of(PASSPHRASE.decode().strip(), salt)


def write(policy: Path, text: str) -> None:
    """Replace a file at once, as editors do."""
    new = policy.with_suffix(".new")
    new.write_text(text)
    new.rename(policy)


class Caller:
    """One connection to the daemon, by which root asks for something."""

    def __init__(self) -> None:
        self.client = Client.connect(places.SOCKET, timeout=scaled(300.0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def nonce(self, command: str, **fields: Any) -> bytes:
        """Be asked for a proof."""
        with pytest.raises(KeyNeededError) as needed:
            self.client.ask(command, **fields)
        return bytes.fromhex(needed.value.nonce)

    def prove(self, key: bytes, command: str, **fields: Any) -> dict[str, Any]:
        """Do it with the key."""
        nonce = self.nonce(command, **fields)
        proof = proof_of(key, nonce, canonical({"command": command, **fields}))
        return self.client.ask(command, proof=proof.hex(), **fields)


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("stop", {}),
    ("reload", {}),
    ("reload", {"confirmWithin": 1.0}),
    ("confirm", {}),
    ("policy-add", {"texts": {"x": NOTHING.replace("vault", "other")}}),
    ("policy-remove", {"name": "vault"}),
    ("policy-disable", {"name": "vault"}),
    ("policy-enable", {"name": "vault"}),
    ("policy-set-mode", {"name": "vault", "mode": "audit"}),
]


# ---- Without protection: what root can do ---------------------------------------------------------


def test_without_protection_root_does_as_it_likes(place):
    """The other side of every refusal below."""
    policy = place / "policies/vault.yaml"
    with managed(place / "plain", policy.parent) as daemon:
        daemon.start()
        assert is_active()
        assert daemon.request("policy-disable", name="vault")["generation"]
        assert not is_refused()
        daemon.request("policy-enable", name="vault")
        assert is_active()

        write(policy, NOTHING)
        until(lambda: not is_refused())
        write(policy, POLICY)
        os.kill(daemon.pid, signal.SIGHUP)
        until(is_refused)

        assert all(can_write(path) for path in mapped(daemon.pid))
        starve(daemon)
        assert is_active()
        assert ask("stop", "--force").returncode == 0
        assert not is_refused()
    assert leftovers() == NOBODY


def starve(daemon: Daemon) -> None:
    """Move the daemon where there is no memory, and have it need some; returns when it has died."""
    with suppress(OSError):  # who cannot have it has it already
        (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    poor = CGROUPS / "poor"
    poor.mkdir(exist_ok=True)
    (poor / "memory.max").write_text("65536")
    (poor / "cgroup.procs").write_text(str(daemon.pid))
    assert daemon.process is not None
    end = time.monotonic() + scaled(180)
    while daemon.process.poll() is None:
        assert time.monotonic() < end, "it lives"
        with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5.0)
            connection.connect(str(places.SOCKET))
            connection.sendall(b"x" * (1 << 20))
    poor.rmdir()


# ---- With a key --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keyed(place, verifier) -> Iterator[Daemon]:
    """A daemon that is protected by a key, for every attempt in turn."""
    write(place / "policies/vault.yaml", POLICY)
    write(place / "policies/closed.yaml", CLOSED)
    with managed(place / "keyed", place / "policies") as daemon:
        daemon.start("--protect", "--key", str(verifier))
        yield daemon
        if any(leftovers().values()):
            ended = ask("stop", "--force", "--key-fd", "0", said=PASSPHRASE)
            assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(("command", "fields"), CHANGES)
def test_root_is_asked_for_the_key(keyed, command, fields):
    """Being root at the socket changes nothing."""
    with Caller() as caller:
        caller.nonce(command, **fields)

    assert is_active()
    assert keyed.generation() == 1


def test_root_is_still_told(keyed):
    """Asking how things are needs no key."""
    state = keyed.status()

    assert (True, True) == (state["protected"], state["keyed"])
    assert keyed.request("policy-list")["policies"]


def test_containers_begin_without_the_key(keyed, tmp_path):
    """They are met before their first program, and nobody else is kept by what holds in one."""
    program = built(tmp_path)
    with pods.running(closed := Begun("docker", "a", program, name="closed")):
        assert NO == closed.ask("run", "/bin/other")
        assert "ok" == closed.ask("run", "/bin/app")
    with pods.running(free := Begun("docker", "b", program, name="free")):
        assert "ok" == free.ask("run", "/bin/other")


def test_a_proof_is_good_once_and_for_one_request(keyed, key):
    """What was seen of a change that was allowed allows no other."""
    fields = {"name": "vault", "mode": "enforce"}
    request = canonical({"command": "policy-set-mode", **fields})
    with Caller() as caller:
        nonce = caller.nonce("policy-set-mode", **fields)
        proof = proof_of(key, nonce, request).hex()
        caller.client.ask("policy-set-mode", proof=proof, **fields)
        # the same again, on the same connection and on another, before and after it is asked for
        with pytest.raises(ControlError, match="wrong"):
            caller.client.ask("policy-set-mode", proof=proof, **fields)
    with Caller() as caller:
        with pytest.raises(ControlError, match="wrong"):
            caller.client.ask("policy-set-mode", proof=proof, **fields)
        caller.nonce("policy-set-mode", **fields)
        with pytest.raises(ControlError, match="wrong"):
            caller.client.ask("policy-set-mode", proof=proof, **fields)
    # a fresh one for something else
    with Caller() as caller:
        nonce = caller.nonce("policy-set-mode", **fields)
        proof = proof_of(key, nonce, request).hex()
        with pytest.raises(ControlError, match="wrong"):
            caller.client.ask("policy-set-mode", proof=proof, **(fields | {"mode": "audit"}))
    # of what is kept, in place of the key
    with Caller() as caller:
        nonce = caller.nonce("stop")
        proof = proof_of(stored_of(key), nonce, canonical({"command": "stop"})).hex()
        with pytest.raises(ControlError, match="wrong"):
            caller.client.ask("stop", proof=proof)

    assert is_active()


def test_a_guesser_keeps_nobody_out(keyed, key):
    """While others try passphrases, who has the right one is served."""
    guessers = [Caller() for _ in range(20)]
    for guesser in guessers:
        guesser.nonce("stop")
        guesser.client._socket.sendall(encode({"command": "stop", "proof": "00" * 32}) * 20)

    with Caller() as caller:
        assert caller.prove(key, "policy-set-mode", name="vault", mode="enforce")["generation"]
    for guesser in guessers:
        guesser.client.close()

    assert is_active()


def test_files_wait_for_the_key(keyed, place, key):
    """Root writes the policy files: that is told, and taken when who has the key says so."""
    policy = place / "policies/vault.yaml"
    write(policy, NOTHING)

    until(lambda: "policy files have changed" in keyed.output)
    assert is_active()
    with pytest.raises(PermissionError):
        os.kill(keyed.pid, signal.SIGHUP)
    assert 0 == by_manager(keyed.pid, signal.SIGHUP)
    until(lambda: "SIGHUP reopened the logs" in keyed.output)
    assert is_active()

    with Caller() as caller:
        caller.prove(key, "reload")
    assert not is_refused()
    write(policy, POLICY)
    with Caller() as caller:
        caller.prove(key, "reload")
    assert is_active()


def test_nobody_answers_in_the_place_of_the_compiler(keyed, key, tmp_path):
    """What the daemon reads from its child it believes: whoever could write there would be the daemon."""
    taken = tmp_path / "taken"
    code = """
import os, pickle, struct
class Taken:
    def __reduce__(self):
        return os.mkdir, (sys.argv[2],)
answer = pickle.dumps(Taken())
print("ready", flush=True)
seen = set()
while True:
    folder = f"/proc/{sys.argv[1]}/fd"
    for number in os.listdir(folder):
        try:
            what = os.readlink(f"{folder}/{number}")
            if what.startswith("pipe:"):
                fd = os.open(f"{folder}/{number}", os.O_WRONLY | os.O_NONBLOCK)
                os.write(fd, struct.pack("!i", len(answer)) + answer)
                os.close(fd)
        except OSError:
            continue
        if what not in seen:
            seen.add(what)
            print("looked", flush=True)
"""
    intruder = subprocess.Popen(
        [sys.executable, "-ISc", f"import sys\n{code}", str(keyed.pid), str(taken)],
        stdout=subprocess.PIPE,
    )
    assert intruder.stdout is not None
    try:
        assert b"ready\n" == intruder.stdout.readline()
        for _ in range(5):
            assert "vault" in told("policy", "show", "vault")
        with Caller() as caller:
            caller.prove(key, "reload")
    finally:
        intruder.kill()
    said = intruder.communicate()[0].decode()

    assert "looked" in said
    assert not taken.exists()


def test_the_compiler_is_the_daemons(keyed, key):
    """The child that compiles hands the daemon what it believes: nobody gets at it."""
    code = """
import pathlib
print("ready", flush=True)
while True:
    for pid in pathlib.Path(f"/proc/{sys.argv[1]}/task/{sys.argv[1]}/children").read_text().split():
        try:
            with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
                try:
                    memory.read(1)  # of a process that has ended there is nothing to read
                except OSError:
                    print("opened", pid, flush=True)
        except FileNotFoundError:
            continue
        except PermissionError:
            print("refused", pid, flush=True)
"""
    intruder = subprocess.Popen(
        [sys.executable, "-ISc", f"import sys\n{code}", str(keyed.pid)],
        stdout=subprocess.PIPE,
    )
    assert intruder.stdout is not None
    try:
        assert b"ready\n" == intruder.stdout.readline()
        with Caller() as caller:
            caller.prove(key, "policy-set-mode", name="vault", mode="enforce")
            caller.prove(key, "reload")
    finally:
        intruder.kill()
    said = intruder.communicate()[0].decode()

    assert "refused" in said
    assert "opened" not in said


# ---- What the daemon consists of ---------------------------------------------------------------


def mapped(pid: int) -> list[Path]:
    """The libraries that a process has mapped."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    names = {line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) == 6}
    return sorted(Path(name) for name in names if ".so" in name and Path(name).is_file())


def can_write(path: Path, flags: int = os.O_WRONLY) -> bool:
    """Whether root, in a process of its own, gets at the content of a file; nothing is written."""
    done = perl("sysopen(F, $ARGV[0], $ARGV[1]) and close(F) or die", str(path), str(flags))
    assert done.returncode in {0, errno.EPERM, errno.EACCES}, done.stderr
    return done.returncode == 0


def is_lasting(path: Path) -> bool:
    """Try to change a library in every way that would change its content; whether it is as before."""
    before = path.stat()
    cutting = os.O_RDONLY | os.O_TRUNC  # which is not opened for writing
    for flags in (os.O_WRONLY, os.O_RDWR | os.O_APPEND, os.O_WRONLY | os.O_TRUNC, cutting):
        assert not can_write(path, flags), (path, flags)
    for argv in (
        ("truncate", "-s", "1", str(path)),
        ("dd", "if=/dev/zero", f"of={path}", "count=1", "conv=notrunc"),
    ):
        assert b"not permitted" in attempt(*argv).stderr, argv
    cut = perl("syscall(76, $ARGV[0], 1) == 0 or die", str(path))
    assert cut.returncode in {errno.EPERM, errno.EACCES}, cut.stderr
    after = path.stat()
    return (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def test_mapped_files_are_not_written(keyed):
    """What is written into a library runs in the daemon, however it was mapped; others are written."""
    found = mapped(keyed.pid)
    for part in ("_ffi.", "libc.so", "libbpf."):
        (path, *_) = (path for path in found if part in path.name)
        assert is_lasting(path)
        # Packages replace files: that goes on, and harms nobody who has mapped the old one.
        copy = Path("/root") / path.name
        copy.write_bytes(path.read_bytes())
        assert can_write(copy)
        assert can_write(copy, os.O_RDONLY | os.O_TRUNC)
        assert 0 == copy.stat().st_size
        copy.unlink()
    assert can_write(OPEN)
    assert is_active()


def test_a_name_service_does_not_get_in(keyed, key):
    """Looking up who somebody is loads libraries that a file names: not into this process."""
    names, kept = Path("/etc/nsswitch.conf"), Path("/root/nsswitch.conf")
    if names.exists():
        names.rename(kept)
    library = Path("/usr/lib/libnss_planted.so.2")
    compiled.place("planted-library", library)
    name = Path(f"/proc/{keyed.pid}/comm").read_text().strip()
    named = f"open('/proc/self/comm', 'w').write('{name}')\n"
    mark = Path("/run") / f"planted.{name}"
    try:
        names.write_text("passwd: planted files\ngroup: planted files\n")
        # The control: a process that is not closed loads it.
        looked = python(f"{named}import pwd\npwd.getpwuid(0)")
        assert looked.returncode == 0, looked.stderr
        assert mark.exists()
        mark.unlink()
        # Whoever is refused is looked up, when the record is made.
        code = "syscall(105, 54321) == 0 or exit 255; open(F, '<', $ARGV[0]) or die"
        refused = perl(code, str(VAULT))
        assert refused.returncode in {errno.EPERM, errno.EACCES}, refused.stderr
        until(lambda: "by 54321" in keyed.log.read_text())
        with Caller() as caller:
            caller.prove(key, "reload")
        assert not mark.exists()
    finally:
        library.unlink()
        names.unlink()
        if kept.exists():
            kept.rename(names)
    assert is_active()


def test_files_of_python_do_not_get_in(keyed, key):
    """A module that is written beside those of the daemon is not imported by what it does next."""
    planted = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}/site-packages"
    marks = Path("/run/imported")
    module = planted / "_planted.py"
    module.write_text("open('/run/imported', 'w').close()\n")
    (planted / "planted.pth").write_text("import _planted\n")
    try:
        # The control: whoever starts now imports it.
        assert attempt(sys.executable, "-c", "pass").returncode == 0
        assert marks.exists()
        marks.unlink()
        with Caller() as caller:
            caller.prove(key, "reload")
            assert caller.client.ask("status")["status"]
        assert not marks.exists()
    finally:
        (planted / "planted.pth").unlink()
        module.unlink()
    assert is_active()


def test_commands_say_what_to_do(keyed):
    """One sentence, whether there is no passphrase, no terminal, or a wrong one."""
    for argv, said, sentence in (
        (("stop",), b"", "there is no terminal to ask for it"),
        (("stop", "--key-fd", "0"), b"", "no passphrase was given"),
        (("stop", "--key-fd", "0"), b"something else\n", "the passphrase is wrong"),
        (("stop", "--force", "--key-fd", "0"), b"something else\n", "the passphrase is wrong"),
        (("policy", "disable", "vault", "--key-fd", "0"), b"something else\n", "is wrong"),
        (("unlock", "--key-fd", "0"), PASSPHRASE, "its daemon is running"),
    ):
        ended = ask(*argv, said=said)

        assert ended.returncode == 2, (argv, ended.stdout, ended.stderr)
        assert sentence in ended.stderr
        assert 1 == len(ended.stderr.splitlines())
    assert is_active()


def test_who_has_the_key_changes_the_active_policies(keyed):
    """By the commands, too."""
    off = ask("policy", "disable", "vault", "--key-fd", "0", said=PASSPHRASE)
    refused = is_refused()
    on = ask("policy", "enable", "vault", "--key-fd", "0", said=PASSPHRASE)

    assert (0, 0) == (off.returncode, on.returncode), off.stderr + on.stderr
    assert not refused
    assert is_active()


def test_its_death_ends_nothing(keyed, verifier):
    """No memory for the daemon: enforcement stays, and root neither ends nor replaces it."""
    starve(keyed)

    assert is_active()
    assert Answer.LOCKED is knock()
    kept = sorted(PINS.rglob("*"))
    for argv, said, sentence in (
        (("stop", "--force", *_NO_KEY), b"", "no passphrase was given"),
        (("stop", "--force", *_NO_KEY), b"something else\n", "the passphrase is wrong"),
        (("start", "--no-watch", str(keyed.paths[0])), b"", "no terminal to ask for it"),
        (("start", str(keyed.paths[0]), *_NO_KEY), b"something else\n", "is wrong"),
    ):
        ended = ask(*argv, said=said)
        assert ended.returncode == 2, (argv, ended.stdout, ended.stderr)
        assert sentence in ended.stderr
    for pin in kept:
        with pytest.raises(OSError, match=r"not permitted|not empty|Is a directory"):
            pin.unlink() if not pin.is_dir() else pin.rmdir()
    for words in (
        ["umount", "-l", str(BPFFS)],
        ["mount", "-t", "tmpfs", "none", str(PINS)],
        ["bpftool", "map", "dump", "pinned", str(PINS / "1/map-images")],
    ):
        assert attempt(*words).returncode
    with pytest.raises(PermissionError):
        Path("/proc/sys/kernel/ftrace_enabled").write_text("0")
    assert kept == sorted(PINS.rglob("*"))
    assert is_active()


def test_who_has_the_key_takes_over(keyed, verifier):
    """Without a gap; and the service manager's SIGTERM then ends the daemon alone."""
    successor = ask_start(keyed, verifier)
    assert is_active()

    assert 0 == by_manager(successor.pid, signal.SIGTERM)
    assert 0 == successor.wait(scaled(120))
    assert is_active()
    assert Answer.LOCKED is knock()


def ask_start(daemon: Daemon, verifier: Path) -> subprocess.Popen[bytes]:
    """Start a successor that is given the passphrase; returns when it is active."""
    from engine import EXECUTED

    output = daemon.directory / "successor"
    argv = ("start", *daemon.paths, "--quiet", "--protect", "--key", str(verifier), "--key-fd", "0")
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [*EXECUTED, *argv], stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.STDOUT
        )
    assert process.stdin is not None
    process.stdin.write(PASSPHRASE)
    process.stdin.close()
    until(lambda: "enforcer: active: " in output.read_text() or process.poll() is not None, 600)
    assert process.poll() is None, output.read_text()
    return process


def test_who_has_the_key_ends_it(keyed):
    """What was left, with nobody alive; and unlocking first is for a start that cannot ask."""
    unlocked = ask("unlock", "--key-fd", "0", said=PASSPHRASE)
    assert (0, True) == (unlocked.returncode, is_active()), unlocked.stderr
    assert Answer.OPEN is knock()

    assert 0 == ask("stop", "--force").returncode
    assert not is_refused()
    assert leftovers() == NOBODY


# ---- Without a key -----------------------------------------------------------------------------


@contextmanager
def ended_by_manager(daemon: Daemon) -> Iterator[None]:
    """Whatever fails, end the daemon in order: nobody here could take over when it has died."""
    try:
        yield
    finally:
        assert daemon.process is not None
        if daemon.process.poll() is None:
            assert 0 == by_manager(daemon.pid, signal.SIGTERM)
            assert 0 == daemon.process.wait(scaled(120))


def test_without_a_key_root_is_not_enough(place):
    """The socket changes nothing; the first process of the machine ends it in order."""
    write(place / "policies/vault.yaml", POLICY)
    with managed(place / "unkeyed", place / "policies") as daemon:
        daemon.start("--protect")
        with ended_by_manager(daemon):
            attack_without_a_key(place, daemon)
    assert not is_refused()
    assert leftovers() == NOBODY


def attack_without_a_key(place: Path, daemon: Daemon) -> None:
    """What root does in vain, and what the first process of the machine does."""
    for command, fields in CHANGES:
        with pytest.raises(ControlError, match="protected without a key"):
            daemon.request(command, **fields)
    before = daemon.status()["kernel"]["guard_refused"]
    for argv in (("stop",), ("stop", "--force"), ("reload",), ("policy", "disable", "vault")):
        ended = ask(*argv)
        assert ended.returncode == 2, (argv, ended.stdout, ended.stderr)
        assert "systemctl" in ended.stderr
    # The commands attempt nothing that the guard refuses: a record of that would name an attacker.
    assert before == daemon.status()["kernel"]["guard_refused"]
    write(place / "policies/vault.yaml", NOTHING)
    until(lambda: "policy files have changed" in daemon.output)
    with pytest.raises(PermissionError):
        os.kill(daemon.pid, signal.SIGHUP)
    assert assail("memory", daemon.pid) in {errno.EPERM, errno.EACCES}
    assert is_active()
    assert Answer.CLOSED is knock()

    # The manager's SIGHUP takes the files, its SIGTERM ends enforcement.
    assert 0 == by_manager(daemon.pid, signal.SIGHUP)
    until(lambda: not is_refused())
