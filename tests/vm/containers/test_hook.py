# SPDX-License-Identifier: MIT
"""
With the hook of the runtime a container is known before its first program; without it, some moments later, in which the
daemon finds it. The controls hold the daemon for so long: nobody finds it then.

What was measured is printed, and left in ``/run/vm/hook.json``. Times are those of an emulated processor.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import runtimes
from cri import CriError
from engine import ENFORCER, Engine, running
from runtimes import Cri, Podman, Running, left, started

from enforcer import places
from enforcer.runtime.control.protocol import STATUS, Client

COUNT = int(os.environ.get("CONTAINERS", "2"))
"""Containers of each kind with each runtime."""

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: strict}
spec:
  selector: {container: {name: strict-*}}
  rules:
    - {name: secret, file: read, match: {path: /data/secret}, action: deny}
"""
CLOSED = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: closed}
spec:
  selector: {container: {name: closed-*}}
  rules:
    - {name: shell, exec: {}, match: {path: /bin/busybox}, action: allow}
  default: {exec: deny}
"""
WAITS = (
    "read began x </proc/uptime; n=0; "
    "until read x </data/secret; do n=$((n+1)); /bin/sleep 0.02; done 2>/dev/null; "
    "read ended x </proc/uptime; echo $began $ended $n >/data/known; exec /bin/sh /serve"
)
FIRST = (
    "/bin/touch /data/made; touched=$?; /bin/cat /data/free >/data/copied; "
    "echo $touched $? >/data/first; exec /bin/sh /serve"
)
REFUSED = 126  # as shells say it

_RESULTS = Path("/run/vm/hook.json")
_PODMAN = tuple(Podman(program, "systemd") for program in ("crun", "runc"))
_WITH = (*_PODMAN, Cri("hooked"))
_WITHOUT = (*_PODMAN, Cri("systemd"))
with_hook = pytest.mark.parametrize("runtime", _WITH, ids=lambda each: each.name)
without_hook = pytest.mark.parametrize("runtime", _WITHOUT, ids=lambda each: each.name)


@pytest.fixture(scope="module")
def on(packages, tmp_path_factory) -> Iterator[Engine]:
    """The engine, before any container."""
    with running(POLICY, tmp_path_factory.mktemp("engine"), "--no-watch") as engine:
        yield engine


def _enforcer(*words: str) -> str:
    done = subprocess.run([ENFORCER, *words], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.fixture
def hook() -> Iterator[None]:
    """podman runs the hook for as long as this lasts, and says why it fails; the runtime of containerd always does."""
    _enforcer("container-hook", "install", "--wait", "60s", "--on-failure", "refuse")
    try:
        yield
    finally:
        _enforcer("container-hook", "remove")


@contextlib.contextmanager
def _closed(folder: Path) -> Iterator[None]:
    """A default that denies, in containers of one name."""
    file = folder / "closed.yaml"
    file.write_text(CLOSED)
    _enforcer("policy", "add", str(file))
    try:
        yield
    finally:
        _enforcer("policy", "remove", "closed")


@pytest.fixture
def closed(on, tmp_path) -> Iterator[None]:
    """The same for a whole test."""
    with _closed(tmp_path):
        yield


def _met() -> dict[str, Any]:
    with Client.connect(places.SOCKET, timeout=60) as client:
        return dict(client.ask(STATUS)["status"]["metContainers"])


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Whatever fails shows what the hook has said."""
    try:
        yield
    except AssertionError as error:
        error.add_note(_log())
        raise


