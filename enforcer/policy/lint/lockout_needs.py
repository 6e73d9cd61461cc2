# SPDX-License-Identifier: MIT
"""
The vital programs of a machine, and what they must be able to do.

They have the names that Debian, Fedora and their derivatives use. On a machine with other names only the
warning is missing. Paths are the kernel's names: merged directories, no links.
"""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs

import enforcer
from enforcer import places
from enforcer.policy.language.sockets import BY_DEFAULT, PROTOCOLS
from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.vocabulary import FIELDS, Op

__all__ = ["Actor", "EnforcerPrograms", "Need", "Target", "own_programs", "vital_needs"]

ANY_IPV4: Final = (0xFFFF_0000_0000, 0xFFFF_FFFF_FFFF)
ANY_IPV6: Final = (0, 2**128 - 1)


@attrs.frozen
class EnforcerPrograms:
    """The programs of enforcer: *interpreter* as the kernel names it, then by its other names."""

    interpreter: tuple[bytes, ...]
    script: bytes
    code: bytes


def own_programs() -> EnforcerPrograms:
    """Find the programs that run this enforcer."""
    given = Path(sys.executable)
    script = given.with_name("enforcer")
    return EnforcerPrograms(
        interpreter=tuple(
            dict.fromkeys((bytes(given.resolve()), bytes(given), b"/usr/bin/python3"))
        ),
        script=bytes(script if script.exists() else Path("/usr/bin/enforcer")),
        code=bytes(Path(enforcer.__file__).resolve()),
    )


@attrs.frozen(cache_hash=True)
class Target:
    """
    What an operation is about, as far as it is known; None: the operation has no such thing.

    *also* are names that links give to *path*. *address* is a range if only that much is known.
    *code* is a signal, a capability or a command; *to* the user or group that an id becomes.
    """

    path: bytes | None = None
    also: tuple[bytes, ...] = ()
    port: int | None = None
    address: tuple[int, int] | None = None
    family: int | None = None
    type: int | None = None
    protocol: int | None = None
    code: int | None = None
    to: int | None = None
    flags: frozenset[str] = frozenset()


@attrs.frozen(cache_hash=True)
class Actor:
    """A process of root: *above* are its parent and the further ancestors, nearest first."""

    name: str
    program: Target
    cgroup: bytes
    above: tuple[Actor, ...] = ()
    is_script: bool = False


@attrs.frozen
class Need:
    """*actor* does *op* with *thing*; *verb* and *what* are how to say it."""

    actor: Actor
    op: Op
    target: Target
    verb: str
    what: str


# ---- Who -------------------------------------------------------------------------------------

_MANAGER: Final = "the service manager"
_SSHD: Final = "sshd"
_SHELL: Final = "the shell"
_SELF: Final = "enforcer itself"
_SYSTEMD: Final = Target(b"/usr/lib/systemd/systemd", also=(b"/sbin/init", b"/usr/sbin/init"))
_EXECUTOR: Final = Target(b"/usr/lib/systemd/systemd-executor")
_SERVER: Final = Target(b"/usr/sbin/sshd")
_SERVER_PARTS: Final = (b"/usr/lib/openssh/sshd-session", b"/usr/libexec/openssh/sshd-session")
_SHELLS: Final = (
    Target(b"/usr/bin/bash"),
    Target(b"/usr/bin/dash", also=(b"/usr/bin/sh", b"/bin/sh")),
)
_SSH_UNITS: Final = (b"/system.slice/ssh.service", b"/system.slice/sshd.service")
_LOGIN: Final = b"/user.slice/user-0.slice/session-1.scope"

_INIT: Final = Actor(_MANAGER, _SYSTEMD, b"/init.scope")
_SERVERS: Final = tuple(Actor(_SSHD, _SERVER, unit, (_INIT,)) for unit in _SSH_UNITS)
# What systemd has forked runs the service, in the cgroup of the service.
_STARTERS: Final = tuple(
    Actor(_MANAGER, program, unit, (_INIT,))
    for program in (_SYSTEMD, _EXECUTOR)
    for unit in _SSH_UNITS
)


def _sessions(parts: tuple[Target, ...]) -> tuple[Actor, ...]:
    """Serve one login, before and after it has a cgroup of its own; *parts* are newer programs."""
    return tuple(
        Actor(_SSHD, program, cgroup, (server, _INIT))
        for program in (_SERVER, *parts)
        for server in _SERVERS
        for cgroup in (server.cgroup, _LOGIN)
    )


def _shells(sessions: tuple[Actor, ...]) -> tuple[Actor, ...]:
    return tuple(
        Actor(_SHELL, shell, _LOGIN, (session, *session.above))
        for shell in _SHELLS
        for session in sessions
        if session.cgroup == _LOGIN
    )


# ---- What ------------------------------------------------------------------------------------

