# SPDX-License-Identifier: MIT
"""
What happens when the kernel has no memory for what the engine keeps of a task: it is refused and counted.

The engine's maps are charged to the control group that the daemon started in. When the daemon is gone
and the group may have nothing more, nobody else lacks memory. Before Linux 6.4 the maps took what they
needed whatever the limit was.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon import Daemon, managed

ROOT = Path("/opt/enforcer-poor")
CGROUPS = Path("/sys/fs/cgroup")
FEW, MANY = 40, 400  # less and more than what lies ready for a processor
# The group keeps up to 64 pages for each processor that its limit does not take, and gets them again
# when something of the daemon is freed late: so much memory for forks and for sockets.
FORKS, SOCKETS = 4 * MANY, 32
ROUNDS = 20  # more than there are processors with two kinds of element each
POLICY = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: poor}}
spec:
  rules:
    - {{name: bound, network: bind, match: {{type: dgram, path: {ROOT}/**}}, action: deny}}
"""

pytestmark = pytest.mark.skipif(
    tuple(map(int, platform.release().split(".")[:2])) < (6, 4),
    reason="before Linux 6.4 the limit of a control group does not refuse memory to maps",
)


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group that may be given a limit."""
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    group = CGROUPS / "enforcer-poor"
    group.mkdir()
    yield group
    (group / "memory.max").write_text("max")
    group.rmdir()


@pytest.fixture
def daemon(group: Path, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose maps are charged to *group*."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    with managed(tmp_path / "daemon", policy, is_executed=True) as daemon:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        try:
            daemon.start()
        finally:
            (CGROUPS / "cgroup.procs").write_text(str(os.getpid()))
        yield daemon


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Callable[[str], dict[str, int]]]:
    """Tells ``poor.py`` a word and its numbers, returns what came of it."""
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir()
    program = Path(__file__).with_name("poor.py")
    argv = [sys.executable, str(program), str(ROOT)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as poor:

        def tell(word: str) -> dict[str, int]:
            print(word, file=poor.stdin, flush=True)
            return dict(json.loads(poor.stdout.readline()))

        yield tell
        poor.stdin.close()
    shutil.rmtree(ROOT)


def all_is_well(told: Callable[[str], dict[str, int]]) -> None:
    assert {"made": FEW} == told(f"prepare {FEW}")
    assert {"made": FEW, "OK": FEW} == told(f"bind {FEW} 1")
    assert {"made": FEW} == told(f"fork {FEW}")
    told("end")


def refused_until_well(told: Callable[[str], dict[str, int]]) -> dict[str, int]:
    """
    Counts what is still refused once there is memory again.

    What lies ready for a processor is refilled only after somebody found it empty
    (``irq_work_raise`` in ``unit_alloc``, kernel/bpf/memalloc.c), so that somebody is refused yet.
    """
    words = {"bind": f"bind {FEW} 1", "fork": f"fork {FEW}"}
    refused = dict.fromkeys(words, 0)
    for _ in range(ROUNDS):
        prepared = told(f"prepare {FEW}").get("ENOMEM", 0)
        now = {name: told(word).get("ENOMEM", 0) for name, word in words.items()}
        now["fork"] += prepared
        told("end")
        if not any(now.values()):
            return refused
        refused = {word: refused[word] + now[word] for word in refused}
    pytest.fail(f"refused beside memory enough, {ROUNDS} times: {refused}")


def test_what_finds_no_memory_is_refused_and_counted(group, daemon, told):
    """No socket without its type, and no child without its lineage; who is served is served whole."""
    all_is_well(told)
    assert {"made": MANY} == told(f"prepare {MANY}")

    daemon.kill()  # what it allocates itself is not what is asked here
    (group / "memory.max").write_text("0")
    forked, bound = told(f"fork {FORKS}"), told(f"bind {MANY} {SOCKETS}")
    (group / "memory.max").write_text("max")

    assert {"made", "OK", "ENOMEM"} == set(bound)
    assert bound["OK"] == bound["made"]
    assert {"made", "ENOMEM"} == set(forked)
    assert forked["made"] < FORKS
    told("end")
    late = refused_until_well(told)
    daemon.start()
    counted = daemon.status()["kernel"]
    assert bound["ENOMEM"] + late["bind"] == counted["bind_refused"]
    assert forked["ENOMEM"] + late["fork"] <= counted["fork_refused"]
