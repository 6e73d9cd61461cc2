# SPDX-License-Identifier: MIT
"""
The daemon's state as metrics: the numbers of ``status``, by few labels.

Labels are policies, their rules, outputs and fixed words. Values that a process chooses are never labels: each path,
name or user would make a series.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from enforcer import __version__
from enforcer.events.stats import OUTCOMES
from enforcer.sinks.prometheus import Family, Sample, exposition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from enforcer.events.stats import Stats
    from enforcer.runtime.control.answers import DaemonState, OutputState, RecordCounts
    from enforcer.runtime.control.container_answers import MetContainers
    from enforcer.runtime.control.posture import PostureDocument

__all__ = ["families", "metrics_of"]

_VERDICTS = {outcome: verdict for verdict, outcome in OUTCOMES.items()}


def metrics_of(status: DaemonState, stats: Stats) -> bytes:
    """Write what *status* and *stats* say in the text format."""
    return exposition(families(status, stats))


def families(status: DaemonState, stats: Stats) -> Iterator[Family]:
    """List what *status* says, the answer to the command of that name, and *stats* of each rule."""
    yield _gauge("build_info", "Version of enforcer.", [Sample(1, {"version": __version__})])
    yield _gauge(
        "start_time_seconds",
        "When the daemon started, seconds since 1970.",
        [Sample(round(time.time() - status["uptimeSeconds"], 1))],
    )
    yield from _policies(status)
    yield from _records(status["records"])
    yield _rules(stats)
    if "metContainers" in status:
        yield _containers(status["metContainers"])
    yield from _rings(status["rings"])
    yield from _outputs(status["sinks"])
    yield _counter(
        "kernel_events_total",
        "What the kernel side counted.",
        [Sample(count, {"event": event}) for event, count in status["kernel"].items()],
    )
    yield _gauge("programs", "BPF programs that are attached.", [Sample(status["programs"])])
    memory = status["memory"]
    yield _gauge(
        "memory_bytes",
        "Memory of the daemon and of its maps in the kernel.",
        [
            Sample(memory["residentBytes"], {"of": "daemon"}),
            Sample(memory["mapBytes"], {"of": "maps"}),
        ],
    )
    yield _counter(
        "cpu_seconds_total",
        "Time that processors spent on the daemon.",
        [Sample(round(time.process_time(), 3))],
    )


def _policies(status: DaemonState) -> Iterator[Family]:
    yield _gauge("generation", "Number of the active policy image.", [Sample(status["generation"])])
    if "generationSeconds" in status:
        yield _gauge(
            "generation_start_time_seconds",
            "When the active policy image became active, seconds since 1970.",
            [Sample(round(time.time() - status["generationSeconds"], 1))],
        )
    if "pending" in status:
        yield _gauge(
            "confirmation_pending",
            "1 while the active policies await confirmation.",
            [Sample(int(status["pending"] is not None))],
        )
    if "posture" in status:
        yield from _posture(status["posture"])
    policies = status.get("policies", ())
    yield _gauge(
        "policy_enabled",
        "1 if the policy is active, by its mode.",
        [
            Sample(int(each["enabled"]), {"policy": each["name"], "mode": each["mode"]})
            for each in policies
        ],
    )
    if "refusedFiles" in status:
        kept = [each["kept"] for each in status["refusedFiles"]]
        yield _gauge(
            "policy_files_refused",
            "Policy files that are not active as they are; kept: what they said before is.",
            [
                Sample(kept.count(True), {"kept": "true"}),
                Sample(kept.count(False), {"kept": "false"}),
            ],
        )
    yield _gauge(
        "policy_rules",
        "Rules of the policy.",
        [Sample(each["rules"], {"policy": each["name"]}) for each in policies],
    )
    yield _counter(
        "verdicts_total",
        "Verdicts of the policy's rules, exact even where records were lost; enforced: carried out.",
        [
            Sample(count, {"policy": each["name"], "enforced": enforced})
            for each in policies
            for count, enforced in ((each["enforced"], "true"), (each["audited"], "false"))
        ],
    )


def _posture(posture: PostureDocument) -> Iterator[Family]:
    counts = {
        "enforcing": posture["enforcing"],
        "auditing": posture["auditing"],
        "permitting": posture["permitting"],
        "disabled": posture["disabled"],
    }
    yield _gauge(
        "policies",
        "Policies by what they do: enforcing, auditing, permitting (no rule refuses), disabled.",
        [Sample(count, {"state": state}) for state, count in counts.items()],
    )
    yield _gauge(
        "policies_returned",
        "1 while policies are active again because those after them were not confirmed in time.",
        [Sample(int(posture["returned"]))],
    )


def _records(records: RecordCounts) -> Iterator[Family]:
    by_outcome = records["byOutcome"]
    yield _counter(
        "records_total",
        "Records made since the daemon started, by verdict; enforced: carried out.",
        [Sample(by_outcome.get(outcome, 0), _verdict(outcome)) for outcome in OUTCOMES.values()],
    )
    yield _counter(
        "records_lost_total",
        "Lost records: denials and kills, others, or unreadable ones.",
        [
            Sample(records["lostDecisions"], {"kind": "decisions"}),
            Sample(records["lostActivity"], {"kind": "activity"}),
            Sample(records["malformed"], {"kind": "malformed"}),
        ],
    )
    yield _counter(
        "command_lines_unread_total",
        "Command lines that processes did not let be read in time.",
        [Sample(records["unreadCommandLines"])],
    )


def _rules(stats: Stats) -> Family:
    return _counter(
        "rule_records_total",
        "Records of a rule since the daemon started, by verdict; only of rules that have any.",
        [
            Sample(
                stats.by_rule[policy, rule, outcome],
                {"policy": policy, "rule": rule, **_verdict(outcome)},
            )
            for policy, rule, outcome in sorted(stats.by_rule)
        ],
    )


def _containers(met: MetContainers) -> Family:
    return _counter(
        "containers_met_total",
        "Containers that their runtime announced before their first program, by what came of it.",
        [
            Sample(met["known"], {"outcome": "known"}),
            Sample(met["unasked"], {"outcome": "unasked"}),
            Sample(met["unknown"], {"outcome": "unknown"}),
            Sample(met["refused"], {"outcome": "refused"}),
        ],
    )


def _rings(rings: Mapping[str, Sequence[int]]) -> Iterator[Family]:
    yield _gauge(
        "ring_used_bytes",
        "Records that wait in a ring buffer: those of denials and kills, and others.",
        [Sample(used, {"ring": ring}) for ring, (used, _) in rings.items()],
    )
    yield _gauge(
        "ring_size_bytes",
        "Room in a ring buffer.",
        [Sample(size, {"ring": ring}) for ring, (_, size) in rings.items()],
    )


def _outputs(sinks: Sequence[OutputState]) -> Iterator[Family]:
    yield _counter(
        "output_dropped_total",
        "Records that an output could not take.",
        [Sample(each["dropped"], {"output": each["name"]}) for each in sinks],
    )
    yield _counter(
        "output_failures_total",
        "Attempts to write that failed.",
        [Sample(each["failures"], {"output": each["name"]}) for each in sinks],
    )
    yield _gauge(
        "output_failing",
        "1 while an output fails or its reader is slow.",
        [Sample(int(each["failing"]), {"output": each["name"]}) for each in sinks],
    )


def _verdict(outcome: str) -> dict[str, str]:
    """Return the labels of *outcome*."""
    action, enforced = _VERDICTS[outcome]
    return {"action": action, "enforced": str(enforced).lower()}


def _counter(name: str, help_text: str, samples: Iterable[Sample]) -> Family:
    return Family(f"enforcer_{name}", "counter", help_text, tuple(samples))


def _gauge(name: str, help_text: str, samples: Iterable[Sample]) -> Family:
    return Family(f"enforcer_{name}", "gauge", help_text, tuple(samples))
