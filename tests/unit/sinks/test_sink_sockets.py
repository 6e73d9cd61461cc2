# SPDX-License-Identifier: MIT
"""Syslog and the journal, as whoever listens there gets them."""

import array
import contextlib
import fcntl
import json
import os
import re
import socket
import threading
import time
from pathlib import Path

import attrs
import pytest
from fakes import WALL_NS, denied, record
from patience import scaled
from synthetic import records

from enforcer.events.types import Lost, Origin
from enforcer.policy.model.policy import Verb
from enforcer.runtime.reactor import Reactor
from enforcer.sinks.address import read_address
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.journal import JournalOutput
from enforcer.sinks.jsonl import json_line
from enforcer.sinks.sockets import StreamWriter
from enforcer.sinks.spec import Common
from enforcer.sinks.syslog import SyslogOutput

SYSLOG = re.compile(
    rb"<(?P<pri>[0-9]{1,3})>1 (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z) "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<pid>[!-~]{1,128}) (?P<id>[!-~]{1,32}) - "
    rb"(?P<msg>.*)"
)


@attrs.define
class Bench:
    """A loop with outputs on it, turned by hand."""

    reactor: Reactor = attrs.field(factory=Reactor)
    said: list[str] = attrs.field(factory=list)
    fanout: Fanout | None = None

    def use(self, *outputs):
        self.fanout = Fanout.to([each.open() for each in outputs], self.said.append, self.reactor)
        return self.fanout

    def until(self, condition):
        """Turn the loop, and retry what fails, until *condition* holds."""
        while not condition():
            self.reactor.turn(0.01)
            self.fanout.flush()


@pytest.fixture
def bench():
    made = Bench()
    yield made
    if made.fanout is not None:
        made.fanout.close()
    made.reactor.close()


@pytest.fixture
def listener(tmp_path):
    """Sockets of every kind that somebody listens on, by how settings write them."""
    opened = []

    def listen(kind):
        family = socket.AF_UNIX if kind.startswith("unix") else socket.AF_INET
        way = socket.SOCK_STREAM if kind in {"tcp", "unix-stream"} else socket.SOCK_DGRAM
        made = socket.socket(family, way)
        made.settimeout(30)
        opened.append(made)
        if family == socket.AF_UNIX:
            made.bind(str(tmp_path / "log"))
            address = f"{kind}:{tmp_path}/log"
        else:
            made.bind(("127.0.0.1", 0))
            address = f"{kind}:127.0.0.1:{made.getsockname()[1]}"
        if way == socket.SOCK_STREAM:
            made.listen(8)
        return made, read_address(address)

    yield listen
    for each in opened:
        each.close()


def unframed(stream):
    """Take a stream apart by the lengths in it."""
    at = 0
    while at < len(stream):
        blank = stream.index(b" ", at)
        end = blank + 1 + int(stream[at:blank])
        yield stream[blank + 1 : end]
        at = end


@pytest.mark.parametrize("kind", ["unix", "udp", "tcp", "unix-stream"])
def test_a_message_has_the_form_of_the_standard(bench, listener, kind):
    """Head by RFC 5424, body a record, streams by RFC 6587."""
    there, address = listener(kind)
    given = denied()
    out = bench.use(SyslogOutput(address=address))
    out.write(given)
    out.flush()
    if address.is_stream:
        there, _ = there.accept()
        bench.until(lambda: not out.outlets[0].is_failing)
    with there:
        message = there.recv(65536)
        if address.is_stream:
            (message,) = unframed(message)

    found = SYSLOG.fullmatch(message)
    assert found["pri"] == b"84"  # authpriv, warning
    assert found["time"] == b"2025-11-24T20:48:01.123456Z"
    assert found["app"] == b"enforcer"
    assert found["pid"] == str(os.getpid()).encode()
    assert found["id"] == b"match"
    assert found["msg"] + b"\n" == json_line(given)


@pytest.mark.parametrize(
    ("given", "priority"),
    [
        (record(), 6),
        (record(origin=Origin("p", "r", "f:1:1", severity="critical")), 6),
        (denied(), 4),
        (record(action=Verb.KILL, origin=Origin("p", "r", "f:1:1", severity="low")), 5),
        (record(action=Verb.DENY, origin=Origin("p", "r", "f:1:1", severity="high")), 3),
        (record(action=Verb.DENY, origin=Origin("p", "r", "f:1:1", severity="critical")), 2),
        (Lost(time_ns=WALL_NS, decisions=1), 4),
    ],
)
def test_priority_is_severity_of_what_was_refused(bench, listener, given, priority):
    """What was permitted is information."""
    there, address = listener("unix")
    out = bench.use(SyslogOutput(address=address, form="logfmt", facility="local3"))

    out.write(given)
    out.flush()

    found = SYSLOG.fullmatch(there.recv(65536))
    assert int(found["pri"]) == 19 * 8 + priority
    assert found["msg"].startswith(b'time="')


@pytest.fixture(scope="module")
def many():
    """More than fits between an output and who does not read."""
    return list(records(3000))


