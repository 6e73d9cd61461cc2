# SPDX-License-Identifier: MIT
"""The hook that runtimes run: whom it asks, what it makes of the answer, and which way it falls."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from control_fakes import Served
from hypothesis import given
from hypothesis import strategies as st
from patience import scaled

from enforcer.errors import ControlError
from enforcer.hook import files
from enforcer.runtime.control import protocol

SOURCE = files.PROGRAM.with_name("container_hook.c")
STATE = {"ociVersion": "1.2.0", "id": "c" * 64, "status": "creating", "pid": 4711, "bundle": "/b"}
HOST = "         0          0 4294967295\n"


@attrs.frozen
class Hook:
    """The hook, made for a place of its own: there is its daemon, its syslog, and who it thinks it is."""

    place: Path
    program: Path
    log: socket.socket

    @property
    def socket(self) -> Path:
        return self.place / "s.sock"

    def run(
        self, on_failure: str = "refuse", wait: float = 60.0, state: Any = STATE
    ) -> tuple[int, list[str]]:
        """Run it for a container; return its exit code, and what it says, which is the same in both places."""
        raw = state if isinstance(state, bytes) else json.dumps(state).encode()
        return self.ran([f"--socket={self.socket}", f"--wait={wait:g}", f"--on-failure={on_failure}"], raw)  # fmt: skip

    def ran(self, words: list[str], raw: bytes = b"") -> tuple[int, list[str]]:
        done = subprocess.run(
            [self.program, *words],
            input=raw,
            env={},
            check=False,
            capture_output=True,
            timeout=scaled(120),
        )
        assert b"" == done.stdout
        assert done.returncode in {0, 1}
        said = done.stderr.decode("ascii").splitlines()
        assert [f"enforcer: {line}" for line in self._logged()] == said
        return done.returncode, said

    def _logged(self) -> Iterator[str]:
        with contextlib.suppress(BlockingIOError):
            while True:
                line = self.log.recv(1 << 16).decode("ascii")
                found = re.fullmatch(r"<28>enforcer-hook\[\d+\]: (.*)", line)
                assert found is not None, line
                yield found[1]


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hook]:
    """As it is built, but for its places: this process may be root of a user namespace, and syslog is not for tests."""
    place = tmp_path_factory.mktemp("hook")
    (place / "uid_map").write_text(HOST)
    made = Hook(place, place / "hook", socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    places = {"UID_MAP": place / "uid_map", "SYSLOG": place / "log"}
    defined = [f'-D{name}="{path}"' for name, path in places.items()]
    words = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *defined]
    subprocess.run([os.environ.get("CC", "cc"), SOURCE, *words, "-o", made.program], check=True)
    with made.log:
        made.log.bind(str(places["SYSLOG"]))
        made.log.setblocking(False)
        yield made


@pytest.fixture(autouse=True)
def _nobody(hook: Hook) -> Iterator[None]:
    """Each test begins without a daemon."""
    yield
    hook.socket.unlink(missing_ok=True)


@pytest.fixture
def served(hook: Hook) -> Iterator[Served]:
    found = Served(hook.socket)
    yield found
    found.close()


@contextlib.contextmanager
def listening(path: Path, answer: bytes | None) -> Iterator[None]:
    """Somebody who takes one request, and says *answer*; None: says nothing until the caller leaves."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                if answer is not None:
                    connection.sendall(answer)
                else:
                    connection.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize("outcome", ["known", "unasked"])
def test_a_container_that_the_kernel_knows_starts(hook, served, outcome):
    """Or one that no policy asks for. The daemon gets its id, its process, and until when it counts."""
    before = time.monotonic()
    served.policies.answer = {"outcome": outcome, "missing": []}

    assert (0, []) == hook.run(wait=30)

    ((what, pid, number, began, wait),) = served.policies.asked
    assert ("meet", STATE["pid"], STATE["id"], 30) == (what, pid, number, wait)
    assert before <= began <= time.monotonic()