_LIBRARIES: Final = {
    "the dynamic linker": (
        b"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        b"/usr/lib64/ld-linux-x86-64.so.2",
    ),
    "the C library": (b"/usr/lib/x86_64-linux-gnu/libc.so.6", b"/usr/lib64/libc.so.6"),
}
_CHANGES: Final = (Op.CREATE, Op.WRITE, Op.UNLINK, Op.RENAME)
_TREES: Final = (Op.MKDIR, Op.RMDIR)
_BPF_MAP_UPDATE, _BPF_PROG_LOAD = (
    FIELDS["command"].names[word] for word in ("map_update_elem", "prog_load")
)
_TCP: Final = PROTOCOLS["tcp"]
_SOMEBODY: Final = 1000  # the first user, and group, of people
_SOCKET_FILE: Final = bytes(places.SOCKET)
_POLICY_FILE: Final = bytes(places.POLICIES / "policy.yaml")


@functools.lru_cache(maxsize=4)
def vital_needs(own: EnforcerPrograms, exists: Callable[[bytes], bool]) -> tuple[Need, ...]:
    """
    List what must stay possible on a machine where enforcer is *own*.

    Of files that lie elsewhere on other systems those count that are here, else the first.
    """
    libraries = {what: _here(paths, exists) for what, paths in _LIBRARIES.items()}
    parts = tuple(map(Target, _here(_SERVER_PARTS, exists)))
    sessions = _sessions(parts)
    needs = [*_of_the_manager(own), *_of_sshd(sessions, parts), *_of_enforcer(own)]
    needs += [need for shell in _shells(sessions) for need in _of_a_shell(shell, own)]
    for actor in dict.fromkeys(need.actor for need in needs):
        needs += _lives(actor, libraries)
    return tuple(dict.fromkeys(needs))


def _here(paths: tuple[bytes, ...], exists: Callable[[bytes], bool]) -> tuple[bytes, ...]:
    return tuple(filter(exists, paths)) or paths[:1]


def _of_the_manager(own: EnforcerPrograms) -> Iterator[Need]:
    for program in (_SYSTEMD, _EXECUTOR):
        yield from _runs(_INIT, program, _MANAGER)
    for actor in (_INIT, *_STARTERS):
        yield from _runs(actor, _SERVER, _SSHD)
    for shell in _SHELLS:
        yield from _runs(_INIT, shell, _SHELL)
    yield from _runs_enforcer(_INIT, own)
    yield from _does(_INIT, (Op.READ,), b"/usr/lib/systemd/system/ssh.service", "its units")
    yield from _does(_INIT, _CHANGES, b"/run/systemd/units/invocation:ssh.service", "/run")
    yield from _does(_INIT, _TREES, b"/run/systemd/transient", "/run")
    yield from _does(_INIT, (Op.WRITE,), b"/sys/fs/cgroup/init.scope/cgroup.procs", "cgroups")
    yield from _does(_INIT, _TREES, b"/sys/fs/cgroup/system.slice/ssh.service", "cgroups")
    yield from _serves_unix(_INIT, b"/run/systemd/notify", "the sockets of systemd")
    for number in (signal.SIGTERM, signal.SIGKILL):
        yield Need(_INIT, Op.SIGNAL, Target(code=number), "end", "services")
    yield from _changes_identity(_INIT, "start", "services")
    yield Need(_INIT, Op.CAPSET, Target(), "start", "services")
    yield Need(_INIT, Op.CAPABLE, Target(code=CAPABILITIES["CAP_SYS_ADMIN"]), "start", "services")
    yield Need(_INIT, Op.BPF, Target(code=_BPF_PROG_LOAD), "start", "services")


def _changes_identity(actor: Actor, verb: str, what: str) -> Iterator[Need]:
    for op, capability in ((Op.SETUID, "CAP_SETUID"), (Op.SETGID, "CAP_SETGID")):
        yield Need(actor, op, Target(to=_SOMEBODY), verb, what)
        yield Need(actor, Op.CAPABLE, Target(code=CAPABILITIES[capability]), verb, what)


def _of_sshd(sessions: tuple[Actor, ...], parts: tuple[Target, ...]) -> Iterator[Need]:
    for server in _SERVERS:
        yield from _runs(server, _SERVER, _SSHD)
        for part in parts:
            yield from _runs(server, part, _SSHD)
        yield from _does(server, (Op.READ,), b"/etc/ssh/sshd_config", "the configuration of sshd")
        for key in (b"ed25519", b"rsa", b"ecdsa"):
            path = b"/etc/ssh/ssh_host_%s_key" % key
            yield from _does(server, (Op.READ,), path, "the host keys of sshd")
        for family, address, everything in (
            (2, (0xFFFF_0000_0000, 0xFFFF_0000_0000), ANY_IPV4),
            (10, (0, 0), ANY_IPV6),
        ):
            kind = Target(family=family, type=1, protocol=_TCP)
            made = attrs.evolve(kind, protocol=BY_DEFAULT | _TCP)
            yield Need(server, Op.SOCKET, made, "use", "TCP")
            local = attrs.evolve(kind, port=22, address=address)
            for op in (Op.BIND, Op.LISTEN):
                yield Need(server, op, local, "listen on", "port 22")
            coming = attrs.evolve(local, address=everything)
            yield Need(server, Op.ACCEPT, coming, "accept on", "port 22")
    for session in sessions:
        yield from _changes_identity(session, "log in", "users")
        yield from _logs_in(session)
        yield from _does(session, (Op.READ,), b"/etc/shadow", "logins")
        for shell in _SHELLS:
            yield from _runs(session, shell, _SHELL)


