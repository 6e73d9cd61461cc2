# SPDX-License-Identifier: MIT
"""Real rings, filled by a program of this kernel, through the daemon's pipeline into a log."""

import json
import os

import pytest
from fakes import DECODER, ENFORCED, PREVENTED, Nobody, enricher
from flood import Flood, FloodSession, model

from enforcer.events.types import Origin
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.spec import FileOutput

RING = 256 << 10
LOGGED = model(op=Op.READ, action=Verb.LOG, flags=ENFORCED, dev=1)
DENIED = model(op=Op.WRITE, action=Verb.DENY, flags=ENFORCED | PREVENTED, error=1, dev=1)


class Bench:
    """A flood, the pipeline that takes it, and what the engine would have counted as lost."""

    def __init__(self, data, path):
        self.flood = Flood.begin(data, ring_bytes=RING)
        self.flood.use(LOGGED, DENIED)
        self.session = FloodSession(ring=self.flood.ring())
        self.log = path / "log"
        log = FileOutput(path=self.log).open()
        origin = Origin("vault", "no-writes", "vault.yaml:9:3")
        self.pipeline = Pipeline(
            self.session, DECODER, enricher(origin), Fanout.to([log], print), Nobody()
        )
        self.made = {False: 0, True: 0}
        self.lost = {False: 0, True: 0}

    def write(self, count, *, strict=False):
        taken = self.flood.write(self.made[strict], count, models=(int(strict), 1), strict=strict)
        self.made[strict] += taken
        self.lost[strict] += count - taken

    def pump(self):
        """Turns of the loop until nothing waits: how many that are depends on the machine."""
        while self.pipeline.pump():
            pass

    @property
    def documents(self):
        return [json.loads(line) for line in self.log.read_bytes().splitlines()]

    def inodes(self, action):
        return [d["object"]["inode"] for d in self.documents if d.get("action") == action]

    def close(self):
        self.pipeline.fanout.close()
        self.session.ring.close()
        self.session.close()
        self.flood.loaded.close()


@pytest.fixture
def bench(bpf, compiled, tmp_path):
    made = Bench(compiled("flood"), tmp_path)
    yield made
    made.close()


@pytest.mark.kernel
def test_a_flood_of_activity_displaces_no_denial(bench):
    """The ring of activity overflows all the time; every denial arrives, in order."""
    for _ in range(20):
        bench.write(2000)
        for _ in range(5):
            bench.write(10, strict=True)
            bench.write(50)
        bench.pump()

    assert bench.lost[False] > 10_000
    assert bench.inodes("deny") == list(range(1, 1001))
    assert bench.inodes("log") == list(range(1, bench.made[False] + 1))
    assert bench.pipeline.stats.by_outcome == {"denied": 1000, "logged": bench.made[False]}


@pytest.mark.kernel
def test_what_was_lost_is_reported_by_kind(bench):
    """Of each ring, once, with the numbers of the kernel side."""
    bench.write(3000)
    bench.write(3000, strict=True)
    bench.session.counters |= {
        "LOST_DECISIONS": bench.lost[True],
        "LOST_ACTIVITY": bench.lost[False],
    }
    bench.pump()
    bench.pipeline.check_losses()
    bench.write(100)
    bench.pump()
    bench.pipeline.check_losses()

    told = [(d["decisions"], d["activity"]) for d in bench.documents if d["kind"] == "lost"]
    assert told == [(bench.lost[True], bench.lost[False])]
    assert min(told[0]) > 0
    assert len(bench.inodes("deny")) + bench.lost[True] == 3000
    assert len(bench.inodes("log")) + bench.lost[False] == 3100


@pytest.mark.kernel
def test_a_log_rotated_in_a_flood_has_every_line_once(bench, tmp_path):
    """By renaming and the signal that daemons are sent; no line is lost, torn or twice."""
    bench.write(200)
    for number in range(50):
        bench.log.rename(tmp_path / f"log.{number:02}")
        bench.pump()
        bench.write(20)
        bench.pipeline.fanout.reopen()
        bench.write(180)
    bench.pump()

    files = [*sorted(tmp_path.glob("log.*")), bench.log]
    lines = [line for file in files for line in file.read_bytes().splitlines()]
    found = [json.loads(line)["object"]["inode"] for line in lines]
    assert found == list(range(1, 200 * 51 + 1))


@pytest.mark.kernel
def test_a_disk_that_fills_up_in_a_flood_costs_counted_lines(bench, monkeypatch):
    """What the disk has no room for waits, then the oldest is dropped; the log says how much."""
    sink = bench.pipeline.fanout.outlets[0].sink
    sink.transport.backlog.limit = 64 << 10
    bench.pipeline.fanout.clock = iter(range(0, 1 << 20, 100)).__next__
    real, room = os.write, [100_000]

    def write(fd, data):
        if not room[0]:
            raise OSError(28, "No space left on device")
        done = real(fd, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr("enforcer.sinks.lines.os.write", write)
    for _ in range(10):
        bench.write(200)
        bench.pump()
    dropped = sink.dropped
    room[0] = 1 << 30
    bench.write(200)
    bench.pump()

    told = sum(d["dropped"] for d in bench.documents if d["kind"] == "lost")
    assert dropped > 500
    assert told == sink.dropped
    found = bench.inodes("log")
    assert found == sorted(set(found))
    assert len(found) + sink.dropped == 2200
