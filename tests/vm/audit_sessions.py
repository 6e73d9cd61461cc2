# SPDX-License-Identifier: MIT
"""
Policies in audit mode in the kernel, each file in a session of its own: what each decides on the very
same operations. Says "ready" when all are active; on SIGTERM writes what was decided.

    audit_sessions.py OUTPUT POLICY...
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import ledger

from enforcer.events.decode import Decoder, Layout
from enforcer.libbpf import abi
from enforcer.policy.model.policy import Verb
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.start import begin

__all__ = ["told"]


def told(event: Any, origins: Any) -> list[Any]:
    """What there is to compare of a verdict: its rule, and who did what."""
    origin = origins[event.row]
    return [
        origin.rule,
        Verb(event.action).name,
        int(event.row_flags),
        bool(event.flags & 4),
        event.op.name,
        event.pid,
        event.tid,
        event.path.decode(errors="backslashreplace"),
        event.exe.decode(errors="backslashreplace"),
        event.uid,
        event.euid,
        event.code,
        event.to_uid,
        event.addr_lo,
        event.port,
        sum((at > 0) << number for number, at in enumerate(event.mark_at)),
    ]


def main(output: Path, files: list[Path]) -> None:
    """Observe until told to stop."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    decoder = Decoder(Layout(*abi.decoder("enf_event")))
    with contextlib.ExitStack() as stack:
        begun = [begin(Sources((file,), audit=True), store=None, report=print) for file in files]
        for each in begun:
            stack.enter_context(contextlib.closing(each.enforcement.sessions))
        events: list[list[Any]] = [[] for _ in files]
        print("ready", flush=True)
        while not stopping:
            time.sleep(0.05)
            drain(begun, events, decoder)
        hits = [[h.audited for h in each.enforcement.sessions.current.hits()] for each in begun]
        drain(begun, events, decoder)
        stats = [each.enforcement.sessions.current.stats() for each in begun]
        result = {
            file.stem: {
                "rules": [origin.rule for origin in each.enforcement.now.origins],
                "hits": hit,
                "lost": stat["LOST_DECISIONS"] + stat["LOST_ACTIVITY"],
                "unknown": {name: count for name, count in stat.items() if count},
                "events": told_by,
            }
            for file, each, hit, stat, told_by in zip(
                files, begun, hits, stats, events, strict=True
            )
        }
        output.write_text(json.dumps(result))


def drain(begun: list[Any], events: list[list[Any]], decoder: Decoder) -> None:
    """Take what waits in every session."""
    for each, into in zip(begun, events, strict=True):
        while batch := each.enforcement.sessions.current.drain():
            into += [told(decoder.decode(raw), each.enforcement.now.origins) for raw in batch]


if __name__ == "__main__":
    ledger.keep()
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
