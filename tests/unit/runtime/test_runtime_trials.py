# SPDX-License-Identifier: MIT
"""A new file of a namespace that cannot be compiled to an end costs its namespace alone."""

from __future__ import annotations

import errno
import os
import resource
import signal
import time
from pathlib import Path

import attrs
import pytest

from enforcer.errors import PolicyError, PolicyErrors
from enforcer.policy.store import load_text
from enforcer.runtime.policies import compile_process
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import Order, make_apart
from enforcer.runtime.policies.refused_files import told
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.policies.trials import Trials
from enforcer.runtime.policies.work_process import Limits

SHORT = Limits(seconds=1, memory=128 << 20)


def _text(name, namespace="", path="/x"):
    of = f", namespace: {namespace}" if namespace else ""
    return (
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\n"
        f"metadata: {{name: {name}{of}}}\n"
        f"spec: {{rules: [{{name: r, file: read, match: {{path: {path}}}, action: deny}}]}}\n"
    )


def _policies(name, namespace="red"):
    return load_text(_text(name, namespace), "p.yaml")


def _spin(seconds=60.0):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def _seconds_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _names(policies):
    return {policy.name for policy in policies.policies}


# ---- One file ----------------------------------------------------------------------------------


def test_what_takes_too_long_uses_up_the_time_of_its_namespace():
    """A second file of it is not even tried; one of another namespace is."""
    trials = Trials(lambda policies: _spin() if "red/a" in _names(policies) else None, SHORT)

    found = trials.problem(_policies("a"))
    began = _seconds_of_children()
    second = trials.problem(_policies("b"))

    assert found is not None
    assert "takes more than 1 s of a processor: the same text is not tried again" in found.why
    assert found.again_at > time.monotonic() + 3000
    assert second is not None
    assert second.why.startswith("to compile the new files of its namespace takes more than 1 s")
    assert began == _seconds_of_children()
    assert trials.problem(_policies("c", "blue")) is None


def test_what_takes_too_much_memory():
    trials = Trials(lambda _: bytearray(512 << 20), SHORT)

    found = trials.problem(_policies("a"))

    assert found is not None
    assert "or takes more than 128 MiB of memory" in found.why


def test_what_is_killed():
    trials = Trials(lambda _: os.kill(os.getpid(), signal.SIGKILL), SHORT)

    found = trials.problem(_policies("a"))

    assert found is not None
    assert "comes to no end (the process ends with signal 9)" in found.why
    assert found.again_at < time.monotonic() + 301


@pytest.mark.parametrize(
    "error", [None, PolicyError("wrong"), PolicyErrors([PolicyError("wrong")])], ids=repr
)
def test_what_comes_to_an_end_is_right_here(error):
    """What is wrong with it besides is told with its place, where it is compiled with all others."""

    def work(_):
        if error is not None:
            raise error

    assert Trials(work, SHORT).problem(_policies("a")) is None


def test_a_mistake_of_ours_is_told():
    """It may need the limits to show, so nobody else would tell it."""

    def work(_):
        raise RecursionError("too deep")

    found = Trials(work, SHORT).problem(_policies("a"))

    assert found is not None
    told = "enforcer fails to compile this: RecursionError: too deep: the same text is not tried"
    assert found.why.startswith(told)
    assert found.again_at < time.monotonic() + 301


def test_an_error_of_the_machine_is_told(capfd):
    """By the place in the program, since no policy has one."""

    def work(_):
        raise OSError(errno.EIO, "Input/output error")

    found = Trials(work, SHORT).problem(_policies("a"))

    assert found is not None
    assert "the process ends with exit code 1" in found.why
    assert "OSError: [Errno 5] Input/output error" in capfd.readouterr().err


# ---- All files ---------------------------------------------------------------------------------


@pytest.fixture
def slow(monkeypatch):
    """Let the compiler come to no end with the path ``/slow``, in any set; and let the first try be short."""
    real = compile_process.prepare

    def prepare(policies, **how):
        if any(b"/slow" in repr(policy).encode() for policy in policies.policies):
            _spin()
        return real(policies, **how)

    monkeypatch.setattr(compile_process, "prepare", prepare)
    monkeypatch.setattr(compile_process, "OF_ALL_FILES", SHORT)
    monkeypatch.setattr(compile_process, "Trials", lambda work: Trials(work, SHORT))


@pytest.mark.usefixtures("slow")
def test_a_file_that_comes_to_no_end_costs_itself_alone(tmp_path):
    """The others are active, what it said before stays so, and the next change does not wait for it."""
    order = Order(Sources((tmp_path,), is_tolerant=True), Overlay(), generation=1)
    (tmp_path / "a.yaml").write_text(_text("a", "red"))
    before = make_apart(order).now
    (tmp_path / "a.yaml").write_text(_text("a", "red", "/slow"))
    (tmp_path / "b.yaml").write_text(_text("b", "red", "/slow"))
    (tmp_path / "c.yaml").write_text(_text("c", "blue"))
    (tmp_path / "z.yaml").write_text(_text("z"))

    now = make_apart(attrs.evolve(order, texts=before.texts)).now

    assert ["red/a", "blue/c", "z"] == [facts.name for facts in now.facts]
    assert ["a.yaml", "b.yaml"] == [Path(each.path).name for each in now.refused]
    assert [True, False] == [each.is_kept for each in now.refused]
    assert all("takes more than 1 s of a processor" in each.errors[0] for each in now.refused)
    assert any("a.yaml:1:1: to compile" in line for line in told(now.refused))
    began = _seconds_of_children()
    (tmp_path / "d.yaml").write_text(_text("d"))
    third = make_apart(attrs.evolve(order, texts=now.texts, refused=now.refused)).now
    assert ["red/a", "blue/c", "d", "z"] == [facts.name for facts in third.facts]
    assert _seconds_of_children() - began < 1


def test_what_takes_long_together_is_compiled_all_the_same(tmp_path, monkeypatch):
    """Policies of the host may take what they take."""
    real = compile_process.prepare

    def prepare(policies, **how):
        _spin(1.5)
        return real(policies, **how)

    monkeypatch.setattr(compile_process, "prepare", prepare)
    monkeypatch.setattr(compile_process, "OF_ALL_FILES", SHORT)
    (tmp_path / "z.yaml").write_text(_text("z"))

    now = make_apart(Order(Sources((tmp_path,), is_tolerant=True), Overlay(), generation=1)).now

    assert (["z"], ()) == ([facts.name for facts in now.facts], now.refused)
