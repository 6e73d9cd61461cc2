# SPDX-License-Identifier: MIT
"""Who a process is, as far as /proc and the cgroup hierarchy tell."""

import os
import subprocess
from pathlib import Path

import pytest

from enforcer.identity.cache import Cache
from enforcer.identity.cgroup import Cgroups, unit_of
from enforcer.identity.container import Container, container_of
from enforcer.identity.process import UNKNOWN, Processes
from enforcer.identity.resolver import Resolver

ID = "0123456789abcdef" * 4
BURSTABLE = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable"
POD = "c5ba4ac8-1d80-4f5c-9b4a-57f2d5b1c1e2"


def start_ns(pid: int) -> int:
    """Read the start time that the kernel side would record, to a tick."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return int(fields[19]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def test_facts_of_a_live_process():
    """Executable and command line of this very process."""
    facts = Processes().facts(os.getpid(), start_ns(os.getpid()))

    assert Path(os.fsdecode(facts.exe)).samefile("/proc/self/exe")
    assert facts.cmdline == tuple(Path("/proc/self/cmdline").read_bytes()[:-1].split(b"\0"))


def test_another_process_of_that_number_is_not_believed():
    """A process id that was used again gives nothing."""
    assert Processes().facts(os.getpid(), start_ns(os.getpid()) + 10**10) is UNKNOWN


def test_a_process_that_is_gone_is_unknown():
    """No error, and no answer."""
    child = subprocess.Popen(["true"])
    began = start_ns(child.pid)
    child.wait()

    assert Processes().facts(child.pid, began) is UNKNOWN


def test_facts_are_remembered():
    """What was learned while the process lived is still known when it is gone."""
    processes = Processes()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        began = start_ns(child.pid)
        first = processes.facts(child.pid, began, 7)
        child.stdin.close()
        child.wait()

        assert processes.facts(child.pid, began, 7) is first
        assert processes.facts(child.pid, began, 8) is UNKNOWN


def test_a_name_with_parentheses_is_read(tmp_path):
    """A process may be called ") R 1 2 3"."""
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "stat").write_bytes(b"7 () R 1 2) S " + b"0 " * 18 + b"500 0 0\n")
    (folder / "cmdline").write_bytes(b"a\0b\0")

    facts = Processes(proc=tmp_path, ticks_per_second=100).facts(7, 5_000_000_000)

    assert facts.cmdline == (b"a", b"b")


def test_cgroup_by_hint(tmp_path):
    """The process's own entry is used if that directory has the id."""
    folder = tmp_path / "system.slice" / "ssh.service"
    folder.mkdir(parents=True)

    found = Cgroups(root=tmp_path).path(folder.stat().st_ino, b"/system.slice/ssh.service")

    assert found == "/system.slice/ssh.service"


def test_cgroup_by_walk_when_the_hint_is_wrong(tmp_path):
    """A process that moved meanwhile does not mislead."""
    there = tmp_path / "a" / "b"
    there.mkdir(parents=True)
    (tmp_path / "c").mkdir()

    assert Cgroups(root=tmp_path).path(there.stat().st_ino, b"/c") == "/a/b"


def test_the_walk_is_rare(tmp_path):
    """Unknown ids do not make the daemon walk for each record."""
    now = [50.0]
    groups = Cgroups(root=tmp_path, clock=lambda: now[0])
    assert groups.path(1 << 60) is None
    folder = tmp_path / "late"
    folder.mkdir()

    assert groups.path(folder.stat().st_ino) is None
    now[0] += 1.5
    assert groups.path(folder.stat().st_ino) == "/late"


def test_the_root_cgroup_has_a_name(tmp_path):
    """A task outside of every group lives in the root."""
    assert Cgroups(root=tmp_path).path(tmp_path.stat().st_ino) == "/"


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/system.slice/ssh.service", "ssh.service"),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
        ("/system.slice/x.service/payload", "x.service"),
        ("/", None),
        ("/init", None),
    ],
)
def test_unit_of_a_cgroup(path, unit):
    """The deepest service or scope."""
    assert unit_of(path) == unit


@pytest.mark.parametrize(
    ("path", "container"),
    [
        (f"/system.slice/docker-{ID}.scope", Container("docker", ID)),
        (f"/docker/{ID}", Container("docker", ID)),
        (f"/docker/{ID}/nested", Container("docker", ID)),
        (
            f"{BURSTABLE}-pod{POD.replace('-', '_')}.slice/cri-containerd-{ID}.scope",
            Container("containerd", ID, POD),
        ),
        (
            f"/kubepods.slice/kubepods-pod{POD.replace('-', '_')}.slice/crio-{ID}.scope",
            Container("cri-o", ID, POD),
        ),
        (f"/kubepods/besteffort/pod{POD}/{ID}", Container("kubernetes", ID, POD)),
        (f"/machine.slice/libpod-{ID}.scope/container", Container("podman", ID)),
        (f"/user.slice/user-0.slice/libpod-{ID}.scope", Container("podman", ID)),
        ("/lxc.payload.web/system.slice/x.service", Container("lxc", "web")),
        ("/lxc/web", Container("lxc", "web")),
        ("/machine.slice/systemd-nspawn@web.service/payload", Container("nspawn", "web")),
        ("/system.slice/docker.service", None),
        ("/user.slice/user-1000.slice/session-3.scope", None),
        (f"/system.slice/docker-{ID[:63]}.scope", None),
        (f"/system.slice/notdocker-{ID}.scopes", None),
        ("/", None),
    ],
)
def test_container_of_a_cgroup(path, container):
    """Each runtime's form is known; what only looks like one is not."""
    assert container_of(path) == container


def test_the_cache_forgets_what_was_used_longest_ago():
    """A bound that keeps what is in use."""
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")

    cache.put("c", 3)

    assert (1, None, 3) == (cache.get("a"), cache.get("b"), cache.get("c"))


def test_identity_of_this_process():
    """Everything comes together for a live process and its parent."""
    identity = Resolver().identify(
        pid=os.getpid(),
        start_ns=start_ns(os.getpid()),
        exec_ns=0,
        parent_pid=os.getppid(),
        parent_start_ns=start_ns(os.getppid()),
        cgroup_id=0,
    )

    assert identity.process.exe is not None
    assert identity.parent.cmdline is not None
    assert identity.cgroup is None
