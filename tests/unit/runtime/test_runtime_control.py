# SPDX-License-Identifier: MIT
"""The control socket, both sides."""

import errno
import json
import socket
import stat
import threading

import pytest
from control_fakes import CHANGE, ME, Served
from fakes import denied

from enforcer.cli.main import main
from enforcer.errors import ControlError, KernelError, PolicyError, PolicyErrors
from enforcer.policy.text.loader import MAX_BYTES
from enforcer.runtime.control import server as module
from enforcer.runtime.control.commands import REQUEST_LIMIT
from enforcer.runtime.control.peer import Peer
from enforcer.runtime.control.protocol import Client, NoDaemonError, encode
from enforcer.span import Span


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
        status = client.ask("status")["status"]

    assert status["pid"] == 7
    assert status["control"] == {
        "connections": 1,
        "followers": 0,
        "watchers": 0,
        "refused": 0,
        "failures": 0,
        "changes": [],
    }


def test_several_commands_on_one_connection(served, path):
    """A connection may ask again."""
    with Client.connect(path) as client:
        assert client.ask("status") == client.ask("status")


def test_the_socket_is_for_its_owner(served, path):
    """Neither socket nor folder are open to others."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_others_are_refused(served, path, monkeypatch):
    """A peer that may not ask gets a sentence and nothing else; the log tells, and is not flooded."""
    monkeypatch.setattr(module, "peer_of", lambda _: Peer(9, 1234, refusal="only root may ask"))

    for _ in range(5):
        with Client.connect(path) as client, pytest.raises(ControlError, match="only root"):
            client.ask("stop")

    assert served.stops == 0
    assert served.said == [
        "the control socket refused uid 1234 without a login (pid 9): only root may ask",
        "the control socket refused uid 1234 without a login (pid 9) (2 so far): only root may ask",
        "the control socket refused uid 1234 without a login (pid 9) (4 so far): only root may ask",
    ]


def test_stop_is_passed_on_and_its_end_is_seen(served, path):
    """The connection of a stop lasts until the daemon is done."""
    with Client.connect(path) as client:
        client.ask("stop")
        assert not client.wait_closed(0.05)
        served.call(served.server.close)
        assert client.wait_closed(10)
    assert served.stops == 1
    assert served.said == [f"stop asked for by {ME}"]
    assert not path.exists()


def test_followers_get_records(served, path):
    """Only those who asked get them."""
    with Client.connect(path) as follower, Client.connect(path) as other:
        follower.ask("events")
        other.ask("status")
        served.call(lambda: served.server.publish(denied()))
        assert next(follower.follow())["rule"] == "no-writes"
        assert "ok" in other.ask("status")


def test_a_slow_follower_is_told_what_it_missed(served, path, monkeypatch):
    """A follower that does not read costs no memory beyond the bound, and learns of its loss."""
    monkeypatch.setattr(module, "_BACKLOG_LIMIT", 100_000)
    large = denied(path=b"/" + b"x" * 10_000)
    with Client.connect(path) as follower:
        follower.ask("events")

        def flood():
            for _ in range(1000):
                served.server.publish(large)

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
        (b"not json\n", "not JSON"),
        (b"\xff\xfe\n", "not JSON"),
        (b'{"command": "explode"}\n', "unknown command 'explode'"),
        (b"{}\n", "unknown command None"),
        (b"[1, 2]\n", "not a command"),
        (b'{"command": ["reload"]}\n', "unknown command ['reload']"),
        (b'{"command": "reload", "wait": 1}\n', "no field 'wait'"),
        (b"x" * (REQUEST_LIMIT + 1), "too long"),
        (b"[" * 60_000 + b"\n", "not JSON"),
    ],
)
def test_nonsense_is_answered_with_a_sentence(served, path, request_line, reason):
    """A bad request ends its own connection and nothing else."""
    assert reason in said_to(path, request_line)["error"]
    with Client.connect(path) as client:
        assert client.ask("status")["ok"]


def said_to(path, raw):
    """Send *raw* and return what is answered until the daemon closes."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(path))
        peer.sendall(raw)
        answer = b""
        while more := peer.recv(65536):
            answer += more
    return json.loads(answer)


CHANGES = [
    ("reload", {}, ("reload", None), "policies reloaded"),
    ("confirm", {}, ("confirm",), "policies confirmed"),
    (
        "policy-add",
        {"texts": {"/a.yaml": "kind: x", "/b.yaml": "kind: y"}},
        ("add", {"/a.yaml": "kind: x", "/b.yaml": "kind: y"}, None),
        "policies of /a.yaml, /b.yaml added",
    ),
    ("policy-remove", {"name": "web"}, ("remove", "web", None), "policy web: removed"),
    ("policy-enable", {"name": "web"}, ("set_enabled", "web", True, None), "policy web: enabled"),
    (
        "policy-disable",
        {"name": "web"},
        ("set_enabled", "web", False, None),
        "policy web: disabled",
    ),
    (
        "policy-set-mode",
        {"name": "web", "mode": "audit"},
        ("set_mode", "web", "audit", None),
        "policy web: mode audit, set",
    ),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[0])
