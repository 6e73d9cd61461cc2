# SPDX-License-Identifier: MIT
"""What protection adds to a daemon beside the engine: who may ask for changes, and code that stays as it is."""

from __future__ import annotations

import contextlib
import grp
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enforcer.identity.process import cgroup_of
from enforcer.kernel import loader
from enforcer.libbpf import code
from enforcer.runtime.protection import own_code
from enforcer.runtime.protection.gate import Gate
from enforcer.runtime.protection.unit import NO_RELOAD_BACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from enforcer.runtime.control.peer import Peer
    from enforcer.runtime.daemon import Daemon
    from enforcer.runtime.policies.enforcement import Enforcement

__all__ = ["gate_for", "protect", "settle"]

_NO_RELOAD: Final = "SIGHUP reopened the logs; to read policies again, use: enforcer reload"
_NO_CONFIRMATION: Final = "SIGUSR2 confirms nothing beside a key; to confirm, use: enforcer confirm"


def protect(
    daemon: Daemon, enforcement: Enforcement, report: Callable[[str], None], unit: str | None
) -> Callable[[], None]:
    """
    Let the gate judge who changes what *daemon* enforces; return what to do when policy files differ.

    Its service manager passes a confirmation on as a signal, if *daemon* is the main process of a *unit*.
    """
    daemon.gate = gate = gate_for(enforcement, report)
    has_key = gate is not None and gate.verifier is not None
    if has_key:
        daemon.hangup = lambda: report(_NO_RELOAD)
        daemon.confirm = lambda: report(_NO_CONFIRMATION)
    enforcement.is_confirmable = has_key or unit is not None
    if not has_key and unit is not None and enforcement.reload_within is None:
        report(NO_RELOAD_BACK)
    how = "enforcer reload" if has_key else "systemctl reload enforcer"
    differ = (
        f"policy files have changed, but enforcement is protected: to activate them, use: {how}"
    )
    return lambda: report(differ)


def gate_for(enforcement: Enforcement, report: Callable[[str], None]) -> Gate | None:
    """Make the gate that decides on requests for changes; None if nothing is protected."""
    sessions = enforcement.sessions
    guard = sessions.current.guard
    if guard is None:
        return None
    ours = cgroup_of(Path("/proc/self"))  # if it is not shown, no peer is of it

    def is_managers(peer: Peer) -> bool:
        # The number is the peer's for as long as it lives; whoever else gets it must be of the unit, too.
        now = sessions.current.guard
        if now is None or ours is None or not now.has_started(peer.pid):
            return False
        return cgroup_of(Path(f"/proc/{peer.pid}")) == ours

    return Gate(guard.verifier, is_managers, report)


def settle(enforcement: Enforcement, also: Iterable[str] = ()) -> None:
    """
    Load all code that this process needs, and none after that: later changes of its files have no effect.

    Args:
        enforcement: protected, or nothing is done.
        also: packages that are needed besides those of a daemon.

    Raises:
        KernelError: the kernel refuses.
    """
    guard = enforcement.sessions.current.guard
    if guard is None:
        return
    own_code.load(also)
    _know_names()
    loader.hold(loader.ENGINE)
    guard.seal()
    own_code.close()
    if not code.close():
        enforcement.report("this machine cannot keep other code out of the daemon")


def _know_names() -> None:
    """Have the C library load what it looks users and groups up with: later it loads nothing more."""
    for look in (pwd.getpwnam, grp.getgrnam):
        with contextlib.suppress(KeyError):  # which is the answer, from every source of names
            look("enforcer-no-such-name")
