# SPDX-License-Identifier: MIT
"""
A daemon for the tests of self-protection: one session, its pins, and the guard if it is asked for.

Run with the policy, the file for records, the directory for pins and ``protect`` or ``plain``. Prints
one line when everything is active, obeys SIGTERM, and answers SIGHUP by one more line: what came of work
in a process with limits, as that of a reload, and in one that this process forks.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import select
import signal
import sys
from pathlib import Path
from typing import Any

import attrs
import ledger

from enforcer.events.decode import Decoder, Layout
from enforcer.events.document import as_document
from enforcer.events.enrich import Enricher, Origins
from enforcer.identity.resolver import Resolver
from enforcer.kernel import guard
from enforcer.kernel.pin_store import PinStore
from enforcer.kernel.session import Session
from enforcer.kernel.verifier import Verifier
from enforcer.libbpf import abi, calls
from enforcer.policy.store import load_policies
from enforcer.runtime.policies.compilation import prepare
from enforcer.runtime.policies.work_process import Limits, apart
from enforcer.runtime.protection.key import stored_of

MAPPED = "/srv/protected-layers/overlay/mapped"
"""A file that it maps, if it is there."""

OOM_SCORE = "-500"
"""Its value in /proc/PID/oom_score_adj."""

KEY = bytes(range(32))
"""The key to it, that a passphrase would be made into."""


@attrs.define
class Protected:
    """What is active, held for as long as the process lives."""

    session: Session
    store: PinStore
    image: int
    child: int
    """Has all of its descriptors, and outlives it."""

    @classmethod
    def open(cls, policy: Path, pins: Path, *, protect: bool) -> Protected:
        """Activate *policy*, pinned, and protected if asked for."""
        prepared = prepare(load_policies([policy]))
        store = PinStore.open(pins)
        states = {prepared.image.generation: b"{}"}
        verifier = Verifier(bytes(16), stored_of(KEY)) if protect else None
        session = Session.open(
            prepared, pins=store.create(), states=states, protect=protect, verifier=verifier
        )
        image = int.from_bytes(
            calls.lookup(session._engine.first.maps["images"].fd, 0, 4), "little"
        )
        child = os.fork()
        while not child:
            signal.pause()
        return cls(session, store, image, child)

    def facts(self) -> dict[str, Any]:
        """What an attacker would have to find out."""
        engine = self.session._engine
        return {
            "pid": os.getpid(),
            "blind": self.session.is_blind,
            "image": self.image,
            "child": self.child,
            "maps": {n: guard.identity(m.fd, "map_id") for n, m in engine.first.maps.items()},
            "links": {n: guard.identity(fd, "link_id") for n, fd in engine.links.each()},
            "pins": sorted(p.name for p in self.session.pinned_at.iterdir()),
            "programs": {
                program.name: guard.identity(program.fd, "prog_id")
                for program in engine.programs
                if program.fd >= 0
            },
        }

    def serve(self, log: Path) -> None:
        """Write records until SIGTERM, and then what was counted."""
        session = self.session
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
                ready, _, _ = select.select([session, awake], [], [])
                signals = os.read(awake, 64) if awake in ready else b""
                ended = signal.SIGTERM in signals
                if signal.SIGHUP in signals:
                    print(json.dumps(work(2)), flush=True)
                while batch := session.drain():
                    for raw in batch:
                        document = as_document(enricher.enrich(decoder.decode(raw)))
                        sink.write(json.dumps(document) + "\n")
            counted = session.stats()
            sink.write(json.dumps({"kind": "stats", **counted}) + "\n")


def work(depth: int) -> list[dict[str, Any]]:
    """Return what *depth* processes, each forked by the one before, have of limits, and whether they were told so."""
    told: list[str] = []

    def found() -> list[dict[str, Any]]:
        own = {
            "seconds": resource.getrlimit(resource.RLIMIT_CPU)[0],
            "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
            "oom": int(Path("/proc/self/oom_score_adj").read_text()),
        }
        return [own, *(work(depth - 1) if depth > 1 else [])]

    own, *others = apart(found, lambda: None, Limits(100 * depth, 1 << 30), told.append)
    return [{**own, "told": told}, *others]


kept: list[mmap.mmap] = []


def main(policy: str, log: str, pins: str, mode: str) -> None:
    """Enforce until SIGTERM, and leave everything as a daemon that was killed would."""
    if Path(MAPPED).exists():
        with Path(MAPPED).open("rb") as file:
            kept.append(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE))
    Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    Protected.open(Path(policy), Path(pins), protect=mode == "protect").serve(Path(log))
    os._exit(0)


if __name__ == "__main__":
    ledger.keep()
    main(*sys.argv[1:])