def test_changes_are_passed_on_and_told(served, path, change):
    """Each change reaches the policies with its words, and the log tells who asked for it."""
    command, fields, call, deed = change
    with Client.connect(path) as client:
        assert client.ask(command, **fields) == {"ok": True, **CHANGE}

    assert served.policies.asked == [call]
    assert served.said == [f"{deed} by {ME}: generation 7"]


def test_the_time_to_confirm_is_passed_on(served, path):
    """Every change but the confirmation takes it; the log tells that it may not last."""
    served.policies.answer = {**CHANGE, "confirmWithin": 60.0}
    commands = [row for row in CHANGES if row[0] != "confirm"]
    with Client.connect(path) as client:
        for command, fields, _, _ in commands:
            client.ask(command, **fields, confirmWithin=60)
        with pytest.raises(ControlError, match="no field 'confirmWithin'"):
            client.ask("confirm", confirmWithin=60)

    assert [asked[-1] for asked in served.policies.asked] == [60] * len(commands)
    assert served.said[0] == f"policies reloaded by {ME}: generation 7, for 60 s unless confirmed"


def test_a_change_that_changes_nothing(served, path):
    """It is told as such."""
    served.policies.answer = {**CHANGE, "unchanged": True}
    with Client.connect(path) as client:
        client.ask("reload")

    assert served.said == [f"policies reloaded by {ME}: nothing differs"]


def test_lists_are_no_changes(served, path):
    """Looking leaves no line in the log."""
    with Client.connect(path) as client:
        assert [p["name"] for p in client.ask("policy-list")["policies"]] == ["web", "a"]
        assert client.ask("policy-show", name="web")["policy"]["rows"][0]["rule"] == "one"

    assert served.said == []


def test_errors_of_policies_keep_their_places(served, path):
    """The client raises what the daemon found, and the connection can be used again."""
    served.policies.error = PolicyErrors(
        [PolicyError("bad", Span("a.yaml", 3, 5)), PolicyError("worse", Span("b.yaml", 1, 1))]
    )
    with Client.connect(path) as client:
        with pytest.raises(PolicyErrors) as caught:
            client.ask("reload")
        assert [str(each) for each in caught.value.errors] == [
            "a.yaml:3:5: bad",
            "b.yaml:1:1: worse",
        ]
        assert client.ask("status")["ok"]

    (said,) = served.said
    assert said.startswith(f"reload, asked for by {ME}, failed: 2 errors in policies")
    assert said.endswith("the active policies do not change; a.yaml:3:5: bad")


def test_errors_of_the_kernel_are_sentences(served, path):
    """With the notes that say more."""
    served.policies.error = KernelError("cannot load", errno.ENOMEM)
    served.policies.error.add_note("libbpf: no room")
    sentence = "cannot load: Cannot allocate memory; libbpf: no room"
    with Client.connect(path) as client, pytest.raises(ControlError) as caught:
        client.ask("policy-remove", name="web")

    assert str(caught.value) == sentence
    assert served.said == [f"policy-remove web, asked for by {ME}, failed: {sentence}"]


def test_a_bug_costs_its_request_only(served, path):
    """The loop lives on; the mistake is answered, told and counted."""
    served.policies.error = ZeroDivisionError("by\nzero")
    with Client.connect(path) as client:
        with pytest.raises(ControlError, match="internal error: ZeroDivisionError"):
            client.ask("reload")
        served.policies.error = None
        served.policies.answer = {"generation": object()}
        with pytest.raises(ControlError, match="internal error: TypeError"):
            client.ask("reload")
        assert client.ask("status")["status"]["control"]["failures"] == 2

    assert "ZeroDivisionError: by\\nzero" in served.said[0]


def test_a_status_that_fails_is_a_sentence(served, path):
    """Not even the state of the daemon ends it."""
    served.state = None
    with Client.connect(path) as client:
        with pytest.raises(ControlError, match="internal error"):
            client.ask("status")
        served.state = {}
        assert client.ask("status")["ok"]


def test_without_policies_nothing_can_be_changed(served, path):
    """A daemon that cannot change the active policies says so."""
    served.server.policies = None
    with (
        Client.connect(path) as client,
        pytest.raises(ControlError, match="cannot change its policies"),
    ):
        client.ask("reload")


def test_what_was_chosen_by_others_cannot_forge_a_line(served, path):
    """Names reach the log without control characters."""
    with Client.connect(path) as client:
        client.ask("policy-add", texts={"/a\nenforcer: stopped\x1b[2J": "x"})

    assert served.said[0].startswith(f"policies of /a\\nenforcer: stopped\\x1b[2J added by {ME}")


