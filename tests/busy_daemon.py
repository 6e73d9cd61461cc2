# SPDX-License-Identifier: MIT
"""
A daemon under load without a kernel: real pipeline, overview and control socket, made-up records.

Run it to look at a dashboard: ``python tests/busy_daemon.py SOCKET [EVENTS_PER_SECOND [in-place]]``.
"""

from __future__ import annotations

import errno
import random
import sys
import time
from pathlib import Path
from typing import Any

import attrs
from control_fakes import WEB, FakePolicyControl
from fakes import DECODER, ENFORCED, PREVENTED, FakeSession, enricher, raw_event

from enforcer.cli.inplace import InPlace
from enforcer.cli.reports import Reports
from enforcer.events.types import Origin
from enforcer.identity.actor import Actor
from enforcer.identity.container import Container
from enforcer.identity.lineage import Ancestry
from enforcer.identity.process import ProcessFacts
from enforcer.identity.resolver import Identity
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.runtime.daemon import Daemon
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout

STEP = 0.02  # seconds between batches

ORIGINS = (
    Origin("vault", "only-the-vault-server-reads", "vault.yaml:9:7", "nobody else may read {path}"),
    Origin("vault", "no-shells-there", "vault.yaml:17:7"),
    Origin("web", "no-writes-in-the-web-root", "web.yaml:6:7"),
    Origin("egress", "metadata", "egress.yaml:8:7"),
    Origin("watch", "tools", "watch.yaml:5:7", "ran {path}"),
)

NASTY = b"/srv/vault/\x1b[2J[red]\xe2\x80\xaeevil[/red] :bomb:"

KINDS: tuple[tuple[float, dict[str, Any]], ...] = (
    (0.70, {"op": Op.EXEC, "action": Verb.LOG, "row": 4, "comm": b"sh"}),
    (
        0.20,
        {
            "op": Op.READ,
            "action": Verb.DENY,
            "row": 0,
            "error": errno.EPERM,
            "flags": ENFORCED | PREVENTED,
            "comm": b"cat",
        },
    ),
    (0.07, {"op": Op.WRITE, "action": Verb.DENY, "row": 2, "flags": 0, "comm": b"php-fpm8.2"}),
    (
        0.02,
        {
            "op": Op.CONNECT,
            "action": Verb.DENY,
            "row": 3,
            "error": errno.ECONNREFUSED,
            "flags": ENFORCED | PREVENTED,
            "family": 2,
            "type": 1,
            "protocol": 6,
            "addr_lo": 0xFFFF_A9FE_A9FE,
            "port": 80,
            "comm": b"curl",
        },
    ),
    (
        0.01,
        {
            "op": Op.EXEC,
            "action": Verb.KILL,
            "row": 1,
            "error": errno.EPERM,
            "signal": 9,
            "flags": ENFORCED | PREVENTED,
            "comm": b"vault",
            "parent_comm": b"systemd",
        },
    ),
)
PATHS = [b"/srv/vault/secret", NASTY, b"/usr/bin/dash", *(b"/var/www/f%d" % n for n in range(500))]
EXES = [b"/usr/bin/cat", b"/usr/sbin/php-fpm8.2", b"/usr/bin/curl", b"/opt/vault/bin/vault"]
POLICIES = [
    {
        **WEB,
        "name": "vault",
        "mode": "enforce",
        "modeSet": False,
        "enforced": 98_765,
        "refused": 12_345,
        "audited": 0,
    },
    {**WEB, "degraded": ["by-argument"]},
    {**WEB, "name": "egress", "mode": "enforce", "modeSet": False, "rules": 12},
    {**WEB, "name": "watch", "mode": "enforce", "modeSet": False},
    {**WEB, "name": "old", "enabled": False, "modeSet": False},
]


@attrs.define
class Policies(FakePolicyControl):
    """Modes that can be set; a generation that goes on."""

    session: Any = None
    listed: list[dict[str, Any]] = attrs.field(factory=lambda: [dict(p) for p in POLICIES])

    def describe(self) -> dict[str, Any]:
        return {
            "policies": [dict(policy) for policy in self.listed],
            "pending": None,
            "protected": True,
            "pinned": "/sys/fs/bpf/enforcer",
            "runtimeChanges": [],
            "notActive": "",
            "refusedFiles": [],
        }

    def set_mode(
        self, name: str, mode: str, *, confirm_within: float | None = None
    ) -> dict[str, Any]:
        del confirm_within
        for policy in self.listed:
            if policy["name"] == name:
                policy["mode"], policy["modeSet"] = mode, True
        self.session.generation += 1
        return {**self.answer, "generation": self.session.generation}


