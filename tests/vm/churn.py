# SPDX-License-Identifier: MIT
"""
Attackers that never rest, and policies that all forbid them the same in other words.

``churn.c`` tries four forbidden operations and four allowed ones in tight loops. Each variant of the
policy forbids the former and allows the latter; what else is in it differs: names, order, numbers
of rows, labels, messages. So a change from one to another may not be noticed by the attackers.
"""

from __future__ import annotations

import json
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import compiled
from patience import scaled

__all__ = ["KINDS", "Churn", "Place", "Variant", "unharmed", "verdicts"]

KINDS = ("open", "exec", "connect", "unlink")
FORBIDDEN_PORT, ALLOWED_PORT = 4300, 4301
_MAX_WORKERS = 16
_PATIENCE = 120.0
_NAME = re.compile(r"\{name: ([a-z0-9-]+),")


@attrs.frozen
class Variant:
    """One policy text; *letter* begins the names of its policies and rules."""

    letter: str
    text: str

    @property
    def lines(self) -> dict[str, int]:
        """On which line each rule stands."""
        found = ((_NAME.search(line), n) for n, line in enumerate(self.text.splitlines(), 1))
        return {match[1]: n for match, n in found if match}

    def explains(self, record: dict[str, Any]) -> bool:
        """Whether a rule of this text, at its own place, can have made *record*."""
        return (
            record["policy"].startswith(f"{self.letter}-")
            and record["rule"].startswith(f"{self.letter}-")
            and f":{self.lines.get(record['rule'])}:" in record["place"]
        )


