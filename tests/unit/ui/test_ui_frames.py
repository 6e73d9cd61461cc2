# SPDX-License-Identifier: MIT
"""What a frame shows, at every size, of whatever the daemon says."""

import re

import pytest
from control_fakes import WEB, WEB_YAML
from fakes import BASH
from rich.cells import cell_len
from ui_model import EVIL, HEALTH, NOW, beat, denial, killing, lines, model, shown

from enforcer.events.types import Origin
from enforcer.workbench.dashboard.detail import lines_of_policy
from enforcer.workbench.dashboard.lists import shares
from enforcer.workbench.dashboard.model import Detail, Focus, Model, Question, View
from enforcer.workbench.dashboard.rows import Glyphs
from enforcer.workbench.dashboard.search import Search

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
    assert "file.write /srv/vault/secret" in text
    assert "vault/no-writes" in text
    assert "1.2M" in text
    assert "/usr/bin/tee" in text
    assert "rings 50% + 0% · lost 42 · hooks 18 · degraded web/by-argument" in text
    assert "3 paths unknown" in text
    assert "generation 7" in text


def test_the_newest_is_first_and_none_is_there_twice():
    """What the first beat has of the time before stands where its time puts it."""
    events = [denial(number * 1_000_000) for number in range(4)]
    made = Model(host="guard")
    made.open({"at": 0.0, "history": [], "newest": events[1:]}, NOW)
    made.beat(beat(newest=[events[0], events[2]]), NOW)

    assert [event["id"] for event in reversed(events)] == [e["id"] for e in made.events()]


def test_wide_screens_have_an_event_on_one_line():
    """Where there is room, who, what, rule, error and message stand side by side, and nothing twice."""
    own = Origin("vault", "no-writes", "vault.yaml:9:3", message="ask us first")
    (plain,) = [li for li in lines(model(denial()), width=200, height=50) if "tee[100]" in li]
    (said,) = [li for li in lines(model(denial(origin=own)), width=200) if "tee[100]" in li]

    words = [
        "denied",
        "kubectl[6789] » tee[100]",
        "file.write /srv/vault/secret",
        "vault/no-writes",
    ]
    assert " ".join([*words, "EPERM"]) == " ".join(plain[11:].split())
    assert " ".join([*words, "EPERM: ask us first"]) == " ".join(said[11:].split())


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (80, "           file.write /srv/vault/deep/down/secret  vault/no-writes"),
        (
            120,
            "kubectl[6789] » tee[100]    file.write /srv/vault/deep/down/secret  vault/no-writes",
        ),
        (
            160,
            "kubectl[6789] » tee[100]    file.write /srv/vault/deep/down/secret  vault/no-writes",
        ),
    ],
)
def test_columns_are_as_wide_as_what_is_in_them(width, expected):
    """Nothing is cut beside room that nobody needs, at the usual sizes of terminals."""
    text = shown(model(denial(path=b"/srv/vault/deep/down/secret")), width=width)

    assert expected in text


def test_one_long_message_costs_the_other_columns_little():
    """It is cut, and they are not."""
    long = Origin("vault", "no-writes", "vault.yaml:9:3", message="wait " * 40)
    made = model(denial(0, origin=long), denial(1))

    text = shown(made, width=120)

    assert "file.write /srv/vault/secret" in text
    assert "kubectl[6789] » tee[101]" in text
    assert "EPERM: wait" in text


@pytest.mark.parametrize(
    ("wanted", "room", "cells"),
    [
        ([], 10, []),
        ([3, 9], 40, [4, 12]),
        ([100, 4, 100], 40, [18, 4, 18]),
        ([100, 8], 10, [5, 5]),
        ([4, 4], 0, [0, 0]),
    ],
)
def test_shares(wanted, room, cells):
    """Small wishes are met before large ones are."""
    assert cells == shares(wanted, room)


