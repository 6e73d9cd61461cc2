# SPDX-License-Identifier: MIT
"""
A hundred thousand records of every kind, each in each of its forms, against the schemas.

Needs no guest: ``ENFORCER_SOAK=1 .venv/bin/pytest tests/soak/test_records.py``.
"""

import json
import os
import re

import jsonschema
import pytest
from ocsf_schema import validate
from synthetic import records

from enforcer.events.schema import schema
from enforcer.sinks.jsonl import json_line
from enforcer.sinks.logfmt import logfmt_line
from enforcer.sinks.ocsf import ocsf_line

NUMBER = 100_000 // int(os.environ.get("ENFORCER_SOAK", "1"))
FIELDS = {"site": 'rack "7"\\'}
PAIRS = re.compile(rb'(?:[a-z_]+=(?:"(?:[^"\\\n]|\\.)*"|[^ "\n]+) )*[a-z_]+="(?:[^"\\\n]|\\.)*"\n')


@pytest.mark.parametrize("seed", [11])
def test_json_lines_have_the_published_form(seed):
    strict = jsonschema.Draft202012Validator(schema(is_strict=True))
    for record in records(NUMBER, seed):
        line = json_line(record, FIELDS)
        strict.validate(json.loads(line))
        assert line.isascii()
        assert line.count(b"\n") == 1


@pytest.mark.parametrize("seed", [12])
def test_logfmt_lines_are_pairs(seed):
    for record in records(NUMBER, seed):
        assert PAIRS.fullmatch(logfmt_line(record, FIELDS))


@pytest.mark.parametrize("seed", [13])
def test_ocsf_events_pass_the_official_schema(seed):
    for record in records(NUMBER, seed):
        validate(json.loads(ocsf_line(record, FIELDS)))
