# SPDX-License-Identifier: MIT
"""Who is at the other end of the control socket."""

import errno
import os
import socket
import struct
import subprocess
import sys

import pytest

from enforcer.identity.login import Login, login_of
from enforcer.identity.users import Users
from enforcer.runtime.control import peer as module
from enforcer.runtime.control.peer import Peer, has_ended, peer_of

CONNECT = """
import socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1])
    s.recv(1)
"""


@pytest.fixture
def listener(tmp_path):
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(30)
        made.bind(str(tmp_path / "s"))
        made.listen()
        yield made


def accepted_from(listener, *before):
    """Start a process that connects; return it with the accepted connection."""
    command = [*before, sys.executable, "-c", CONNECT, listener.getsockname()]
    process = subprocess.Popen(command)
    connection, _ = listener.accept()
    return process, connection


def seen(listener, *before):
    process, connection = accepted_from(listener, *before)
    with connection:
        found = peer_of(connection)
    process.wait(30)
    return process, found


def without_peer_pidfd(monkeypatch):
    """Be on a kernel before 6.5."""
    monkeypatch.setattr(module, "_SO_PEERPIDFD", 9999)


@pytest.mark.parametrize("is_old", [False, True])
def test_our_own_user_may_ask(listener, monkeypatch, is_old):
    """Process id, user and login are the kernel's words."""
    if is_old:
        without_peer_pidfd(monkeypatch)

    process, found = seen(listener)

    assert Peer(process.pid, os.getuid(), login_of(os.getpid())) == found


@pytest.mark.parametrize(
    ("uid", "login", "words"),
    [
        (0, Login(1000, "pts/2"), "alice on pts/2 (pid 9)"),
        (1000, Login(1000, "tty1", "session-3.scope"), "alice on tty1 (pid 9)"),
        (1001, Login(1000, "pts/2"), "alice as uid 1001 on pts/2 (pid 9)"),
        (0, Login(2000), "uid 2000 (pid 9)"),
        (0, Login(unit="cron.service"), "root without a login in cron.service (pid 9)"),
        (0, Login(terminal="pts/0"), "root without a login on pts/0 (pid 9)"),
        (0, Login(unit="a\n\u202e.service"), "root without a login in a\\n\\u202e.service (pid 9)"),
    ],
)
def test_who_did_it_is_who_logged_in(monkeypatch, tmp_path, uid, login, words):
    """A person before an interpreter; what is not known is not made up."""
    (tmp_path / "passwd").write_text("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n")
    monkeypatch.setattr(module, "_USERS", Users(tmp_path / "passwd"))

    assert words == str(Peer(9, uid, login))


@pytest.mark.parametrize("is_old", [False, True])
def test_root_of_another_user_namespace_is_refused(listener, monkeypatch, is_old):
    """Its user id is the same, its power is not."""
    if is_old:
        without_peer_pidfd(monkeypatch)
    unshare = ("unshare", "--user", "--map-root-user")
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare --user is refused here")

    _, found = seen(listener, *unshare)

    assert "another user namespace" in found.refusal
    assert os.getuid() == found.uid


def test_other_users_are_refused(listener, monkeypatch):
    """Neither root nor who runs the daemon."""
    credentials(monkeypatch, os.getpid(), 1234)

    _, found = seen(listener)

    assert ("only root may ask", 1234) == (found.refusal, found.uid)


def test_who_cannot_be_seen_is_refused(listener, monkeypatch):
    """A process of a namespace beside ours has no id here."""
    credentials(monkeypatch, 0, 0)

    _, found = seen(listener)

    assert "this process cannot see you" in found.refusal


@pytest.mark.parametrize("is_old", [False, True])
def test_who_has_ended_is_refused(listener, monkeypatch, is_old):
    """Its process id may be another's by now."""
    if is_old:
        without_peer_pidfd(monkeypatch)
    process, connection = accepted_from(listener)
    process.kill()
    process.wait(30)

    with connection:
        found = peer_of(connection)

    assert found.refusal


def test_a_namespace_that_is_not_shown_is_refused(listener, monkeypatch):
    """Not knowing is not a permission."""

    def refused(_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(module.Path, "readlink", refused)

    _, found = seen(listener)

    assert "cannot be read: Operation not permitted" in found.refusal
    assert f"(pid {found.pid})" in str(found)


def credentials(monkeypatch, pid, uid):
    class Told:
        size = struct.calcsize("iII")

        def unpack(self, _):
            return pid, uid, uid

    monkeypatch.setattr(module, "_CREDENTIALS", Told())


def test_the_end_of_a_process_is_seen():
    """Before and after."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    handle = os.pidfd_open(process.pid)
    assert not has_ended(handle)

    process.communicate(b"\n", timeout=30)

    assert has_ended(handle, timeout=30)
    os.close(handle)
