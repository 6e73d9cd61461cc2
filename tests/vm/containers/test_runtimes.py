# SPDX-License-Identifier: MIT
"""On each runtime: whom a policy for containers meets, what it refuses there, and what records say."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import runtimes
from engine import Engine, attempt, running
from runtimes import Running

from enforcer import places
from enforcer.identity.container import container_of
from enforcer.runtime.control.protocol import STATUS, Client
from enforcer.sinks.terminal import terminal_line

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: names}
spec:
  selector: {container: {name: meant-*}}
  rules:
    - {name: secret, file: read, match: {path: /data/secret}, action: deny}
    - {name: kept, file: write, match: {path: /data/kept}, action: deny}
    - {name: no-touch, exec: {}, match: {path: /bin/touch}, action: deny}
    - {name: deadly, exec: {}, match: {path: /bin/printf}, action: kill}
    - {name: no-tail, exec: {}, match: {path: /bin/tail}, action: deny}
    - {name: alias, file: read, match: {path: /alias/linked}, action: deny}
    - {name: seen, file: read, match: {path: /data/seen}, action: log}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: images}
spec:
  selector: {container: {image: "localhost/meant:*"}}
  rules:
    - {file: read, match: {path: /data/image}, action: deny}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: pods}
spec:
  selector: {pod: {namespace: prod}}
  rules:
    - {file: read, match: {path: /data/pod}, action: deny}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: brought}
spec:
  selector: {container: {name: meant-*, runtime: [podman, containerd]}}
  rules:
    - {exec: {}, match: {drift: true}, action: deny, onError: allow}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: doubted}
spec:
  selector: {container: {name: meant-*}}
  rules:
    - {name: doubt, exec: {}, match: {path: /bin/echo, drift: true}, action: deny}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: closed}
spec:
  selector: {container: {name: closed-*}}
  rules:
    - {exec: {}, match: {path: /bin/busybox}, action: allow}
  default: {exec: deny}
"""
LINES = {
    "secret": "read x </data/secret",
    "kept": "echo changed >>/data/kept",
    "touch": "/bin/touch /data/made",
    "deadly": "/bin/printf ran >/data/printed",
    "tail": "/bin/tail /etc/passwd",
    "head": "/bin/head /etc/passwd",
    "alias": "read x </alias/linked",
    "linked": "read x </data/linked",
    "seen": "read x </data/seen",
    "image": "read x </data/image",
    "pod": "read x </data/pod",
    "drift": "/bin/busybox cp /bin/busybox /data/true; /data/true",
    "doubt": "/bin/echo",
    "free": "read x </data/free",
}
REFUSED = {"secret", "kept", "touch", "deadly"}
REFUSED_BY_SHELL = 126
LINKED = {"tail", "head", "alias", "linked"}
"""What is refused by where links in the image lead."""

Pair = tuple[Running, Running, Running]
"""The container that most policies mean, the one that none means, and the one with a list of what may run."""
pytestmark = pytest.mark.parametrize("runtime", runtimes.ALL, ids=lambda each: each.name)


@pytest.fixture(scope="module")
def pairs(ready, request) -> Iterator[dict[str, Pair]]:
    """The containers of each runtime that is asked for; all are there before the engine."""
    found: dict[str, Pair] = {}
    asked = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    with contextlib.ExitStack() as stack:
        for runtime in runtimes.ALL:
            if runtime not in [params.get("runtime") for params in asked]:
                continue
            with contextlib.suppress(pytest.skip.Exception):
                ready(runtime)
                meant = runtime.start(f"meant-{runtime.name}")
                stack.callback(meant.remove)
                other = runtime.start(f"other-{runtime.name}", is_meant=False)
                stack.callback(other.remove)
                closed = runtime.start(f"closed-{runtime.name}")
                stack.callback(closed.remove)
                found[runtime.name] = meant, other, closed
        yield found


@pytest.fixture(scope="module")
def without(pairs: dict[str, Pair]) -> dict[str, dict[str, int]]:
    """How everything ends in the meant containers without a policy."""
    ends = {}
    for name, (meant, *_) in pairs.items():
        ends[name] = {what: meant.run(line)[0] for what, line in LINES.items()}
        assert "changed" in (meant.root / "data/kept").read_text()
        (meant.root / "data/kept").write_text("kept\n")
        for made in ("made", "printed"):
            (meant.root / "data" / made).unlink()
        if name not in runtimes.PLAIN:  # before anybody looks: what the image says counts
            assert 0 == meant.run("ln -sf /nowhere /bin/tail")[0]
    return ends