@pytest.mark.parametrize("wait", [0.5, 1 / 3, protocol.WAIT_MOST])
def test_each_wait_that_can_be_chosen_is_taken(hook, served, wait):
    """The longest one, too: nothing is added to it by rounding."""
    served.policies.answer = {"outcome": "known", "missing": []}

    assert (0, []) == hook.run(wait=wait)
    assert served.policies.asked[0][4] == pytest.approx(wait, rel=1e-5)


@pytest.mark.parametrize(("on_failure", "code"), [("start", 0), ("refuse", 1)])
def test_what_the_administrator_chose_decides(hook, served, on_failure, code):
    """When no file describes the container, and when the daemon refuses."""
    served.policies.answer = {"outcome": "unknown", "missing": []}
    found, said = hook.run(on_failure)
    assert code == found
    assert "no file of the host describes it" in said[0]

    served.policies.error = ControlError("a change waits to be confirmed")
    found, said = hook.run(on_failure)
    assert code == found
    assert "a change waits to be confirmed" in said[0]
    assert f'container "{STATE["id"]}"' in said[0]


@pytest.mark.parametrize(("on_failure", "code"), [("start", 0), ("refuse", 1)])
def test_nobody_is_waited_for_where_no_daemon_is(hook, on_failure, code):
    """It took its socket away: with a wait of a minute the answer comes at once."""
    found, said = hook.run(on_failure)
    assert code == found
    assert "no daemon is running" in said[0]


def _die(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place))


def test_a_daemon_that_died_is_waited_for(hook):
    """Its socket is still there; the service manager starts another one."""
    _die(hook.socket)
    came: list[Served] = []

    def come() -> None:
        came.append(Served(hook.socket, answer={"outcome": "known", "missing": []}))

    timer = threading.Timer(0.2, come)
    timer.start()
    try:
        assert (0, []) == hook.run()
    finally:
        timer.join()
        came[0].close()


@pytest.mark.parametrize(("on_failure", "code"), [("start", 0), ("refuse", 1)])
def test_a_dead_daemon_is_not_waited_for_for_ever(hook, on_failure, code):
    _die(hook.socket)

    found, said = hook.run(on_failure, wait=0.2)
    assert code == found
    assert "the daemon does not answer: Connection refused" in said[0]


@pytest.mark.parametrize(("on_failure", "code"), [("start", 0), ("refuse", 1)])
def test_a_slow_daemon_is_not_waited_for_for_ever(hook, on_failure, code):
    with listening(hook.socket, None):
        found, said = hook.run(on_failure, wait=0.2)
    assert code == found
    assert "the daemon is too slow" in said[0]


@pytest.mark.parametrize("on_failure", ["start", "refuse"])
def test_a_busy_daemon_is_not_waited_for_for_ever(hook, on_failure):
    """Its queue of connections is full: others may connect as well."""
    with socket.socket(socket.AF_UNIX) as busy, contextlib.ExitStack() as stack:
        busy.bind(str(hook.socket))
        busy.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                other = stack.enter_context(socket.socket(socket.AF_UNIX))
                other.setblocking(False)
                other.connect(str(hook.socket))
        found, said = hook.run(on_failure, wait=0.2)
    assert (on_failure == "refuse") == found
    assert "the daemon does not answer: Resource temporarily unavailable" in said[0]


def test_a_path_that_is_no_socket_name(hook):
    """It is longer than the kernel takes: cut off it would be another one."""
    found, said = hook.ran([f"--socket=/{'s' * 200}", "--wait=1", "--on-failure=refuse"], json.dumps(STATE).encode())  # fmt: skip
    assert 1 == found
    assert "File name too long" in said[0]


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"no json\n", b"[]\n", b"[{}]\n", b"{}\n", b"null\n", b'{"ok": true}\n', b"\n"),
        b'{"ok": 1, "outcome": "known"}\n',
        b'{"ok": "true", "outcome": "known"}\n',
        b'{"ok": {"ok": true}, "outcome": "known"}\n',
        b'{"ok": true, "outcome": "known"} 1\n',
        b'{"ok": true, "outcome": "known"',
        b'{"ok": true, "outcome": "known"}',
        b"{" + b" " * (1 << 17),
    ],
)
def test_what_is_no_answer_is_none(hook, answer):
    """Neither another program, nor half a line, nor one without an end."""
    with listening(hook.socket, answer):
        found, said = hook.run()
    assert (1, 1) == (found, len(said))


