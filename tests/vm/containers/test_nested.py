# SPDX-License-Identifier: MIT
"""
A container that may mount: what it shows itself elsewhere, and the container that it makes, by the runtimes themselves.

To policies, the inner container is the outer one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import images
import pytest
import runtimes
from engine import Engine, running
from runtimes import Podman, Running, until

OUTER = Podman("crun", "systemd")
POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: outer}
spec:
  selector: {container: {name: outer}}
  rules:
    - {name: secret, file: read, match: {path: /data/secret}, action: deny}
    - {name: moved, file: read, match: {path: /moved/secret}, action: deny}
    - {name: kept, file: write, match: {path: /data/kept}, action: deny}
    - {name: no-touch, exec: {}, match: {path: /bin/touch}, action: deny}
    - {name: deadly, exec: {}, match: {path: /bin/printf}, action: kill}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: inner}
spec:
  selector: {container: {name: inner*}}
  rules:
    - {name: free, file: read, match: {path: /data/free}, action: deny}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: brought}
spec:
  selector: {container: {name: outer}}
  rules:
    - {name: drift, exec: {}, match: {drift: true, path: /bin/head}, action: deny}
"""
LINES = {
    "secret": "read x </data/secret",
    "kept": "echo changed >>/data/kept",
    "touch": "/bin/touch /data/made",
    "deadly": "/bin/printf ran >/data/printed",
    "bound": "echo changed >>/mnt/kept",
    "free": "read x </data/free",
    "drift": "/bin/head /etc/passwd",
}
REFUSED = {"secret", "kept", "touch", "deadly", "bound", "drift"}
_BOX = "/bin/busybox"
ELSEWHERE = {
    "bound": "mount -o bind /data /tmp && read x </tmp/secret",
    "bound whole": "mount -o rbind / /tmp && read x </tmp/data/secret",
    "file": ": >/tmp/it && mount -o bind /data/secret /tmp/it && read x </tmp/it",
    "overlaid": "mount -t overlay -o lowerdir=/data:/etc none /tmp && read x </tmp/secret",
    "renamed": "mount -o rbind / /tmp && mv /tmp/moved /tmp/else && "
    "(read x </tmp/else/secret; x=$?; mv /tmp/else /tmp/moved; exit $x)",
    "linked": "mount -o bind /data /tmp && ln /tmp/secret /tmp/more && (read x </tmp/more; x=$?; rm /tmp/more; exit $x)",
    "written": "mount -o bind /data /tmp && echo changed >>/tmp/kept",
    "removed": "mount -o bind /data /tmp && mv /tmp/kept /tmp/gone && mv /tmp/gone /tmp/kept",
    "program": "mount -o bind /bin /tmp && /tmp/touch /data/made",
    "chroot": "mount -o rbind / /tmp && mount -o bind /data /tmp/run && chroot /tmp /bin/busybox cat /run/secret",
}
"""What it tries in a mount namespace of its own, and then as root of a user namespace of its own as well."""
_OWN = {"mounts": "-m", "users": "-Urm"}
_TRIED = [
    (deed, own)
    for deed in ELSEWHERE
    for own in _OWN
    if (deed, own) != ("overlaid", "users")  # where the kernel mounts no overlay of an overlay
]
_HOST = (
    "--privileged",
    *(f"--volume=/usr{each}:{each or '/usr'}:ro" for each in ("", "/lib", "/lib64")),
)
"""The outer container may make others, and has the host's runtimes for it."""
_INNER = "/data/inner"


def _specification(outer: Running) -> None:
    """Write what crun shall run in *outer*: the same image, with a folder of the outer one at /mnt."""
    images.unpacked(outer.root / _INNER.strip("/") / "rootfs")
    (outer.root / "data/inner/rootfs/mnt").mkdir()
    code, said = outer.run(f"cd {_INNER} && /usr/bin/crun spec")
    assert 0 == code, said
    file = outer.root / "data/inner/config.json"
    config = json.loads(file.read_text())
    config["process"] |= {"terminal": False, "args": list(images.SERVE)}
    config["root"]["readonly"] = False
    config["mounts"].append(
        {"destination": "/mnt", "type": "bind", "source": "/data", "options": ["bind", "rw"]}
    )
    file.write_text(json.dumps(config))


@contextlib.contextmanager
def _made(ready, name: str) -> Iterator[tuple[Running, Running]]:
    """A container, and one that crun made in it."""
    ready(OUTER)
    number = OUTER.podman(
        *("run", "-d", "--name", name, "--network", "none", *_HOST, runtimes.IMAGE, *images.SERVE)
    ).strip()
    (state,) = json.loads(OUTER.podman("inspect", name))
    outer = Running(OUTER, name, number, state["State"]["Pid"])
    try:
        _specification(outer)
        line = f"/usr/bin/crun --cgroup-manager=cgroupfs run --detach --bundle {_INNER} inner"
        code, said = outer.run(
            f"{line} </dev/null >/dev/null 2>/data/said; x=$?; cat /data/said; exit $x"
        )
        assert 0 == code, said
        yield outer, Running(OUTER, "inner", number, _inner_process(outer))
    finally:
        outer.remove()


