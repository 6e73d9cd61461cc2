# SPDX-License-Identifier: MIT
"""What a request may say."""

import json

import pytest

from enforcer.errors import ControlError
from enforcer.runtime.control.commands import COMMANDS, parse_request

GOOD = {
    "status": {},
    "events": {"filter": {"policy": ["web-*"], "action": ["deny", "kill"], "since": 1.5}},
    "recent": {"last": 20, "filter": {"process": ["/usr/bin/cat"]}},
    "watch": {},
    "record": {"id": "3f9c0a1b-1f-2-0"},
    "sources": {},
    "container-begins": {"id": "c" * 64, "pid": 4711, "began": 17.5, "wait": 10},
    "stop": {},
    "reload": {"confirmWithin": 60},
    "confirm": {},
    "policy-list": {},
    "policy-show": {"name": "web"},
    "policy-add": {"texts": {"/a.yaml": "kind: x"}, "confirmWithin": 1},
    "policy-remove": {"name": "web", "confirmWithin": 3600},
    "policy-enable": {"name": "web", "confirmWithin": None},
    "policy-disable": {"name": "web", "confirmWithin": 2.5},
    "policy-set-mode": {"name": "web", "mode": "enforce", "confirmWithin": 60},
}

OPTIONAL = {"confirmWithin", "filter"}
NUMBERS = {"last", "pid", "began", "wait"}


def parsed(command, fields):
    return parse_request(json.dumps({"command": command, **fields}).encode())


def test_every_command_has_a_good_request():
    """The table below covers the table of commands."""
    assert COMMANDS.keys() == GOOD.keys()


@pytest.mark.parametrize("command", GOOD)
def test_good_requests(command):
    """What is given is passed on."""
    assert GOOD[command] == parsed(command, GOOD[command]).fields


@pytest.mark.parametrize("command", GOOD)
def test_fields_that_nobody_knows_are_refused(command):
    """A word that would be ignored is an error."""
    with pytest.raises(ControlError, match=f"{command} has no field 'confirm_within'"):
        parsed(command, {**GOOD[command], "confirm_within": 60})


@pytest.mark.parametrize(
    ("command", "field"),
    [(c, f) for c, fields in GOOD.items() for f in fields if f not in OPTIONAL],
)
def test_fields_that_are_needed(command, field):
    """Without one of them nothing is done, and the sentence says what it is."""
    fields = {key: value for key, value in GOOD[command].items() if key != field}

    with pytest.raises(ControlError, match=f"{command} needs the field '{field}'"):
        parsed(command, fields)


@pytest.mark.parametrize("value", [None, "", 7, True, [], {}, ["web"], "x" * 2_000_000])
@pytest.mark.parametrize(
    ("command", "field"),
    [(c, f) for c, fields in GOOD.items() for f in fields if f not in OPTIONAL | NUMBERS],
)
def test_fields_of_another_type_are_refused(command, field, value):
    """Neither another type nor nothing nor too much is taken for text."""
    with pytest.raises(ControlError, match=f"does not take this '{field}'"):
        parsed(command, {**GOOD[command], field: value})


@pytest.mark.parametrize(
    "texts",
    [{"": "x"}, {"/a": ""}, {"/a": 7}, {"/a": None}, {"/a" * 4000: "x"}, {"/a": "x" * 2_000_000}],
)
def test_each_text_has_a_name_and_is_text(texts):
    """Of several, one that is none refuses all."""
    with pytest.raises(ControlError, match="does not take this 'texts'"):
        parsed("policy-add", {"texts": {"/good.yaml": "kind: x", **texts}})


@pytest.mark.parametrize(
    "value", [0, 0.5, -60, 3600.1, 1e300, float("nan"), float("inf"), True, "60", [60]]
)
def test_times_to_confirm_are_bounded(value):
    """One second to one hour."""
    with pytest.raises(ControlError, match="1 to 3600 seconds"):
        parsed("reload", {"confirmWithin": value})


@pytest.mark.parametrize("value", [0, -1, 501, 2.0, True, "20", None, [20]])
def test_how_many_records_is_bounded(value):
    """The loop is busy with them."""
    with pytest.raises(ControlError, match="a number from 1 to 500"):
        parsed("recent", {"last": value})


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("pid", [0, -1, (1 << 22) + 1, 2.0, True, "20", None]),
        ("began", [-1, 1e300, float("nan"), True, "20", None]),
        ("wait", [-1, 60.1, 1e300, float("nan"), True, "20", None]),
    ],
)
def test_numbers_of_a_container_are_bounded(field, values):
    """Process ids as the kernel gives them, times as a hook waits."""
    for value in values:
        with pytest.raises(ControlError, match=f"does not take this '{field}'"):
            parsed("container-begins", {**GOOD["container-begins"], field: value})


@pytest.mark.parametrize(
    "value",
    [
        *([], "web", {"polices": ["web"]}, {"policy": "web"}, {"policy": [""]}, {"policy": [7]}),
        *({"policy": ["web"] * 17}, {"policy": ["x" * 4097]}, {"action": ["refuse"]}),
        *({"since": "10m"}, {"since": -1}, {"since": 1e300}, {"since": True}, {"since": None}),
    ],
)
@pytest.mark.parametrize("command", ["events", "recent"])
def test_filters_that_nobody_understands(command, value):
    """What would be ignored, or would match nothing by mistake, is refused."""
    with pytest.raises(ControlError, match="does not take this 'filter': it must be lists of"):
        parsed(command, {**GOOD[command], "filter": value})


@pytest.mark.parametrize("mode", ["off", "Audit", "enforce "])
def test_modes_are_two(mode):
    """No other word is a mode."""
    with pytest.raises(ControlError, match="it must be enforce or audit"):
        parsed("policy-set-mode", {"name": "web", "mode": mode})


def test_long_nonsense_is_not_repeated():
    """A sentence stays short whatever was sent."""
    with pytest.raises(ControlError) as caught:
        parsed("x" * 100_000, {})

    assert len(str(caught.value)) < 300