def test_the_policies_leave_the_rates_what_they_do_not_need():
    """A short list of short names is a narrow panel; a long name is seen whole."""
    short, long = model(), model()
    long.live.health = {**HEALTH, "policies": [{**WEB, "name": "a-policy-with-a-long-name"}]}

    assert lines(short, width=160)[1].index("── Policies") > 105
    assert "a-policy-with-a-long-name" not in lines(long, width=60)[3]
    assert "a-policy-with-a-long-name" in lines(long, width=120)[3]


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


@pytest.mark.parametrize(("count", "said"), [(1, "1 file refused"), (3, "3 files refused")])
def test_files_that_are_refused_are_said(count, said):
    """With what tells more."""
    made = model(denial())
    made.beat(beat(6.0, health={**HEALTH, "refusedCount": count}), NOW)

    assert f"{said}: enforcer status" in shown(made, width=160)


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
    from enforcer.workbench.dashboard.model import Model

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


def test_a_policy_with_its_rules():
    """Counts stand under their headings, and the policy as it is active below."""
    made = model()
    rows = [
        {
            "rule": "no-\x1breads",
            "place": "w:1:1",
            "says": "",
            "enforced": 5,
            "refused": 3,
            "audited": 1200,
        }
    ]
    detail = {**WEB, "message": None, "yaml": WEB_YAML, "rows": rows}
    made.view = View.DETAIL
    made.detail = Detail("web", list(lines_of_policy(detail)), is_waiting=False)

    found = [line.rstrip() for line in lines(made, height=40)]

    assert " policy web" == found[1]
    assert found[4:6] == [
        "     refused  permitted    audited  rule",
        "           3          2      1,200  no-\\x1breads",
    ]
    assert "   mode             audit, set at run time" in found
    assert "       - name: one" in found


@pytest.mark.parametrize("width", [80, 120, 160])
def test_counts_have_headings(width):
    """Of rates, of policies, of what is most frequent."""
    found = lines(model(denial()), width=width)
    (heads,) = [line for line in found if "refused audited" in line]
    (web,) = [line for line in found if "  web " in line]

    assert any("now · 5 min · all" in line for line in found)
    assert heads.index("refused") + len("refused") == web.index(" 3 ") + 2
    assert heads.index("audited") + len("audited") == web.index("1,200") + len("1,200")
    assert 3 == sum(line.count(" times") for line in found)


def test_counts_of_narrow_columns_have_headings():
    """There is room for a letter, if not for a word."""
    made = model(denial())
    made.beat(beat(6.0, containers=[["0123456789ab", 7]]), NOW)

    (heads,) = [line for line in lines(made) if "── Containers" in line]

    assert ["times", "n", "n", "times"] == re.findall(r" (n|times) ──", heads)


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


@pytest.mark.parametrize("width", [40, 60, 80, 160])
def test_whoever_acted_is_never_what_is_cut(width):
    """A long tree loses its beginning."""
    event = denial()
    event["ancestors"] = [{"pid": n, "name": f"ancestor-{n}", "exe": None} for n in range(8)]

    assert "» tee[100]" in shown(model(event), width=width)


def test_a_narrow_screen_has_one_panel_beside_nothing():
    """Forty cells show rates at their full width, policies when they are selected, and a way to help."""
    made = model(denial())
    rates = shown(made, width=40, height=24)
    made.focus = Focus.POLICIES
    policies = shown(made, width=40, height=12)

    assert re.search(r"denied +2 .* 10 \n", rates)
    assert "Policies" not in rates
    assert "Rules" not in rates
    assert re.search(r"name +mode +refused", policies)
    assert "? help  q quit" in rates
    assert re.search(r"3 policies · u… live", rates)


def test_a_narrow_screen_folds_its_help():
    """No word of it is cut."""
    made = model()
    made.view = View.HELP

    said = " ".join(shown(made, width=40, height=60).split())

    assert "asks first" in said
    assert "set at run time." in said
    assert "…" not in said.replace("u… live", "")
