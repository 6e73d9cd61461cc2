# SPDX-License-Identifier: MIT
"""Containers in whose image a name is a symbolic link: a shell that is busybox, a folder that lies elsewhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import attrs
from pods import Container, Pod

__all__ = ["DEEDS", "POLICY", "Linked", "containers", "results"]

POLICY = """---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: linked}
spec:
  selector: {pod: {namespace: links}}
  rules:
    - {name: no-bash, exec: {}, match: {path: /bin/bash}, action: {deny: {errno: EACCES}}}
    - {name: no-secret, file: read, match: {path: /data/alias/**}, action: {deny: {errno: EACCES}}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: listed, namespace: links-listed}
spec:
  rules: [{exec: {}, match: {path: [/bin/app, /bin/bash]}, action: allow}]
  default: {exec: {deny: {errno: EACCES}}}
"""

_LAYERS = Path("/run/enforcer-test-linking")
DEEDS = {
    "shell": ("run", "/bin/bash"),
    "busybox": ("run", "/bin/busybox"),
    "secret": ("open", "/data/alias/secret"),
    "real-secret": ("open", "/data/deep/secret"),
    "other": ("run", "/bin/other"),
    "app": ("run", "/bin/app"),
}


@attrs.define
class Linked(Container):
    """One whose bundle says where its root is, as those of runtimes do."""

    is_linked: bool = True
    is_changed: bool = False

    def _config(self) -> dict[str, Any]:
        return {**super()._config(), "root": {"path": str(self.root)}}

    def _run(self, program: str) -> Any:
        shutil.copy(self.program, self.root / "bin/busybox")
        (self.root / "data/deep").mkdir()
        (self.root / "data/deep/secret").write_text("secret")
        if self.is_linked:
            (self.root / "bin/bash").symlink_to("busybox")
            (self.root / "data/alias").symlink_to("/data/deep")
            # Out of the root, in circles, and to what must not be opened.
            (self.root / "bin/out").symlink_to("../" * 40 + "etc/shadow")
            (self.root / "bin/loop").symlink_to("loop")
        else:
            shutil.copy(self.program, self.root / "bin/bash")
            (self.root / "data/alias").mkdir()
            (self.root / "data/alias/secret").write_text("secret")
        if self.is_changed:
            self._become_overlay()
            (self.root / "bin/bash").unlink()
            (self.root / "bin/bash").symlink_to("other")
        return super()._run(program)

    def _become_overlay(self) -> None:
        """Make what is there an image, and the root an overlay of it."""
        lower, upper, work = (_LAYERS / name for name in ("lower", "upper", "work"))
        shutil.copytree(self.root, lower, symlinks=True)
        upper.mkdir()
        work.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        subprocess.run(["umount", str(self.root)], check=True)
        mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(self.root)]
        subprocess.run(mount, check=True)

    def remove(self) -> None:
        super().remove()
        if self.is_changed:
            shutil.rmtree(_LAYERS)


def containers(program: Path) -> dict[str, Linked]:
    """Return some with links, one of the same policy without, and one that may run a list of programs."""
    pods = [
        Pod(0x20 + i, f"links-{i}", name)
        for i, name in enumerate(("links", "links", "links-listed", "links"))
    ]
    return {
        "linked": Linked("containerd", "5", program, pods[0]),
        "plain": Linked("containerd", "6", program, pods[1], is_linked=False),
        "listed": Linked("containerd", "0", program, pods[2]),
        # It has made the link of its image another, before anybody could look.
        "changed": Linked("cri-o", "4", program, pods[3], name="side", is_changed=True),
    }


def results(found: dict[str, Linked]) -> dict[str, str]:
    """Let each do everything."""
    return {
        f"{who} {name}": container.ask(*deed)
        for who, container in found.items()
        for name, deed in DEEDS.items()
    }
