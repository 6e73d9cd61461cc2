# SPDX-License-Identifier: MIT
"""
Directories of the host that the guest mounts.

QEMU itself serves 9p, which starts fastest; Debian's cloud kernels have no 9p and
get virtiofs, which needs a daemon and shared guest memory.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .process import start, stop
from .tools import tool

if TYPE_CHECKING:
    import subprocess
    from contextlib import ExitStack
    from pathlib import Path


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
        path = sockets / f"{share.tag}.socket"
        stack.callback(stop, _start_daemon(share, path))
        arguments += ["-chardev", f"socket,id={share.tag},path={_quoted(path)}"]
        arguments += ["-device", f"vhost-user-fs-pci,chardev={share.tag},tag={share.tag}"]
    return arguments


def _quoted(path: Path) -> str:
    """QEMU's option parser takes a doubled comma for one."""
    return str(path).replace(",", ",,")


def _start_daemon(share: Share, path: Path) -> subprocess.Popen[bytes]:
    """
    Start the daemon of *share*, which QEMU reaches at *path* from now on.

    A daemon that makes the socket itself binds it first and listens later, and refuses whoever comes between.
    """
    command = [tool("virtiofsd"), "--shared-dir", str(share.path)]
    command += ["--sandbox", "none", "--log-level", "error", "--no-announce-submounts", "--xattr"]
    if share.readonly:
        # Nothing is asked twice: what the host changes during the run may stay unseen, and the
        # guest starts in half the time.
        command += ["--cache", "always", "--readonly"]
    else:
        command += ["--cache", "never", "--allow-direct-io"]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        return start([*command, "--fd", str(listener.fileno())], pass_fds=[listener.fileno()])