@attrs.define
class Load:
    """Lets records happen at a rate."""

    daemon: Daemon
    rate: float
    dice: random.Random = attrs.field(factory=lambda: random.Random(1))
    _last: float = attrs.field(factory=time.monotonic)
    _owed: float = 0.0
    _pid: int = 1000
    made: int = 0

    def step(self) -> None:
        now = time.monotonic()
        self._owed = min(self._owed + (now - self._last) * self.rate, self.rate)
        self._last = now
        number = int(self._owed)
        self._owed -= number
        if number:
            self.daemon.session.happen(*(self._one() for _ in range(number)))
            self.made += number

    def _one(self) -> bytes:
        dice = self.dice
        (kind,) = dice.choices([k for _, k in KINDS], [weight for weight, _ in KINDS])
        self._pid = 1000 + (self._pid + 1) % 30_000
        path = b"" if kind["op"] is Op.CONNECT else dice.choice(PATHS[:3] + PATHS[-40:])
        return raw_event(
            **{
                "path": path,
                "exe": dice.choice(EXES),
                "flags": ENFORCED,
                "pid": self._pid,
                "tid": self._pid,
                "time_ns": time.clock_gettime_ns(time.CLOCK_BOOTTIME),
                **kind,
            }
        )


VAULT = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: vault}
spec:
  rules:
    - name: only-the-vault-server-reads
      file: read
      match: {path: /**, notProcess: {binary: /opt/vault/bin/server}}
      action: deny
    - name: no-shells-there
      exec: {}
      match: {path: /**}
      action: kill
"""
"""A policy that its records may be of."""


def sources_at(path: Path) -> dict[str, Any]:
    """What the daemon tells of its policies, if they are at *path*."""
    overlay = {"added": {}, "disabled": [], "modes": {}}
    return {
        "paths": [str(path)],
        "audit": False,
        "overlay": overlay,
        "generation": 7,
        "instead": {},
    }


def busy(socket: Path, rate: float) -> tuple[Daemon, Pipeline, Load]:
    """Make a daemon at *socket* with *rate* records a second; run it with ``daemon.run``."""
    policy = socket.parent / "vault.yaml"
    policy.write_text(VAULT)
    session = FakeSession(counters={"DECISIONS": 0, "PATH_UNKNOWN": 3}, generation=7)
    policies = Policies(session=session)
    daemon = Daemon(session, policies, sources=lambda: sources_at(policy))
    identity = Identity(
        ProcessFacts(b"/usr/bin/cat", (b"cat", b"/srv/vault/secret"), b"/x"),
        Ancestry(
            (Actor(id="1-1", pid=1, name="bash", exe="/usr/bin/bash", cmdline=("bash", "-l")),)
        ),
        "/system.slice/docker-0123.scope",
        Container("docker", "0123456789abcdef" * 4),
    )
    made = enricher(*ORIGINS, identity=identity)
    made.origins.learn(7, ORIGINS)
    made.clock = type(made.clock)()
    pipeline = Pipeline(session, DECODER, made, Fanout.to([], print), daemon)
    daemon.listen(socket)
    load = Load(daemon, rate)
    daemon.reactor.every(STEP, load.step)
    return daemon, pipeline, load


def main() -> None:
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 100.0
    socket = Path(sys.argv[1])
    daemon, pipeline, load = busy(socket, rate)
    reports = Reports(lambda sentence: print(sentence, flush=True))
    reports.heed = daemon.overview.note
    pipeline.fanout.report = reports
    dashboard = InPlace(socket, daemon.reactor, reports)

    def ready() -> None:
        print("ready", flush=True)
        if sys.argv[3:] == ["in-place"]:
            dashboard.begin()

    began = time.monotonic()
    try:
        ending = daemon.run(pipeline, ready=ready)
    finally:
        dashboard.end()
    cpu = time.process_time()
    print(
        f"{load.made / (time.monotonic() - began):.0f} records made a second, "
        f"{sum(ending.outcomes.values()):,} taken, {100 * cpu / ending.seconds:.0f} % of a core"
    )


if __name__ == "__main__":
    main()
