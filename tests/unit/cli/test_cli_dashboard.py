# SPDX-License-Identifier: MIT
"""The dashboard on a terminal, against a daemon under load; and single frames of it."""

import os
import re
import signal
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from busy_daemon import VAULT, busy
from terminals import LONG, Terminal

from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.runtime.reactor import Reactor

ENFORCER = [sys.executable, "-m", "enforcer"]
DAEMON = Path(__file__).parents[2] / "busy_daemon.py"


class Running:
    """A daemon in a thread; can be ended and begun anew at the same place."""

    def __init__(self, socket, rate=500.0):
        self.socket, self.rate = socket, rate
        self.begin()

    def begin(self):
        self.daemon, pipeline, self.load = busy(self.socket, self.rate)
        ready = threading.Event()
        self.thread = threading.Thread(target=lambda: self.daemon.run(pipeline, ready=ready.set))
        self.thread.start()
        assert ready.wait(LONG)

    def end(self):
        self.daemon.reactor.after(0, self.daemon.stop)
        self.thread.join()
        self.daemon.reactor.close()


class _Nothing:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    # A loop outside of the main thread gets no signals.
    monkeypatch.setattr(Reactor, "signals", lambda *_, **__: _Nothing())
    monkeypatch.setattr("enforcer.runtime.daemon._TICK", 0.1)
    made = Running(tmp_path / "s")
    yield made
    made.end()


@pytest.fixture
def terminal():
    """Open terminals; they are closed at the end."""
    made = []

    def start(*words, **how):
        made.append(Terminal.running([*ENFORCER, *map(str, words)], **how))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_one_frame(daemon, capfdbinary):
    """Printed without a terminal: plain text of the size that was asked for."""
    code = main(["dashboard", "--once", "--size", "100x30", "--socket", str(daemon.socket)])

    out = capfdbinary.readouterr().out.decode()
    assert Exit.OK == code
    assert "Verdicts per second" in out
    assert "vault" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 100
    assert len(out.splitlines()) <= 30


def test_a_picture(daemon, tmp_path):
    """Saved as SVG, with colours whatever the terminal has."""
    file = tmp_path / "frame.svg"
    code = main(
        ["dashboard", "--svg", str(file), "--size", "160x50", "--socket", str(daemon.socket)]
    )

    text = file.read_text()
    assert Exit.OK == code
    assert text.startswith("<svg")
    assert "only-the-vault" in text
    assert ET.fromstring(text) is not None


def test_a_picture_is_as_wide_as_was_asked_for(daemon, tmp_path, monkeypatch):
    """On a dumb terminal, too, as a service has one."""
    monkeypatch.setenv("TERM", "dumb")
    widths = []
    for columns in (80, 160):
        file = tmp_path / f"{columns}.svg"
        size = f"{columns}x30"
        main(["dashboard", "--svg", str(file), "--size", size, "--socket", str(daemon.socket)])
        widths.append(float(ET.fromstring(file.read_text()).attrib["viewBox"].split()[2]))

    assert widths[1] > 1.9 * widths[0]


def test_a_picture_loads_nothing(daemon, tmp_path):
    """Whoever looks at it tells no server so: all that it refers to is in it."""
    file = tmp_path / "frame.svg"
    main(["dashboard", "--svg", str(file), "--socket", str(daemon.socket)])

    text = file.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "", 1)
    assert "//" not in text
    assert "@font-face" not in text
    assert "@import" not in text
    assert {"#"} == set(re.findall(r"url\([\"']?(.)", text))


@pytest.mark.parametrize("words", [["--once"], ["--svg", "f.svg"], []])
def test_no_daemon(tmp_path, capsys, words):
    """A single frame needs one; without a terminal there is only a single frame."""
    code = main(["dashboard", *words, "--socket", str(tmp_path / "none")])

    assert Exit.USAGE == code
    assert ("no daemon is running" if words else "needs a terminal") in capsys.readouterr().err