@pytest.fixture(scope="module")
def on(pairs, without, tmp_path_factory) -> Iterator[Engine]:
    """The engine with all policies."""
    with running(POLICY, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture
def pair(ready, runtime, on, pairs) -> Pair:
    """The containers of the runtime; skips as ready does."""
    ready(runtime)
    return pairs[runtime.name]


def _met(runtime) -> set[str]:
    """
    Return what is refused in the meant container.

    A machine has no image and no known root, only a kubelet's container has a pod. Without an overlay nobody can
    tell what an image brought, and each rule has its own answer to that.
    """
    found = set(REFUSED)
    if runtime.name not in runtimes.MACHINES:
        found |= {"image", *LINKED}
    found.add("doubt" if runtime.name in runtimes.PLAIN else "drift")
    if runtime.name.startswith("cri-"):
        found.add("pod")
    return found


def test_without_a_policy_everything_succeeds(pair, without, runtime):
    """Each deed of the table is possible."""
    assert dict.fromkeys(LINES, 0) == without[runtime.name]


@pytest.mark.parametrize("what", LINES)
def test_in_the_container_that_is_meant(pair, runtime, what):
    """What a rule refuses does not happen, and nothing else is refused."""
    code, _ = pair[0].run(LINES[what])

    assert (what in _met(runtime)) == (code != 0)


def test_what_is_refused_leaves_no_trace(pair):
    """The file has its content, and the programs never ran."""
    meant = pair[0]
    for what in REFUSED:
        meant.run(LINES[what])

    assert (meant.root / "data/kept").read_text() == "kept\n"
    assert not (meant.root / "data/made").exists()
    assert (meant.root / "data/printed").read_text() == ""  # the shell makes it, before it runs


def test_in_another_container(pair):
    """The same deeds in a container of the same runtime that no policy is about."""
    assert dict.fromkeys(LINES, 0) == {what: pair[1].run(line)[0] for what, line in LINES.items()}


def test_a_list_of_what_may_run(pair, runtime):
    """It names programs as the container does, where the roots of containers are in one of the usual places."""
    is_usual = not runtime.name.endswith("-vfs")
    assert (0 if is_usual else REFUSED_BY_SHELL) == pair[2].run("/bin/cat /data/free")[0]
    assert REFUSED_BY_SHELL == pair[2].run("/bin/touch /data/made")[0]
    assert not (pair[2].root / "data/made").exists()


def test_the_host_is_free(pair):
    """The container's files, for a process of the host."""
    for name in ("secret", "pod", "image"):
        assert 0 == attempt("/usr/bin/cat", str(pair[0].root / "data" / name)).returncode


def test_who_is_sent_in_by_the_runtime(pair, runtime):
    """A command that the runtime runs in a container is the container's; who only enters its namespaces is the host's."""
    code = pair[0].enter("/bin/cat", "/data/secret")
    assert (0 if runtime.name == "nspawn" else 1) == code
    assert 0 == pair[0].enter("/bin/cat", "/data/free")
    assert 0 == pair[1].enter("/bin/cat", "/data/secret")


def test_who_watches_over_it_is_outside(pair, runtime):
    """conmon and containerd-shim are the host's; the first process of a machine is a part of it."""
    status = Path(f"/proc/{pair[0].process}/status").read_text()
    (parent,) = re.findall(r"^PPid:\s+(\d+)", status, re.MULTILINE)
    cgroup = Path(f"/proc/{parent}/cgroup").read_text().strip().removeprefix("0::")

    assert (runtime.name == "nspawn") == (container_of(cgroup) is not None)


def test_records_say_where(on, pair, runtime):
    """Runtime, id, name, image and pod are in the record."""
    meant = pair[0]
    meant.run(LINES["secret"])

    event = on.wait_for(lambda e: e.get("rule") == "secret" and e["container"]["id"] == meant.id)

    is_pod, is_machine = runtime.name.startswith("cri-"), runtime.name in runtimes.MACHINES
    assert {
        "runtime": runtime.said,
        "id": meant.id,
        "name": meant.name,
        "image": None if is_machine else runtimes.IMAGE,
        "root": event["object"]["path"].removesuffix("/data/secret") if not is_machine else None,
    } == event["container"]
    assert is_machine or f"read /data/secret in {meant.name} " in terminal_line(event)
    assert {
        "name": meant.name if is_pod else None,
        "namespace": "prod" if is_pod else None,
        "uid": runtimes.uid(meant.name) if is_pod else None,
    } == event["pod"]
    assert event["onError"] is False
    assert event["prevented"] is True


def test_records_say_that_nobody_can_tell_what_an_image_brought(on, pair, runtime):
    """Where there is no overlay."""
    if runtime.name not in runtimes.PLAIN:
        assert 0 == pair[0].run(LINES["doubt"])[0]
        return
    before = _untold()
    pair[0].run(LINES["doubt"])

    event = on.wait_for(lambda e: e.get("rule") == "doubt" and e["container"]["id"] == pair[0].id)

    assert (True, True, ["drift"]) == (
        event["onError"],
        event["prevented"],
        event["object"]["unknown"],
    )
    assert _untold() > before


def _untold() -> int:
    with Client.connect(places.SOCKET, timeout=60) as client:
        return int(client.ask(STATUS)["status"]["kernel"]["drift_unknown"])
