# SPDX-License-Identifier: MIT
"""
Containers that begin: the kernel knows them without another image, and before their first program if they are announced.

Each is begun as a runtime begins it: its first process enters the cgroup, is announced, makes the container, and
runs the first program.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pods
import pytest
from beginning import CLOSED, NO, Begun, announce, asked, generation
from daemon import PINS, until
from engine import Engine, running
from pods import Pod, built

from enforcer.errors import ControlError
from enforcer.identity.cgroup import Cgroups
from enforcer.libbpf import calls
from enforcer.runtime.control.protocol import RELOAD

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: prod}
spec:
  selector: {pod: {namespace: prod}}
  rules:
    - {name: main, file: read, match: {path: /**/main, process: {container: {name: main}}}, action: {deny: {errno: EACCES}}}
    - {name: other, file: read, match: {path: /**/own, process: {container: {image: other.example/*}}}, action: {deny: {errno: EACCES}}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: linked}
spec:
  selector: {container: {name: [linked, plain]}}
  rules: [{name: secret, file: read, match: {path: /data/secret}, action: {deny: {errno: EACCES}}}]
"""


def entries() -> list[int]:
    """The ids of cgroups of which the kernel has an entry."""
    (pin,) = PINS.glob("*/map-met")
    command = ["bpftool", "--json", "map", "dump", "pinned", str(pin)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [int(each["formatted"]["key"]) for each in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    return built(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def on(program, tmp_path_factory) -> Iterator[Engine]:
    with running(f"{POLICY}---{CLOSED}", tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def in_pod(number: int, namespace: str, program: Path, **more: Any) -> Begun:
    """One in a pod of its own, which is as new."""
    pod = Pod(number, f"web-{number}", namespace)
    return Begun("containerd", f"{number:x}", program, pod, **more)


@contextlib.contextmanager
def without_an_image(make: Callable[[], Begun]) -> Iterator[Begun]:
    """
    Yield one that needed no image.

    Some other change may come in between: then another is begun.
    """
    for attempt in range(5):
        container = _another(make(), attempt) if attempt else make()
        with pods.running(container):
            if not container.needed_an_image:
                yield container
                return
    pytest.fail("each needed an image")


def _another(container: Begun, attempt: int) -> Begun:
    """The like of it: no runtime gives an id, or a kubelet a uid, twice."""
    pod = container.pod
    if pod is not None:
        pod = attrs.evolve(pod, number=pod.number + 0x100 * attempt)
    return attrs.evolve(container, letter=f"{container.letter}{attempt}", pod=pod)


def test_without_an_announcement_it_is_unknown_at_first(on, program):
    """The control: its first program is refused, since it might be one that may run nothing."""
    one = Begun("docker", "1", program, name="free", how="unknown")
    with pytest.raises(AssertionError, match=NO), pods.running(one):
        pass


def test_it_is_met_from_its_first_instruction_on(on, program):
    """Its pod is as new as it is. No image is made, and its records say that nothing was in doubt."""
    with without_an_image(lambda: in_pod(2, "prod", program)) as one:
        assert NO == one.open("main")
        assert "ok" == one.open("own")
        event = on.wait_for(lambda e: e.get("rule") == "main" and e["container"]["id"] == one.id)
        assert event["onError"] is False


def test_records_name_it_when_who_acted_has_ended(on, program):
    """The kernel knows its cgroup by the number alone: nobody has looked at the hierarchy since it began."""
    with without_an_image(lambda: in_pod(15, "prod", program)) as one:
        never = Cgroups(open_by_id=calls.open_cgroup, clock=lambda: -1.0)
        assert one.cgroup == never.root / str(never.path(one.cgroup.stat().st_ino)).lstrip("/")
        assert "/" == never.path(never.root.stat().st_ino)
        assert never.path(1 << 60) is None


def test_what_others_may_not_do_it_may(on, program):
    """By its pod, and by its own name and image in the same namespace."""
    with without_an_image(lambda: in_pod(3, "dev", program)) as dev:
        assert ("ok", "ok") == (dev.open("main"), dev.open("own"))
    image = "other.example/x:1"
    with without_an_image(lambda: in_pod(4, "prod", program, name="side", image=image)) as side:
        assert ("ok", NO) == (side.open("main"), side.open("own"))


def test_a_list_of_what_may_run_holds_and_keeps_nobody_else(on, program):
    """From the first program on, which is asked about by the label that its runtime has."""
    with without_an_image(lambda: Begun("docker", "5", program, name="closed")) as closed:
        assert NO == closed.ask("run", "/bin/other")
        assert "ok" == closed.ask("run", "/bin/app")
    with without_an_image(lambda: Begun("docker", "6", program, name="free")) as free:
        assert "ok" == free.ask("run", "/bin/other")


def test_what_it_makes_below_its_cgroup_is_still_it(on, program):
    """Whatever that looks like, and however deep it is."""
    with without_an_image(lambda: in_pod(7, "prod", program)) as one:
        inner = one.cgroup / "/".join(["x"] * 40) / f"docker-{'9' * 64}.scope"
        inner.mkdir(parents=True)
        for pid in (one.cgroup / "cgroup.procs").read_text().split():
            (inner / "cgroup.procs").write_text(pid)
        assert NO == one.open("main")
        assert "ok" == one.open("own")


def test_the_next_image_says_the_same(on, program):
    """An entry counts for one image, and goes with it."""
    with without_an_image(lambda: in_pod(8, "prod", program)) as one:
        assert one.process is not None
        number, before = one.cgroup.stat().st_ino, generation()
        assert number in entries()
        asked(RELOAD)
        assert generation() > before
        assert NO == one.open("main")
        assert "ok" == one.open("own")
        until(lambda: number not in entries())
        assert NO == one.open("main")


def test_what_is_gone_has_no_entry(on, program):
    """And no image is made for its end, either."""
    with without_an_image(lambda: Begun("docker", "9", program, name="closed")) as one:
        number, before = one.cgroup.stat().st_ino, generation()
        assert number in entries()
    until(lambda: number not in entries())
    assert before == generation()


def test_a_cgroup_of_the_same_name_is_another_container(on, program):
    """Of which the facts are others: those of the first are nobody's."""
    for name, end in (("closed", NO), ("free", "ok"), ("closed", NO)):
        with pods.running(one := Begun("docker", "a", program, name=name)):
            assert end == one.ask("run", "/bin/other")


def test_who_was_in_the_cgroup_before_is_met_as_well(on, program):
    """What it is was computed already, and is so again."""
    with without_an_image(lambda: in_pod(11, "prod", program, has_company=True)) as one:
        assert NO == one.open("main")


def test_who_is_no_runtime_any_more_is_met_as_well(on, program):
    """It has tried to run a program there, which was refused in doubt: from then on it is the container's."""

    def make() -> Begun:
        return Begun("docker", "b", program, name="free", has_attempted=True)

    with without_an_image(make) as free:
        assert "ok" == free.ask("run", "/bin/other")


def test_what_nobody_announces_needs_no_image_either(on, program):
    """The daemon finds it, and who is there already is met from then on."""

    def make() -> Begun:
        return Begun("docker", "f", program, name="free", how="found", has_attempted=True)

    with without_an_image(make) as free:
        assert "ok" == free.ask("run", "/bin/other")


def test_links_in_it_are_followed_before_it_begins(on, program):
    """Where they give a name that the image has not, one is made. Where there are none, none is."""
    lead = {"secret": "/data/free"}
    with pods.running(linked := in_pod(12, "links", program, name="linked", lead=lead)):
        assert linked.needed_an_image
        assert NO == linked.open("free")
    with without_an_image(lambda: in_pod(13, "links", program, name="plain")) as plain:
        assert NO == plain.open("secret")
        assert "ok" == plain.open("free")


def test_who_announces_is_not_believed(on, program):
    """A process that is in no container, or in another one, is no newcomer."""
    with without_an_image(lambda: in_pod(14, "dev", program)) as one:
        assert one.process is not None
        before = entries()
        for number, pid in (("f" * 64, one.process.pid), (one.id, os.getpid())):
            with pytest.raises(ControlError, match=f"process {pid} is in"):
                announce(number, pid)
        assert before == entries()