@pytest.mark.parametrize("size", ["80", "8x24", "80x24x1", "x"])
def test_no_size(size, capsys):
    """Columns and lines."""
    with pytest.raises(SystemExit):
        main(["dashboard", "--once", "--size", size])
    assert "write 160x50" in capsys.readouterr().err


@pytest.mark.parametrize(
    "leave",
    [
        lambda shown: shown.type(b"q"),
        lambda shown: shown.type(b"\x03"),
        lambda shown: shown.process.send_signal(signal.SIGTERM),
        lambda shown: shown.process.send_signal(signal.SIGHUP),
    ],
    ids=["q", "ctrl-c", "sigterm", "sighup"],
)
def test_the_terminal_is_given_back(daemon, terminal, leave):
    """However it is left."""
    shown = terminal("dashboard", "--socket", daemon.socket)
    shown.until("vault/only-the-va")
    assert not shown.is_restored

    leave(shown)

    assert 0 == shown.ends()
    assert shown.is_restored


@pytest.mark.parametrize("is_stopped", [False, True], ids=["slow", "ctrl-s"])
def test_a_terminal_that_takes_nothing_is_not_waited_for(daemon, terminal, is_stopped):
    """Nobody reads, or the user has stopped it: the dashboard ends all the same, and gives it back."""
    shown = terminal("dashboard", "--socket", daemon.socket, size=(250, 90))
    shown.until("vault/only-the-va")
    if is_stopped:
        shown.type(b"\x13")
    for size in ((249, 90), (250, 90)) * 5:
        shown.resize(*size)
        shown.process.send_signal(signal.SIGWINCH)
    shown.process.send_signal(signal.SIGTERM)

    assert 0 == shown.process.wait(LONG)
    assert shown.modes == shown.before


def test_keys_on_a_terminal(daemon, terminal):
    """Filter, pause, details, mode with confirmation, help, a new size, and out."""
    shown = terminal("dashboard", "--socket", daemon.socket, size=(120, 40))
    shown.until("vault/no-shells-there")
    shown.type(b"/action:killed\r")
    shown.until("filter: action:killed")
    shown.type(b" ")
    shown.until("PAUSED")
    shown.forget()
    shown.type(b"\r")
    shown.until("no-shells-there: killed")
    shown.until("What would allow it")
    shown.until("action: allow")
    shown.type(b"\x1b")
    shown.until("Verdicts per second")
    shown.type(b" m")
    shown.until("Let policy vault audit")
    shown.type(b"n")
    shown.until("nothing changed")
    assert "enforce" == daemon.daemon.policies.listed[0]["mode"]
    shown.type(b"my")
    shown.until("policy vault: mode audit, generation 8")
    assert "audit" == daemon.daemon.policies.listed[0]["mode"]
    shown.type(b"?")
    shown.until("quit; enforcement goes on")
    shown.forget()
    shown.type(b"?")
    shown.until("Verdicts per second")
    shown.type(b"\t\r")
    shown.until("refused  permitted    audited  rule")
    shown.until("name: one")
    shown.forget()
    shown.type(b"\x1b")
    shown.resize(60, 20)
    shown.process.send_signal(signal.SIGWINCH)
    shown.until("Policies (")
    shown.type(b"q")
    assert 0 == shown.ends()
    assert shown.is_restored


def test_a_daemon_that_goes_and_comes(daemon, terminal):
    """It is said, and the next one is found."""
    shown = terminal("dashboard", "--socket", daemon.socket)
    shown.until("live")
    daemon.end()
    shown.until("NO DAEMON")
    shown.forget()
    daemon.begin()
    shown.until("live")
    shown.type(b"q")
    assert 0 == shown.ends()


def test_no_daemon_yet(tmp_path, terminal):
    """It waits for one."""
    shown = terminal("dashboard", "--socket", tmp_path / "none")
    shown.until("NO DAEMON")
    shown.type(b"q")
    assert 0 == shown.ends()