def _log() -> str:
    """What the hook has said, where there is a journal."""
    command = ["journalctl", "--output=cat", "--lines=5", "--identifier=enforcer-hook"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _unknown(runtime, how: str) -> list[float]:
    """Let containers read until the engine knows that it may not refuse them; return the seconds that took."""
    seconds, refused = [], []
    for number in range(COUNT):
        name = f"waits-{how}-{number}-{runtime.name}"
        with _told(), started(runtime, name, command=("/bin/sh", "-c", WAITS)) as container:
            began, ended, times = map(float, left(container, "known"))
            seconds.append(round(ended - began, 2))
            refused.append(int(times))
    found = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    found[f"{runtime.name} {how}"] = {
        "containers": COUNT,
        "median": statistics.median(seconds),
        "worst": max(seconds),
        "refused": refused,
    }
    _RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(runtime.name, how, found[f"{runtime.name} {how}"])
    return [seconds for seconds, times in zip(seconds, refused, strict=True) if times]


@without_hook
def test_without_the_hook_it_is_found_by_and_by(on, ready, runtime):
    """Rules about others refuse it at most until then."""
    _unknown(ready(runtime), "without")


@with_hook
def test_with_the_hook_it_is_never_unknown(on, ready, hook, runtime):
    """No rule about others refuses it anything, from its first instruction on."""
    before = _met()

    assert not _unknown(ready(runtime), "with")

    after = _met()
    assert after["known"] - before["known"] >= COUNT
    assert (0, 0) == (after["unknown"] - before["unknown"], after["refused"] - before["refused"])


@contextlib.contextmanager
def _held(on: Engine) -> Iterator[None]:
    """Keep the daemon from looking."""
    os.kill(on.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(on.process.pid, signal.SIGCONT)


@without_hook
def test_who_is_not_found_is_refused_in_doubt(on, ready, closed, runtime):
    """The control: its first program is refused, since it could be one that the policy means."""
    ready(runtime)
    before = len(on.events())
    with _held(on), contextlib.suppress(AssertionError, CriError):  # not each runtime says so
        runtime.start(f"open-{runtime.name}", command=("/bin/sh", "-c", FIRST))
    runtimes.until(
        lambda: any(_is_refused_in_doubt(event) for event in on.events()[before:]),
        "nothing was refused",
    )
    if runtime in _PODMAN:
        runtime.podman("rm", "--force", "--time", "0", f"open-{runtime.name}")


def _is_refused_in_doubt(event: dict[str, Any]) -> bool:
    return bool(
        event.get("policy") == "closed" and event["operation"] == "exec" and event["onError"]
    )


@with_hook
def test_with_the_hook_a_default_that_denies_holds_from_the_first_instruction(
    on, ready, hook, runtime, tmp_path
):
    """What is forbidden never passes, what is allowed always does, and others may do everything."""
    names = [f"{what}-{at}-{runtime.name}" for at in range(COUNT) for what in ("closed", "open")]
    start = _prepared(ready(runtime), names)
    with _closed(tmp_path):
        began = time.monotonic()
        for name in names:
            container = start(name)
            try:
                _is_as_meant(on, container, is_closed=name.startswith("closed"))
            finally:
                container.remove()
        print(f"{runtime.name}: {len(names)} containers in {time.monotonic() - began:.0f} s")


@pytest.mark.parametrize("runtime", _PODMAN, ids=lambda each: each.name)
def test_with_the_hook_many_that_begin_together_are_known(on, ready, hook, runtime, tmp_path):
    """One begins while what another one does first is decided."""
    names = [f"{what}-{at}-together" for at in range(COUNT) for what in ("closed", "open")]
    with _closed(tmp_path), ready(runtime).together(names, "/bin/sh", "-c", FIRST) as containers:
        for container in containers:
            _is_as_meant(on, container, is_closed=container.name.startswith("closed"))


def _is_as_meant(on: Engine, container: Running, *, is_closed: bool) -> None:
    with _told():
        touched, copied = left(container, "first")
    assert ("0" if not is_closed else str(REFUSED), "0") == (touched, copied)
    assert is_closed != (container.root / "data/made").exists()
    if is_closed:
        event = on.wait_for(
            lambda e: e.get("policy") == "closed" and e["container"]["id"] == container.id
        )
        assert event["onError"] is False
    mine = [event for event in on.events() if event["container"]["id"] == container.id]
    assert not any(event["onError"] for event in mine)


def _prepared(runtime, names: Sequence[str]) -> Callable[[str], Running]:
    """
    Return what starts a container of one of the *names*, whose first program is FIRST.

    Pods of containerd are made now: it gives no hook to the container that holds a pod's namespaces.
    """
    command = ("/bin/sh", "-c", FIRST)
    if not isinstance(runtime, Cri):
        return lambda name: runtime.start(name, command=command)
    pods = {name: runtime.sandbox(name, "prod") for name in names}

    def start(name: str) -> Running:
        number = runtime.begin(pods[name], name, runtimes.IMAGE, command)
        process = runtimes.first_process(number)
        return Running(runtime, name, number, process, pod=pods[name][1])

    return start


@pytest.mark.parametrize("runtime", _PODMAN, ids=lambda each: each.name)
def test_without_a_daemon_what_was_chosen_holds(ready, runtime):
    """With ``refuse`` it does not start, and the runtime says why; with ``start`` it begins as unknown."""
    ready(runtime)
    nobody = ("--socket", "/run/vm/nobody")
    _enforcer("container-hook", "install", "--on-failure", "refuse", *nobody)
    try:
        with pytest.raises(AssertionError, match="hook"):  # crun says no more
            runtime.begin("refused", runtimes.IMAGE, "/bin/sh", "-c", FIRST)
        runtime.podman("rm", "--force", "--time", "0", "refused")
        _enforcer("container-hook", "install", *nobody)
        with _told(), started(runtime, "lax", command=("/bin/sh", "-c", FIRST)) as container:
            assert ["0", "0"] == left(container, "first")
    finally:
        _enforcer("container-hook", "remove")
