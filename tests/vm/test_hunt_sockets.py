# SPDX-License-Identifier: MIT
"""
No sequence of calls on sockets reaches a forbidden address or takes a forbidden port, as a search finds: ``hunt/sockets.c``.

Before there is an engine it does both.
"""

from __future__ import annotations

from collections.abc import Iterator

import compiled
import pytest
from engine import Engine, running
from hunt import campaign
from hunt.searcher import Searcher

_SEVERAL = '["10.9.0.2", "fd00:9::2", 10.9.0.255, 224.0.0.0/3, "ff00::/8"]'


def _policy(program: object) -> str:
    return f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: sockets}}
spec:
  rules:
    - network: egress
      match: {{address: {_SEVERAL}, process: {{binary: {program}}}}}
      action: {{deny: {{errno: EXDEV}}}}
    - network: [bind, listen]
      match: {{port: 40000-40001, process: {{binary: {program}}}}}
      action: {{deny: {{errno: EXDEV}}}}
"""


@pytest.fixture(scope="module")
def searcher(tmp_path_factory) -> Searcher:
    directory = tmp_path_factory.mktemp("hunt")
    compiled.place("hunt-sockets", directory / "hunt-sockets")
    return Searcher(directory / "hunt-sockets", (), directory)


@pytest.fixture(scope="module")
def engine(searcher, tmp_path_factory) -> Iterator[Engine]:
    campaign.control(searcher, sequences=400, floor=5)
    with running(_policy(searcher.program), tmp_path_factory.mktemp("engine")) as it:
        yield it


def test_no_sequence_gets_around_rules_on_sockets(searcher, engine):
    campaign.hunt(searcher, "sockets")
