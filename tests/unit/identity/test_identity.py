# SPDX-License-Identifier: MIT
"""Who a process is, as far as /proc and the cgroup hierarchy tell."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from enforcer.errors import KernelError
from enforcer.identity.cache import Cache
from enforcer.identity.cgroup import Cgroups, unit_of
from enforcer.identity.container import Container, container_of
from enforcer.identity.lineage import MAX_DEPTH, Ancestry, Lineage
from enforcer.identity.naming import process_id, program_id, ticks_of
from enforcer.identity.process import UNKNOWN, Processes, cgroup_in
from enforcer.identity.resolver import Resolver
from enforcer.identity.users import Groups, Users

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


def test_a_cgroup_that_the_kernel_opens_is_not_searched(tmp_path):
    """Also of a process that has ended, right after a walk. What is opened must have the id."""
    there = tmp_path / "a" / "b"
    opens = there

    def open_by_id(mount, number):
        if not there.exists() or number != there.stat().st_ino:
            raise KernelError("no such cgroup")
        assert tmp_path.stat().st_ino == os.fstat(mount).st_ino
        return os.open(opens, os.O_PATH)

    groups = Cgroups(root=tmp_path, clock=lambda: 50.0, open_by_id=open_by_id)
    there.parent.mkdir()
    assert (
        groups.path(tmp_path.stat().st_ino, b"/none") == "/"
    )  # by a walk; for a second there is none
    there.mkdir()
    opens = tmp_path / "other"
    opens.mkdir()
    assert groups.path(there.stat().st_ino) is None
    opens = tmp_path.parent
    assert groups.path(there.stat().st_ino) is None
    opens = there
    assert groups.path(there.stat().st_ino, b"/other") == "/a/b"


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
        ("/machine.slice/machine-web\\x2d1.scope/payload", Container("machine", "web-1")),
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


@pytest.mark.parametrize("byte", [b"\r", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xe2\x80\xa8"])
def test_a_name_of_a_cgroup_begins_no_line(byte):
    """Whoever has a cgroup of his own chooses the names below it; no process of his gets into another cgroup's name."""
    path = b"/own" + byte + b"0::/kubepods/other"

    assert path == cgroup_in(b"1:name=systemd:/x\n0::" + path + b"\n")


def test_the_cache_forgets_what_was_used_longest_ago():
    """A bound that keeps what is in use."""
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")

    cache.put("c", 3)

    assert (1, None, 3) == (cache.get("a"), cache.get("b"), cache.get("c"))


def test_the_cache_is_bounded_in_what_its_values_weigh():
    """The newest has room in any case, and what it takes the place of weighs no more."""
    cache = Cache(9, 10, len)
    for key, value in (("a", "x" * 4), ("b", "x" * 4), ("a", "x" * 6)):
        cache.put(key, value)
    assert ("x" * 4, "x" * 6) == (cache.get("b"), cache.get("a"))

    cache.put("c", "x" * 5)
    assert (None, None, "x" * 5) == (cache.get("b"), cache.get("a"), cache.get("c"))
    cache.put("d", "x" * 50)
    assert (None, "x" * 50) == (cache.get("c"), cache.get("d"))
    cache.drop_while(bool)
    for key in "efghi":
        cache.put(key, "xx")

    assert 5 == len(cache)


def test_identity_of_this_process():
    """Everything comes together for a live process and its parent."""
    identity = Resolver().identify(
        pid=os.getpid(),
        start_ns=start_ns(os.getpid()),
        exec_ns=0,
        parent_pid=os.getppid(),
        parent_start_ns=start_ns(os.getppid()),
        cgroup_id=0,
        uid=0,
        gid=0,
    )

    assert identity.process.exe is not None
    assert identity.ancestry.ancestors[0].pid == os.getppid()
    assert identity.ancestry.ancestors[0].cmdline is not None
    assert identity.cgroup is None
    assert identity.user == "root"
    assert identity.group == "root"
    assert os.fsdecode(identity.cwd) == str(Path.cwd())


def test_a_name_stays_over_exec_and_tells_programs_apart():
    """From nanoseconds of the kernel side, or from ticks of /proc: the same name."""
    began = start_ns(os.getpid())
    ticks = ticks_of(began + 9_999_999)  # what the kernel side records has nanoseconds

    name = process_id(os.getpid(), ticks)

    assert ticks == Processes().stat(os.getpid()).start_ticks
    assert re.fullmatch(rf"[0-9a-f]{{8}}-{os.getpid():x}-{ticks:x}", name)
    assert program_id(os.getpid(), ticks, 7) == f"{name}-7"
    assert program_id(os.getpid(), ticks, 0) is None


def stat_line(pid, name, parent, start):
    return b"%d (%b) S %d %b%d 0\n" % (pid, name, parent, b"0 " * 17, start)


@pytest.fixture
def family(tmp_path):
    """A /proc with 1 ← 10 ← 20, and ways to change it."""

    def live(pid, parent, start, *, name=b"p", words=(b"p",)):
        folder = tmp_path / str(pid)
        folder.mkdir(exist_ok=True)
        (folder / "stat").write_bytes(stat_line(pid, name, parent, start))
        (folder / "cmdline").write_bytes(b"".join(word + b"\0" for word in words))
        (folder / "exe").unlink(missing_ok=True)
        (folder / "exe").symlink_to(f"/bin/{pid}")

    live(1, 0, 0, name=b"init")
    live(10, 1, 100, name=b"a) S 7 (b")
    live(20, 10, 200, words=(b"sh", b"-c", b"x" * 600))
    now = [50.0]
    processes = Processes(proc=tmp_path, ticks_per_second=100)
    return Lineage(processes, clock=lambda: now[0]), live, now, tmp_path


