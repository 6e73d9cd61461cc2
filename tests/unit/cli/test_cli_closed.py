# SPDX-License-Identifier: MIT
"""Commands whose input or output is closed, as some supervisors leave them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from enforcer.cli.exits import Exit
from enforcer.runtime.control.protocol import Client

POLICY = (
    "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: x}\n"
    "spec: {rules: [{exec: {}, match: {path: /bin/true}, action: %s}]}\n"
)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("action", "code"), [("log", Exit.OK), ("lgo", Exit.POLICY)])
def test_a_command_does_without(closed, action, code, tmp_path):
    """It ends as it would, without a word about what is missing."""
    (tmp_path / "p.yaml").write_text(POLICY % action)
    line = f'exec "$0" -m enforcer check p.yaml {closed}'

    ended = subprocess.run(
        ["bash", "-c", line, sys.executable],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert code == ended.returncode, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ("ok: 1 policy" in ended.stdout) is (
        code == Exit.OK and ">&- " not in f"{closed} ".replace("2>&-", "")
    )


def test_what_is_opened_is_none_of_them(tmp_path):
    """Else a log or a map would be where others write their errors."""
    code = (
        "import os, sys, enforcer.__main__ as m\nm._open_standard()\n"
        "fd = os.open('file', os.O_CREAT | os.O_WRONLY)\n"
        "sys.exit(0 if fd > 2 and os.readlink('/proc/self/fd/2') == '/dev/null' else 1)"
    )

    ended = subprocess.run(
        ["bash", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code],
        cwd=tmp_path, check=False, timeout=120,
    )  # fmt: skip

    assert 0 == ended.returncode


def test_following_ends_with_its_reader():
    """And not only at the next record; what has come before is still told."""
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    try:
        theirs.sendall(b'{"kind": "match"}\n{"kind": "match"}\n')
        client = Client(ours)
        following = client.follow(reader=writer)
        assert {"kind": "match"} == next(following)
        os.close(reader)
        assert {"kind": "match"} == next(following)
        with pytest.raises(BrokenPipeError):
            next(following)
    finally:
        os.close(writer)
        for each in (ours, theirs):
            each.close()