def test_an_answer_may_come_in_pieces(hook):
    """The end of the line is the end of it."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(hook.socket))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                for piece in b'{"missing": [], "outcome": "known", "ok": true}\n'.split():
                    connection.sendall(piece + b" " if piece[-1:] != b"}" else piece + b"\n")
                    time.sleep(0.01)

        thread = threading.Thread(target=serve)
        thread.start()
        assert (0, []) == hook.run()
        thread.join()


UNREADABLE = [
    *(b"", b"no json", b"[]", b"{}", b"null", b"[" * 100_000, b'{"a":' * 100_000, b'{"id"'),
    *({"id": "c"}, {"pid": 3}, {**STATE, "pid": "many"}, {**STATE, "pid": -3}, {**STATE, "pid": 3.5}),
    *({**STATE, "id": ""}, {**STATE, "id": 7}, {**STATE, "id": "c" * 2000}, {**STATE, "pid": 10**12}),
    json.dumps(STATE).encode() + b"}",
    json.dumps(STATE).encode()[:-1],
    {"annotations": {"id": "c", "pid": 3}},
    {**STATE, "annotations": {"a": "x" * (5 << 20)}},
]  # fmt: skip


@pytest.mark.parametrize("state", UNREADABLE)
@pytest.mark.parametrize(("on_failure", "code"), [("start", 0), ("refuse", 1)])
def test_a_state_that_cannot_be_read(hook, served, state, on_failure, code):
    """The daemon is not asked, and the choice holds."""
    found, said = hook.run(on_failure, state=state)
    assert (code, 1, []) == (found, len(said), served.policies.asked)
    assert "a container is" in said[0]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.dictionaries(st.text() | st.just("id\\"), _JSON, max_size=4), st.booleans(), st.booleans()
)
def test_what_a_pod_says_is_not_the_container(hook, others, is_ascii, is_first):
    """Whatever the annotations of a state are, its id and its process are those that the runtime gave."""
    others = {name: value for name, value in others.items() if name not in {"id", "pid"}}
    inner = {"annotations": {**others, "id": "of a pod", "pid": 1, "x": '", "pid": 1, "id": "y'}}
    whole = {**inner, **others, **STATE} if is_first else {**STATE, **others, **inner}
    raw = json.dumps(whole, ensure_ascii=is_ascii, indent=1).encode("utf-8", "surrogatepass")
    hook.socket.unlink(missing_ok=True)
    served = Served(hook.socket, answer={"outcome": "known", "missing": []})
    try:
        assert (0, []) == hook.run(state=raw)
    finally:
        served.close()
    assert (STATE["pid"], STATE["id"]) == served.policies.asked[0][1:3]


@given(st.binary(max_size=8), st.integers(0, 200), st.integers(0, 3))
def test_what_is_no_json_is_no_state(hook, noise, at, gone):
    """What Python does not take the hook does not take, nor reads beyond it; no daemon is there to take the rest."""
    raw = json.dumps({**STATE, "more": [1.5e3, True, {"a": "\\u00e9\\n"}]}).encode()
    raw = raw[: at % len(raw)] + noise + raw[at % len(raw) + gone :]
    try:
        state = json.loads(raw.decode("latin-1"), parse_constant=lambda _: 1 / 0)
        is_read = isinstance(state, dict) and isinstance(state["id"], str) and state["id"] != ""
        is_read = is_read and type(state["pid"]) is int and 0 <= state["pid"] < 10**10
    except (ValueError, KeyError, ZeroDivisionError, RecursionError):
        is_read = False

    found, said = hook.run(state=raw)

    assert (1, 1) == (found, len(said))
    assert is_read == ("no daemon is running" in said[0]), (raw, said)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--socket=/s", "--wait=1"],
        ["--socket=/s", "--on-failure=start"],
        ["--wait=1", "--on-failure=start"],
        ["--socket=/s", "--wait=1", "--on-failure=perhaps"],
        ["--socket=/s", "--wait=soon", "--on-failure=start"],
        ["--socket=/s", "--wait=", "--on-failure=start"],
        ["--socket=/s", "--wait=1s", "--on-failure=start"],
        ["--socket=/s", "--wait=nan", "--on-failure=start"],
        ["--socket=/s", "--wait=1e9", "--on-failure=start"],
        ["--socket=/s", "--wait=-1", "--on-failure=start"],
        ["--socket=/s", "--wait=1", "--on-failure=start", "--more=1"],
        ["--socket=/s", "--wait=1", "--on-failure=start", "more"],
    ],
)
def test_arguments_that_cannot_be_read_refuse(hook, words):
    """A choice that is not understood must not be the lax one."""
    found, said = hook.ran(words)
    assert 1 == found
    assert "no container starts" in said[0]


@pytest.mark.parametrize("map_", ["0 1000 1\n1 100000 65536\n", "0 0 65536\n", HOST + HOST, ""])
def test_in_a_user_namespace_nobody_is_asked(hook, served, map_):
    """A rootless container is its user's process, also where others must be known."""
    (hook.place / "uid_map").write_text(map_)
    try:
        assert (0, []) == hook.run("refuse")
        assert [] == served.policies.asked
    finally:
        (hook.place / "uid_map").write_text(HOST)