def start(ticks):
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def test_ancestors_up_to_the_first_process(family):
    """The parent first, each with executable and arguments."""
    lineage, *_ = family

    found = lineage.above(20, start(200))

    assert [a.pid for a in found.ancestors] == [20, 10, 1]
    assert [a.exe for a in found.ancestors] == ["/bin/20", "/bin/10", "/bin/1"]
    assert found.ancestors[1].name == "a) S 7 (b"
    assert found.ancestors[0].cmdline[2] == "x" * 600
    assert found.is_complete


def test_an_ancestor_that_was_seen_is_known_when_it_has_gone(family):
    """However long ago."""
    lineage, _, now, proc = family
    before = lineage.above(20, start(200))
    shutil.rmtree(proc / "20")
    now[0] += 100

    after = lineage.above(20, start(200))
    shutil.rmtree(proc / "10")
    now[0] += 100
    cut = lineage.above(20, start(200))

    assert before == after == cut
    assert Lineage(lineage.processes).above(20, start(200)) == Ancestry()


def test_an_ancestor_that_was_never_seen_ends_the_line(family):
    """And that is told."""
    lineage, _, _, proc = family
    shutil.rmtree(proc / "10")

    found = lineage.above(20, start(200))

    assert [a.pid for a in found.ancestors] == [20]
    assert not found.is_complete


def test_a_number_that_was_given_away_is_no_parent(family):
    """Who started after the child cannot be its parent; nor is who started at another time."""
    lineage, live, *_ = family
    live(10, 1, 300)

    found = lineage.above(20, start(200))

    assert [a.pid for a in found.ancestors] == [20]
    assert lineage.above(20, start(500)).ancestors == ()


def test_what_an_ancestor_runs_is_looked_at_again(family):
    """It may exec at any time; within a second that is not looked for."""
    lineage, live, now, _ = family
    lineage.above(20, start(200))
    live(20, 10, 200, words=(b"other",))

    soon = lineage.above(20, start(200)).ancestors[0].cmdline
    now[0] += 1.5
    later = lineage.above(20, start(200)).ancestors[0].cmdline

    assert soon[0] == "sh"
    assert later == ("other",)


def test_a_long_line_is_cut_and_that_is_told(family):
    """Nobody makes records endless by forking."""
    lineage, live, *_ = family
    for pid in range(100, 300):
        live(pid, pid - 1 if pid > 100 else 1, pid)

    found = lineage.above(299, start(299))

    assert len(found.ancestors) == MAX_DEPTH
    assert not found.is_complete


def test_arguments_that_are_cut_say_so(family):
    """Of those far above the parent, some hundred bytes are enough."""
    lineage, live, *_ = family
    live(10, 1, 100, words=(b"a", b"y" * 600))

    found = lineage.above(20, start(200)).ancestors[1].cmdline

    assert found == ("a", "y" * 510 + "…")


def test_a_long_path_of_an_ancestor_is_cut_as_arguments_are(family):
    """That of the parent is whole, whatever its length."""
    lineage, _, _, proc = family
    path = "/" + "y" * 1000 + "\N{PILE OF POO}"
    for pid in (20, 10, 1):
        (proc / f"{pid}/exe").unlink()
    (proc / "20/exe").symlink_to(path)
    (proc / "10/exe").symlink_to(path)
    (proc / "1/exe").symlink_to(path[:512])

    found = lineage.above(20, start(200)).ancestors

    assert [path, path[:512] + "…", path[:512]] == [each.exe for each in found]


def test_users_are_read_from_the_file_alone(tmp_path):
    """And again when it has changed; a file that goes leaves what is known."""
    now = [50.0]
    path = tmp_path / "passwd"
    path.write_bytes(
        b"root:x:0:0::/:\n+nis\nbad:x:y\nann:x:1000:1::/:\ntwin:x:0:0::/:\n\xff:x:7:7\n"
    )
    users = Users(path, clock=lambda: now[0])

    assert [users.name(uid) for uid in (0, 1000, 7, 5)] == ["root", "ann", "\\xff", None]
    path.write_text("root:x:0:0::/:\nbob:x:5:5::/:\n")
    assert users.name(5) is None
    now[0] += 10
    assert users.name(5) == "bob"
    path.unlink()
    now[0] += 10
    assert users.name(5) == "bob"


def test_groups_are_read_from_their_file(tmp_path):
    """As users are: the number stands after the name and the password."""
    path = tmp_path / "group"
    path.write_bytes(b"root:x:0:\nstaff:x:50:ann,bob\nbad:x:\n")

    groups = Groups(path)

    assert ["root", "staff", None] == [groups.name(gid) for gid in (0, 50, 7)]
    assert "group" == Groups().path.name


def test_the_working_directory_is_not_remembered_for_long(tmp_path):
    """A process moves; when it has gone, the last place is known."""
    now = [50.0]
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "stat").write_bytes(stat_line(7, b"p", 1, 500))
    (folder / "cwd").symlink_to("/a")
    processes = Processes(proc=tmp_path, ticks_per_second=100, clock=lambda: now[0])
    places = [processes.working_directory(7, 5_000_000_000)]

    (folder / "cwd").unlink()
    (folder / "cwd").symlink_to("/b")
    for _ in range(2):
        places.append(processes.working_directory(7, 5_000_000_000))
        now[0] += 1
    shutil.rmtree(folder)
    places.append(processes.working_directory(7, 5_000_000_000))

    assert places == [b"/a", b"/a", b"/b", b"/b"]
