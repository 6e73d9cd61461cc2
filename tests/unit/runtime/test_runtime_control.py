# SPDX-License-Identifier: MIT
"""The control socket, both sides."""

import json
import socket
import stat
import struct
import threading

import pytest

from enforcer.errors import ControlError
from enforcer.runtime import control as module
from enforcer.runtime.control import ControlServer
from enforcer.runtime.protocol import Client, encode
from enforcer.runtime.reactor import Reactor


class Served:
    """A server whose loop runs in a thread of its own."""

    def __init__(self, path):
        self.reactor = Reactor()
        self.stops = 0
        self.server = ControlServer(path, self.reactor, lambda: {"pid": 7}, self.stop)
        self.server.open()
        self.reactor.every(0.01, lambda: None)
        self.thread = threading.Thread(target=self.reactor.run)
        self.thread.start()

    def stop(self):
        self.stops += 1

    def call(self, function):
        """Run *function* inside the loop, and wait for it."""
        done = threading.Event()
        self.reactor.after(0, lambda: (function(), done.set()))
        assert done.wait(10)

    def close(self):
        self.reactor.stop()
        self.thread.join()
        self.server.close()
        self.reactor.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "enforcer.sock"


@pytest.fixture
def served(path):
    made = Served(path)
    yield made
    made.close()


def test_status(served, path):
    """The status is what the daemon says."""
    with Client.connect(path) as client:
        assert client.ask("status") == {"ok": True, "status": {"pid": 7}}


def test_several_commands_on_one_connection(served, path):
    """A connection may ask again."""
    with Client.connect(path) as client:
        assert client.ask("status") == client.ask("status")


def test_the_socket_is_for_its_owner(served, path):
    """Neither socket nor folder are open to others."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_others_are_refused(served, path, monkeypatch):
    """A peer that is neither root nor the owner gets a sentence and nothing else."""
    monkeypatch.setattr(module.os, "geteuid", lambda: 1)
    monkeypatch.setattr(module, "_PEER", FakePeer(uid=1234))

    with Client.connect(path) as client, pytest.raises(ControlError, match="only root"):
        client.ask("status")


class FakePeer:
    """The kernel's word on who is at the other end."""

    size = struct.calcsize("iII")

    def __init__(self, uid):
        self.uid = uid

    def unpack(self, _):
        return (1, self.uid, self.uid)


def test_stop_is_passed_on_and_its_end_is_seen(served, path):
    """The connection of a stop lasts until the daemon is done."""
    with Client.connect(path) as client:
        client.ask("stop")
        assert not client.wait_closed(0.05)
        served.call(served.server.close)
        assert client.wait_closed(10)
    assert served.stops == 1
    assert not path.exists()


def test_followers_get_records(served, path):
    """Only those who asked get them."""
    with Client.connect(path) as follower, Client.connect(path) as other:
        follower.ask("events")
        other.ask("status")
        served.call(lambda: served.server.publish(b'{"kind":"match"}\n'))
        assert next(follower.follow()) == {"kind": "match"}
        assert "ok" in other.ask("status")


def test_a_slow_follower_is_told_what_it_missed(served, path, monkeypatch):
    """A follower that does not read costs no memory beyond the bound, and learns of its loss."""
    monkeypatch.setattr(module, "_BACKLOG_LIMIT", 100_000)
    line = encode({"kind": "match", "filler": "x" * 10_000})
    with Client.connect(path) as follower:
        follower.ask("events")

        def flood():
            for _ in range(1000):
                served.server.publish(line)

        served.call(flood)
        got = 0
        for message in follower.follow():
            if message["kind"] == "skipped":
                missed = message["records"]
                break
            got += 1

    assert got + missed == 1000
    assert missed > 500


@pytest.mark.parametrize(
    ("request_line", "reason"),
    [
        (b"not json\n", "no JSON"),
        (b"\xff\xfe\n", "no JSON"),
        (b'{"command": "explode"}\n', "unknown command 'explode'"),
        (b"[1, 2]\n", "unknown command None"),
        (b"x" * 65_537, "too long"),
        (b"[" * 60_000 + b"\n", "no JSON"),
    ],
)
def test_nonsense_is_answered_with_a_sentence(served, path, request_line, reason):
    """A bad request ends its own connection and nothing else."""
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(10)
    peer.connect(str(path))
    peer.sendall(request_line)
    answer = b""
    while more := peer.recv(65536):
        answer += more
    peer.close()

    assert reason in json.loads(answer)["error"]
    with Client.connect(path) as client:
        assert client.ask("status")["ok"]


def test_a_socket_that_was_left_over_is_replaced(path):
    """After a crash the next start works."""
    path.parent.mkdir()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    served = Served(path)

    with Client.connect(path) as client:
        assert client.ask("status")["ok"]
    served.close()


def test_nobody_listens(path):
    """The sentence says what to do."""
    with pytest.raises(ControlError, match="no daemon is running: start it with"):
        Client.connect(path)


def test_a_crowd_is_no_refusal(tmp_path):
    """When more callers come at once than may wait, the next ones try again."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen(0)
    first = Client.connect(tmp_path / "s")

    def make_room():
        peer, _ = listener.accept()
        peer.close()

    room = threading.Timer(0.2, make_room)
    room.start()

    Client.connect(tmp_path / "s").close()  # would raise if it did not wait

    room.join()
    first.close()
    listener.close()


def test_a_daemon_that_does_not_answer(tmp_path):
    """A client does not wait for ever."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()

    with (
        Client.connect(tmp_path / "s", timeout=0.05) as client,
        pytest.raises(ControlError, match="does not answer"),
    ):
        client.ask("status")
    listener.close()
