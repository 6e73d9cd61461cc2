# SPDX-License-Identifier: MIT
"""Metrics: what they say, by a port and by a file."""

import errno
import json
import os
import socket
import threading
import time
import urllib.request

import attrs
import jsonschema
import pytest
from control_fakes import FakePolicyControl
from fakes import DECODER, FakeSession, FakeSink, Nobody, denied, enricher
from prometheus_client.parser import text_string_to_metric_families

from enforcer.cli.typed_schema import schema_of
from enforcer.errors import KernelError
from enforcer.runtime.control.answers import DaemonState
from enforcer.runtime.control.report import status
from enforcer.runtime.daemon import Daemon
from enforcer.runtime.metrics.http import ScrapeServer
from enforcer.runtime.metrics.textfile import EVERY, Textfile
from enforcer.runtime.metrics.values import metrics_of
from enforcer.runtime.reactor import Reactor
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.prometheus import Family, Sample, exposition


@pytest.fixture
def state():
    """What a daemon that has denied once says of itself."""
    session = FakeSession(counters={"DECISIONS": 5, "LOST_DECISIONS": 2})
    sinks = [FakeSink("json log /a", dropped=7), FakeSink('odd "name"\\\n')]
    pipeline = Pipeline(session, DECODER, enricher(), Fanout.to(sinks, print), Nobody())
    pipeline.stats.observe(denied())
    pipeline.enricher.resolver.processes.readers.unanswered = 3
    yield status(session, pipeline, FakePolicyControl(), 12.5), pipeline.stats
    session.close()


def parsed(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families, name, **labels):
    (found,) = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return found


def test_what_a_daemon_says_of_itself_has_its_form(state):
    """That of `status`, without what the control socket adds."""
    said = json.loads(json.dumps(state[0]))
    jsonschema.validate(said, schema_of(DaemonState, is_strict=True))


def test_prometheus_reads_what_is_written(state):
    """The official parser takes it, and every number is where it belongs."""
    found = parsed(metrics_of(*state).decode())

    assert value(found, "enforcer_records_total", action="deny", enforced="true") == 1
    assert value(found, "enforcer_records_total", action="kill", enforced="false") == 0
    assert value(found, "enforcer_records_lost_total", kind="decisions") == 2
    assert value(found, "enforcer_command_lines_unread_total") == 3
    assert value(found, "enforcer_verdicts_total", policy="web", enforced="false") == 1200
    assert value(found, "enforcer_output_dropped_total", output="json log /a") == 7
    assert value(found, "enforcer_output_failing", output='odd "name"\\\n') == 0
    assert value(found, "enforcer_kernel_events_total", event="decisions") == 5
    assert value(found, "enforcer_confirmation_pending") == 0
    assert value(found, "enforcer_ring_used_bytes", ring="decisions") == 512
    assert value(found, "enforcer_ring_size_bytes", ring="activity") == 1 << 18
    assert value(found, "enforcer_cpu_seconds_total") > 0
    assert 39 < time.time() - value(found, "enforcer_generation_start_time_seconds") < 100
    (by_rule,) = found["enforcer_rule_records"].samples
    assert by_rule.value == 1
    assert by_rule.labels == {
        "policy": "vault",
        "rule": "no-writes",
        "action": "deny",
        "enforced": "true",
    }
    assert found["enforcer_generation"].samples[0].value == 1


def test_names_tell_what_grows(state):
    """Counters end with _total and nothing else does; every family has a sentence."""
    for line in metrics_of(*state).decode().splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            assert name.startswith("enforcer_")
            assert (kind == "counter") == name.endswith("_total")
    assert all(f.documentation.endswith(".") for f in parsed(metrics_of(*state).decode()).values())


def test_files_that_are_refused_are_counted(state):
    """Those of which something is active, and those of which nothing is."""
    said, stats = state
    files = [{"file": f"/{n}", "kept": n < 2, "errors": ["no"]} for n in range(5)]
    families = parsed(metrics_of({**said, "refusedFiles": files}, stats).decode())

    assert 2 == value(families, "enforcer_policy_files_refused", kept="true")
    assert 3 == value(families, "enforcer_policy_files_refused", kept="false")


def test_containers_that_were_announced_are_counted(state):
    """By what came of it."""
    families = parsed(metrics_of(*state).decode())

    assert [4, 3, 2, 1] == [
        value(families, "enforcer_containers_met_total", outcome=outcome)
        for outcome in ("known", "unasked", "unknown", "refused")
    ]


