# SPDX-License-Identifier: MIT
"""
A daemon for the tests of self-protection: one session, its pins, and the guard if it is asked for.

Run with the policy, the file for records, the directory for pins and ``protect`` or ``plain``. Prints
one line when everything is in force, obeys SIGTERM, and answers ``SIGHUP`` by doing nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
from pathlib import Path

import attrs

from enforcer.events.document import as_document
from enforcer.identity.resolver import Resolver
from enforcer.kernel import guard, loader, programs
from enforcer.kernel.image_map import ImageHead, ImageMap
from enforcer.kernel.labels import label_tasks
from enforcer.kernel.maps import StatCounters
from enforcer.kernel.ringbuf import RingBuffer
from enforcer.libbpf import abi
from enforcer.libbpf._ffi import lib
from enforcer.libbpf.handles import Link
from enforcer.events.decode import Decoder, Layout
from enforcer.events.enrich import Enricher
from enforcer.runtime.prepare import prepare

_SYS_BPF = 321  # x86_64
_BPF_OBJ_PIN = 6


class _Pin(ctypes.Structure):
    _fields_ = (("path", ctypes.c_char_p), ("fd", ctypes.c_uint32), ("flags", ctypes.c_uint32))


def pin(fd: int, path: Path) -> None:
    """Give a BPF object a name."""
    libc = ctypes.CDLL(None, use_errno=True)
    attr = _Pin(os.fsencode(path), fd, 0)
    if libc.syscall(_SYS_BPF, _BPF_OBJ_PIN, ctypes.byref(attr), ctypes.sizeof(attr)) < 0:
        raise OSError(ctypes.get_errno(), f"pin {path}")


def link_fd(link: Link) -> int:
    """The descriptor of a link."""
    return int(lib.bpf_link__fd(link._pointer))


def main(policy: str, log: str, pins: str, mode: str) -> None:
    """Enforce until SIGTERM."""
    prepared = prepare([Path(policy)])
    head = ImageHead.of(prepared.data)
    protect = mode == "protect"
    specs = loader.present(programs.needed(head.ops))
    extra = guard.programs() if protect else ()
    undo = contextlib.ExitStack()
    capacity = -(-head.size // 65536) * 65536
    idle = ImageMap.create(capacity)
    engine = undo.enter_context(loader.open_object(loader.ENGINE))
    if protect:
        guard.prepare(engine)
    loader.load(engine, (*specs, *extra), loader.Sizes(capacity, head.n_rows), model=idle.fd)
    idle.write(prepared.data)
    ring = RingBuffer.open(engine.maps["decisions"].fd, engine.maps["activity"].fd)
    links: dict[str, Link] = {}
    for spec in specs:
        if spec.role is programs.Role.IDENTITY:
            links[spec.name] = engine.programs[spec.name].attach()
    idle.commit(engine.maps["images"].fd)
    with contextlib.closing(engine.programs[programs.LABEL_TASKS].attach()) as iterator:
        label_tasks(iterator)
    for spec in (*specs, *extra):
        if spec.role is not programs.Role.IDENTITY:
            links[spec.name] = engine.programs[spec.name].attach()
    base = Path(pins)
    session = base / "1"
    session.mkdir(parents=True, exist_ok=True)
    state = guard.Guard.of(engine)
    if protect:
        links[programs.GUARD_EXIT] = state.attach_exit()
        state.register_session(link_fd(link) for link in links.values())
        state.register(guard.Kind.MAP, guard.identity(idle.fd, "map_id"))
    for name, link in links.items():
        pin(link_fd(link), session / f"link-{name}")
    for name in ("images", "hits", "stats", "decisions"):
        pin(engine.maps[name].fd, session / f"map-{name}")
    if protect:
        state.arm(base, own_cgroup=guard.lives_alone())
    serve(engine, ring, log, links, state, idle.fd)


def serve(engine, ring, log, links, state, image_fd) -> None:
    """Write records until SIGTERM."""
    decoder = Decoder(Layout(*abi.decoder("enf_event")))
    enricher = Enricher([], Resolver())
    stop = signal.signal(signal.SIGHUP, lambda *_: None)
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGTERM, lambda *_: None)
    facts = {
        "pid": os.getpid(),
        "maps": {n: guard.identity(m.fd, "map_id") for n, m in engine.maps.items()},
        "image": guard.identity(image_fd, "map_id"),
        "links": {n: guard.identity(link_fd(l), "link_id") for n, l in links.items()},
        "programs": {
            n: guard.identity(p.fd, "prog_id") for n, p in engine.programs.items() if p.fd >= 0
        },
        "blind": state.blind,
        "stats": engine.maps["stats"].fd,
    }
    print(json.dumps(facts), flush=True)
    with open(log, "a", buffering=1, encoding="utf-8") as sink:
        while True:
            ready, _, _ = select.select([ring, awake], [], [])
            while batch := ring.drain():
                for raw in batch:
                    sink.write(json.dumps(as_document(enricher.enrich(decoder.decode(raw)))) + "\n")
            if awake in ready and signal.SIGTERM in os.read(awake, 64):
                break
        sink.write(json.dumps({"kind": "stats", **StatCounters(engine.maps["stats"].fd).read()}) + "\n")
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