def test_a_slow_reader_gets_everything_in_order(bench, listener, many):
    """However little the sockets between hold, and wherever a message is torn."""
    there, address = listener("tcp")
    there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    out = bench.use(SyslogOutput(address=address, common=Common(limit=1 << 30)))
    for each in many:
        out.write(each)
    out.flush()
    reader, _ = there.accept()
    reader.settimeout(30)

    got = bytearray()
    with reader:
        while out.outlets[0].is_failing:
            got += reader.recv(1 << 16)
            bench.reactor.turn(0)
        out.close()
        while more := reader.recv(1 << 16):
            got += more

    bodies = [SYSLOG.fullmatch(message)["msg"] + b"\n" for message in unframed(got)]
    assert bodies == [json_line(each) for each in many]
    assert out.outlets[0].sink.dropped == 0
    assert bench.said == []


@pytest.mark.parametrize("kind", ["tcp", "unix-stream"])
def test_a_collector_that_comes_back_gets_whole_messages(bench, listener, many, kind):
    """What the one before had got half of begins anew for the next."""
    there, address = listener(kind)
    there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    out = bench.use(SyslogOutput(address=address, common=Common(limit=1 << 30)))
    for each in many:
        out.write(each)
    out.flush()
    first, _ = there.accept()
    bench.until(lambda: out.outlets[0].is_slow)
    begun = first.recv(100)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    first.close()

    got = bytearray()
    with _accepted(bench, there) as second:
        while out.outlets[0].is_failing:
            got += _received(second)
            bench.reactor.turn(0)
            out.flush()
        out.close()
        second.settimeout(30)
        while more := second.recv(1 << 16):
            got += more

    bodies = [SYSLOG.fullmatch(message)["msg"] + b"\n" for message in unframed(got)]
    lines = [json_line(each) for each in many]
    assert begun.startswith(b"%d <" % (len(next(unframed(begun + b" " * 9999)))))
    assert bodies == lines[len(lines) - len(bodies) :]
    assert len(bodies) > 100
    assert bench.said == []


def _accepted(bench, there):
    there.setblocking(False)
    while True:
        try:
            made, _ = there.accept()
        except BlockingIOError:
            bench.reactor.turn(0.01)
            bench.fanout.flush()
        else:
            made.setblocking(False)
            return made


def _received(reader):
    try:
        return reader.recv(1 << 16)
    except BlockingIOError:
        return b""


def test_a_collector_that_hung_up_while_nothing_happened_is_noticed(bench, listener):
    """Before the next message is sent into the void."""
    there, address = listener("tcp")
    out = bench.use(SyslogOutput(address=address))
    out.write(denied())
    bench.until(lambda: not out.outlets[0].is_failing and not out.outlets[0].sink.transport.backlog)
    first, _ = there.accept()
    assert first.recv(65536)
    first.sendall(b"200 welcome\r\n")  # what it says is not for us
    first.close()

    out.write(record())
    bench.until(lambda: not out.outlets[0].sink.transport.backlog)
    second, _ = there.accept()
    with second:
        second.settimeout(30)
        (message,) = unframed(second.recv(65536))

    assert b'"action":"allow"' in message


@attrs.define
class Pouring:
    """A connection whose other side never stops: each read brings *word*."""

    word: bytes
    reads: int = 0
    sent: bytes = b""
    is_closed: bool = False

    def recv(self, most):
        self.reads += 1
        assert self.reads <= 1000, "it is read without a limit"
        return self.word[:most]

    def send(self, data):
        self.sent += bytes(data)
        return len(data)

    def fileno(self):
        return -1

    def close(self):
        self.is_closed = True


def test_a_flush_reads_a_few_times_only():
    """However often there is more: the loop has other things to do, and the message goes out."""
    there = Pouring(b"!")
    writer = StreamWriter(read_address("tcp:127.0.0.1:5140"))
    writer._socket = there
    for number in range(5):
        writer.append(b"a")
        writer.flush()
        assert (number + 1) * 4 >= there.reads

    assert b"1 a" * 5 == there.sent
    assert not there.is_closed


def test_who_says_too_much_is_hung_up_on():
    """Slowly or at once; the message is kept for the next connection."""
    there = Pouring(b"!" * 1000)
    writer = StreamWriter(read_address("tcp:127.0.0.1:5140"))
    writer._socket = there
    for _ in range(2):
        writer.append(b"a")
        writer.flush()
    writer.append(b"b")

    with pytest.raises(OSError, match=r"hung up, as it said more than 8,192 bytes"):
        writer.flush()

    assert there.is_closed
    assert b"1 a1 a" == there.sent
    assert b"1 b" == bytes(writer.backlog.chunk(100))


