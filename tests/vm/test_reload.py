# SPDX-License-Identifier: MIT
"""
Policies change while programs run: no moment without them, and none with half of them.

Each way to change them once; twice behind ``make soak``, whose own tests do it a thousand times.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import compiled
import pytest
from churn import KINDS, Churn, Place, verdicts
from daemon import Daemon, Tail, ask, managed, told, until
from engine import attempt
from patience import scaled
from rounds import BROKEN, WAYS, Folder, Rounds

ROOT = Path("/opt/enforcer-test-reload")
RELOADS = len(WAYS) * (2 if "ENFORCER_SOAK" in os.environ else 1)
LATE, PROTECTED = ROOT / "late", ROOT / "protected"
LINEAGE = (
    f"file: read, match: {{path: {PROTECTED}, ancestors: {{binary: {ROOT}/founder}}}}, "
    "action: {deny: {errno: EACCES}}"
)
LATER = (
    f"file: read, match: {{path: {LATE}, ancestors: {{binary: {ROOT}/shell}}}}, "
    "action: {deny: {errno: EACCES}}"
)
LOCAL = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: local}}
spec:
  rules:
    - {{name: no-reading, file: read, match: {{path: {path}}}, action: deny}}
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """The folder, and programs for lineages, which do what they are told."""
    place = Place.make(ROOT)
    compiled.place("deeds", ROOT / "plain")
    for name in ("founder", "shell"):
        shutil.copy(ROOT / "plain", ROOT / name)
    for name in ("late", "protected", "local"):
        (ROOT / name).write_text(f"{name}\n")
    yield place
    place.remove()


@pytest.fixture(scope="module")
def control(place: Place) -> dict[str, str]:
    """What the attackers get while there is no policy."""
    return verdicts(Churn.once(place))


@pytest.fixture(scope="module")
def orphan(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """
    From before the engine: a daemon whose ancestor has ended, and which will ask when it may.

    Its lineage cannot be found out any more; who does not keep it has lost it.
    """
    deeds = f"await {ROOT}/go-0 fork orphan exec {ROOT}/plain mark {ROOT}/adopted "
    deeds += "".join(f"await {ROOT}/go-{n} open {PROTECTED} mark {ROOT}/asked-{n} " for n in (1, 2))
    with subprocess.Popen([ROOT / "founder", *deeds.split()], stdout=subprocess.PIPE) as task:
        yield task
        for n in (0, 1, 2):
            (ROOT / f"go-{n}").touch()


@pytest.fixture(scope="module")
def rounds(control, orphan, place: Place, tmp_path_factory) -> Iterator[Rounds]:
    """A daemon with variant 'a'."""
    directory = tmp_path_factory.mktemp("reload")
    folder = Folder.make(ROOT / "policies", "")
    with managed(directory, folder.path) as daemon:
        rounds = Rounds.prepare(place, daemon, folder, LINEAGE)
        daemon.start()
        rounds.started()
        (ROOT / "go-0").touch()
        until((ROOT / "adopted").exists)
        yield rounds


def reads(path: Path) -> bool:
    """Whether a program can read *path*."""
    ended = attempt("/bin/cat", str(path))
    assert ended.returncode == 0 or b"not permitted" in ended.stderr, ended.stderr
    return ended.returncode == 0


def test_attackers_succeed_without_policies(control):
    assert dict.fromkeys(KINDS, "done") == control


def test_reloads_leave_no_gap(rounds: Rounds):
    with Churn.at(rounds.place, seconds=3000) as churn:
        rounds.run_reloads(RELOADS, churn)
        until(lambda: (rounds.check_records(), rounds.seen[-1] == rounds.newest)[1], 300)

    assert RELOADS + 1 <= rounds.newest
    assert len(rounds.seen) > len(WAYS)  # the start is one more
    assert 0 == rounds.daemon.status()["records"]["malformed"]
    assert sorted(set(rounds.seen)) == rounds.seen


def test_orphan_is_still_known_after_reloads(rounds: Rounds, orphan):
    # runs after the reloads: the labels were numbered anew with each of them
    (ROOT / "go-1").touch()
    until((ROOT / "asked-1").exists)

    assert b"EACCES " == orphan.stdout.read1(64)


def test_broken_policies_change_nothing(rounds: Rounds):
    with Churn.at(rounds.place, seconds=3000) as churn:
        rounds.run_broken(len(BROKEN), churn)


def test_broken_policy_is_told_without_a_command(rounds: Rounds):
    before, generation = rounds.daemon.output, rounds.daemon.generation()

    with rounds.broken("unknown operation"):
        until(lambda: "reed" in rounds.daemon.output[len(before) :])
        said = rounds.daemon.output[len(before) :]
        assert generation == rounds.daemon.generation()

    assert f"{rounds.folder.path}/policy.yaml:" in said


def test_failed_reload_says_where(rounds: Rounds):
    with rounds.broken("unknown operation"):
        ended = ask("reload")

    line = next(n for n, t in enumerate(rounds.variant.text.splitlines(), 1) if "file: read," in t)
    assert ended.returncode == 1
    assert f"{rounds.folder.path}/policy.yaml:{line}:" in ended.stderr


def test_reload_says_which_rule_changed(rounds: Rounds):
    letter, text = rounds.variant.letter, rounds.variant.text
    line = rounds.variant.lines[f"{letter}-open"]
    texts = text.splitlines(keepends=True)
    texts[line - 1] = texts[line - 1].replace("action: deny,", "action: {deny: {errno: EACCES}},")
    assert "errno: EACCES}}," in texts[line - 1]
    changed = "".join(texts)
    changed += f"    - {{name: {letter}-new, file: read, match: {{path: /none}}, action: deny}}\n"

    def replace(text: str) -> str:
        printed = len(rounds.daemon.output)
        rounds.folder.rename(text)
        said = told("reload")
        return said + rounds.daemon.output[printed:]  # which may have seen it first

    added, removed = replace(changed), replace(text)
    same = told("reload")

    file, last = f"{rounds.folder.path}/policy.yaml", len(changed.splitlines())
    assert f"~ policy {letter}-vault: rule {letter}-open changed ({file}:{line}:" in added
    assert f"rule {letter}-new added ({file}:{last}:" in added
    assert f"rule {letter}-new removed ({file}:{last}:" in removed
    assert "nothing differs" in same
    assert "~ policy" not in same
    rounds._note(rounds.daemon.generation())


def test_new_rule_on_ancestors_holds_for_whom_is_there(rounds: Rounds):
    deeds = f"fork exec {ROOT}/plain mark {ROOT}/up await {ROOT}/then open {LATE} mark {ROOT}/one "
    deeds += f"await {ROOT}/now open {LATE} fork open {LATE}"
    with subprocess.Popen([ROOT / "shell", *deeds.split()], stdout=subprocess.PIPE) as task:
        until((ROOT / "up").exists)
        (ROOT / "then").touch()
        until((ROOT / "one").exists)
        rounds.extra = (LINEAGE, LATER)
        rounds.reload(rounds.next_variant(0), "request")
        (ROOT / "now").touch()
        said, _ = task.communicate(timeout=scaled(120))

    assert b"ok EACCES EACCES " == said


def test_policies_change_at_run_time(rounds: Rounds):
    path, file = ROOT / "local", ROOT / "local.yaml"
    file.write_text(LOCAL.format(path=path))
    rounds.daemon.catch_up()
    seen = [reads(path)]
    for command in (
        ("add", str(file)),
        ("disable", "local"),
        ("enable", "local"),
        ("set-mode", "local", "audit"),
        ("set-mode", "local", "enforce"),
        ("remove", "local"),
    ):
        told("policy", *command)
        seen.append(reads(path))

    assert [True, False, True, False, True, False, True] == seen
    event = until(lambda: _newest(rounds.daemon, f"{path}", enforced=False))
    assert ("local", "no-reading", "deny") == (event["policy"], event["rule"], event["action"])
    rounds.newest = rounds.daemon.generation()


def test_run_time_change_outlives_a_reload(rounds: Rounds):
    path, file = ROOT / "local", ROOT / "local.yaml"
    file.write_text(LOCAL.format(path=path))
    told("policy", "add", str(file))
    letter = rounds.variant.letter
    told("policy", "set-mode", f"{letter}-vault", "audit")
    rounds.newest = rounds.daemon.generation()

    rounds.folder.rename(f"{rounds.variant.text}# touched\n")
    told("reload")

    listed = {p["name"]: p for p in json.loads(told("policy", "list", "--json"))["policies"]}
    assert not reads(path)
    assert ("enforce", True) == (listed["local"]["mode"], listed["local"]["enabled"])
    assert "audit" == listed[f"{letter}-vault"]["mode"]
    assert dict.fromkeys(KINDS, "done") == verdicts(Churn.once(rounds.place))
    told("policy", "set-mode", f"{letter}-vault", "enforce")
    told("policy", "remove", "local")
    assert dict.fromkeys(KINDS, "refused") == verdicts(Churn.once(rounds.place))


def test_orphan_is_still_known_after_a_crash(rounds: Rounds, orphan):
    rounds.daemon.kill()
    rounds.daemon.start()
    (ROOT / "go-2").touch()

    said, _ = orphan.communicate(timeout=scaled(120))
    assert b"EACCES " == said


def _newest(daemon: Daemon, path: str, *, enforced: bool = True) -> dict | None:
    found = [
        record
        for record in Tail(daemon.log, limit=1 << 40).records()
        if record.get("enforced") is enforced and path == record["object"].get("path")
    ]
    return found[-1] if found else None