def test_labels_are_few(state):
    """Nothing that a process chooses is a label."""
    labels = {
        label
        for family in parsed(metrics_of(*state).decode()).values()
        for sample in family.samples
        for label in sample.labels
    }

    assert labels == {"version", "policy", "rule", "mode", "enforced", "action", "kind", "output", "event", "of", "ring", "kept", "outcome", "state"}  # fmt: skip


def test_a_family_without_samples_is_left_out():
    """No policies, no line."""
    assert exposition([Family("a", "gauge", "A.", ()), Family("b", "gauge", "B.", (Sample(1),))]) == (
        b"# HELP b B.\n# TYPE b gauge\nb 1\n"
    )  # fmt: skip


@attrs.define
class Asked:
    """A port that answers from a loop in another thread, with what *answer* says."""

    server: ScrapeServer
    answer: bytes | Exception = b"x 1\n"
    now: list[float] = attrs.field(factory=list)
    made: int = 0

    def text(self) -> bytes:
        self.made += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def talk(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as caller:
            caller.sendall(request)
            return b"".join(iter(lambda: caller.recv(65536), b""))


@pytest.fixture
def asked():
    now = [0.0]
    reactor = Reactor(clock=lambda: now[0])
    made = Asked(ScrapeServer(("127.0.0.1", 0), reactor), now=now)
    made.server.open()
    made.server.serve(made.text)
    thread = threading.Thread(target=_turn, args=(reactor,))
    thread.start()
    yield made
    reactor.stop()
    thread.join()
    made.server.close()
    reactor.close()


def _turn(reactor):
    while not reactor.is_stopping:
        reactor.turn(0.01)


def test_whoever_asks_often_gets_the_same_numbers(asked):
    """Anybody on the machine may ask, and counting costs."""
    for _ in range(3):
        assert asked.talk(b"GET / HTTP/1.1\r\n\r\n").endswith(b"x 1\n")
    assert asked.made == 1

    asked.now[0] += 1.5
    asked.talk(b"GET / HTTP/1.1\r\n\r\n")

    assert asked.made == 2


def test_the_port_answers_http(asked):
    """As an HTTP client expects, and again."""
    for _ in range(2):
        with urllib.request.urlopen(f"http://127.0.0.1:{asked.server.port}/metrics") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert answer.read() == b"x 1\n"


def test_an_answer_of_any_length_arrives(asked):
    """More than a socket takes at once."""
    asked.answer = b"# " + b"x" * (8 << 20) + b"\n"

    answer = asked.talk(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")

    assert answer.endswith(asked.answer)


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (b"HEAD / HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 Method Not Allowed"),
        (b"GET /secret HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 Not Found"),
        (b"GET /metrics?a=b HTTP/1.1\n\n", b"HTTP/1.1 200 OK"),
        (b"\x16\x03\x01\n\n", b"HTTP/1.1 400 Bad Request"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 8173, b"HTTP/1.1 431 Request Header Fields Too Large"),
    ],
)
def test_other_requests_are_answered_too(asked, request_, line):
    """And nothing hangs on them."""
    assert asked.talk(request_).partition(b"\r\n")[0] == line


@pytest.mark.parametrize(
    "error",
    [KernelError("maps cannot be read", errno.EIO), OSError(errno.EMFILE, "Too many open files")],
    ids=["kernel", "descriptors"],
)
def test_numbers_that_cannot_be_had_are_told(asked, error):
    """The caller learns why there are none, and can ask again."""
    asked.answer = error

    answer = asked.talk(b"GET / HTTP/1.1\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 503")
    assert str(error).encode() in answer
    asked.answer = b"x 1\n"
    assert b"200 OK" in asked.talk(b"GET / HTTP/1.1\r\n\r\n")


def test_silent_callers_keep_nobody_out(asked):
    """The oldest of them makes room, and who asks is answered at once; time does not pass here."""
    address = ("127.0.0.1", asked.server.port)
    silent = [socket.create_connection(address, timeout=30) for _ in range(16)]

    for number in range(3):
        assert b"200 OK" in asked.talk(b"GET / HTTP/1.1\r\n\r\n")
        # One made room, and is known to be gone; another one takes the place of who was answered.
        assert b"" == silent[number].recv(1)
        silent.append(socket.create_connection(address, timeout=30))

    for each in silent:
        each.close()


