# SPDX-License-Identifier: MIT
"""
How many records one core takes into a log of JSON lines, and what that needs.

    tests/bench/records.py [--seconds 3] [--rate 150000] [--shapes 16] [--folder /tmp]

A program in this machine's kernel fills ring buffers of the engine's kind and size from another core;
the daemon's own loop, bound to one core, reads them. Nothing is faked on that way but who decided.
Three runs: at a given rate, as fast as the log is written, and that without the fast lane. Every line
is looked for afterwards. Root is needed, and two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
sys.path.insert(2, str(Path(__file__).resolve().parents[2]))

from fakes import DECODER, ENFORCED, PREVENTED
from flood import Flood, FloodSession, model, started_ns

import build
from enforcer.events.enrich import Enricher, Origins
from enforcer.events.types import Origin
from enforcer.identity.resolver import Resolver
from enforcer.kernel import loader
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.runtime.daemon import Daemon
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.rotation import Rotation
from enforcer.sinks.spec import Common, FileOutput

ROOT: Final = Path(__file__).resolve().parents[2]
_OPS: Final = (Op.READ, Op.WRITE, Op.CREATE, Op.UNLINK)
_STEP: Final = 0.001  # seconds between bursts at a given rate
_LOOKED_THROUGH: Final = 20.0  # seconds of which every line is looked for afterwards
_BURST: Final = 256
_INODE: Final = re.compile(rb'"inode":(\d+)')
_ORIGIN: Final = "{process} touched {path}"


def models(shapes: int, pid: int) -> list[bytes]:
    """Make what the process *pid* is said to do."""
    exe = os.fsencode(Path(f"/proc/{pid}/exe").readlink())
    parent = os.getppid()
    common = {
        "pid": pid,
        "tid": pid,
        "start_ns": started_ns(pid),
        "exec_ns": 1,
        "ppid": parent,
        "parent_start_ns": started_ns(parent),
        "exe": exe,
        "comm": b"flood",
        "parent_comm": b"bench",
        "flags": ENFORCED,
        "action": Verb.LOG,
        "dev": 0x800001,
    }
    made = [model(**common, op=_OPS[n % 4], row=n // 4) for n in range(shapes)]
    strict = {**common, "action": Verb.DENY, "flags": ENFORCED | PREVENTED, "error": 1}
    return [*made, model(**strict, op=Op.WRITE, row=0)]


def object_bytes() -> bytes:
    """Compile the program."""
    product = build.WORK / "tests" / "flood.bpf.o"
    with build.work_folder():
        build.build_object(product, [ROOT / "tests" / "bpf" / "flood.bpf.c"])
    return product.read_bytes()


def produce(flood: Flood, shapes: int, seconds: float, rate: float) -> tuple[int, int]:
    """Write records, at *rate* or as fast as they are taken; returns how many, and how many found no room."""
    os.sched_setaffinity(0, {1})
    begun = time.monotonic()
    made = lost = 0
    while (now := time.monotonic()) < begun + seconds:
        wanted = int((now - begun) * rate) - made if rate else _BURST
        if wanted > 0:
            taken = flood.write(made, wanted, models=(0, shapes))
            # As in the engine, what finds no room at a given rate is lost.
            lost += wanted - taken if rate else 0
            made += wanted if rate else taken
            if rate or taken == wanted:
                continue
        time.sleep(_STEP if rate else _STEP / 4)
    return made, lost


def _come_first() -> None:
    """Others have the machine too: what they take of it is not to be measured."""
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    with contextlib.suppress(OSError):  # a kernel without groups by session
        os.setsid()
        Path("/proc/self/autogroup").write_text("-20", encoding="ascii")


def measure(lane: str, seconds: float, rate: float, shapes: int, folder: str) -> dict[str, Any]:
    """Run one daemon against one flood."""
    with loader.open_object(loader.ENGINE) as engine:
        ring_bytes = engine.maps["activity"].max_entries
    _come_first()
    flood = Flood.begin(object_bytes(), ring_bytes=ring_bytes)
    here, there = os.pipe()
    if not os.fork():
        # Its parent ends, so that above it is only the first process, wherever this is run.
        if os.fork():
            os._exit(0)
        time.sleep(0.5)
        flood.use(*models(shapes, os.getpid()))
        os.write(there, json.dumps(produce(flood, shapes, seconds, rate)).encode())
        os._exit(0)
    os.sched_setaffinity(0, {0})
    log = Path(tempfile.mkdtemp(dir=folder)) / "log"
    # An output that hides something is not for the fast lane.
    common = Common() if lane == "fast" else Common(redact=("--never *",))
    session = FloodSession(ring=flood.ring())
    daemon = Daemon(session)
    origins = [Origin("watch", f"rule-{n}", f"watch.yaml:{n}:3", _ORIGIN) for n in range(shapes)]
    # Minutes of a flood are more than the machine has memory for: then only the newest part is kept.
    rotation = Rotation(256 << 20, keep=1) if seconds > _LOOKED_THROUGH else None
    output = FileOutput(path=log, common=common, rotation=rotation).open()
    fanout = Fanout.to([output], print, daemon.reactor)
    enricher = Enricher(Origins({0: origins}), Resolver())
    pipeline = Pipeline(session, DECODER, enricher, fanout, daemon)
    daemon.listen(log.with_name("socket"))
    said: list[int] = []

    def ended(_: int) -> None:
        said.extend(json.loads(os.read(here, 100)))
        daemon.reactor.forget(here)
        emptied()

    def emptied() -> None:
        if flood.waiting():
            daemon.reactor.after(0.05, emptied)
        else:
            daemon.stop()

    daemon.reactor.watch(here, selectors.EVENT_READ, ended)
    before = time.process_time()
    ending = daemon.run(pipeline, ready=lambda: None)
    spent = time.process_time() - before
    made, lost = said
    taken = pipeline.stats.records
    result = {
        "made": made,
        "lost": lost + fanout.outlets[0].sink.dropped,
        "perSecond": round(made / seconds),
        "perCpuSecond": round(taken / spent),
        "busy": round(100 * spent / ending.seconds),
        "residentMiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "taken": taken,
        **(look_through(log, made - lost) if rotation is None else {}),
    }
    shutil.rmtree(log.parent)
    return result


def look_through(log: Path, wanted: int) -> dict[str, Any]:
    """Find every record in the log, once and in order."""
    last = count = 0
    ordered = True
    with log.open("rb") as lines:
        for line in lines:
            found = _INODE.search(line)
            if found is not None:
                number = int(found[1])
                ordered = ordered and number > last
                last, count = number, count + 1
    return {
        "lines": count,
        "missing": wanted - count,
        "ordered": ordered,
        "bytesPerLine": round(log.stat().st_size / max(1, count)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=150_000.0)
    parser.add_argument("--shapes", type=int, default=16)
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--one", choices=("fast", "slow"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args.seconds, args.rate, args.shapes, args.folder)))
        return
    for title, lane, rate in (
        (f"at {args.rate:,.0f} a second", "fast", args.rate),
        ("as fast as they are written", "fast", 0.0),
        ("without the fast lane", "slow", 0.0),
    ):
        command = [sys.executable, __file__, "--one", lane, "--rate", str(rate)]
        command += ["--seconds", str(args.seconds), "--shapes", str(args.shapes)]
        done = subprocess.run(
            [*command, "--folder", args.folder], check=True, stdout=subprocess.PIPE
        )
        print(f"{title}: {json.dumps(json.loads(done.stdout))}", flush=True)


if __name__ == "__main__":
    main()
