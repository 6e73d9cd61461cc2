# SPDX-License-Identifier: MIT
"""enforcer from its image, by the commands of the page about it: it holds on the host, and while images change."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import runtimes
from churn import KINDS, Churn, Place, verdicts
from pages.blocks import IN_CONTAINERS, ROOT, blocks, commands
from runtimes import Podman

PAGE = ROOT / "docs/container.md"
PLACE = Path("/opt/enforcer-test-image")
POLICIES = Path("/etc/enforcer/policies")
PINS = Path("/sys/fs/bpf/enforcer")
REFUSED, DONE = dict.fromkeys(KINDS, "refused"), dict.fromkeys(KINDS, "done")


@attrs.define
class Page:
    """The page, whose commands are typed one after another, in the shell of one who has this *image*."""

    version: str = ""
    newer: str = "next"
    _set: str = ""
    _rest: list[str] = attrs.field(
        factory=lambda: [
            each.text
            for block in blocks(PAGE)
            if block.marks.get("not run") == IN_CONTAINERS
            for each in commands(block)
        ]
    )

    def type_until(self, last: str) -> None:
        """Type the next commands, up to the first one that begins with *last*."""
        while True:
            text = self._rest.pop(0)
            if text.startswith("OPTIONS="):
                self._set = text
            else:
                self._type(text)
            if text.startswith(last):
                return

    def _type(self, text: str) -> None:
        line = text.replace("VERSION", self.version).replace("NEWER", self.newer)
        if line.endswith("enforcer status"):  # which the reader repeats until it answers
            runtimes.until(lambda: self._run(line)[0] == 0, self._log, 600)
            return
        code, said = self._run(line)
        assert 0 == code, f"{line}: {said}"
        if "podman load" in line:
            (self.version,) = re.findall(r"localhost/enforcer:(\S+)", said)

    def _log(self) -> str:
        return self._run("podman ps --all; podman logs enforcer")[1]

    def _run(self, line: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-c", f"{self._set}\n{line}"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def place(ready) -> Iterator[Place]:
    """What is attacked; the policy that forbids it lies where the page says."""
    if not list((ROOT / "dist").glob("enforcer-*.oci.tar")):
        pytest.skip("there is no image of enforcer: make image")
    ready(Podman("crun", "systemd"))
    made = Place.make(PLACE)
    POLICIES.mkdir(parents=True, exist_ok=True)
    policy = POLICIES / "vault.yaml"
    policy.write_text(made.variant("a", 8).text)
    yield made
    policy.unlink()
    made.remove()


def _newer(page: Page) -> None:
    """Make an image that is another one, with the same in it."""
    podman = Podman("crun", "systemd").podman
    podman("create", "--name", "made", f"localhost/enforcer:{page.version}")
    label = "LABEL org.opencontainers.image.version=next"
    podman("commit", "--change", label, "made", f"localhost/enforcer:{page.newer}")
    podman("rm", "made")


def _image() -> str:
    """Return the tag of the image from which it runs."""
    said = Podman("crun", "systemd").podman("inspect", "--format", "{{.ImageName}}", "enforcer")
    return said.strip().rpartition(":")[2]


def test_it_holds_on_the_host_while_images_change(place):
    """From the first container to the last one, which ends it; nothing forbidden succeeds in between."""
    page, answers = Page(), "podman exec enforcer enforcer status"
    assert DONE == verdicts(Churn.once(place))

    page.type_until("podman logs")
    _newer(page)
    with Churn.at(place, seconds=3000) as churn:
        churn.advance()
        page.type_until(answers)
        churn.advance()
        assert page.newer == _image()
        page.type_until(answers)
        churn.advance()
    assert REFUSED == verdicts(Churn.once(place))

    page.type_until("podman stop")
    assert DONE == verdicts(Churn.once(place))
    assert not PINS.exists()
