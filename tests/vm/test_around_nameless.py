# SPDX-License-Identifier: MIT
"""Memory that is run or loaded as a file is a file without a name, whatever name its maker gave it, and none."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from engine import running
from programs import RAN, Ended, Workshop, unprivileged

ROOT = Path("/opt/enforcer-test-nameless")
LIST = f"{{notGlob: [/usr/**, /bin/**, /lib/**, /lib64/**, /etc/**, {ROOT}/**]}}"
POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: nameless}}
spec:
  rules:
    - {{exec: {{}}, match: {{memfd: true, process: {{uid: 2001}}}}, action: deny}}
    - {{exec: {{}}, match: {{path: {LIST}, process: {{uid: 2002}}}}, action: deny}}
    - {{file: mmapExec, match: {{memfd: true, process: {{uid: 2003}}}}, action: deny}}
    - {{file: mmapExec, match: {{path: {LIST}, process: {{uid: 2004}}}}, action: deny}}
    - kernel: module
      match: {{memfd: true, process: {{binary: {ROOT}/one/launch}}}}
      action: deny
    - kernel: module
      match: {{path: {LIST}, process: {{binary: {ROOT}/two/launch}}}}
      action: deny
    - exec: {{}}
      match: {{path: {LIST}, process: {{binary: {ROOT}/two/launch}}}}
      action: deny
"""
REFUSED, BY_LOADER = Ended(errno.EPERM, ran=False), Ended(127, ran=False)
NO_MODULE = Ended(errno.ENOEXEC, ran=False)


@attrs.frozen
class Way:
    """A form of ``launch``, by which user or which copy of it, and how it ends if it is refused."""

    form: str
    uid: int = 0
    folder: str = "free"
    refused: Ended = REFUSED
    free: Ended = RAN

    def run(self, shop: Workshop, *, by: str = "") -> Ended:
        """Try it; *by* another user or another copy that no rule names, if asked for."""
        who = unprivileged(2005 if by else self.uid) if self.uid else {}
        launch = ROOT / (by or self.folder) / "launch"
        return shop.run(launch, self.form, ROOT / "mark-dynamic", **who)


WAYS = {
    "memfd, exec": Way("unnamed", 2001),
    "memfd, exec by /proc": Way("unnamed_proc", 2001),
    "memfd, exec by a loader": Way("unnamed_loader", 2001, refused=BY_LOADER),
    "list, exec": Way("unnamed", 2002),
    "list, exec by /proc": Way("unnamed_proc", 2002),
    "list, exec by a loader": Way("unnamed_loader", 2002, refused=BY_LOADER),
    "memfd, map": Way("unnamed_loader", 2003, refused=BY_LOADER),
    "list, map": Way("unnamed_loader", 2004, refused=BY_LOADER),
    "memfd, module": Way("unnamed_module", folder="one", free=NO_MODULE),
    "list, module": Way("unnamed_module", folder="two", free=NO_MODULE),
    "list, shared memory": Way("shared", folder="two"),
    "list, shared memory of System V": Way("system_v", folder="two"),
}


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    it = Workshop.open(ROOT)
    for name in ("free", "one", "two"):
        it.program(f"{name}/launch", like="launch")
    yield it
    shutil.rmtree(ROOT)


@pytest.fixture(scope="module")
def controls(shop) -> dict[str, Ended]:
    """What the attempts do while there is no policy."""
    return {name: way.run(shop) for name, way in WAYS.items()}


@pytest.fixture(scope="module")
def engine(shop, controls, tmp_path_factory) -> Iterator[None]:
    with running(POLICY, tmp_path_factory.mktemp("nameless")):
        yield


@pytest.mark.parametrize("name", WAYS)
def test_memory_is_a_file_without_a_name(name, shop, controls, engine):
    way = WAYS[name]
    assert way.free == controls[name]

    assert way.refused == way.run(shop)
    assert way.free == way.run(shop, by="free")


@pytest.mark.parametrize("uid", [2001, 2002, 2003, 2004])
def test_files_with_names_run(uid, shop, engine):
    assert RAN == shop.launch("path", ROOT / "mark-dynamic", **unprivileged(uid))