def _inner_process(outer: Running) -> int:
    """Return the process that sees the inner root, by the cgroup below the outer container's."""
    folder = Path(f"/sys/fs/cgroup{outer.cgroup}").parent
    found: list[int] = []

    def is_found() -> bool:
        for file in folder.rglob("cgroup.threads"):
            found.extend(
                int(each)
                for each in file.read_text().split()
                if Path(f"/proc/{each}/root/mnt/free").exists()
            )
        return bool(found)

    until(is_found, f"nothing runs in {folder}")
    return found[0]


@pytest.fixture(scope="module")
def both(ready) -> Iterator[tuple[Running, Running]]:
    """The outer and the inner container, before the engine."""
    with _made(ready, "outer") as made:
        yield made


@pytest.fixture(scope="module")
def without(both) -> dict[str, int]:
    """How everything ends in the inner one without a policy."""
    return {what: both[1].run(line)[0] for what, line in LINES.items()}


@pytest.fixture(scope="module")
def on(both, without, unhindered, tmp_path_factory) -> Iterator[Engine]:
    """The engine with all policies."""
    with running(POLICY, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def test_it_is_a_container_in_a_container(both):
    """Another root, other processes, and a cgroup below."""
    outer, inner = both
    assert (outer.root / "data/inner").is_dir()
    assert not (inner.root / "data/inner").exists()
    assert inner.cgroup.startswith(outer.cgroup.removesuffix("/container"))


def test_without_a_policy_everything_succeeds(both, without):
    """Each deed of the table is possible."""
    assert dict.fromkeys(LINES, 0) == without


@pytest.mark.parametrize("what", LINES)
def test_what_is_refused_to_the_outer_is_refused_to_the_inner(on, both, what):
    """By the names that the inner one has, and what was mounted into it by those of the outer."""
    assert (what in REFUSED) == (0 != both[1].run(LINES[what])[0])


def test_records_name_the_outer(on, both):
    """No file of the host says anything of the inner."""
    outer, inner = both
    inner.run(LINES["secret"])

    event = on.wait_for(lambda e: e.get("rule") == "secret" and e["container"]["id"] == outer.id)

    assert "outer" == event["container"]["name"]
    assert event["onError"] is False


def test_one_that_begins_later_is_the_outer_s_too(on, both):
    """What makes it is no runtime of the host, so its steps are the container's from the beginning."""
    outer, _ = both
    line = (
        "/usr/bin/crun --cgroup-manager=cgroupfs run --bundle /data/second second </dev/null 2>&1"
    )
    config = json.loads((outer.root / "data/inner/config.json").read_text())
    deeds = "; ".join(f"({LINES[what]}); echo {what} $?" for what in ("secret", "touch", "free"))
    config["process"]["args"] = ["/bin/sh", "-c", deeds]
    config["root"]["path"] = "/data/inner/rootfs"
    (outer.root / "data/second").mkdir()
    (outer.root / "data/second/config.json").write_text(json.dumps(config))

    code, said = outer.run(line)

    ends = dict(each.split() for each in said.splitlines() if len(each.split()) == 2)
    assert 0 == code, said
    assert ends["secret"] != "0"
    assert ends["touch"] != "0"
    assert "0" == ends["free"]


def _elsewhere(deed: str, own: str) -> str:
    words = ELSEWHERE[deed]
    for applet in ("mount", "mv", "ln", "rm", "chroot"):
        words = words.replace(f"{applet} ", f"{_BOX} {applet} ")
    return f"{_BOX} unshare {_OWN[own]} /bin/sh -c '{words}'"


@pytest.fixture(scope="module")
def unhindered(both) -> dict[tuple[str, str], tuple[int, str]]:
    """How the outer one's own attempts end without a policy, and what they say."""
    assert 0 == both[0].run(f"{_BOX} mkdir /moved && echo x >/moved/secret")[0]
    return {each: both[0].run(_elsewhere(*each)) for each in _TRIED}


@pytest.mark.parametrize(("deed", "own"), _TRIED)
def test_what_it_mounts_elsewhere_is_refused_as_well(unhindered, on, both, deed, own):
    """Its names are its own to change, the host's are not."""
    assert 0 == unhindered[deed, own][0], unhindered[deed, own]

    assert 0 != both[0].run(_elsewhere(deed, own))[0]

    kept = (both[0].root / "data/kept").read_text()
    both[0].run(_elsewhere(deed, own))
    assert kept == (both[0].root / "data/kept").read_text()


@pytest.mark.parametrize("own", _OWN)
def test_what_no_rule_names_is_free_there(on, both, own):
    """The neighbour of the same folder, by the same ways."""
    words = f"{_BOX} mount -o bind /data /tmp && read x </tmp/free"

    code, said = both[0].run(f"{_BOX} unshare {_OWN[own]} /bin/sh -c '{words}'")

    assert 0 == code, said
