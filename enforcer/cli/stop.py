# SPDX-License-Identifier: MIT
"""
End enforcement: ask the daemon to detach its hooks, and wait until it has.

With --force, a daemon that does not answer is killed, and what a lost daemon left active is removed.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from enforcer import places
from enforcer.amounts import plural
from enforcer.cli.arguments import add_socket, file_path, require_root
from enforcer.cli.exits import Exit, UsageError, complain
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.cli.passphrase import Passphrase, add_key_fd, ask_with_key, let_in
from enforcer.errors import ControlError
from enforcer.runtime.control.protocol import STOP, Client, NoDaemonError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from typing import NoReturn

    from enforcer.cli.document_types import StopDocument
    from enforcer.runtime.control.stop_answer import StopAnswer

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
        help=f"where enforcement is pinned (default: where the daemon says, else {places.PINS})",
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


def _stop(socket: Path, given: Path | None, passphrase: Passphrase) -> StopDocument:
    try:
        answer = _ask(socket, passphrase)
    except NoDaemonError:
        from enforcer.runtime.instance.lock import noted_pins

        for pins in _distinct(noted_pins(socket.with_suffix(".lock")) or (), given or places.PINS):
            _require_nothing(socket, pins)
        raise
    stays = _stays(answer, given)
    return {"version": 1, "daemon": True, "killed": None, "removed": 0, "pinned": stays}


def _require_nothing(socket: Path, pins: Path) -> None:
    if _is_held(pins):
        raise UsageError(
            f"no daemon answers at {socket}, but one holds {pins}: name its --socket"
        ) from None
    if is_left(pins):
        raise UsageError(
            "enforcement of a lost daemon is still active: "
            "enforcer start takes it over, enforcer stop --force ends it"
        ) from None


def _ask(socket: Path, passphrase: Passphrase) -> StopAnswer:
    with Client.connect(socket, timeout=_SHORT) as client:
        answer = ask_with_key(client, passphrase, STOP)
        if not client.wait_closed(_PATIENCE):
            raise ControlError(
                f"the daemon (pid {answer['pid']}) was asked to stop and has not stopped after "
                f"{_PATIENCE:.0f} s: enforcement may still be active; enforcer stop --force ends "
                "it"
            )
    return answer


def _stays(answer: StopAnswer, given: Path | None) -> bool:
    """
    Tell whether something that is pinned stays active after the end of the daemon that gave *answer*.

    Raises:
        ControlError: that is not known, or something stays that the daemon was to end.
    """
    own = _own(answer)
    if own is not None and answer.get("persists"):
        _require_seen(own)
        return True
    if own is not None and is_left(own):
        if _is_held(own):
            return True  # the next daemon has begun
        raise ControlError(
            f"the daemon has not ended enforcement, which is pinned in {own}: "
            "enforcer start takes it over, enforcer stop --force ends it"
        )
    if own is not None and _has_names(own):
        complain(
            f"what is still pinned in {own} enforces nothing, and could not be removed: "
            "enforcer stop --force tries again"
        )
    stays = any(map(_is_lost, _distinct(_folders(answer), given or places.PINS)))
    if not (stays or given or "pinned" in answer):
        _refuse_to_guess()
    return stays


def _own(answer: StopAnswer) -> Path | None:
    """Return where the daemon that gave *answer* has pinned enforcement, if it says so."""
    pinned = answer.get("pinned")
    return Path(pinned) if pinned is not None else None


def _folders(answer: StopAnswer) -> list[Path]:
    """Return the same, and where daemons before it have."""
    own = _own(answer)
    return [*([own] if own is not None else []), *map(Path, answer.get("elsewhere", ()))]


def _require_seen(pins: Path) -> None:
    if not is_left(pins):
        raise ControlError(
            f"the daemon has left enforcement active, pinned in {pins}, where this command sees "
            "nothing: run it where that folder is seen, as in the container of the daemon"
        )


def _refuse_to_guess() -> NoReturn:
    """Fail, since it is not known where enforcement was pinned by a daemon that has ended."""
    _require_none_elsewhere()
    raise ControlError(
        "the daemon has ended, and it is not known where it has pinned enforcement, which may "
        "still be active: look for it with: find /sys/fs/bpf -name 'link-*'; what is in FOLDER/1 "
        "ends with: enforcer stop --force --pins FOLDER"
    )


def _require_none_elsewhere() -> None:
    if left := _left_places():
        raise ControlError(
            f"enforcement that is pinned in {', '.join(map(str, left))} is still active: end it "
            f"with: enforcer stop --force --pins {left[0]}"
        )


def _force(socket: Path, given: Path | None, passphrase: Passphrase) -> StopDocument:
    from enforcer.runtime.instance.lock import InstanceLock, noted_pins
    from enforcer.runtime.instance.lost_daemon import kill_holder
    from enforcer.runtime.retry import while_busy

    lock = socket.with_suffix(".lock")
    answer: StopAnswer | None = None
    killed = None
    try:
        answer = while_busy(_SHORT)(_ask_if_there, socket, lock, passphrase)
        had_daemon = answer is not None
    except (BlockingIOError, ControlError):
        had_daemon = True
        _enter(_named(noted_pins(lock), None, given), passphrase)
        killed = kill_holder(lock)
    noted = noted_pins(lock)
    folders = _named(noted, answer, given)
    if answer is not None and answer.get("persists") and (own := _own(answer)) is not None:
        _require_seen(own)
    # Held while what was left is removed, so that no daemon starts in the midst of it.
    with InstanceLock.take(lock, patience=_SHORT):
        _enter(folders, passphrase)
        removed = sum(map(_clear, folders))
        is_known = given is not None or noted is not None or "pinned" in (answer or ())
        if had_daemon and not (is_known or removed):
            _refuse_to_guess()
        _require_none_elsewhere()
    return {
        "version": 1,
        "daemon": had_daemon,
        "killed": killed,
        "removed": removed,
        "pinned": False,
    }


def _named(
    noted: Iterable[Path] | None, answer: StopAnswer | None, given: Path | None
) -> list[Path]:
    """Return the folders that were named; the default one besides, unless another daemon has it."""
    said = _distinct(noted or (), *(_folders(answer) if answer is not None else ()))
    if given is not None:
        return _distinct(said, given)
    return _distinct(said, places.PINS) if not said or _is_lost(places.PINS) else said


def _distinct(paths: Iterable[Path], *more: Path) -> list[Path]:
    return list(dict.fromkeys([*paths, *more]))


def _enter(folders: Iterable[Path], passphrase: Passphrase) -> None:
    for pins in folders:
        if is_left(pins):
            let_in(pins, passphrase)


def _ask_if_there(socket: Path, lock: Path, passphrase: Passphrase) -> StopAnswer | None:
    """Ask the daemon, if there is one; BlockingIOError while it is there and does not listen."""
    from enforcer.runtime.instance.lost_daemon import is_held

    try:
        return _ask(socket, passphrase)
    except NoDaemonError:
        if is_held(lock):
            raise BlockingIOError(errno.EAGAIN, "a daemon starts or ends") from None
        return None


def _said(done: StopDocument) -> str:
    if done["pinned"]:
        return "stopped, what was pinned stays active: enforcer stop --force ends it"
    # With another socket, another daemon may be there.
    is_shared = _is_held(places.PINS) and is_left(places.PINS)
    other = f"but another daemon enforces what is pinned in {places.PINS}"
    if not (done["daemon"] or done["removed"]):
        end = other if is_shared else "and nothing is left active"
        return f"no daemon is {'there' if is_shared else 'running'}, {end}"
    said = ["stopped"]
    if done["killed"] is not None:
        said.append(f"by killing the daemon (pid {done['killed']}), which did not answer")
    if done["removed"]:
        said.append(f"what {plural(done['removed'], 'session')} left was removed")
    return ", ".join([*said, other if is_shared else "nothing is enforced any more"])


def _clear(pins: Path) -> int:
    from enforcer.kernel.pin_store import clear

    return clear(pins)


def _is_held(pins: Path) -> bool:
    if not os.path.isdir(pins):  # noqa: PTH112 - unlike Path.is_dir it never raises
        return False
    from enforcer.kernel.pin_store import held

    return held(pins)


def _is_lost(pins: Path) -> bool:
    return not _is_held(pins) and is_left(pins)


def _has_names(pins: Path) -> bool:
    if not os.path.isdir(pins):  # noqa: PTH112 - as above
        return False
    from enforcer.kernel.pin_store import left

    return left(pins)


def _left_places() -> list[Path]:
    from enforcer.kernel.pinned_places import left_places

    return left_places()


def is_left(pins: Path) -> bool:
    """Tell whether something that is pinned below *pins* may enforce; False if this process may not look."""
    try:
        with os.scandir(pins) as entries:
            if next(entries, None) is None:
                return False
        from enforcer.kernel.pinned_places import is_active

        return is_active(pins)
    except FileNotFoundError:
        return False
    except PermissionError:
        return False  # whoever may not look is told only what can be seen: that no daemon runs
