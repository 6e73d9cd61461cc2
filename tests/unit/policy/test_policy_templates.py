# SPDX-License-Identifier: MIT
"""Message templates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.errors import PolicyError
from enforcer.policy.language.templates import PLACEHOLDERS, error, render
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


@given(st.text())
def test_any_template_is_right_or_wrong(template):
    """A template that was accepted renders."""
    if error(template, SPAN) is None:
        assert isinstance(render(template, {}), str)
