# SPDX-License-Identifier: MIT
"""What a service manager hears."""

import os
import socket

import pytest

from enforcer.runtime.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A manager's socket with its name as systemd writes it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.settimeout(10)
    if request.param == "path":
        name = str(tmp_path / "notify")
        listener.bind(name)
    else:
        name = f"@enforcer-test-{os.getpid()}"
        listener.bind(b"\0" + name[1:].encode())
    yield listener, name
    listener.close()


def test_each_state_is_one_datagram(manager):
    """What the protocol calls for, to sockets with a path and to abstract ones."""
    listener, name = manager
    notifier = Notifier(name, clock_us=lambda: 1234567)

    notifier.ready("active: 1 policy")
    notifier.reloading()
    notifier.ready()
    notifier.status("1 policy")
    notifier.alive()
    notifier.stopping()

    assert [listener.recv(4096) for _ in range(6)] == [
        b"READY=1\nSTATUS=active: 1 policy",
        b"RELOADING=1\nMONOTONIC_USEC=1234567",
        b"READY=1",
        b"STATUS=1 policy",
        b"WATCHDOG=1",
        b"STOPPING=1",
    ]
    assert notifier.failures == 0


def test_a_status_is_one_line(manager):
    """A line break in it would be a message of its own."""
    listener, name = manager

    Notifier(name).status("bad\nREADY=1")

    assert listener.recv(4096) == b"STATUS=bad READY=1"


@pytest.mark.parametrize(
    ("given", "address", "interval"),
    [
        ({}, None, None),
        ({"NOTIFY_SOCKET": "/run/n"}, "/run/n", None),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "120000000"}, "@n", 60.0),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "5", "WATCHDOG_PID": str(os.getpid())}, "@n", 2.5e-6),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}, "@n", None),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "0"}, "@n", None),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "soon"}, "@n", None),
        ({"NOTIFY_SOCKET": "vsock:2:1", "WATCHDOG_USEC": "5"}, None, None),
        ({"WATCHDOG_USEC": "120000000"}, None, None),
    ],
)  # fmt: skip
def test_the_environment_says_who_listens(given, address, interval):
    """Half of the watchdog's time is between two signs of life, if it is meant for this process."""
    environment = {"HOME": "/", **given}

    notifier = Notifier.from_environment(environment, print)

    assert (address, interval) == (notifier.address, notifier.interval)
    assert environment == {"HOME": "/"}


def test_nobody_listens():
    """Outside of a service telling does nothing."""
    notifier = Notifier()

    notifier.ready("active")
    notifier.alive()

    assert notifier.failures == 0


def test_a_manager_that_is_gone_stops_nothing(tmp_path):
    """It is counted, and told once."""
    said = []
    notifier = Notifier(str(tmp_path / "none"), report=said.append)

    notifier.ready()
    notifier.alive()

    assert notifier.failures == 2
    assert len(said) == 1
    assert said[0].endswith(f": {tmp_path}/none: No such file or directory")


def test_a_manager_that_sleeps_is_not_waited_for(tmp_path, monkeypatch):
    """A full queue costs messages, never the loop."""
    monkeypatch.setattr("enforcer.runtime.notify._PATIENCE", 0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asleep:
        asleep.bind(str(tmp_path / "notify"))
        said = []
        notifier = Notifier(str(tmp_path / "notify"), report=said.append)

        while notifier.failures < 2:
            notifier.alive()

        assert said[0].endswith("/notify: timed out")
