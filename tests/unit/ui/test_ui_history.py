# SPDX-License-Identifier: MIT
"""Rates out of sums."""

from fakes import denied
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from enforcer.workbench.dashboard.detail import lines_of
from enforcer.workbench.dashboard.history import History, outcomes_of, spark
from enforcer.workbench.dashboard.painter import Painter
from enforcer.workbench.dashboard.rows import Frame, Glyphs, fit, fold


def test_what_becomes_a_row():
    """Everything that was only audited is one row; a word that nobody knows is not lost."""
    found = outcomes_of({"denied": 1, "would deny": 2, "would log": 4, "strange": 8})

    assert {"killed": 0, "denied": 1, "logged": 0, "allowed": 0, "audited": 14} == found


def test_rates():
    """Of late, and over parts of the past."""
    history = History()
    history.begin((float(at), {"denied": at * 10}) for at in range(300))

    assert 10.0 == history.rate("denied")
    assert {10.0} == set(history.rates("denied", 60)[1:])
    assert [0.0] * 60 == history.rates("killed", 60)


def test_a_gap_is_no_burst():
    """After a pause of the daemon the rate is that of the time that has passed."""
    history = History()
    history.begin([(0.0, {"denied": 0}), (100.0, {"denied": 100})])

    assert 1.0 == history.rate("denied")


def test_a_daemon_that_began_anew():
    """Sums that start again make no negative rates."""
    history = History()
    history.begin([(0.0, {"denied": 50}), (1.0, {"denied": 2}), (2.0, {"denied": 4})])

    assert all(rate >= 0 for rate in history.rates("denied", 30))


def test_nothing_is_a_blank_and_anything_is_a_bar():
    """A single denial among thousands is seen."""
    bars = Glyphs().bars

    assert "   " == spark([0, 0, 0], bars)
    assert f" {bars[0]}{bars[-1]}" == spark([0, 0.001, 1000], bars)


@given(st.text(), st.integers(1, 30), st.booleans(), st.booleans())
def test_fitting(text, width, right, keep_end):
    """Any text fits any number of cells exactly."""
    from rich.cells import cell_len

    assert width == cell_len(fit(text, width, Glyphs(), right=right, keep_end=keep_end))


@given(st.text(alphabet="ab 漢", max_size=60), st.integers(2, 20))
def test_folding(text, width):
    """No line is too long, and nothing is left out."""
    from rich.cells import cell_len

    lines = fold(text, width)

    assert all(cell_len(line) <= width for line in lines)
    assert text.replace(" ", "") == "".join(lines).replace(" ", "")


def console(**options):
    return Console(width=10, force_terminal=True, color_system="standard", **options)


def test_only_what_changed_is_painted():
    """A line that is on the screen already costs nothing."""
    painter = Painter(console())
    painter.paint(Frame(([("one", "")], [("two", "denied")])))

    again = painter.paint(Frame(([("one", "")], [("TWO", "denied")])))

    assert b"\x1b[2;1H" in again
    assert b"TWO" in again
    assert b"one" not in again
    assert b"" == painter.paint(Frame(([("one", "")], [("TWO", "denied")])))
    painter.forget()
    assert b"one" in painter.paint(Frame(([("one", "")], [("TWO", "denied")])))


def test_no_colour():
    """With NO_COLOR nothing is coloured; weight stays."""
    frame = Frame(([("one", "denied"), ("two", "title")],))

    assert b"\x1b[33m" in Painter(console()).paint(frame)
    assert b"\x1b[1;1Hone\x1b[1mtwo\x1b[0m" == Painter(console(no_color=True)).paint(frame)


def test_a_terminal_that_cannot_move_its_cursor():
    """Frames come one below the other, without any sequence."""
    dumb = Console(width=10, force_terminal=True, color_system=None)
    painter = Painter(dumb, can_move=False)

    assert b"one\ntwo\n\n" == painter.paint(Frame(([("one   ", "bad")], [("two", "")])))
    assert b"" == painter.forget()


def test_details_say_everything_there_is():
    """Who below whom, and every field that has a value, harmless."""
    from enforcer.events.document import as_document

    document = as_document(denied(path=b"/srv/\x1b[2J"))
    text = "\n".join(line for line, _ in lines_of(document))

    for part in (
        "kubectl[6789]",
        "/usr/bin/tee[12345]",
        "/srv/\\x1b[2J",
        "vault.yaml:9:3",
        "EPERM",
    ):
        assert part in text
    assert document["id"] in text
    assert "\x1b" not in text