@attrs.frozen
class Place:
    """The folder that it is all about."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Place:
        """Make what is attacked, and compile who attacks."""
        for name in ("vault", "open", "other"):
            (root / name).mkdir(parents=True)
        program = root / "churn"
        compiled.place("churn", program)
        for copy in ("vault/tool", "open/tool"):
            shutil.copy(program, root / copy)
        (root / "vault/secret").write_text("secret\n")
        (root / "open/file").write_text("free\n")
        for number in range(_MAX_WORKERS):
            (root / f"vault/keep-{number}").touch()
        return cls(root)

    def variant(self, letter: str, rules: int, *extra: str) -> Variant:
        """
        The policy 'a' or 'b', with about *rules* rules; the two differ in every row.

        *extra* are rules without names, ``file: read, match: …, action: …``.
        """
        other = letter == "b"
        own = [f"{{name: {letter}-extra-{n}, {rule}}}" for n, rule in enumerate(extra)]
        forbidden, kept = self._forbidden(letter, other=other), self._kept(letter, other=other)
        least = len([*forbidden, *kept, *own])
        fillers = [self._filler(letter, n) for n in range(max(0, rules - least))]
        if other:
            half = len(fillers) // 2
            ordered = [*fillers[:half], *reversed(forbidden), *own, *fillers[half:], *kept]
            return Variant(letter, self._policy("b-vault", letter, ordered))
        text = self._policy("a-vault", letter, [*forbidden, *kept, *own])
        if fillers:
            text += f"---\n{self._policy('a-other', letter, fillers)}"
        return Variant(letter, text)

    def _forbidden(self, letter: str, *, other: bool) -> list[str]:
        vault, churn = self.root / "vault", self.root / "churn"
        whom = [
            f"process: {{binary: {churn}}}",
            f"parent: {{binary: {churn}}}",
            "process: {uid: 0}",
            f"ancestors: {{binary: {churn}}}",
        ]
        if other:  # labels have other numbers, and mean others
            whom = [whom[3], whom[3], f"process: {{binary: [/usr/bin/none-{letter}, {churn}]}}", ""]
        keep = f"{vault}/keep-*" if other else f"{vault}/**"
        what = [
            ("open", "file: read", f"path: {vault}/secret"),
            ("exec", "exec: {}", f"path: {vault}/tool"),
            ("connect", "network: connect", f"type: stream, port: {FORBIDDEN_PORT}"),
            ("unlink", "file: unlink", f'path: "{keep}"'),
        ]
        return [
            f"{{name: {letter}-{name}, {event}, match: {{{', '.join(filter(None, (match, who)))}}}, "
            # What matters of the thousands of refusals a second is counted by the attackers.
            "action: deny, rateLimit: 2/s}"
            for (name, event, match), who in zip(what, whom, strict=True)
        ]

    def _kept(self, letter: str, *, other: bool) -> list[str]:
        """Rules that would refuse what is allowed if the attackers were taken for somebody else."""
        here, churn = self.root / "open", self.root / "churn"
        who = "notAncestors" if other else "notProcess"
        match = f"path: {here}/**, {who}: {{binary: [{churn}, /**/tool]}}"
        operations = "file: [read, unlink, create]"
        return [f"{{name: {letter}-else, {operations}, match: {{{match}}}, action: deny}}"]

    def _filler(self, letter: str, n: int) -> str:
        other, name = self.root / "other", f"{letter}-filler-{n}"
        event, match = (
            ("file: read", f"path: {other}/{letter}/{n}"),
            ("exec: {}", f"path: {other}/{letter}/{n}/run"),
            ("network: bind", f"port: {10000 + n}"),
            ("file: [write, unlink]", f"path: {other}/{letter}/{n}/**"),
            ("file: [rename, link]", f"path: {other}/{letter}-{n}/a/b"),
        )[n % 5]
        who = f", process: {{binary: {other}/{letter}-{n}}}" if n % 40 == 0 else ""
        action = "kill" if n % 3 == 0 else "deny"
        return f"{{name: {name}, {event}, match: {{{match}{who}}}, action: {action}}}"

    def _policy(self, name: str, letter: str, rules: list[str]) -> str:
        return "".join(
            [
                "apiVersion: enforcer/v1\nkind: EnforcerPolicy\n",
                f"metadata: {{name: {name}}}\n",
                f'spec:\n  message: "{letter} {{action}} {{path}}"\n  rules:\n',
                *(f"    - {rule}\n" for rule in rules),
            ]
        )

    def remove(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.root)


def verdicts(counts: dict[str, Any]) -> dict[str, str]:
    """By kind: ``refused`` or ``done`` if all attempts ended so, else ``both``."""
    return {
        kind: "refused"
        if not seen["successes"]
        else "done"
        if seen["successes"] == seen["attempts"]
        else "both"
        for kind, seen in counts["kinds"].items()
    }


def unharmed(counts: dict[str, Any]) -> dict[str, Any]:
    """Fail unless nothing forbidden happened and nothing allowed was refused; returns *counts*."""
    assert not counts["dead"], counts
    for kind in KINDS:
        seen = counts["kinds"][kind]
        # strange: it failed, but for another reason than the refusal, so nothing was shown
        assert (0, 0, 0) == (seen["successes"], seen["wrong"], seen["strange"]), (kind, seen)
    return counts


@attrs.define
class Churn:
    """Attackers at work."""

    process: subprocess.Popen[bytes]
    last: dict[str, Any] | None = None

    def counts(self) -> dict[str, Any]:
        """What they did so far."""
        self.process.send_signal(signal.SIGUSR1)
        return self._line()

    def advance(self, attempts: int = 3) -> dict[str, Any]:
        """Wait until each attacker made *attempts* more, all refused as they should be."""
        begun = self.counts()
        until = time.monotonic() + scaled(_PATIENCE)
        while True:
            now = unharmed(self.counts())
            time.sleep(0.05)
            if all(
                now["kinds"][kind]["slowest"] >= begun["kinds"][kind]["slowest"] + attempts
                for kind in KINDS
            ):
                return now
            assert time.monotonic() < until, f"the attackers stand still: {now}"

    def end(self) -> dict[str, Any]:
        """Stop them; returns what they did."""
        if self.last is None:
            self.process.send_signal(signal.SIGTERM)
            self.last = self._line()
            self.process.wait(scaled(60))
        return self.last

    def _line(self) -> dict[str, Any]:
        pipe = self.process.stdout
        assert pipe is not None
        assert select.select([pipe], [], [], scaled(_PATIENCE))[0], "the attackers do not answer"
        line = pipe.readline()
        assert line, f"the attackers have ended: {self.process.wait(60)}"
        return dict(json.loads(line))

    @classmethod
    @contextmanager
    def at(cls, place: Place, *, workers: int = 1, seconds: int = 600) -> Iterator[Churn]:
        """Attack until the block ends, *seconds* at most; nothing may have happened."""
        with _attackers(place, workers, seconds) as process:
            churn = cls(process)
            churn._line()
            yield churn
            unharmed(churn.end())

    @classmethod
    def once(cls, place: Place) -> dict[str, Any]:
        """Attack until each attacker tried a few times; returns what came of it, good or bad."""
        with _attackers(place, 1, int(scaled(_PATIENCE))) as process:
            churn = cls(process)
            churn._line()
            until = time.monotonic() + scaled(_PATIENCE)
            while min(seen["slowest"] for seen in churn.counts()["kinds"].values()) < 3:
                assert time.monotonic() < until, "the attackers stand still"
            return churn.end()


@contextmanager
def _attackers(place: Place, workers: int, seconds: int) -> Iterator[subprocess.Popen[bytes]]:
    argv = [place.root / "churn", place.root, FORBIDDEN_PORT, ALLOWED_PORT, workers, seconds]
    # They take every processor there is; what is attacked must still get on.
    argv = ("nice", "-n", "19", *map(str, argv))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
