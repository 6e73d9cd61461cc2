# SPDX-License-Identifier: MIT
"""What `status` shows."""

import pytest
from control_fakes import ME, WEB, Served
from printed import document

from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.runtime.control.protocol import Client

STATE = {
    "pid": 812,
    "uptimeSeconds": 12.5,
    "generation": 7,
    "programs": 18,
    "policies": [WEB, {**WEB, "name": "off", "enabled": False}],
    "records": {"total": 5, "lostDecisions": 0, "lostActivity": 0, "malformed": 0},
    "sinks": [],
    "kernel": {"passed_by": 0},
    "memory": {"residentBytes": 2048, "mapBytes": 1024},
}


@pytest.fixture
def shown(tmp_path, capsys):
    """Show a state; returns the lines."""

    def show(**more):
        served = Served(tmp_path / "s.sock", {**STATE, **more})
        try:
            assert main(["status", "--socket", str(tmp_path / "s.sock")]) == Exit.OK
        finally:
            served.close()
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return show


def test_what_is_active(shown):
    """Generation and policies, and nothing of what does not hold."""
    assert shown() == [
        "active for 12.5 s (pid 812)",
        "2 policies, 18 programs, generation 7",
        "memory: 2.0 KiB resident, 1.0 KiB of maps",
        "records: 5, lost: 0",
        "",
        "policy  mode      rules  refused  permitted  audited  file",
        "web     audit         2        3          2    1,200  /etc/enforcer/policies/web.yaml",
        "off     disabled      2        3          2    1,200  /etc/enforcer/policies/web.yaml",
    ]


def test_where_bpf_is_not_among_the_lsms(shown):
    """Where it decides instead, and how often it could not."""
    lines = shown(enforcesAt="the security_* functions", kernel={"passed_by": 1234})

    assert lines[2:4] == [
        "at the security_* functions, since bpf is not among the active LSMs",
        "1,234 operations passed undecided: the program was already running on that processor",
    ]


def test_what_else_holds(shown):
    """What awaits confirmation, what is pinned and protected, what was changed at run time."""
    lines = shown(
        pending={"confirmWithin": 60.0, "left": 42.0},
        pinned="/sys/fs/bpf/enforcer",
        protected=True,
        runtimeChanges=[{"policy": "web", "change": "mode \x1b[2Jaudit"}],
    )

    assert lines[2:5] == [
        "not confirmed: in 42.0 s the previous policies are active again, unless: enforcer confirm",
        "pinned in /sys/fs/bpf/enforcer: enforcement outlives the daemon",
        "protected: other processes may not change or end it, the service manager excepted",
    ]
    assert "changed at run time: web: mode \\x1b[2Jaudit" in lines


def test_files_that_are_refused(shown):
    """Each with what is active of it and why; policies that are as their file said before are marked."""
    lines = shown(
        refusedFiles=[
            {"file": "/p/a.yaml", "kept": True, "errors": ["/p/a.yaml:1:2: no", "more"]},
            {"file": "/p/\x1bb.yaml", "kept": False, "errors": ["/p/b.yaml:1:1: neither"]},
        ],
        policies=[{**WEB, "older": True}],
    )

    assert "refused: /p/a.yaml: what it said before is active: /p/a.yaml:1:2: no" in lines
    assert "refused: /p/\\x1bb.yaml: nothing of it is active: /p/b.yaml:1:1: neither" in lines
    assert lines[-1].startswith("web     audit (older)")


def test_files_that_are_wrong(shown):
    """What is active is not what they say: nobody is to take the one for the other."""
    (line,) = (line for line in shown(notActive="/p/a.yaml:1:2: no \x1b") if "not active" in line)

    assert "what the policy files say now is not active: /p/a.yaml:1:2: no \\x1b" == line
    assert not any("not active" in line for line in shown(notActive=""))


def test_who_changed_what(tmp_path, capsys):
    """The newest changes, each with who asked for it; requests that change nothing are none."""
    served = Served(tmp_path / "s.sock", STATE)
    try:
        with Client.connect(tmp_path / "s.sock") as client:
            for _ in range(8):
                client.ask("policy-set-mode", name="w\x1beb", mode="audit")
            client.ask("policy-list")
            changes = client.ask("status")["status"]["control"]["changes"]
        assert main(["status", "--socket", str(tmp_path / "s.sock")]) == Exit.OK
    finally:
        served.close()

    said = [line for line in capsys.readouterr().out.splitlines() if ", by " in line]
    assert 8 == len(changes)
    assert 5 == len(said)
    assert said[0][20:] == f"policy w\\x1beb: mode audit, set: generation 7, by {ME}"


def test_the_state_as_a_document(tmp_path, capsys):
    """Everything that the daemon answers, under a version."""
    state = {
        **STATE,
        "missing": [],
        "generationSeconds": 40.0,
        "rings": {"decisions": [512, 4096]},
        "enforcesAt": "LSM hooks",
        "records": {**STATE["records"], "byOutcome": {"denied": 5}, "unreadCommandLines": 0},
        "sinks": [{"name": "json log /a", "failing": False, "failures": 0, "dropped": 0}],
        "memory": {**STATE["memory"], "maps": {"image": 1024}},
        "pending": {"confirmWithin": 60.0, "left": 2.5},
        "pinned": None,
        "runtimeChanges": [{"policy": "web", "change": "mode audit"}],
    }
    served = Served(tmp_path / "s.sock", state)
    try:
        assert main(["status", "-o", "json", "--socket", str(tmp_path / "s.sock")]) == Exit.OK
    finally:
        served.close()

    found = document("status", capsys.readouterr().out)
    assert {"version": 1, **state, "control": found["control"]} == found


def test_pins_that_were_removed_are_told(shown):
    """What is active then ends with the daemon."""
    told = shown(pinned=None, unpinned="/sys/fs/bpf/enforcer")

    assert "names in /sys/fs/bpf/enforcer were removed: enforcement ends with the daemon" in told
    assert not [line for line in told if "outlives" in line]


def test_nothing_pinned_nothing_protected(shown):
    """What does not hold is not claimed."""
    assert shown() == shown(pending=None, pinned=None, protected=False, runtimeChanges=[])


def test_what_a_daemon_has_left_is_told(monkeypatch, tmp_path, capsys):
    """Nobody is to believe that nothing is enforced; of a socket of one's own nothing is known."""
    for path in (tmp_path / "s.sock", tmp_path / "other.sock"):
        for is_left in (True, False):
            monkeypatch.setattr("enforcer.cli.status.places.SOCKET", tmp_path / "s.sock")
            monkeypatch.setattr("enforcer.cli.stop.is_left", lambda _, left=is_left: left)

            assert Exit.USAGE == main(["status", "--socket", str(path)])
            told = capsys.readouterr().err
            assert (is_left and path.name == "s.sock") is ("is still enforced" in told)
            assert "no daemon is running" in told