def test_who_has_asked_is_not_dropped_for_others(asked):
    """An answer that is on its way arrives, whoever connects meanwhile."""
    asked.answer = b"# " + b"x" * (8 << 20) + b"\n"
    address = ("127.0.0.1", asked.server.port)
    with socket.create_connection(address, timeout=30) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\n\r\n")
        began = caller.recv(1)
        silent = [socket.create_connection(address, timeout=30) for _ in range(17)]
        while not _is_over(silent[0]):
            pass

        answer = began + b"".join(iter(lambda: caller.recv(65536), b""))

    assert answer.endswith(asked.answer)
    for each in silent:
        each.close()


def test_who_reads_nothing_makes_room_if_all_have_asked(asked):
    """The oldest again: a full house of them keeps nobody out either."""
    asked.answer = b"# " + b"x" * (8 << 20) + b"\n"
    address = ("127.0.0.1", asked.server.port)
    deaf = [socket.create_connection(address, timeout=30) for _ in range(16)]
    for each in deaf:
        each.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"H" == each.recv(1)

    assert asked.talk(b"GET / HTTP/1.1\r\n\r\n").endswith(asked.answer)

    for each in deaf:
        each.close()


def _is_over(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_a_port_that_is_taken_is_told():
    """With its name."""
    first = ScrapeServer(("127.0.0.1", 0), Reactor())
    first.open()
    second = ScrapeServer(("127.0.0.1", first.port), Reactor())

    with pytest.raises(OSError, match=r"metrics cannot be offered at 127\.0\.0\.1 port .*in use"):
        second.open()
    for server in (first, second):
        server.close()
        server.reactor.close()


@pytest.fixture
def written(tmp_path):
    """A file that is written by a loop that a test turns by hand."""
    now, said = [0.0], []
    reactor = Reactor(clock=lambda: now[0])
    made = Textfile(tmp_path / "enforcer.prom", reactor, said.append)
    yield made, now, said
    made.close()
    reactor.close()


def test_the_file_is_written_again_and_again(written):
    """From when the loop begins; readable by the exporter, and never half."""
    made, now, said = written
    made.open()
    numbers = iter(range(9))
    made.serve(lambda: b"x %d\n" % next(numbers))
    assert not made.path.exists()

    for expected in (b"x 0\n", b"x 1\n", b"x 2\n"):
        made.reactor.turn(0)
        assert made.path.read_bytes() == expected
        now[0] += EVERY

    assert made.path.stat().st_mode & 0o777 == 0o644
    assert [made.path] == list(made.path.parent.iterdir())
    made.close()
    assert not made.path.exists()
    assert said == []


def test_a_folder_that_goes_is_told_once(written):
    """And that it is back."""
    made, _, said = written
    made.open()
    made.serve(lambda: b"x 1\n")
    gone = made.path.parent.with_name("gone")
    made.path.parent.rename(gone)

    made.write()
    made.write()
    gone.rename(made.path.parent)
    made.write()

    assert said == [
        f"metrics {made.path}: No such file or directory: trying again; until then the file is out of date",
        f"metrics {made.path}: works again",
    ]


def test_what_lies_in_the_way_is_neither_followed_nor_waited_for(written, tmp_path):
    """Whoever may write the folder makes a pipe there, or a link to where root could make a file."""
    made, _, _ = written
    beside, elsewhere = made.path.with_name("enforcer.prom.new"), tmp_path / "elsewhere"

    beside.symlink_to(elsewhere)
    made.open()
    assert not elsewhere.exists()

    beside.unlink()
    os.mkfifo(beside)
    made.open()
    assert beside.is_file()


def test_a_folder_that_is_missing_is_told_at_the_start(tmp_path):
    """Nothing is activated with half of what was asked for."""
    made = Textfile(tmp_path / "none" / "enforcer.prom", Reactor(), print)

    with pytest.raises(FileNotFoundError):
        made.open()
    made.reactor.close()


def test_the_daemon_tells_its_own_state():
    """What the port serves is what the command status shows."""
    session = FakeSession()
    daemon = Daemon(session)
    pipeline = Pipeline(session, DECODER, enricher(), Fanout.to([], print), daemon)
    seen = []
    daemon.reactor.after(
        0.0, lambda: (seen.append(metrics_of(daemon.status(), pipeline.stats)), daemon.stop())
    )

    daemon.run(pipeline, ready=lambda: None)

    assert b"enforcer_generation 1\n" in seen[0]
    session.close()
    daemon.reactor.close()
