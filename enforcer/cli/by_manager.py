# SPDX-License-Identifier: MIT
"""
Confirm by the service manager, where enforcement is protected without a key.

The daemon takes no orders from root then. Its service manager may signal it, and it signals for those who may stop the
service: they confirm in the same way.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Final

from enforcer.errors import ControlError
from enforcer.runtime.control.protocol import STATUS, Client

if TYPE_CHECKING:
    from pathlib import Path

    from enforcer.runtime.control.answers import Confirmation, Status

__all__ = ["confirm_by_manager"]

_PATIENCE: Final = 60.0  # seconds: the daemon may be compiling
_LOOK: Final = 0.1


def confirm_by_manager(socket: Path) -> Confirmation | None:
    """
    Confirm what waits at the daemon of *socket* through its service manager; None: the daemon takes it by itself.

    Raises:
        ControlError: it was not confirmed.
    """
    status = _status(socket)
    posture = status.get("posture")
    if not status.get("protected") or status.get("keyed") or posture is None:
        return None
    if not status.get("pending"):
        return _answer(status, unchanged=True)
    if posture["confirm"] is None:
        return None
    _signal(status["pid"])
    end = time.monotonic() + _PATIENCE
    while status["generation"] == (now := _status(socket))["generation"] and now.get("pending"):
        if time.monotonic() > end:
            raise ControlError(
                "the daemon does not answer: its log says more: journalctl -u enforcer"
            )
        time.sleep(_LOOK)
    if now["generation"] != status["generation"]:
        raise ControlError(
            "too late: the time to confirm is over, and the earlier policies are active"
        )
    return _answer(now, unchanged=False)


def _status(socket: Path) -> Status:
    with Client.connect(socket) as client:
        return client.ask(STATUS)["status"]


def _answer(status: Status, *, unchanged: bool) -> Confirmation:
    return {
        "generation": status["generation"],
        "unchanged": unchanged,
        "posture": status["posture"],
    }


def _signal(pid: int) -> None:
    """Have the service manager signal the daemon *pid*, the main process of its unit."""
    import subprocess

    from enforcer.runtime.protection.unit import service_of
    from enforcer.safe_text import neutral

    unit, systemctl = service_of(pid), shutil.which("systemctl")
    if unit is None or systemctl is None:
        raise ControlError(
            "only the service manager of the daemon may confirm: run this on its host"
        )
    # An older systemd knows --kill-whom by this name; a newer one takes it for an abbreviation.
    words = [systemctl, "kill", "--kill-who=main", "--signal=SIGUSR2", "--", unit]
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ControlError(f"cannot ask the service manager to confirm: {error}") from error
    if done.returncode:
        why = neutral(done.stderr.decode("utf-8", "replace").strip())
        raise ControlError(f"the service manager refuses to confirm: {why}")
