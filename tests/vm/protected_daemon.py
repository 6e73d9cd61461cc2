# SPDX-License-Identifier: MIT
"""
A daemon for the tests of self-protection: one session, its pins, and the guard if it is asked for.

Run with the policy, the file for records, the directory for pins and ``protect`` or ``plain``. Prints
one line when everything is in force, obeys SIGTERM, and answers SIGHUP by doing nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

import attrs

from enforcer.events.decode import Decoder, Layout
from enforcer.events.document import as_document
from enforcer.events.enrich import Enricher, Origins
from enforcer.identity.resolver import Resolver
from enforcer.kernel import guard, loader, programs
from enforcer.kernel.image_map import ImageHead, ImageMap
from enforcer.kernel.labels import label_tasks
from enforcer.kernel.maps import StatCounters
from enforcer.kernel.programs import Role
from enforcer.kernel.ringbuf import RingBuffer
from enforcer.libbpf import abi, calls
from enforcer.libbpf.handles import BpfObject, Link
from enforcer.runtime.prepare import prepare

_PINNED = ("images", "hits", "stats", "decisions")


@attrs.define
class Session:
    """What is in force, held for as long as the process lives."""

    engine: BpfObject
    image: ImageMap
    links: dict[str, Link]
    guard: guard.Guard

    @classmethod
    def open(cls, policy: Path, pins: Path, *, protect: bool) -> Session:
        """Put *policy* in force, pin it, and protect it last of all."""
        prepared = prepare([policy])
        head = ImageHead.of(prepared.data)
        specs = loader.present(programs.needed(head.ops)) + (guard.programs() if protect else ())
        sizes = loader.Sizes(-(-head.size // 65536) * 65536, head.n_rows)
        image = ImageMap.create(sizes.image)
        image.write(prepared.data)
        engine = loader.open_object(loader.ENGINE)
        if protect:
            guard.prepare(engine)
        loader.load(engine, specs, sizes, model=image.fd)
        it = cls(engine, image, {}, guard.Guard.of(engine))
        it._attach(s.name for s in specs if s.role is Role.IDENTITY)
        image.commit(engine.maps["images"].fd)
        with contextlib.closing(engine.programs[programs.LABEL_TASKS].attach()) as iterator:
            label_tasks(iterator)
        it._attach(s.name for s in specs if s.role is not Role.IDENTITY)
        if protect:
            it.links[programs.GUARD_EXIT] = it.guard.attach_exit()
            it.guard.register_session(link.fd for link in it.links.values())
        it._pin(pins / "1")
        if protect:
            it.guard.arm(pins, own_cgroup=guard.lives_alone())
        return it

    def _attach(self, names: Any) -> None:
        for name in names:
            self.links[name] = self.engine.programs[name].attach()

    def _pin(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, link in self.links.items():
            calls.pin(link.fd, os.fsencode(directory / f"link-{name}"))
        for name in _PINNED:
            calls.pin(self.engine.maps[name].fd, os.fsencode(directory / f"map-{name}"))

    def facts(self) -> dict[str, Any]:
        """What an attacker would have to find out."""
        return {
            "pid": os.getpid(),
            "blind": self.guard.blind,
            "image": guard.identity(self.image.fd, "map_id"),
            "maps": {n: guard.identity(m.fd, "map_id") for n, m in self.engine.maps.items()},
            "links": {n: guard.identity(k.fd, "link_id") for n, k in self.links.items()},
            "programs": {
                name: guard.identity(program.fd, "prog_id")
                for name, program in self.engine.programs.items()
                if program.fd >= 0
            },
        }

    def serve(self, log: Path) -> None:
        """Write records until SIGTERM, and then what was counted."""
        maps = self.engine.maps
        ring = RingBuffer.open(maps["decisions"].fd, maps["activity"].fd)
        decoder = Decoder(Layout(*abi.decoder("enf_event")))
        enricher = Enricher(Origins(), Resolver())
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        print(json.dumps(self.facts()), flush=True)
        with log.open("a", buffering=1, encoding="utf-8") as sink:
            ended = False
            while not ended:
                ready, _, _ = select.select([ring, awake], [], [])
                ended = awake in ready and signal.SIGTERM in os.read(awake, 64)
                while batch := ring.drain():
                    for raw in batch:
                        document = as_document(enricher.enrich(decoder.decode(raw)))
                        sink.write(json.dumps(document) + "\n")
            counted = StatCounters(maps["stats"].fd).read()
            sink.write(json.dumps({"kind": "stats", **counted}) + "\n")


def main(policy: str, log: str, pins: str, mode: str) -> None:
    """Enforce until SIGTERM, and leave everything as a daemon that was killed would."""
    Session.open(Path(policy), Path(pins), protect=mode == "protect").serve(Path(log))
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
