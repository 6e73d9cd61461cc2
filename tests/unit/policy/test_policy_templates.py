# SPDX-License-Identifier: MIT
"""Message templates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.errors import PolicyError
from enforcer.policy.language.templates import (
    MAX_LENGTH,
    MAX_MESSAGE,
    MAX_VALUE,
    PLACEHOLDERS,
    error,
    render,
)
from enforcer.span import Span

SPAN = Span("f", 1, 1)


def test_placeholders_are_filled_in():
    """Known values appear, others as a dash, doubled braces as braces."""
    values = {"path": "/x", "pid": "1", "user": ""}
    assert "/x by 1 (-, -) {}" == render("{path} by {pid} ({user}, {pod_name}) {{}}", values)


def test_values_are_not_templates():
    """What a process controls cannot bring placeholders of its own."""
    assert "{pid}" == render("{path}", {"path": "{pid}", "pid": "1"})


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{pod}", "unknown placeholder {pod}"),
        ("{Pid}", "did you mean 'pid'?"),
        ("{}", "unknown placeholder {}"),
        ("{pid!r}", "unknown placeholder"),
        ("{pid.real}", "unknown placeholder"),
        ("{", "a single {"),
        ("}", "a single }"),
        ("{{}", "a single }"),
        ("{a{pid}", "a single {"),
    ],
)
def test_bad_templates(template, words):
    """Nothing of Python's formats is understood."""
    found = error(template, SPAN)
    assert found
    assert words in str(found)
    with pytest.raises(PolicyError):
        render(template, {})


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_every_placeholder_renders(name):
    """The table is what the renderer knows."""
    assert "v" == render(f"{{{name}}}", {name: "v"})


def test_a_long_value_is_cut_and_says_so():
    """What follows it is there all the same."""
    values = {"path": "/" + "a" * 4095, "user": "b" * MAX_VALUE}

    shown = render("{path} by {user}", values)

    assert f"/{'a' * (MAX_VALUE - 2)}… by {'b' * MAX_VALUE}" == shown


def test_a_message_has_a_limit_whatever_its_template_repeats():
    """Each value within its limit, and yet too many of them."""
    template = "{path}" * (MAX_LENGTH // len("{path}"))

    for size in (25, 600, 16384):
        shown = render(template, {"path": "/" + "é" * (size - 1)})

        assert (MAX_MESSAGE, "…") == (len(shown), shown[-1])
    assert "/x" * 170 == render(template, {"path": "/x"})


def test_what_just_fits_is_not_cut():
    """To the character."""
    template = "x" * (MAX_LENGTH - 48) + "{args}" * 6
    room = MAX_MESSAGE - (MAX_LENGTH - 48) - 5 * MAX_VALUE

    assert room > MAX_VALUE
    for size, end in ((MAX_VALUE - 1, "a"), (MAX_VALUE, "a"), (MAX_VALUE + 1, "…")):
        assert render(template, {"args": "a" * size})[-1] == end
    whole = "x" * 512 + "{args}" * 7
    assert "x" * 512 + "a" * 3584 == render(whole, {"args": "a" * MAX_VALUE})
    cut = render("y" + whole, {"args": "a" * MAX_VALUE})
    assert (MAX_MESSAGE, "a…") == (len(cut), cut[-2:])


def test_no_more_values_are_made_than_there_is_room_for():
    """Some take long to make."""
    asked = []

    class Values(dict[str, str]):
        def get(self, key, default=None):
            asked.append(key)
            return super().get(key, default)

    render("{args}" * 170, Values(args="a" * 4096))

    assert len(asked) == MAX_MESSAGE // MAX_VALUE + 1


@given(st.text())
def test_any_template_is_right_or_wrong(template):
    """A template that was accepted renders."""
    if error(template, SPAN) is None:
        assert isinstance(render(template, {}), str)
