# SPDX-License-Identifier: MIT
"""
Operands at their ends, as the kernel has them: names with every byte, the longest, paths longer than can be named.

``tests/decisions/test_extremes.py`` has the same for the decision; here it is what the hooks read.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import extreme_attempts as words
import pytest
from engine import attempt, running

_ROOT = Path("/mnt/scratch/extremes")  # before Linux 6.6, tmpfs has no attributes of users
_NAMED, _BESIDE = (os.fsencode(_ROOT) + place for place in (b"/named", b"/beside"))
_DEEP = (18, 19, 20, 25)


def _quoted(byte: int) -> str:
    """Write a name for YAML; a byte that is no character of its own as a glob."""
    return f'"{_ROOT}/named/\\x{byte:02x}x"'


def _policy() -> str:
    exact = ", ".join(_quoted(byte) for byte in words.BYTES if byte < 0x80)
    return f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: extremes}}
spec:
  rules:
  - {{name: bytes, file: read, match: {{path: {{in: [{exact}]}}}}, action: {{deny: {{errno: EDOM}}}}, guard: false}}
  - name: others
    file: read
    match: {{path: {{glob: {_ROOT}/named/*, notGlob: "{_ROOT}/named/[\\x01-\\x7f]*"}}}}
    action: {{deny: {{errno: EDOM}}}}
    guard: false
  - name: longest
    file: read
    match: {{path: {{equal: {_ROOT}/named/{words.LONGEST.decode()}}}}}
    action: {{deny: {{errno: EDOM}}}}
    guard: false
  - name: deep
    file: read
    match: {{path: {_ROOT}/named/{words.DEEP_NAME.decode()}/**/file}}
    action: {{deny: {{errno: EDOM}}}}
    guard: false
  - name: xattr
    file: setxattr
    match: {{path: {_ROOT}/named/*, xattr: {{in: [user.x, {words.LONG_XATTR}]}}}}
    action: {{deny: {{errno: EDOM}}}}
    guard: false
  - name: abstract
    network: bind
    match: {{abstract: {{in: ["{words.ABSTRACT["longest"].decode()}", "\\x01"]}}}}
    action: {{deny: {{errno: EDOM}}}}
  - name: abstract-that-goes-on
    network: connect
    match: {{abstract: {{notEqual: enforcer-nul, prefix: enforcer-nul}}}}
    action: {{deny: {{errno: EDOM}}}}
"""


def _tried() -> dict[str, str]:
    result = attempt(sys.executable, words.__file__, str(_ROOT))
    assert 0 == result.returncode, result.stderr.decode()
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def found(scratch, tmp_path_factory) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """What each attempt gave without the policy, and with it."""
    for place in (_NAMED, _BESIDE):
        Path(os.fsdecode(place)).mkdir(parents=True)
        names = [bytes([byte]) + b"x" for byte in words.BYTES]
        for name in [*names, words.LONGEST, b"plain"]:
            Path(os.fsdecode(place + b"/" + name)).write_text("content")
        for depth in _DEEP:
            folder = words.deep(place, depth)
            fd = os.open(b"file", os.O_WRONLY | os.O_CREAT, dir_fd=folder)
            os.write(fd, b"content")
            os.close(fd)
            os.close(folder)
    before = _tried()
    with running(_policy(), tmp_path_factory.mktemp("engine")):
        yield before, _tried()


def test_every_attempt_succeeds_without_a_policy(found):
    """The control: nothing but the policy refuses any of them."""
    assert {"done"} == set(found[0].values())


@pytest.mark.parametrize("kind", ["byte", "longest", "deep", "xattr"])
def test_what_is_named_is_refused_and_what_lies_beside_is_not(found, kind):
    """With every byte in it, at its longest, and beyond what a path can be."""
    after = found[1]

    named = {word: how for word, how in after.items() if word.startswith(f"named-{kind}")}
    beside = {word: how for word, how in after.items() if word.startswith(f"beside-{kind}")}

    assert {} == {word: how for word, how in named.items() if how != "EDOM"}
    assert {} == {word: how for word, how in beside.items() if how != "done"}


def test_abstract_names_are_compared_in_their_whole_length(found):
    """The longest one, one of a single byte, and one that goes on behind a NUL."""
    after = found[1]

    assert ("EDOM", "done") == (after["abstract-one"], after["abstract-one-beside"])
    assert ("EDOM", "done") == (after["abstract-longest"], after["abstract-longest-beside"])
    assert "EDOM" == after["abstract-with-nul"]
