# SPDX-License-Identifier: MIT
"""What the kernel decided on a day's work, and what its recording says: see ``replaying.py``."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from daemon import ask
from replay_policies import POLICIES
from replaying import ALL, Seen, check, recorded


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    with recorded(tmp_path_factory.mktemp("replay"), ALL, *POLICIES) as found:
        yield found


@pytest.mark.parametrize("name", POLICIES)
def test_a_replay_decides_as_the_kernel_did(seen, name):
    check(seen, name)


def test_the_commands_say_the_same(seen):
    """``dry-run --replay`` sums up what was decided, as JSON and as one page, and shows differences."""
    page = seen.journal.with_suffix(".html")

    done = ask(
        "dry-run", "--replay", str(seen.journal), str(seen.policies["files"]), "--json",
        "--html", str(page), "--against", str(seen.policies["programs"]),
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    live = seen.live["files"]
    denied = sum(1 for event in live["events"] if event[1] == "DENY")
    assert denied == report["wouldDeny"]
    (system,) = [rule for rule in report["rules"] if rule["rule"] == "system"]
    looks = {each["exe"]: each["looks"] for each in system["by"]}
    assert "ordinary" == looks["/usr/bin/dpkg"]
    assert report["difference"]["onlyHere"]["wouldDeny"]
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "<script" not in text
