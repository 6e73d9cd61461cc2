# SPDX-License-Identifier: MIT
"""Stand-ins for the kernel and for what it reports, shared by the unit tests."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import header

from enforcer.events.decode import Decoder, Layout
from enforcer.events.enrich import Enricher, Origins, WallClock
from enforcer.events.types import Event, Lost, MatchBits, Origin, Record
from enforcer.identity.actor import Actor
from enforcer.identity.lineage import Ancestry
from enforcer.identity.process import Processes
from enforcer.identity.resolver import Identity
from enforcer.libbpf import abi
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb

if TYPE_CHECKING:
    from enforcer.errors import KernelError

WALL_NS = 1_764_017_281_123_456_789  # 2025-11-24T20:48:01.123456789Z

LAYOUT = Layout(*abi.decoder("enf_event"))
DECODER = Decoder(LAYOUT)

ENFORCED = header.constant("ENF_EF_ENFORCED")
PREVENTED = header.constant("ENF_EF_PREVENTED")

BASH = Origin(
    policy="detect-bash-exec",
    rule="rule-1",
    place="detect-bash-exec.yaml:7:5",
    message="Suspicious {path} execution detected in pod {pod_name} (namespace {pod_namespace})",
)


def raw_event(
    *, path: bytes = b"", exe: bytes = b"", name: bytes = b"", argc: int = 0, **values: Any
) -> bytes:
    """Make the bytes of one event as the kernel side would; *values* go into the head."""
    head = dict.fromkeys(LAYOUT.names, 0)
    head |= {
        "size": LAYOUT.head.size + len(path) + len(exe) + len(name),
        "kind": header.constant("ENF_EVENT_VERDICT"),
        "op": Op.EXEC,
        "action": Verb.ALLOW,
        "flags": ENFORCED,
        "time_ns": 1_000,
        "pid": 12345,
        "tid": 12345,
        "ppid": 6789,
        "comm": b"sh",
        "parent_comm": b"kubectl",
        "fstype": b"",
        "path_len": len(path),
        "exe_len": len(exe),
        "name_len": len(name),
        "argc": argc,
    }
    head |= {f"ops[{i}]": header.constant("ENF_NO_OP") for i in range(4)}
    head |= values
    if "ops[0]" not in values:
        head["ops[0]"] = head["op"]
    return LAYOUT.head.pack(*head.values()) + path + exe + name


def match(row: int, op: Op, action: Verb, *, is_enforced: bool = True, bits: int = 0) -> int:
    """Tell a match as the kernel side does."""
    told = row | op << MatchBits.OP_AT | action << MatchBits.ACTION_AT | bits
    return told if is_enforced else told | MatchBits.AUDIT


def event(**values: Any) -> Event:
    """Make an event by way of its bytes."""
    return DECODER.decode(raw_event(**values))


@attrs.define
class FakeResolver:
    """Knows one identity for everybody."""

    identity: Identity = attrs.field(factory=Identity)
    processes: Processes = attrs.field(factory=Processes)

    def identify(self, **_: Any) -> Identity:
        return self.identity


def enricher(*origins: Origin, identity: Identity | None = None) -> Enricher:
    """Make an enricher whose clock stands still at WALL_NS = boot + 1000."""
    clock = WallClock(wall_ns=lambda: WALL_NS, boot_ns=lambda: 1_000)
    return Enricher(Origins({0: origins or (BASH,)}), FakeResolver(identity or Identity()), clock)


def record(*, origin: Origin = BASH, identity: Identity | None = None, **values: Any) -> Record:
    """Make a record by way of bytes, event and enricher."""
    return enricher(origin, identity=identity).enrich(event(**values))


def denied(**values: Any) -> Record:
    """Make a record of a write that was denied."""
    return record(
        **{
            "origin": Origin("vault", "no-writes", "vault.yaml:9:3"),
            "op": Op.WRITE,
            "action": Verb.DENY,
            "flags": ENFORCED | PREVENTED,
            "error": errno.EPERM,
            "path": b"/srv/vault/secret",
            "exe": b"/usr/bin/tee",
            "comm": b"tee",
            **values,
        },
    )


def parent(**values: Any) -> Ancestry:
    """Make the ancestry of a process whose parent is all that is known."""
    return Ancestry((Actor(**{"pid": 6789, "name": "kubectl", **values}),))


def actor(name: str = "sh", pid: int = 12345) -> Actor:
    return Actor(pid=pid, name=name)


@attrs.define
class Nobody:
    """No followers; keeps count of what it was told."""

    is_following: bool = False
    observed: int = 0
    published: list[Record | Lost] = attrs.field(factory=list)

    def observe(self, item: Record | Lost) -> None:
        self.observed += isinstance(item, Record)

    def count(self, item: Record, number: int) -> None:
        del item
        self.observed += number

    def publish(self, item: Record | Lost) -> None:
        if self.is_following:
            self.published.append(item)


@attrs.define
class FakeSink:
    """Keeps records; fails to hand over while *error* is set."""

    name: str = "fake"
    error: OSError | None = None
    dropped: int = 0
    held: int = 1
    records: list[Record | Lost] = attrs.field(factory=list)
    flushes: int = 0
    reopens: int = 0
    is_closed: bool = False

    def write(self, item: Record | Lost) -> None:
        self.records.append(item)

    def miss(self, number: int) -> None:
        self.dropped += number

    def flush(self) -> None:
        self.flushes += 1
        if self.error is not None:
            raise self.error

    def reopen(self) -> None:
        self.reopens += 1
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.is_closed = True


@attrs.frozen
class FakeHits:
    enforced: int = 0
    audited: int = 0


@attrs.define
class FakeSession:
    """A kernel session whose records come from :meth:`happen`."""

    counters: dict[str, int] = attrs.field(factory=lambda: {"DECISIONS": 0})
    counted: tuple[FakeHits, ...] = (FakeHits(enforced=2), FakeHits(audited=3))
    generation: int = 1
    operations: dict[str, tuple[str, ...]] = attrs.field(
        factory=lambda: {"EXEC": ("enf_exec",), "WRITE": ("enf_file_open", "enf_path_rename")}
    )
    missing: tuple[str, ...] = ()
    enforces_at: str = "LSM hooks"
    is_closed: bool = False
    is_left: bool = False
    is_ended: bool = False
    is_kept: bool = True
    pinned_at: Path | None = None
    stays: str = ""
    has_backlog: bool = False
    heartbeats: int = 0
    error: KernelError | None = None
    _batches: list[list[bytes]] = attrs.field(factory=list)
    _pipe: tuple[int, int] = attrs.field(factory=os.pipe)

    def happen(self, *raw: bytes) -> None:
        """Let one batch of records wait."""
        self._batches.append(list(raw))
        os.write(self._pipe[1], b"!")

    def heartbeat(self, *, lost_decisions: int, lost_activity: int) -> None:
        del lost_decisions, lost_activity
        self.heartbeats += 1

    def leave(self) -> None:
        self.is_left = True

    def end(self) -> str:
        self.is_ended = True
        return self.stays

    def fileno(self) -> int:
        return self._pipe[0]

    def drain(self) -> list[bytes]:
        if self.error is not None:
            raise self.error
        if not self._batches:
            return []
        os.read(self._pipe[0], 1)
        return self._batches.pop(0)

    def hits(self) -> tuple[FakeHits, ...]:
        if self.error is not None:
            raise self.error
        return self.counted

    def stats(self) -> dict[str, int]:
        return dict(self.counters)

    def map_bytes(self) -> dict[str, int]:
        return {"images": 4096, "image": 65536}

    def ring_use(self) -> dict[str, tuple[int, int]]:
        return {"decisions": (512, 1 << 20), "activity": (0, 1 << 18)}

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            os.close(self._pipe[0])
            os.close(self._pipe[1])