def test_nobody_need_listen_to_what_it_says(hook, tmp_path):
    """A runtime that closes the pipe, and a syslog that is full or gone, change no decision."""
    words = [f"--socket={tmp_path / 'nobody'}", "--wait=1"]
    for on_failure, code in (("start", 0), ("refuse", 1)):
        reader, writer = os.pipe()
        os.close(reader)
        with subprocess.Popen(
            [hook.program, *words, f"--on-failure={on_failure}"],
            stdin=subprocess.PIPE,
            stderr=writer,
        ) as done:
            os.close(writer)
            done.communicate(json.dumps(STATE).encode())
        assert code == done.returncode
        assert "no daemon is running" in hook.log.recv(1 << 16).decode()


def test_no_name_moves_a_terminal(hook):
    """What others chose is shown in plain characters."""
    raw = json.dumps({**STATE, "id": "\x1b[31mé\x7f"}, ensure_ascii=False).encode()

    found, said = hook.run(state=raw)

    assert 1 == found
    assert "\\u001b[31m\\xc3\\xa9\\x7f" in said[0]


def test_it_speaks_as_the_daemon_does():
    """It knows nothing of ours, so these are written twice."""
    source = SOURCE.read_text()

    assert f'{{\\"command\\": \\"{protocol.CONTAINER_BEGINS}\\"' in source
    assert re.search(rf"#define WAIT_MOST {protocol.WAIT_MOST}\s", source)
    assert all(f'"{choice}"' in source for choice in files.CHOICES)


def test_as_runtimes_run_it(hook, served):
    """The program that is installed: it needs the C library alone, and asks, where this is no user namespace."""
    needed = subprocess.run(
        ["readelf", "--dynamic", files.PROGRAM], check=True, capture_output=True, text=True
    )
    assert ["libc.so.6"] == re.findall(r"\(NEEDED\).*\[(.*)\]", needed.stdout)
    served.policies.answer = {"outcome": "known", "missing": []}
    words = [f"--socket={hook.socket}", "--wait=60", "--on-failure=refuse"]

    done = subprocess.run(
        [files.PROGRAM, *words],
        input=json.dumps(STATE).encode(),
        env={},
        check=False,
        capture_output=True,
        timeout=scaled(60),
    )

    assert (0, b"") == (done.returncode, done.stderr)
    uid_map = Path("/proc/self/uid_map").read_text().split()
    assert bool(served.policies.asked) == (uid_map == HOST.split())
