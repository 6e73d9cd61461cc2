# SPDX-License-Identifier: MIT
"""Who is behind a process."""

import os
import pty

import pytest

from enforcer.identity.login import NOBODY, Login, login_of


@pytest.fixture
def process(tmp_path):
    """Make what /proc says of process 7."""

    def make(**files):
        folder = tmp_path / "7"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        return lambda: login_of(7, tmp_path, tmp_path / "sys")

    return make


def stat(terminal):
    return f"7 (a) b (c) S 1 7 7 {terminal} 7 4194560"


def test_a_login_with_a_terminal(process):
    """A name with blanks and parentheses moves no field."""
    cgroup = "0::/user.slice/user-1000.slice/session-3.scope\n"
    found = process(loginuid="1000", stat=stat(136 << 8 | 2), cgroup=cgroup)()

    assert Login(1000, "pts/2", "session-3.scope") == found


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (136 << 8 | 255, "pts/255"),
        (137 << 8, "pts/256"),
        (136 << 8 | 1 << 20, "pts/256"),
        (4 << 8 | 1, "tty1"),
        (4 << 8 | 9, "terminal 4:9"),
        (0, ""),
    ],
)
def test_terminals(process, tmp_path, number, name):
    """By the number of the device; the system names those that are none of ours."""
    device = tmp_path / "sys/dev/char/4:1"
    device.mkdir(parents=True)
    (device / "uevent").write_text("MAJOR=4\nMINOR=1\nDEVNAME=tty1\n")

    assert name == process(stat=stat(number))().terminal


@pytest.mark.parametrize("text", ["4294967295", "", "-1"])
def test_nobody_logged_in(process, text):
    """The kernel's word for it, or none."""
    assert process(loginuid=text)() == NOBODY


def test_a_process_that_is_gone(tmp_path):
    """Nothing is known, and nothing fails."""
    assert login_of(7, tmp_path) == NOBODY


def test_the_terminal_of_a_real_process():
    """The kernel's own numbers lead to the name that tty(1) prints."""
    reading, told = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        os.write(told, os.ttyname(0).encode())
        os.read(0, 1)
        os._exit(0)
    name = os.read(reading, 100).decode()

    found = login_of(pid)

    os.write(terminal, b"\n")
    os.waitpid(pid, 0)
    for handle in (reading, told, terminal):
        os.close(handle)
    assert name == f"/dev/{found.terminal}"