def test_no_colour(daemon, terminal):
    """NO_COLOR is respected, and everything is there."""
    shown = terminal("dashboard", "--socket", daemon.socket, NO_COLOR="1")
    shown.until("vault/only-the-va")
    assert not re.search(rb"\x1b\[[0-9;]*(3[0-7]|4[0-7]|9[0-7])(;|m)", shown.raw)
    shown.type(b"q")
    assert 0 == shown.ends()


@pytest.mark.parametrize("terminal_type", ["dumb", "unknown"])
def test_a_dumb_terminal(daemon, terminal, terminal_type):
    """No sequence is sent to a terminal that understands none; keys work."""
    shown = terminal("dashboard", "--socket", daemon.socket, TERM=terminal_type)
    shown.until("vault/only-the-va")
    shown.type(b"?")
    shown.until("quit; enforcement goes on")
    assert b"\x1b" not in shown.raw
    shown.type(b"q")
    assert 0 == shown.ends()
    assert shown.is_restored


def test_an_ascii_terminal(daemon, terminal):
    """A locale without Unicode gets a frame without it."""
    shown = terminal("dashboard", "--socket", daemon.socket, LC_ALL="C", PYTHONIOENCODING="ascii")
    shown.until("vault/only-the-va")
    assert shown.raw.isascii()
    shown.type(b"q")
    assert 0 == shown.ends()


def test_in_place_needs_a_terminal(monkeypatch, capsys, tmp_path):
    """It is said before anything is activated."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    policy = tmp_path / "vault.yaml"
    policy.write_text(VAULT)

    assert Exit.USAGE == main(["start", "--dashboard", "--no-pins", str(policy)])
    assert "--dashboard needs a terminal" in capsys.readouterr().err


# ---- On the terminal of the daemon -----------------------------------------------------------------


@pytest.fixture
def in_place(tmp_path):
    shown = Terminal.running([sys.executable, str(DAEMON), str(tmp_path / "s"), "200", "in-place"])
    shown.until("Verdicts per second")
    yield shown
    shown.close()


def test_leaving_a_dashboard_in_place_ends_no_enforcement(in_place):
    """The daemon says so, on a terminal that is as it was."""
    in_place.until("vault")
    in_place.type(b"q")
    in_place.until("the dashboard is closed, enforcement goes on")
    assert in_place.is_restored
    assert in_place.process.poll() is None
    in_place.type(b"\x03")
    assert 0 == in_place.ends()


def test_ctrl_c_ends_the_daemon_and_its_dashboard(in_place):
    """What the daemon says at its end comes after the terminal was given back."""
    in_place.until("vault")
    in_place.type(b"\x03")
    assert 0 == in_place.ends()
    assert in_place.is_restored
    assert in_place.raw.rindex(b"?1049l") < in_place.raw.rindex(b"of a core")


def test_a_killed_dashboard_leaves_a_terminal(in_place):
    """The daemon gives back what the dashboard no longer could."""
    in_place.until("vault")
    children = Path(f"/proc/{in_place.process.pid}/task/{in_place.process.pid}/children")
    (child,) = children.read_text().split()
    os.kill(int(child), signal.SIGKILL)
    in_place.until("the dashboard is closed, enforcement goes on")
    assert in_place.is_restored
    in_place.process.send_signal(signal.SIGTERM)
    assert 0 == in_place.ends()


def test_what_the_daemon_says_is_shown_and_printed_later(in_place):
    """Sentences do not tear the screen; they are in the dashboard, and on the terminal after it."""
    in_place.until("vault")
    in_place.type(b"\tm")
    in_place.until("Let policy vault audit")
    in_place.type(b"y")
    in_place.until("policy vault: mode audit, set")
    in_place.forget()
    in_place.type(b"q")
    in_place.until("the dashboard is closed")
    assert "policy vault: mode audit, set" in in_place.text
    in_place.type(b"\x03")
    assert 0 == in_place.ends()
