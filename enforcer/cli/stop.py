# SPDX-License-Identifier: MIT
"""
End enforcement: ask the daemon to detach its hooks, and wait until it has.

With --force, a daemon that does not answer is killed, and what a lost daemon left active is removed.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from enforcer import places
from enforcer.cli.arguments import add_socket, file_path, require_root
from enforcer.cli.exits import Exit, UsageError
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.cli.output import plural
from enforcer.cli.passphrase import Passphrase, add_key_fd, ask_with_key, let_in
from enforcer.errors import ControlError
from enforcer.runtime.control.protocol import STOP, Client, NoDaemonError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from enforcer.cli.document_types import StopDocument

__all__ = ["EXAMPLES", "add_arguments", "is_left", "run"]

EXAMPLES = """\
examples:
  enforcer stop
  enforcer stop --force                   also if the daemon hangs, or was killed
"""

_PATIENCE = 120.0  # seconds for an orderly end
_SHORT = 10.0  # seconds until a daemon that does not answer counts as hanging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="kill a daemon that does not answer; remove what a lost daemon left active",
    )
    parser.add_argument(
        "--pins",
        metavar="PATH",
        type=file_path,
        default=places.PINS,
        help=f"where enforcement is pinned (default: {places.PINS})",
    )
    add_output(parser)
    add_socket(parser)
    add_key_fd(parser)


def run(args: argparse.Namespace) -> int:
    """Ask, and wait for the end."""
    if args.force:
        require_root("stop --force")
    stop = _force if args.force else _stop
    done = stop(args.socket, args.pins, Passphrase(args.key_fd))
    if args.form == JSON:
        print_document(done)
    else:
        print(f"enforcer: {_said(done)}")
    return Exit.OK


def _stop(socket: Path, pins: Path, passphrase: Passphrase) -> StopDocument:
    try:
        _ask(socket, passphrase)
    except NoDaemonError:
        if _is_held(pins):
            raise UsageError(
                f"no daemon answers at {socket}, but one holds {pins}: name its --socket"
            ) from None
        if is_left(pins):
            raise UsageError(
                "enforcement of a lost daemon is still active: "
                "enforcer start takes it over, enforcer stop --force ends it"
            ) from None
        raise
    return {"version": 1, "daemon": True, "killed": None, "removed": 0, "pinned": is_left(pins)}


def _ask(socket: Path, passphrase: Passphrase) -> None:
    with Client.connect(socket, timeout=_SHORT) as client:
        pid = ask_with_key(client, passphrase, STOP)["pid"]
        if not client.wait_closed(_PATIENCE):
            raise ControlError(
                f"the daemon (pid {pid}) was asked to stop and has not stopped after "
                f"{_PATIENCE:.0f} s: enforcement may still be active; enforcer stop --force ends "
                "it"
            )


def _force(socket: Path, pins: Path, passphrase: Passphrase) -> StopDocument:
    from enforcer.runtime.instance.lock import InstanceLock
    from enforcer.runtime.instance.lost_daemon import kill_holder
    from enforcer.runtime.retry import while_busy

    lock = socket.with_suffix(".lock")
    killed = None
    try:
        had_daemon = while_busy(_SHORT)(_ask_if_there, socket, lock, passphrase)
    except (BlockingIOError, ControlError):
        had_daemon = True
        _enter(pins, passphrase)
        killed = kill_holder(lock)
    # Held while what was left is removed, so that no daemon starts in the midst of it.
    with InstanceLock.take(lock, patience=_SHORT):
        _enter(pins, passphrase)
        removed = _clear(pins)
    return {
        "version": 1,
        "daemon": had_daemon,
        "killed": killed,
        "removed": removed,
        "pinned": False,
    }


def _enter(pins: Path, passphrase: Passphrase) -> None:
    if is_left(pins):
        let_in(pins, passphrase)


def _ask_if_there(socket: Path, lock: Path, passphrase: Passphrase) -> bool:
    """Ask the daemon, if there is one; BlockingIOError while it is there and does not listen."""
    from enforcer.runtime.instance.lost_daemon import is_held

    try:
        _ask(socket, passphrase)
    except NoDaemonError:
        if is_held(lock):
            raise BlockingIOError(errno.EAGAIN, "a daemon starts or ends") from None
        return False
    return True


def _said(done: StopDocument) -> str:
    if done["pinned"]:
        return "stopped, what was pinned stays active: enforcer stop --force ends it"
    if not (done["daemon"] or done["removed"]):
        return "no daemon is running, and nothing is left active"
    said = ["stopped"]
    if done["killed"] is not None:
        said.append(f"by killing the daemon (pid {done['killed']}), which did not answer")
    if done["removed"]:
        said.append(f"what {plural(done['removed'], 'session')} left was removed")
    return ", ".join([*said, "nothing is enforced any more"])


def _clear(pins: Path) -> int:
    from enforcer.kernel.pins import clear

    return clear(pins)


def _is_held(pins: Path) -> bool:
    if not os.path.isdir(pins):  # noqa: PTH112 - unlike Path.is_dir it never raises
        return False
    from enforcer.kernel.pins import held

    return held(pins)


def is_left(pins: Path) -> bool:
    """Tell whether something is pinned below *pins*; False if this process may not look."""
    try:
        with os.scandir(pins) as entries:
            if next(entries, None) is None:
                return False
        from enforcer.kernel.pins import left

        return left(pins)
    except FileNotFoundError:
        return False
    except PermissionError:
        return False  # whoever may not look is told only what can be seen: that no daemon runs
