# SPDX-License-Identifier: MIT
"""What a frame shows, at every size, of whatever the daemon says."""

import re

import pytest
from fakes import BASH
from rich.cells import cell_len
from ui_model import EVIL, HEALTH, NOW, beat, denial, killing, lines, model, shown

from enforcer.ui.model import Detail, Focus, Question, View
from enforcer.ui.rows import Glyphs
from enforcer.ui.search import Search

SIZES = [(40, 10), (60, 15), (79, 17), (80, 24), (119, 30), (120, 40), (160, 50), (300, 90)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", View)
def test_every_line_fits(size, view):
    """A frame is exactly as large as the screen, whatever is in it."""
    made = model(*(denial(n, path=EVIL * 4, exe=b"/usr/bin/" + b"x" * 200) for n in range(40)))
    made.view, made.detail = view, Detail(made.events()[0], [("  name   " + "long " * 90, "")])

    found = lines(made, width=size[0], height=size[1])

    assert size[1] == len(found)
    assert {size[0]} == {cell_len(line) for line in found}


def test_what_is_to_be_seen_at_80x24():
    """Rates, events with who and why, the most frequent, policies, and health: all at once."""
    text = shown(model(denial(), killing()))

    assert "guard · 3 policies · up 1 h 06 m · protected" in text
    assert re.search(r"denied +2 ", text)
    assert re.search(r"audited +0\.6 ", text)
    assert "EPERM SIGKILL kubectl[6789] » sh[12345]" in text
    assert "file.write /srv/vault/sec…" in text
    assert "vault/no-writes" in text
    assert "1.2M" in text
    assert "/usr/bin/tee" in text
    assert "rings 50% + 0% · lost 42 · hooks 18/19 · degraded web/by-argument" in text
    assert "3 paths unknown" in text
    assert "generation 7" in text


def test_wide_screens_have_an_event_on_one_line():
    """Where there is room, who, what, rule and reason stand side by side."""
    (line,) = [li for li in lines(model(denial()), width=200, height=50) if "tee[100]" in li]

    assert "denied" in line
    assert "file.write /srv/vault/secret" in line
    assert "vault/no-writes" in line
    assert "EPERM: denied: file.write /srv/vault/secret b…" in line


def test_what_fails_is_said():
    """Losses, a failing output, a change that waits, and what the daemon said last."""
    made = model(denial())
    pending = {"confirmWithin": 60.0, "left": 42.0}
    notices = [[0.0, "web.yaml:3:1: \x1b[31munknown key"]]
    made.beat(beat(6.0, health={**HEALTH, "pending": pending}, notices=notices), NOW)

    text = shown(made, width=160)

    assert "outputs failing: json log" in text
    assert "not confirmed, 42 s left: enforcer confirm" in text
    assert "web.yaml:3:1: \\x1b[31munknown key" in text


def test_health_that_cannot_be_read_is_no_good_health():
    """An error takes the place of the numbers."""
    made = model(denial())
    made.beat(beat(6.0, health=None, problem="read entry 0 of a map: EPERM"), NOW)

    assert "health unknown: read entry 0 of a map: EPERM" in shown(made)
    assert "lost" not in shown(made).replace("hooks", "")


@pytest.mark.parametrize("width", [80, 200])
def test_text_of_processes_is_harmless(width):
    """Control characters, markup, emoji names and reordering reach no screen."""
    made = model(denial(path=EVIL, comm=b"\x1b[2J", exe=EVIL))
    made.beat(beat(6.0, paths=[[EVIL.decode("utf-8", "backslashreplace"), 1]]), NOW)
    made.detail = Detail(made.events()[0], [])

    for view in View:
        made.view = view
        text = shown(made, width=width, height=50)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)

    made.view = View.LIST
    assert "\\x1b[2J\\x1b]0;owned" in shown(made, width=200, height=50)
    assert "[red]x[/red]" in shown(made, width=300, height=50)


def test_without_unicode_a_frame_is_ascii():
    """A terminal that has no bars and rules gets others."""
    made = model(denial(), killing())

    assert shown(made, glyphs=Glyphs.plain()).isascii()


def test_the_selection_is_seen_without_colour():
    """A mark stands before what is selected."""
    made = model(denial(0), denial(1))
    marked = [line for line in lines(made) if line.startswith("▸")]
    made.focus = Focus.POLICIES
    assert 1 == len(marked)
    assert "tee[101]" in marked[0]
    assert [line for line in lines(made) if "▸ web" in line]


def test_a_filter_is_named():
    """Nobody takes a filtered list for all there is."""
    made = model(denial(0), killing())
    made.search = Search("action:killed")

    text = shown(made)

    assert "filter: action:killed · 1 of 2" in text
    assert "tee[100]" not in text


def test_the_daemon_that_is_gone_is_said():
    """What is shown is of before, and the reader is told since when."""
    made = model(denial())
    made.lose("the daemon closed the connection", NOW)

    assert "NO DAEMON for 7 s, reconnecting" in shown(made, now=NOW + 7)
    assert "the daemon closed the connection" in lines(made)[-3]
    assert "tee[100]" in shown(made, now=NOW + 7)


def test_a_daemon_that_is_silent_is_said():
    """A daemon that hangs is not taken for one at peace."""
    assert "live" in shown(model(), now=NOW + 2)
    assert "daemon silent for 9 s" in shown(model(), now=NOW + 9)


def test_nothing_known_yet():
    """Before the first word of the daemon there is a frame all the same."""
    from enforcer.ui.model import Model

    text = shown(Model(host="guard"))

    assert "connecting" in text
    assert "waiting for the daemon" in text


def test_a_mode_is_asked_for():
    """The question says what the answer would do."""
    made = model()
    made.question = Question("vault", "audit")
    assert "Let policy vault audit: nothing is refused?" in lines(made)[-1]
    made.question = Question("web", "enforce")
    assert "Let policy web enforce: its rules refuse?" in lines(made)[-1]


def test_details_scroll_no_further_than_they_go():
    """The last line of the details is never above the screen."""
    made = model(denial())
    made.view = View.DETAIL
    made.detail = Detail(made.events()[0], [(f"line {n}", "") for n in range(50)], is_waiting=False)
    made.detail.scroll = 1 << 30

    found = lines(made)

    assert "line 49" in found[-2]
    assert made.detail.scroll < 50


def test_rules_of_messages_are_the_policy_s():
    """A message with the policy's own words is shown as the reason."""
    assert "Suspicious /bin/bash execution" in shown(model(killing(origin=BASH)), width=240)


def test_too_small():
    """A screen on which nothing can be shown says so."""
    assert "too small: needs 40x10" in shown(model(), width=39, height=10)


@pytest.mark.parametrize("width", [80, 160])
def test_whoever_acted_is_never_what_is_cut(width):
    """A long tree loses its beginning."""
    event = denial()
    event["ancestors"] = [{"pid": n, "name": f"ancestor-{n}", "exe": None} for n in range(8)]

    assert "» tee[100]" in shown(model(event), width=width)
