# SPDX-License-Identifier: MIT
"""
Disk full, collector killed, reader stopped, file rotated: nothing else stalls, losses are counted.

Real faults wherever this host permits them; the kernel's side of the pipeline is a fake that never waits.
"""

import json
import socket
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from fakes import DECODER, FakeSession, Nobody, enricher, raw_event

from enforcer.events.types import Origin
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.runtime.reactor import Reactor
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.address import read_address
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.journal import JournalOutput
from enforcer.sinks.rotation import Rotation
from enforcer.sinks.spec import Common, FileOutput
from enforcer.sinks.syslog import SyslogOutput

SMALL = Common(limit=64 << 10)
COLLECTOR = """\
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    while connection.recv(65536):
        print("got", flush=True)
"""


@attrs.define
class Bench:
    """A pipeline whose kernel reports what :meth:`happen` says, and its outputs by name."""

    session: FakeSession
    reactor: Reactor
    said: list[str] = attrs.field(factory=list)
    is_fast: bool = False
    number: int = 0
    pipeline: Pipeline | None = None

    def use(self, **specs):
        fanout = Fanout.to([s.open() for s in specs.values()], self.said.append, self.reactor)
        origin = Origin("vault", "no-writes", "vault.yaml:9:3")
        self.pipeline = Pipeline(self.session, DECODER, enricher(origin), fanout, Nobody())
        if self.pipeline._express is not None:
            self.pipeline._express.calm = 0
        return dict(zip(specs, fanout.outlets, strict=True))

    def happen(self, times):
        """Let records come, in batches as the rings give them."""
        for first in range(self.number, self.number + times, 100):
            self.session.happen(
                *(
                    raw_event(
                        op=Op.WRITE,
                        action=Verb.DENY,
                        path=b"/%d" % n,
                        pid=1 if self.is_fast else n + 1,
                    )
                    for n in range(first, min(first + 100, self.number + times))
                )
            )
        self.number += times

    def turn(self):
        """One round of the daemon's loop; nothing in it may wait."""
        self.pipeline.pump()
        self.reactor.turn(0)
        self.pipeline.check_losses()

    def has_moved(self, number):
        return self.pipeline.stats.records == number and not self.pipeline.is_behind

    def until(self, condition):
        while not condition():
            self.turn()


@pytest.fixture(params=["slow", "fast"])
def bench(request):
    """Records of a process each, which Python makes, or all of one, which the fast lane writes."""
    session = FakeSession()
    made = Bench(session, Reactor(), is_fast=request.param == "fast")
    yield made
    if made.pipeline is not None:
        made.pipeline.fanout.close()
    made.reactor.close()
    session.close()


