# SPDX-License-Identifier: MIT
"""What ``status`` says: the daemon's state as one JSON object."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.runtime.pipeline import Pipeline
    from enforcer.runtime.ports import Hits, KernelSession

__all__ = ["PolicyFacts", "resident_bytes", "status"]


@attrs.frozen
class PolicyFacts:
    """One policy in force and the rows of the image that belong to it."""

    name: str
    mode: str
    file: str
    rules: int
    rows: tuple[int, ...]


def status(
    session: KernelSession, pipeline: Pipeline, policies: Sequence[PolicyFacts], uptime: float
) -> dict[str, Any]:
    """Describe what is in force and what it did."""
    hits = session.hits()
    counted = session.stats()
    map_bytes = session.map_bytes()
    return {
        "pid": os.getpid(),
        "uptimeSeconds": round(uptime, 1),
        "generation": session.generation,
        "programs": len({p for programs in session.operations.values() for p in programs}),
        "missing": list(session.missing),
        "policies": [_policy(policy, hits) for policy in policies],
        "records": {
            "total": pipeline.stats.records,
            "byOutcome": dict(pipeline.stats.by_outcome),
            "lostDecisions": counted.get("LOST_DECISIONS", 0),
            "lostActivity": counted.get("LOST_ACTIVITY", 0),
            "malformed": pipeline.stats.malformed,
        },
        "sinks": [
            {
                "name": outlet.sink.name,
                "failing": outlet.is_failing,
                "failures": outlet.failures,
                "dropped": outlet.sink.dropped,
            }
            for outlet in pipeline.fanout.outlets
        ],
        "kernel": {name.lower(): count for name, count in counted.items()},
        "memory": {
            "residentBytes": resident_bytes(),
            "mapBytes": sum(map_bytes.values()),
            "maps": map_bytes,
        },
    }


def _policy(policy: PolicyFacts, hits: Sequence[Hits]) -> dict[str, Any]:
    return {
        "name": policy.name,
        "mode": policy.mode,
        "file": policy.file,
        "rules": policy.rules,
        "enforced": sum(hits[row].enforced for row in policy.rows),
        "audited": sum(hits[row].audited for row in policy.rows),
    }


def resident_bytes() -> int:
    """Measure the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")
