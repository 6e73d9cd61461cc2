# SPDX-License-Identifier: MIT
"""The counters of the kernel side: what each counts, and what becomes of what is counted."""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["COUNTERS", "KernelCounter"]

_ERROR: Final = "`onError` of the rules that compare them decides."
_REFUSED: Final = "Refused if some rule on that operation refuses, else permitted."


@attrs.frozen
class KernelCounter:
    """
    One counter.

    Attributes:
        counts: what is counted.
        then: what becomes of that.
        trouble: what a dashboard says if it is not 0; empty: nothing, for it is no trouble.
    """

    counts: str
    then: str
    trouble: str = ""


COUNTERS: Final = {
    "passed_by": KernelCounter(
        "Turns that a program did not get, as another one [ran on that processor](kernels.md).",
        "Permitted.",
        "passed undecided",
    ),
    "no_scratch": KernelCounter(
        "Operations, or arguments of programs, for which no working memory became free in two milliseconds.",
        f"{_REFUSED} Arguments are unknown then.",
        "decided without working memory",
    ),
    "no_core": KernelCounter(
        "Operations while the programs that decide were taken away.",
        "Refused, whatever the policies say.",
        "refused without the core",
    ),
    "no_task": KernelCounter(
        "Operations of processes that are not known, as there was no memory to label them.",
        f"{_REFUSED} A program that has just begun is killed instead.",
        "decided, subject unknown",
    ),
    "path_unknown": KernelCounter(
        "Paths that cannot be read or followed.", _ERROR, "paths unknown"
    ),
    "argv_unknown": KernelCounter(
        "Arguments of programs, system calls and points that cannot be read.",
        _ERROR,
        "arguments unknown",
    ),
    "name_unknown": KernelCounter(
        "Names of attributes, sockets and types of file systems that cannot be read.",
        _ERROR,
        "names unknown",
    ),
    "exe_unknown": KernelCounter(
        "Executables of processes whose path cannot be read, or has more than 256 bytes.",
        _ERROR,
        "executables unknown",
    ),
    "on_error": KernelCounter(
        "Verdicts by `onError`.", "The record says so.", "decided by onError"
    ),
    "signal_failed": KernelCounter(
        "Signals that could not be sent.",
        "A refusal stands. Where only the signal prevents, the record says `prevented: false`.",
        "signals not delivered",
    ),
    "fork_refused": KernelCounter(
        "Forks for which there was no memory to label the child.",
        "Refused with ENOMEM: the child would not be known.",
        "forks refused, out of memory",
    ),
    "bind_refused": KernelCounter(
        "Unix sockets bound to a path, with no memory for what they are.",
        "Refused with ENOMEM.",
        "binds refused, out of memory",
    ),
    "bad_image": KernelCounter(
        "Decisions by compiled policies that led outside themselves.",
        "What lies there is left out. Report it: such policies are never made active.",
        "bad image",
    ),
    "overflow": KernelCounter(
        "Operations, and labels of processes, that met more than 512 different conditions.",
        "Conditions beyond these are unknown: `onError` decides.",
        "too many conditions met",
    ),
    "guard_refused": KernelCounter(
        "Attempts on the engine or the daemon.",
        "Refused, by `--protect`.",
        "attempts on the engine refused",
    ),
    "mark_lost": KernelCounter(
        "Marks that were not set: there was no room, or the policies changed after the verdict.",
        "Refused if a rule that refuses asks for the mark, else not marked.",
        "marks lost",
    ),
    "root_lost": KernelCounter(
        "Containers for whose root there was no room.",
        "What their image brought is unknown.",
        "roots of containers lost, no room",
    ),
    "attempt_lost": KernelCounter(
        "Attempts that the kernel refused, while policies changed all the time.",
        "No record.",
        "attempts not decided while policies changed",
    ),
    "no_set": KernelCounter(
        "Processes with conditions for which there was no number.",
        "Their verdicts are not remembered: they cost more.",
        "decided anew, no number for the subjects",
    ),
    "decisions": KernelCounter(
        "Operations that rules were compared with.",
        "What no rule can be about is not counted, nor what is remembered.",
    ),
    "lost_decisions": KernelCounter(
        "Records of denials and kills that found no room.", "The verdicts stand."
    ),
    "lost_activity": KernelCounter("Other records that found no room.", "The verdicts stand."),
    "late_label": KernelCounter(
        "Processes that were labelled when they first did something.",
        "What they descend from is looked up later.",
    ),
    "suppressed": KernelCounter("Records that `rateLimit` left out.", "The verdicts stand."),
    "path_among": KernelCounter(
        "Paths that were followed while names changed all the time.",
        "What two looks agree on counts.",
    ),
    "hits_added": KernelCounter(
        "Sums of verdicts that processors added to those of the rules.", "All are counted."
    ),
    "repeated": KernelCounter(
        "Records that were counted with another of their kind, while a ring was [crowded](records.md#crowded-rings).",
        "`repeats` in the other one says how many.",
    ),
    "no_kind": KernelCounter(
        "Records that had no share of the table of kinds then.",
        "They take what is left of the ring.",
    ),
    "drift_unknown": KernelCounter(
        "Files of which nobody can tell whether [the image brought them](policy-language.md#what-an-image-did-not-bring).",
        _ERROR,
    ),
}
"""By their names in ``status``; what a dashboard says first comes first."""