def test_the_largest_policy_file_fits(served, path):
    """Even if JSON makes the most of it."""
    text = "é" * (MAX_BYTES // 2)
    with Client.connect(path) as client:
        client.ask("policy-add", texts={"/a.yaml": text})

    assert served.policies.asked == [("add", {"/a.yaml": text}, None)]


def test_many_large_requests_at_once_are_refused(served, path, monkeypatch):
    """What is held of unfinished requests is bounded over all connections."""
    monkeypatch.setattr(module, "_HELD_LIMIT", 300_000)
    peers = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for peer in peers:
        peer.settimeout(10)
        peer.connect(str(path))
    for peer in peers[:3]:
        peer.sendall(b"x" * 90_000)
    while held(served) < 270_000:
        served.call(lambda: None)

    peers[3].sendall(b"x" * 90_000)

    assert b"too many large requests" in peers[3].recv(4096)
    assert held(served) <= 300_000
    for peer in peers:
        peer.close()


def held(served):
    return sum(len(each.request) for each in list(served.server._connections))


def test_a_request_that_does_not_end_is_not_waited_for(served, path, monkeypatch):
    """A slow sender loses its place; one that has nothing to ask may stay."""
    monkeypatch.setattr(module, "_REQUEST_SECONDS", 0.05)
    with Client.connect(path) as idle:
        idle.ask("status")

        assert "was not complete after 0.05 s" in said_to(path, b'{"command": "sta')["error"]
        assert idle.ask("status")["ok"]


def test_whoever_does_not_read_is_not_heard(served, path):
    """Answers do not pile up for a client that only asks."""
    served.state = {"filler": "x" * 100_000}
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(path))
        peer.sendall(encode({"command": "status"}) * 100)
        while not (connections := list(served.server._connections)) or not connections[0].outgoing:
            served.call(lambda: None)

        assert connections[0].held < 200_000
        answers = 0
        while answers < 100:
            answers += peer.recv(65536).count(b"\n")


def test_without_descriptors_the_loop_does_not_spin(served, path, monkeypatch):
    """A caller that cannot be taken now is taken later."""
    monkeypatch.setattr("enforcer.runtime.listener._NO_DESCRIPTORS", 0.05)
    tries = []

    class Exhausted:
        def accept(self):
            tries.append(1)
            raise OSError(errno.EMFILE, "Too many open files")

        def fileno(self):
            return there.fileno()

    listener = served.server._listener
    there = listener.listening

    def run_short():
        listener.listening = Exhausted()
        listener._accept()
        listener.listening = there

    served.call(run_short)
    with Client.connect(path) as client:
        assert client.ask("status")["ok"]
    assert len(tries) == 1
    assert listener is served.server._listener


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


def test_while_it_is_replaced_there_is_always_one(path, monkeypatch):
    """Who finds none takes the daemon for ended: the hook of a runtime would start a container, or refuse it."""
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    seen = []

    class Watched(socket.socket):
        def bind(self, address):
            seen.append(path.exists())
            super().bind(address)
            seen.append(path.exists())

        def listen(self, *waiting):
            super().listen(*waiting)
            seen.append(path.exists())

    monkeypatch.setattr(module.socket, "socket", Watched)
    served = Served(path)
    monkeypatch.undo()
    with Client.connect(path) as client:
        assert client.ask("status")["ok"]
    served.close()

    assert [True] * 3 == seen
    assert [] == list(path.parent.iterdir())


def test_nobody_listens(path):
    """The sentence says what to do."""
    with pytest.raises(NoDaemonError, match="no daemon is running: start it with"):
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


class OfAnotherVersion:
    """A daemon that takes each command and says nothing of what it did."""

    def __init__(self, path):
        path.parent.mkdir(parents=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self):
        while True:
            try:
                caller = self._listener.accept()[0]
            except OSError:
                return
            with caller:
                while caller.recv(1 << 16):
                    caller.sendall(encode({"ok": True, "policies": [{"name": "web"}]}))

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.mark.parametrize(
    "argv",
    [
        ["status"],
        ["status", "--json"],
        ["reload"],
        ["confirm"],
        ["policy", "list"],
        ["policy", "show", "web"],
        ["policy", "disable", "web"],
        ["explain", "1"],
    ],
    ids=" ".join,
)
def test_a_daemon_of_another_version_is_a_sentence(path, argv, capsys):
    """It answers with less, or with other words, until it is restarted."""
    other = OfAnotherVersion(path)
    try:
        code = main([*argv, "--socket", str(path)])
    finally:
        other.close()

    said = capsys.readouterr().err
    assert 1 <= code <= 2
    assert "of another version than this command" in said
    assert 1 == said.count("\n")
