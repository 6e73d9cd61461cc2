# SPDX-License-Identifier: MIT
"""
The process at the other end of the control socket, and whether it may ask.

Only the kernel's word counts. Root of a container is not the host's root: a peer that this process
cannot see, or that lives in another user namespace, is refused whatever its user id.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from enforcer.identity.login import NOBODY, Login, login_of
from enforcer.identity.users import Users
from enforcer.safe_text import neutral

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Peer", "has_ended", "peer_of"]

_SO_PEERPIDFD = 77  # Linux 6.5; Python has no name for it
_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid
_USERS = Users()


@attrs.frozen
class Peer:
    """
    The process that connected, as it is seen from here.

    Attributes:
        login: who is behind it: a person where there is one, since each of them acts as root here.
        refusal: empty if it may ask.
    """

    pid: int
    uid: int
    login: Login = NOBODY
    refusal: str = ""

    def __str__(self) -> str:
        login, user = self.login, _name(self.uid)
        if login.uid is None:
            who = f"{user} without a login"
        elif self.uid in {0, login.uid}:
            who = _name(login.uid)
        else:
            who = f"{_name(login.uid)} as {user}"
        if login.terminal:
            who += f" on {login.terminal}"
        elif login.unit:
            who += f" in {login.unit}"
        return neutral(f"{who} (pid {self.pid})")


def peer_of(connection: socket.socket) -> Peer:
    """Find out who connected. What cannot be found out is a refusal."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    if pid == 0:
        return Peer(
            pid,
            uid,
            refusal="only the host's root may ask, and this process cannot see you",
        )
    try:
        with _held(connection, pid) as handle:
            login = login_of(pid)
            refusal = _refusal(pid, uid)
            # As long as the process lives its id is nobody else's, so that what was read is its own.
            if has_ended(handle):
                refusal = "only root may ask, and the process that connected has ended"
    except OSError as error:
        return Peer(pid, uid, refusal=f"cannot tell who you are: {error.strerror}")
    return Peer(pid, uid, login, refusal)


def has_ended(pidfd: int, *, timeout: float = 0.0) -> bool:
    """Whether the process has ended, or does within *timeout* seconds."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


@contextlib.contextmanager
def _held(connection: socket.socket, pid: int) -> Iterator[int]:
    try:
        handle = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError:
        # An older kernel. A peer that ended before this line, and whose id was given away since,
        # would be taken for its successor: the user id is still the peer's own.
        handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def _name(uid: int) -> str:
    return _USERS.name(uid) or f"uid {uid}"


def _refusal(pid: int, uid: int) -> str:
    if uid not in {0, os.geteuid()}:
        return "only root may ask"
    try:
        theirs = Path(f"/proc/{pid}/ns/user").readlink()
    except OSError as error:
        # Not knowing is not a permission.
        return (
            "only the host's root may ask, and your user namespace cannot be read: "
            f"{error.strerror}"
        )
    if theirs != Path("/proc/self/ns/user").readlink():
        return "only the host's root may ask, and you are in another user namespace"
    return ""
