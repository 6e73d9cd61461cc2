# SPDX-License-Identifier: MIT
"""
Directories of the host that the guest mounts.

QEMU itself serves 9p, which starts fastest; Debian's cloud kernels have no 9p and
get virtiofs, which needs a daemon and shared guest memory.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .process import start, stop
from .tools import LabError, tool

if TYPE_CHECKING:
    import subprocess
    from contextlib import ExitStack
    from pathlib import Path

_DAEMON_START_SECONDS = 10.0


@dataclass(frozen=True)
class Share:
    """One directory under the *tag* by which the guest asks for it."""

    tag: str
    path: Path
    readonly: bool


def serve_9p(shares: list[Share]) -> list[str]:
    """Return QEMU's arguments that make it serve *shares*."""
    arguments: list[str] = []
    for share in shares:
        options = "security_model=none,multidevs=remap" + (",readonly=on" * share.readonly)
        arguments += ["-fsdev", f"local,id={share.tag},path={_quoted(share.path)},{options}"]
        arguments += ["-device", f"virtio-9p-pci,fsdev={share.tag},mount_tag={share.tag}"]
    return arguments


def serve_virtiofs(
    shares: list[Share], *, memory: str, sockets: Path, stack: ExitStack
) -> list[str]:
    """Start a daemon for each of *shares*, ended by *stack*; return QEMU's arguments."""
    arguments = ["-object", f"memory-backend-memfd,id=memory,size={memory},share=on"]
    arguments += ["-numa", "node,memdev=memory"]
    for share in shares:
        socket = sockets / f"{share.tag}.socket"
        daemon = _start_daemon(share, socket)
        stack.callback(stop, daemon)
        _await_socket(socket, daemon)
        arguments += ["-chardev", f"socket,id={share.tag},path={_quoted(socket)}"]
        arguments += ["-device", f"vhost-user-fs-pci,chardev={share.tag},tag={share.tag}"]
    return arguments


def _quoted(path: Path) -> str:
    """QEMU's option parser takes a doubled comma for one."""
    return str(path).replace(",", ",,")


def _start_daemon(share: Share, socket: Path) -> subprocess.Popen[bytes]:
    command = [tool("virtiofsd"), "--socket-path", str(socket), "--shared-dir", str(share.path)]
    command += ["--sandbox", "none", "--log-level", "error", "--no-announce-submounts", "--xattr"]
    if share.readonly:
        # Nothing is asked twice: what the host changes during the run may stay unseen, and the
        # guest starts in half the time.
        command += ["--cache", "always", "--readonly"]
    else:
        command += ["--cache", "never", "--allow-direct-io"]
    return start(command)


def _await_socket(socket: Path, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _DAEMON_START_SECONDS
    while not socket.exists():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise LabError("virtiofsd did not start: see its message above")
        time.sleep(0.01)