@pytest.mark.parametrize("kind", ["tcp", "unix-stream"])
def test_who_pours_holds_nothing_up(bench, listener, kind):
    """It is a failure of its output, with the reason; a connection that is silent gets the rest."""
    there, address = listener(kind)
    out = bench.use(SyslogOutput(address=address))
    out.write(denied())
    bench.until(lambda: not out.outlets[0].is_failing and not out.outlets[0].sink.transport.backlog)
    first, _ = there.accept()
    stop, until = threading.Event(), time.monotonic() + scaled(3)

    def pour():
        with contextlib.suppress(OSError):
            while not stop.is_set() and time.monotonic() < until:
                first.sendall(b"!" * 65536)

    pouring = threading.Thread(target=pour)
    pouring.start()
    try:
        while not bench.said and time.monotonic() < until:
            out.write(record())
            out.flush()
        why = "hung up, as it said more than 8,192 bytes and a collector has nothing to say"
        then = (
            "trying again; records wait in memory, and the oldest are dropped if there are too many"
        )
        assert [f"syslog {address.text}: {why}: {then}"] == bench.said
        bench.until(lambda: not out.outlets[0].is_failing)
    finally:
        stop.set()
        with contextlib.suppress(OSError):  # it was hung up on
            first.shutdown(socket.SHUT_RDWR)
        pouring.join()
        first.close()
    assert bench.said[1:] == [f"syslog {address.text}: works again, 0 records lost"]


@pytest.mark.parametrize("kind", ["tcp", "unix", "unix-stream"])
def test_nobody_listens_yet(bench, listener, kind):
    """It is told once, and what happened meanwhile arrives when somebody does."""
    there, address = listener(kind)
    there.close()
    if kind != "tcp":
        Path(address.target).unlink()
    out = bench.use(SyslogOutput(address=address))
    out.write(denied())
    bench.until(lambda: out.outlets[0].failures > 1)
    assert len(bench.said) == 1
    assert bench.said[0].startswith(f"syslog {address.text}: ")

    again = socket.socket(address.family, address.kind)
    with again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(address.target)
        if address.is_stream:
            again.listen(1)
        bench.until(lambda: not out.outlets[0].is_failing)

    assert bench.said[1:] == [f"syslog {address.text}: works again, 0 records lost"]


def test_what_is_too_large_for_a_datagram_is_dropped_and_told(bench, listener):
    """The rest arrives, and a record says that one is missing."""
    there, address = listener("udp")
    out = bench.use(SyslogOutput(address=address))

    for _ in range(2):
        out.write(record(name=b"\x01\0" * 20000, argc=20000))
    out.write(denied())
    out.flush()

    got = [json.loads(SYSLOG.fullmatch(there.recv(1 << 17))["msg"]) for _ in range(2)]
    assert [(each["kind"], each.get("dropped")) for each in got] == [("match", None), ("lost", 2)]
    assert len(bench.said) == 1


def fields(message):
    """Read the simple form of the journal's protocol."""
    return dict(line.split(b"=", 1) for line in message.splitlines())


@pytest.fixture
def journal(bench, listener):
    there, address = listener("unix")
    out = bench.use(JournalOutput(path=address.target, common=Common(fields={"site": "a\nb"})))
    return there, out


def test_the_journal_gets_fields(journal):
    """Those that journalctl knows, those of a record, and the whole record."""
    there, out = journal
    given = denied(path=b"/tmp/new\nline", pid=os.getpid())

    out.write(given)
    out.write(Lost(time_ns=WALL_NS, activity=3))
    out.flush()

    found, lost = fields(there.recv(1 << 20)), fields(there.recv(1 << 20))
    assert found[b"MESSAGE"] == rb"denied: file.write /tmp/new\nline by /usr/bin/tee"
    assert found[b"PRIORITY"] == b"4"
    assert found[b"SYSLOG_IDENTIFIER"] == b"enforcer"
    assert found[b"OBJECT_PID"] == str(os.getpid()).encode()
    assert found[b"ENFORCER_ACTION"] == b"deny"
    assert found[b"ENFORCER_ERRNO"] == b"EPERM"
    assert found[b"ENFORCER_OPERATION"] == b"file.write"
    assert found[b"ENFORCER_FIELD_SITE"] == rb"a\nb"
    assert json.loads(found[b"ENFORCER_RECORD"])["policy"] == "vault"
    assert json.loads(lost[b"ENFORCER_RECORD"])["activity"] == 3
    assert found[b"MESSAGE_ID"] != lost[b"MESSAGE_ID"]
    assert all(re.fullmatch(rb"[A-Z][A-Z0-9_]{0,63}", name) for name in (*found, *lost))


def test_a_large_record_goes_to_the_journal_in_sealed_memory(journal):
    """As the protocol has it for what no datagram takes."""
    there, out = journal
    given = record(name=b"\x01\0" * 30000, argc=30000)
    assert len(json_line(given)) > 212992

    out.write(given)
    out.flush()

    data, ancillary, *_ = there.recvmsg(1 << 20, socket.CMSG_SPACE(4))
    assert data == b""
    (_, _, raw), = ancillary  # fmt: skip
    fd = array.array("i", raw)[0]
    with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
        assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) == 0xF
        file.seek(0)
        found = fields(file.read())
    assert found[b"ENFORCER_RECORD"] + b"\n" == json_line(given, {"site": "a\nb"})
