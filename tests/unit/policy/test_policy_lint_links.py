# SPDX-License-Identifier: MIT
"""Links that somebody other than root can have made, where they are not followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from enforcer.policy.lint import followed
from enforcer.policy.lint.linter import Host, lint
from enforcer.policy.store import load_text

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\nspec:\n  rules:\n  - "


@pytest.mark.parametrize(
    ("rule", "is_said"),
    [
        ("{file: read, match: {path: /home/bob/x}, action: allow}", True),
        ("{file: read, match: {path: /home/bob/**}, action: allow}", True),
        ("{file: read, match: {path: {notIn: [/home/bob/x]}}, action: deny}", True),
        ("{file: read, match: {path: /a, notProcess: {binary: /home/bob/x}}, action: deny}", True),
        ("{file: read, match: {path: /home/bob/x}, action: deny}", False),
        ("{file: read, match: {path: /home/bob/x}, action: log}", False),
        ("{file: read, match: {path: /home/eve/x}, action: allow}", False),
        ("{file: read, match: {path: /a, process: {binary: /home/bob/x}}, action: deny}", False),
    ],
)
def test_a_link_that_is_not_followed_is_said(rule: str, is_said: bool) -> None:  # noqa: FBT001 - a table
    """Where it would permit more, and not where it is used against somebody."""
    host = Host(link_of_others=lambda path: b"/home/bob" if b"bob" in path else None)

    found = [
        each
        for each in lint(load_text(HEAD + rule, "p.yaml"), host)
        if "not followed" in each.message
    ]

    assert is_said is bool(found)
    assert not is_said or "the link /home/bob is not followed" in found[0].message


def test_the_first_link_of_others_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the way of the path, and on that of each link that is followed."""
    (tmp_path / "real").mkdir()
    (tmp_path / "own").symlink_to("./real/../real")
    (tmp_path / "theirs").symlink_to(tmp_path / "real")
    (tmp_path / "by-way").symlink_to("theirs/file")
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setattr(followed, "is_by_root", lambda path, _: not path.endswith(b"theirs"))

    def found(name: str) -> bytes | None:
        return followed.link_of_others(bytes(tmp_path / name))

    theirs = bytes(tmp_path / "theirs")
    assert [None, None, None, None] == [found(n) for n in ("real/x", "own/x", "missing", "loop")]
    assert [theirs, theirs, theirs] == [found(n) for n in ("theirs", "theirs/x", "by-way")]
    assert followed.link_of_others(b"/proc/self/exe") is None
