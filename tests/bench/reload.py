# SPDX-License-Identifier: MIT
"""
How long a saved policy file takes until it is active on this machine, and where the time goes.

    tests/bench/reload.py [--rules 10000] [--times 5] [--calls]
    tests/bench/reload.py --containers 60 [--policies policies] [--times 5]

The daemon's own watch sees the file, its own process reads and compiles, its own session fills the maps
and commits. Only the programs are missing, which most machines that build this refuse: nothing is
attached, so nothing decides by the maps; all else that a reload does is done, by the same code. What a
*successor* takes (a session with programs of its own, when the maps or programs have no room) is
measured by tests/soak/timing.py, where the kernel enforces. Root is needed.

With ``--containers``, no file is saved: so many containers are known, one more begins, and the policies are made
anew for it, as a hook of its runtime waits for.

With ``--calls``, strace lists the system calls of one swap.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import mmap
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
from compile import write
from rich.console import Console
from rich.table import Table

from enforcer.events.enrich import Origins
from enforcer.kernel import loader, programs
from enforcer.kernel import session as sessions_in_kernel
from enforcer.kernel.engine import Engine
from enforcer.kernel.image_map import ImageHead, ImageMap, PlainImage, ops_of
from enforcer.kernel.image_slots import Succession
from enforcer.kernel.links import LinkSet
from enforcer.kernel.maps import HitCounters
from enforcer.kernel.pin_store import PinStore
from enforcer.kernel.pins import PinDirectory
from enforcer.kernel.placement import Placement
from enforcer.kernel.repeats import Repeats
from enforcer.kernel.ringbuf import RingBuffer
from enforcer.kernel.session import Session
from enforcer.kernel.watched import Watched
from enforcer.libbpf import heap
from enforcer.own_memory import resident
from enforcer.policy.model.workloads import CONTAINER, POD, Workload
from enforcer.policy.store import Trust
from enforcer.runtime.policies import commit, compilation, enforcement
from enforcer.runtime.policies.compact import CompactCopy
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import Order, make_apart
from enforcer.runtime.policies.enforcement import Enforcement
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.policies.watch import PolicyWatch
from enforcer.runtime.reactor import Reactor
from enforcer.runtime.sessions.counts import Ledger
from enforcer.runtime.sessions.sessions import Sessions

_PAUSE: Final = 2.0  # seconds between two changes
_LIMIT: Final = 120.0  # seconds for one change
_MARK: Final = "/enforcer-bench-reload"  # a name that strace sees before and behind the swap
_FILE: Final = "000.yaml"
_SAID: Final = ("/srv/app0/f0.db", "/srv/app0/g0.db")
_MAKING: Final = {
    "read": (Sources, "load"),
    "trust": (Trust, "open"),
    "compile": (compilation, "compile_policies"),
    "dangers": (compilation, "lint"),
    "digests": (compilation, "digest_policies"),
    "rows": (compilation, "_origins"),
    "kept": (CompactCopy, "of"),
}
"""What the process that compiles does, by its part; trust is a part of reading."""

_COMMITTING: Final = {
    "states": (commit.Proposal, "states"),
    "pinned": (PinDirectory, "pin_state"),
    "filled": (ImageMap, "write"),
    "cleared": (HitCounters, "clear"),
    "swap": (ImageMap, "commit"),
}
_PARTS: Final = {
    "seen": "the file is seen, and has been quiet for half a second",
    "read": "read: text to typed policies",
    "trust": "  of it: open files, and see who may have written them",
    "compile": "compile: policies to an image",
    "dangers": "look for dangers, of which a reload warns",
    "digests": "digests of rules, to tell what has changed",
    "rows": "where rows are from, for records",
    "kept": "put away what the next change needs",
    "process": "begin and end that process, take its answer, compare",
    "states": "write down what a later daemon must know",
    "pinned": "keep that in the kernel",
    "filled": "fill the map of the image and read it back",
    "cleared": "clear counters",
    "swap": "the swap: one update of one entry",
    "commit": "the rest of the commit",
    "total": "from the save until it is active",
}
_PLACES: Final = (*_MAKING, *_COMMITTING)
_SECONDS: Final = struct.Struct(f"={len(_PLACES)}d")


@attrs.frozen
class Clocks:
    """Seconds by part, in memory that the process which compiles shares; *ends*: when the swap was done."""

    memory: mmap.mmap = attrs.field(factory=lambda: mmap.mmap(-1, mmap.PAGESIZE))
    ends: dict[str, float] = attrs.field(factory=dict)

    def read(self) -> dict[str, float]:
        """Return the seconds of each part."""
        return dict(zip(_PLACES, _SECONDS.unpack_from(self.memory), strict=True))

    def clear(self) -> None:
        """Begin anew."""
        _SECONDS.pack_into(self.memory, 0, *[0.0] * len(_PLACES))
        self.ends.clear()

    def wind(self) -> None:
        """From now on, measure whatever does a part, and when the process is asked and has answered."""
        for part, (owner, name) in {**_MAKING, **_COMMITTING}.items():
            self._wrap(part, owner, name)
        self._wrap("made", enforcement, "make_apart")

    def _wrap(self, part: str, owner: Any, name: str) -> None:
        plain = owner.__dict__[name]
        is_bound = isinstance(plain, classmethod)
        call = plain.__func__ if is_bound else plain

        @functools.wraps(call)
        def timed(*args: Any, **others: Any) -> Any:
            if part == "swap":
                os.access(_MARK, os.F_OK)
            begun = time.monotonic()
            try:
                return call(*args, **others)
            finally:
                self._add(part, begun, time.monotonic())
                if part == "swap":
                    os.access(_MARK, os.F_OK)

        setattr(owner, name, classmethod(timed) if is_bound else timed)

    def _add(self, part: str, begun: float, ended: float) -> None:
        self.ends[part], self.ends[f"{part} begun"] = ended, begun
        if part in _PLACES:
            found = self.read()
            found[part] += ended - begun
            _SECONDS.pack_into(self.memory, 0, *found.values())


def opened(image: PlainImage, pins: PinDirectory, state: bytes) -> Session:
    """Open a session as :meth:`Session.open` does, but for its programs."""
    head = ImageHead.of(image.data)
    specs = loader.present(programs.needed(ops_of([head])))
    sizes = loader.Sizes.with_room(image=head.size, rows=head.n_rows)
    undo = contextlib.ExitStack()
    undo.callback(pins.remove)
    with contextlib.closing(ImageMap.holding(image.data, sizes.image)) as model:
        engine = undo.enter_context(loader.open_object(loader.ENGINE))
        for program in engine.programs.values():
            program.set_autoload(enabled=False)
        loader.configure(engine, sizes)
        loader.load_with_image(engine, sizes.image, model=model.fd)
    # Labels are given by a program, too.
    sessions_in_kernel.label_all = lambda _: None  # type: ignore[assignment]
    maps = {name: entry.fd for name, entry in engine.maps.items()}
    ring = undo.enter_context(
        contextlib.closing(RingBuffer.open(maps["decisions"], maps["activity"]))
    )
    images = Succession.begin(maps, sizes.image, image, None, None)
    pins.keep((), ((n, fd) for n, fd in maps.items() if "." not in n), {head.generation: state})
    watched = Watched.of([head])
    kept = Engine(Placement.HOOKS, sizes, LinkSet(), engine, tuple(specs), watched)
    return Session(kept, images, ring, Repeats(-1), pins, None, undo)


@attrs.define
class Bench:
    """One daemon that sees a file change *times* times."""

    folder: Path
    times: int
    containers: int = 0
    clocks: Clocks = attrs.field(factory=Clocks)
    reactor: Reactor = attrs.field(factory=Reactor)
    found: list[dict[str, float]] = attrs.field(factory=list)
    saved: float = 0.0
    counts: bool = True
    said: list[str] = attrs.field(factory=list)
    _change: Callable[[], None] = attrs.field(
        default=attrs.Factory(lambda self: self._save, takes_self=True), init=False
    )

    def run(self, store: PinStore) -> tuple[int, int]:
        """Do it; returns the memory of the daemon and of the maps, in bytes."""
        sources = Sources((self.folder,), trust=Trust())
        watch = PolicyWatch(sources.paths)
        made = make_apart(Order(sources, Overlay(), generation=1))
        state = made.now.state(Ledger())
        session = opened(PlainImage(made.data), store.create(), state)
        with contextlib.closing(session):
            origins = Origins({made.now.generation: made.now.origins})
            sessions = Sessions(session, self.said.append, origins=origins)
            reload = Enforcement(sources, store, self.reactor, self.said.append, sessions, made.now)
            del made, state
            self.reactor.after(0, heap.trim)
            self.clocks.wind()
            reload.on_change = self._note
            if self.containers:
                self._change = lambda: self._begin_container(reload)
                self.counts = False  # the first one is a file that was read
                reload.containers.renew(containers(self.containers))
                self.counts = True
            else:
                reload.watch(watch)
            self.reactor.after(_PAUSE, self._change)
            self.reactor.run()
            return resident(), sum(session.map_bytes().values())

    def _save(self) -> None:
        """Let one rule say something else, as an editor does: beside, then in its place."""
        file = self.folder / _FILE
        beside = file.with_name(".saved")
        before, after = _SAID if len(self.found) % 2 == 0 else reversed(_SAID)
        beside.write_text(file.read_text().replace(before, after))
        self.clocks.clear()
        number = len(self.found)
        self.reactor.after(_LIMIT, lambda: self._expect(number))
        self.saved = time.monotonic()
        beside.replace(file)

    def _begin_container(self, reload: Enforcement) -> None:
        """Let one more be there than before."""
        self.clocks.clear()
        self.saved = time.monotonic()
        reload.containers.renew(containers(self.containers + 1 + len(self.found)))

    def _note(self) -> None:
        if not self.counts:
            return
        ends, parts = self.clocks.ends, self.clocks.read()
        making = sum(parts[name] for name in _MAKING if name != "trust")
        committing = sum(parts[name] for name in _COMMITTING)
        self.found.append(
            {
                **parts,
                "seen": ends["made begun"] - self.saved,
                "process": ends["made"] - ends["made begun"] - making,
                "commit": ends["swap"] - ends["made"] - committing,
                "total": ends["swap"] - self.saved,
            }
        )
        if len(self.found) < self.times:
            self.reactor.after(_PAUSE, self._change)
        else:
            self.reactor.after(_PAUSE, self.reactor.stop)

    def _expect(self, number: int) -> None:
        if len(self.found) == number:
            raise SystemExit("\n".join(["reload: the change is not active:", *self.said]))


def _come_first() -> None:
    """Others have the machine too: what they take of it is not to be measured."""
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    with contextlib.suppress(OSError):  # a kernel without groups by session, or the leader of one
        os.setsid()
        Path("/proc/self/autogroup").write_text("-20", encoding="ascii")


def containers(number: int) -> tuple[Workload, ...]:
    """So many containers of as many pods, as containerd and a kubelet have them."""
    return tuple(
        Workload(
            f"/kubepods.slice/kubepods-pod{n:032x}.slice/cri-containerd-{n:064x}.scope".encode(),
            {
                CONTAINER["id"].name: (b"%064x" % n,),
                CONTAINER["runtime"].name: (b"containerd",),
                CONTAINER["name"].name: (b"app",),
                CONTAINER["image"].name: (b"registry.example/app:1",),
                POD["name"].name: (b"app-%d" % n,),
                POD["namespace"].name: (b"shop",),
                POD["labels"].name: (b"app=web",),
            },
        )
        for n in range(number)
    )


def measure(rules: int, times: int, *, number: int = 0, policies: Path | None = None) -> None:
    """Measure one number of rules, or of containers under *policies*, and print a table."""
    heap.settle()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as undo:
        folder, mount = Path(name) / "policies", Path(name) / "bpf"
        folder.mkdir()
        mount.mkdir()
        if policies is None:
            write(folder, rules)
        for file in policies.glob("*.yaml") if policies is not None else ():
            shutil.copy(file, folder)
        undo.callback(subprocess.run, ["umount", mount], check=True)
        store = undo.enter_context(contextlib.closing(PinStore.open(mount / "enforcer")))
        bench = Bench(folder, times, number)
        resident, maps = bench.run(store)
    title = f"{number:,} containers, and one more" if number else f"{rules:,} rules"
    table = Table(title=f"{title}, {times} times")
    for column in ("part", "median", "longest"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for part, sentence in _PARTS.items():
        seconds = [one[part] for one in bench.found]
        table.add_row(sentence, *(f"{f(seconds):.4f} s" for f in (statistics.median, max)))
    Console().print(table)
    print(f"resident, with the rings: {resident / 1e6:.1f} MB; maps: {maps / 1e6:.1f} MB")


def system_calls(rules: int) -> None:
    """Print the system calls between the marks of one swap."""
    with tempfile.NamedTemporaryFile("r") as log:
        command = ["strace", "-f", "-o", log.name, sys.executable, __file__]
        subprocess.run([*command, "--rules", str(rules), "--times", "1"], check=True)
        _, swap, *_ = re.split(rf'(?m)^\d+ +access\("{_MARK}".*\n', log.read())
    print(f"system calls of a swap:\n{swap}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", default="", help="numbers of rules (10000)")
    parser.add_argument("--times", type=int, default=5, help="changes for each number (5)")
    parser.add_argument("--containers", type=int, help="so many are known, and one more begins")
    parser.add_argument(
        "--policies", type=Path, default=Path("policies"), help="with --containers (policies)"
    )
    parser.add_argument("--calls", action="store_true", help="only list the system calls of a swap")
    args = parser.parse_args()
    sizes = [int(n) for n in (args.rules or "10000").split(",")]
    if args.calls:
        system_calls(sizes[0])
        return
    _come_first()
    if args.containers:
        measure(0, args.times, number=args.containers, policies=args.policies)
        return
    for rules in sizes:
        # Each in a process of its own: nothing of the last one is in its memory.
        if (child := os.fork()) == 0:
            measure(rules, args.times)
            sys.stdout.flush()
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit(1)


if __name__ == "__main__":
    main()