@pytest.fixture
def collector():
    """A process that takes connections and reads."""
    process = subprocess.Popen([sys.executable, "-c", COLLECTOR], stdout=subprocess.PIPE, bufsize=0)
    yield process, read_address(f"tcp:127.0.0.1:{int(process.stdout.readline())}")
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def stopped(tmp_path):
    """A socket whose owner never reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "stopped"))
        yield made


def paths(lines):
    documents = [json.loads(line) for line in lines]
    return [d["object"]["path"] for d in documents if d["kind"] == "match"]


def test_healthy_outputs_get_everything_whatever_others_do(bench, tmp_path, collector, stopped):
    """A full disk, a killed collector, a reader that sleeps, an address where nobody ever was."""
    process, address = collector
    outlets = bench.use(
        full=FileOutput(path=Path("/dev/full"), common=SMALL),
        first=FileOutput(path=tmp_path / "first.json"),
        killed=SyslogOutput(address=address, common=SMALL),
        stopped=JournalOutput(path=str(tmp_path / "stopped"), common=SMALL),
        never=SyslogOutput(address=read_address(f"unix:{tmp_path}/never"), common=SMALL),
        logfmt=FileOutput(path=tmp_path / "last.log", form="logfmt"),
    )
    bench.happen(1000)
    bench.until(lambda: bench.has_moved(1000))
    process.stdout.readline()
    process.kill()
    process.wait()

    bench.happen(4000)
    bench.until(lambda: bench.has_moved(5000))
    bench.until(lambda: outlets["killed"].failures)

    wanted = [f"/{n}" for n in range(5000)]
    assert paths((tmp_path / "first.json").read_text().splitlines()) == wanted
    assert len((tmp_path / "last.log").read_text().splitlines()) == 5000
    assert outlets["first"].sink.dropped == outlets["logfmt"].sink.dropped == 0
    for name in ("full", "killed", "stopped", "never"):
        assert outlets[name].sink.dropped > 1000
        assert outlets[name].sink.transport.backlog.held <= SMALL.limit
        assert outlets[name].is_failing
        assert any(outlets[name].sink.name in said for said in bench.said)
    assert len(bench.said) < 20


def test_a_reader_that_slept_is_told_how_much_it_missed(bench, tmp_path, stopped):
    """What it got and what it missed are all there were."""
    outlets = bench.use(
        stopped=SyslogOutput(address=read_address(f"unix:{tmp_path}/stopped"), common=SMALL)
    )
    bench.happen(3000)
    bench.until(lambda: bench.has_moved(3000))
    assert outlets["stopped"].is_slow
    assert outlets["stopped"].failures == 0

    stopped.setblocking(False)
    got = []
    while not got or got[-1]["kind"] != "lost":
        try:
            got.append(json.loads(stopped.recv(1 << 20).partition(b" - ")[2]))
        except BlockingIOError:
            bench.turn()

    assert got[-1]["dropped"] == outlets["stopped"].sink.dropped
    assert len(got) - 1 + got[-1]["dropped"] == 3000
    assert [d["object"]["path"] for d in got[:-1]][-1] == "/2999"


def test_a_slow_reader_costs_no_turns(bench, tmp_path, stopped):
    """The loop sleeps until its descriptor is ready, instead of asking again and again."""
    outlets = bench.use(
        stopped=SyslogOutput(address=read_address(f"unix:{tmp_path}/stopped"), common=SMALL)
    )
    bench.happen(1000)
    bench.until(lambda: outlets["stopped"].is_slow)

    assert outlets["stopped"].waits_on is not None
    assert bench.pipeline.fanout.next_due() is None


@pytest.fixture
def tiny(tmp_path):
    """A disk of 128 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tiny", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_was_full_has_whole_lines_only(bench, tiny):
    """When there is room again, writing goes on, and the log tells what is missing."""
    ballast = tiny / "ballast"
    ballast.write_bytes(b"x" * (100 << 10))
    outlets = bench.use(log=FileOutput(path=tiny / "log", common=SMALL))
    bench.happen(300)
    bench.until(lambda: outlets["log"].failures > 1)
    bench.until(lambda: bench.has_moved(300))
    dropped = outlets["log"].sink.dropped
    assert dropped > 0

    ballast.unlink()
    bench.until(lambda: not outlets["log"].is_failing)

    documents = [json.loads(line) for line in (tiny / "log").read_bytes().splitlines()]
    assert len([d for d in documents if d["kind"] == "match"]) + dropped == 300
    assert [d["dropped"] for d in documents if d["kind"] == "lost"] == [dropped]


def test_a_file_rotated_under_load_loses_nothing(bench, tmp_path):
    """By size, while another output is dead."""
    outlets = bench.use(
        never=SyslogOutput(address=read_address(f"unix:{tmp_path}/never"), common=SMALL),
        log=FileOutput(path=tmp_path / "log", rotation=Rotation(64 << 10, 100)),
    )
    bench.happen(2000)
    bench.until(lambda: bench.has_moved(2000))

    files = sorted(tmp_path.glob("log*"), key=lambda p: -int(p.suffix[1:] or 0))
    assert len(files) > 10
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert paths(lines) == [f"/{n}" for n in range(2000)]
    assert outlets["log"].sink.dropped == 0
