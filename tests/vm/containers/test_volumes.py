# SPDX-License-Identifier: MIT
"""
What a container mounts elsewhere out of a volume, or out of a storage that only the settings name.

Its runtime has written down what it shows there, and under which name. That stays, whatever the container mounts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from engine import Engine, running
from runtimes import Cri, Podman, Running

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: volumes}
spec:
  selector: {container: {name: "*-volumes"}}
  rules:
    - {name: secret, file: read, match: {path: [/volume/secret, /data/secret]}, action: deny}
    - {name: kept, file: write, match: {path: [/volume/kept, /data/kept]}, action: deny}
    - {name: program, exec: {}, match: {path: [/volume/true, /data/true]}, action: deny}
"""
_BOX = "/bin/busybox"
DEEDS = {
    "there": "read x <{}/secret",
    "run": "{}/true",
    "bound": "mount -o bind {} /tmp && read x </tmp/secret",
    "bound whole": "mount -o rbind / /tmp && read x </tmp{}/secret",
    "file": ": >/tmp/it && mount -o bind {}/secret /tmp/it && read x </tmp/it",
    "overlaid": "mount -t overlay -o lowerdir={}:/etc none /tmp && read x </tmp/secret",
    "linked": "mount -o bind {0} /tmp && ln /tmp/secret /tmp/more && (read x </tmp/more; x=$?; rm /tmp/more; exit $x)",
    "renamed": "mount -o bind {0} /tmp && mv /tmp/secret /tmp/else && "
    "(read x </tmp/else; x=$?; mv /tmp/else /tmp/secret; exit $x)",
    "written": "mount -o bind {} /tmp && echo changed >>/tmp/kept",
    "program": "mount -o bind {} /tmp && /tmp/true",
    "chroot": "mount -o rbind / /tmp && mount -o bind {} /tmp/run && chroot /tmp /bin/busybox cat /run/secret",
}
FREE = "mount -o bind {} /tmp && read x </tmp/free"
_APPLETS = ("mount", "mv", "ln", "rm", "chroot")


@attrs.frozen
class Case:
    """Who tries: *runtime* starts it, in a mount namespace of its own by the options *own* of unshare(1)."""

    runtime: Podman | Cri
    own: str
    place: str = "/volume"

    @property
    def name(self) -> str:
        return f"{self.runtime.name}{self.place}"

    def line(self, deed: str) -> str:
        words = deed.format(self.place)
        for applet in _APPLETS:
            words = words.replace(f"{applet} ", f"{_BOX} {applet} ")
        return f"{_BOX} unshare {self.own} /bin/sh -c '{words}'"


CASES = (
    Case(Podman("crun", "systemd"), "-m"),
    Case(Podman("runc", "cgroupfs"), "-m"),
    Case(Podman("crun", "systemd", "", "vfs"), "-m", "/data"),
    Case(Cri("systemd"), "-Urm"),
)
Made = tuple[Running, Running]
"""The container that the policy means, and one that is shown the same folder elsewhere."""


@pytest.fixture(scope="module")
def made(ready, tmp_path_factory) -> Iterator[dict[str, Made]]:
    """All of them, before the engine."""
    found: dict[str, Made] = {}
    with contextlib.ExitStack() as stack:
        for case in CASES:
            with contextlib.suppress(pytest.skip.Exception):
                ready(case.runtime)
                folder = tmp_path_factory.mktemp("volume")
                _fill(folder)
                name = case.name.replace("/", "-")
                meant = case.runtime.start_with(f"{name}-volumes", {"/volume": folder})
                stack.callback(meant.remove)
                side = case.runtime.start_with(f"side-{name}-volumes", {"/elsewhere": folder})
                stack.callback(side.remove)
                _fill(meant.root / "data")
                found[case.name] = meant, side
        yield found


def _fill(folder: Path) -> None:
    for name in ("secret", "kept", "free"):
        (folder / name).write_text(f"{name}\n")
    (folder / "true").write_bytes(Path("/usr/bin/busybox").read_bytes())
    (folder / "true").chmod(0o755)


@pytest.fixture(scope="module")
def unhindered(made) -> dict[tuple[str, str], tuple[int, str]]:
    """How each attempt ends without a policy, and what it says."""
    ends = {}
    for case in CASES:
        for name, deed in DEEDS.items() if case.name in made else ():
            ends[case.name, name] = made[case.name][0].run(case.line(deed))
    return ends


@pytest.fixture(scope="module")
def on(made, unhindered, tmp_path_factory) -> Iterator[Engine]:
    """The engine with the policy."""
    with running(POLICY, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def _of(made: dict[str, Made], case: Case) -> Made:
    if case.name not in made:
        pytest.skip(f"{case.runtime.name} cannot be had")
    return made[case.name]


_TRIED = [
    pytest.param(case, deed, id=f"{case.name}-{deed}")
    for case in CASES
    for deed in DEEDS
    if (deed, case.own) != ("overlaid", "-Urm")  # where the kernel mounts no overlay of an overlay
]


@pytest.mark.parametrize(("case", "deed"), _TRIED)
def test_what_it_mounts_elsewhere_is_refused_as_well(unhindered, on, made, case, deed):
    """By the name that its runtime gave it."""
    meant, _ = _of(made, case)
    assert 0 == unhindered[case.name, deed][0], unhindered[case.name, deed]
    kept = meant.root / case.place.strip("/") / "kept"
    before = kept.read_text()

    assert 0 != meant.run(case.line(DEEDS[deed]))[0]
    assert before == kept.read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_no_rule_names_is_free(on, made, case):
    """The neighbour in the same folder, and the same file of who is shown it elsewhere."""
    meant, side = _of(made, case)

    code, said = meant.run(case.line(FREE))
    assert 0 == code, said
    assert side.reads("/elsewhere/secret")
    code, said = side.run(attrs.evolve(case, place="/elsewhere").line(DEEDS["bound"]))
    assert 0 == code, said
