# SPDX-License-Identifier: MIT
"""Models of a dashboard that looks at something."""

from __future__ import annotations

from control_fakes import WEB
from fakes import denied, record
from rich.console import Console

from enforcer.events.brief import brief
from enforcer.policy.model.policy import Verb
from enforcer.workbench.dashboard.frames import draw
from enforcer.workbench.dashboard.model import Model
from enforcer.workbench.dashboard.rows import Glyphs

NOW = 1000.0
EVIL = b"/srv/\x1b[2J\x1b]0;owned\x07[red]x[/red]\xe2\x80\xae:bomb:\n\xff"

HEALTH = {
    "pid": 812,
    "uptimeSeconds": 4000.0,
    "generation": 7,
    "programs": 18,
    "missing": ["enf_file_truncate"],
    "policies": [
        {**WEB, "degraded": ["by-argument"]},
        {**WEB, "name": "vault", "mode": "enforce", "modeSet": False, "degraded": []},
        {**WEB, "name": "old", "enabled": False, "degraded": []},
    ],
    "policyCount": 3,
    "records": {"total": 5, "lostDecisions": 2, "lostActivity": 40, "malformed": 0},
    "sinks": [{"name": "json log", "failing": True, "failures": 3, "dropped": 0}],
    "kernel": {"decisions": 10, "path_unknown": 3, "lost_decisions": 2},
    "rings": {"decisions": [512, 1024], "activity": [0, 1024]},
    "pending": None,
    "protected": True,
}


def beat(at=5.0, **more):
    return {
        "kind": "beat",
        "version": 1,
        "at": at,
        "totals": {"denied": 10, "would deny": 3},
        "newest": [],
        "rules": [["vault/no-writes", 1234567]],
        "binaries": [["/usr/bin/tee", 40]],
        "containers": [],
        "paths": [["/srv/vault/secret", 9]],
        "notices": [],
        "health": HEALTH,
        **more,
    }


def denial(number=0, **values):
    return brief(denied(time_ns=1_000 + number, pid=100 + number, tid=100 + number, **values))


def killing(**values):
    return brief(record(action=Verb.KILL, error=1, signal=9, path=b"/bin/bash", **values))


def model(*events):
    made = Model(host="guard")
    made.open({"at": 0.0, "history": [[0.0, {}]], "newest": []}, NOW)
    made.beat(beat(newest=list(events)), NOW)
    return made


def lines(made, width=80, height=24, now=NOW, glyphs=None):
    """Draw; returns the lines as a plain terminal shows them, each as wide as the screen."""
    console = Console(width=width, height=height, color_system=None, force_terminal=True)
    with console.capture() as captured:
        console.print(
            draw(made, width, height, glyphs or Glyphs(), now), end="", crop=False, soft_wrap=True
        )
    return captured.get().removesuffix("\n").split("\n")


def shown(made, **how):
    return "\n".join(lines(made, **how))