def _of_a_shell(actor: Actor, own: EnforcerPrograms) -> Iterator[Need]:
    yield from _logs_in(actor)
    for shell in _SHELLS:
        yield from _runs(actor, shell, _SHELL)
    yield from _runs_enforcer(actor, own)
    yield from _does(actor, _CHANGES, _POLICY_FILE, "the policies of enforcer")
    command = Actor(_SELF, _interpreter(own), _LOGIN, (actor, *actor.above), is_script=True)
    unix = Target(family=1, type=1, protocol=0)
    yield Need(command, Op.SOCKET, unix, "use", "unix sockets")
    there = attrs.evolve(unix, path=_SOCKET_FILE)
    yield Need(command, Op.CONNECT, there, "connect to", "the control socket of enforcer")
    yield from _does(command, (Op.READ,), own.code, _SELF)
    yield from _loads(command)


def _loads(actor: Actor) -> Iterator[Need]:
    for command in (_BPF_MAP_UPDATE, _BPF_PROG_LOAD):
        yield Need(actor, Op.BPF, Target(code=command), "change", "the active policies")


def _of_enforcer(own: EnforcerPrograms) -> Iterator[Need]:
    unit = b"/system.slice/enforcer.service"
    daemon = Actor(_SELF, _interpreter(own), unit, (_INIT,), is_script=True)
    for path in (_POLICY_FILE, bytes(places.CONFIG)):
        yield from _does(daemon, (Op.READ,), path, "its policies")
    yield from _does(daemon, _CHANGES, _SOCKET_FILE, str(places.SOCKET.parent))
    yield from _serves_unix(daemon, _SOCKET_FILE, "its control socket")
    yield from _does(daemon, (Op.CREATE, Op.UNLINK), b"/sys/fs/bpf/enforcer/1/state", "its pins")
    yield from _does(daemon, _TREES, b"/sys/fs/bpf/enforcer/1", "its pins")
    yield from _loads(daemon)
    yield from _does(daemon, (Op.READ,), own.code, _SELF)


def _lives(actor: Actor, libraries: dict[str, tuple[bytes, ...]]) -> Iterator[Need]:
    """Do what every program does."""
    for what, paths in libraries.items():
        for path in paths:
            yield from _does(actor, (Op.READ, Op.MMAP_EXEC), path, what)
    yield from _does(actor, (Op.READ,), b"/etc/passwd", "logins")


def _logs_in(actor: Actor) -> Iterator[Need]:
    for path in (b"/dev/ptmx", b"/dev/pts/0"):
        yield from _does(actor, (Op.READ, Op.WRITE), path, "terminals")


def _runs(actor: Actor, program: Target, what: str) -> Iterator[Need]:
    """Run a program, which also reads and maps its file."""
    yield Need(actor, Op.EXEC, program, "run", what)
    for op in (Op.READ, Op.MMAP_EXEC):
        yield Need(actor, op, program, "read", what)


def _interpreter(own: EnforcerPrograms) -> Target:
    return Target(own.interpreter[0], also=own.interpreter[1:])


def _runs_enforcer(actor: Actor, own: EnforcerPrograms) -> Iterator[Need]:
    yield from _runs(actor, _interpreter(own), _SELF)
    script = Target(own.script, flags=frozenset({"script"}))
    yield Need(actor, Op.EXEC, script, "run", _SELF)
    yield from _does(actor, (Op.READ,), own.script, _SELF)


def _does(actor: Actor, ops: tuple[Op, ...], path: bytes, what: str) -> Iterator[Need]:
    for op in ops:
        flags = frozenset({"directory"}) if op in _TREES else frozenset[str]()
        verb = "read" if op in {Op.READ, Op.MMAP_EXEC} else "change"
        yield Need(actor, op, Target(path, flags=flags), verb, what)


def _serves_unix(actor: Actor, path: bytes, what: str) -> Iterator[Need]:
    unix = Target(family=1, type=1, protocol=0)
    yield Need(actor, Op.SOCKET, unix, "use", "unix sockets")
    yield Need(actor, Op.BIND, attrs.evolve(unix, path=path), "listen on", what)
    for op in (Op.LISTEN, Op.ACCEPT):
        yield Need(actor, op, unix, "listen on", what)
