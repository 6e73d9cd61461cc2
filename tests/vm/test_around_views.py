# SPDX-License-Identifier: MIT
"""
Names that whoever acts has made for himself: they lift nothing, and what nothing forbids goes on.

Every way is tried without the engine first, and the direct attempt with it.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attempter
import attrs
import compiled
import pytest
import view_attempts
from attempter import scripted
from engine import Engine, attempt, running
from patience import scaled

from enforcer import _abi
from enforcer.libbpf import calls

ROOT = Path("/opt/enforcer-test-views")
VAULT, ALLOWED, SECRET = ROOT / "bin/vault", ROOT / "bin/allowed", ROOT / "secret"
KEEPER = ROOT / "bin/keeper"
PLAIN, MINE = ROOT / "plain", ROOT / "user"
SHOWN, WHOLE = ROOT / "shown", ROOT / "whole"
EARLY, LATE = ROOT / "early", ROOT / "late"
KEY, DOOR, ADMIN = ROOT / "key", ROOT / "door", ROOT / "admin"
USER, CONFINED = 2001, 2002
TEXT = b"the secret\n"
NO, NO_MEMORY = errno.EDOM, errno.EPERM
MOUNTS = 8300
DEEP = 4200  # a climb ends after 4,096 directories
DOUBLINGS = 16  # 65,536 mounts of a superblock are looked through at most
_SCRIPT = view_attempts.__file__

POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: vault}}
spec:
  rules:
    - name: secret
      file: read
      match: {{path: {SECRET}, notProcess: {{binary: [{VAULT}, {KEEPER}]}}}}
      action: {{deny: {{errno: EDOM}}}}
    - {{name: part, file: read, match: {{path: {SHOWN}/secret}}, action: {{deny: {{errno: EDOM}}}}}}
    - {{name: early, file: read, match: {{path: {EARLY}/secret}}, action: {{deny: {{errno: EDOM}}}}}}
    - {{name: late, file: read, match: {{path: {LATE}/part/other}}, action: {{deny: {{errno: EDOM}}}}}}
    - {{name: apart, file: read, match: {{path: {LATE}/apart, process: {{binary: {KEEPER}}}}}, action: {{deny: {{errno: EDOM}}}}}}
    - name: kernel
      file: write
      match: {{path: [/proc/sys/kernel/domainname, /sys/kernel/profiling, "/proc/*/mem", /sys/class/net/lo/mtu,
                     /sys/devices/virtual/net/lo/mtu, /proc/sys/fs/binfmt_misc/register]}}
      action: {{deny: {{errno: EDOM}}}}
    - {{name: fileless, exec: {{}}, match: {{fileless: true}}, action: {{deny: {{errno: EDOM}}}}}}
    - {{name: admin, file: read, match: {{path: {ADMIN}, process: {{capabilities: SYS_ADMIN}}}}, action: allow}}
    - {{name: nobody, file: read, match: {{path: {ADMIN}}}, action: {{deny: {{errno: EDOM}}}}}}
    - {{name: key, file: read, match: {{path: {KEY}}}, mark: unlocked}}
    - name: door
      file: read
      match: {{path: {DOOR}, notWithin: {{mark: unlocked, last: 1m}}}}
      action: {{deny: {{errno: EDOM}}}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: confined}}
spec:
  selector: {{uid: {CONFINED}}}
  default: {{exec: {{deny: {{errno: EDOM}}}}}}
  rules:
    - {{name: own, exec: {{}}, match: {{path: ["{ROOT}/bin/**", "/usr/**", "{Path(sys.executable).parent.resolve()}/**"]}}, action: allow}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: listed}}
spec:
  selector: {{uid: {CONFINED}}}
  rules:
    - {{name: own, file: read, match: {{path: "{ROOT}/bin/**"}}, action: allow}}
    - {{name: rest, file: read, match: {{path: "{ROOT}/**"}}, action: {{deny: {{errno: EDOM}}}}}}
"""


def do(way: str, *arguments: object, user: int = 0) -> tuple[int, bytes]:
    """Act as *user* by a way of ``view_attempts.py``; return how it ended and what it printed."""
    words = ["as_user", str(user)] if user else []
    done = attempter.make(_SCRIPT, *words, way, *map(str, arguments))
    return done.returncode, done.stdout


@attrs.frozen
class Way:
    """One way, in words of ``view_attempts.py``, and how it ends without the engine and with it."""

    words: tuple[object, ...]
    without: tuple[int, bytes] = (0, TEXT)
    within: tuple[int, bytes] = (1, b"")
    user: int = USER


CAT = (1, b"")  # of cat, which says no more than that it could not
WAYS = {
    "itself": Way(("itself", VAULT, SECRET), within=(0, TEXT)),
    "other program": Way(("itself", "/usr/bin/cat", SECRET)),
    "tmpfs": Way(("tmpfs_over", VAULT, "/usr/bin/cat", SECRET)),
    "never attached": Way(("never_attached", VAULT, "/usr/bin/cat", SECRET), user=0),
    "pivot_root": Way(("pivoted", VAULT, "/usr/bin/cat", SECRET)),
    "allowed by default-deny": Way(("itself", ALLOWED, PLAIN), within=CAT, user=CONFINED),
    "default-deny directly": Way(("itself", MINE / "cat", PLAIN), within=(NO, b""), user=CONFINED),
    "default-deny by a tmpfs": Way(
        ("tmpfs_over", ALLOWED, "/usr/bin/cat", PLAIN), within=(NO, b""), user=CONFINED
    ),
    "proc itself": Way(
        ("write", "/proc/sys/kernel/domainname", "one"), (0, b""), (NO, b""), user=0
    ),
    "second proc": Way(
        ("second", "proc", "/opt/p", "/sys/kernel/domainname", "two"), (0, b""), (NO, b""), user=0
    ),
    "second sysfs": Way(
        ("own_second", "sysfs", "/mnt", "/devices/virtual/net/lo/mtu"), (0, b""), (NO, b""), user=0
    ),
    "binfmt_misc elsewhere": Way(
        # what is registered has another form: whoever comes so far is told this
        ("second", "binfmt_misc", "/opt/b", "/register", "nothing"),
        (errno.EINVAL, b""),
        (NO, b""),
        user=0,
    ),
    "mark by its file": Way(("reading", KEY, DOOR), (0, TEXT * 2), (0, TEXT * 2)),
    "mark by a name of one's own": Way(("bound_over", PLAIN, KEY, DOOR), (0, TEXT * 2), (NO, TEXT)),
    "capabilities": Way(("reading", ADMIN), within=(0, TEXT), user=0),
    "capabilities of one's own": Way(("as_own_root", ADMIN), within=(NO, b"")),
    "capabilities of one's own that look the same": Way(
        ("before_and_as_own_root", ADMIN), (0, TEXT * 2), (NO, TEXT), user=0
    ),
    "own proc": Way(("own_second", "proc", "/mnt", "/self/mem"), (0, b""), (NO, b"")),
    "own proc, other file": Way(("own_second", "proc", "/mnt", "/self/comm"), (0, b""), (0, b"")),
    "sandbox": Way(("sandbox", "/usr/bin/cat"), (0, b"own" + b"here\n"), (0, b"own" + b"here\n")),
}


@pytest.fixture(scope="module")
def place() -> Iterator[int]:
    """Files and programs; yields a descriptor of a mount of the whole of which the host shows a part."""
    shutil.rmtree(ROOT, ignore_errors=True)
    for directory in (VAULT.parent, MINE, SHOWN, WHOLE, EARLY, LATE, ROOT / "whole-before"):
        directory.mkdir(parents=True)
    for program in (VAULT, ALLOWED, MINE / "cat"):
        shutil.copy("/usr/bin/cat", program)
    SECRET.write_bytes(TEXT)
    PLAIN.write_bytes(TEXT)
    for path in (KEY, DOOR, ADMIN):
        path.write_bytes(TEXT)
    for path in (SECRET, PLAIN, KEY, DOOR, ADMIN):
        path.chmod(0o644)
    name = Path("/etc/hostname").read_text()
    Path("/etc/hostname").write_text("here\n")
    kept, other = shown_in_part(SHOWN), shown_in_part(EARLY)
    view_attempts.attach(other, str(LATE))
    subprocess.run(["modprobe", "-q", "binfmt_misc"], check=False)
    os.close(other)
    yield kept
    os.close(kept)
    Path("/etc/hostname").write_text(name)
    subprocess.run(["umount", SHOWN, EARLY, LATE], check=True)
    shutil.rmtree(ROOT)


def shown_in_part(point: Path) -> int:
    """Show a part of a file system at *point*; return a descriptor of its whole, which is attached nowhere."""
    before = ROOT / "whole-before"
    subprocess.run(["mount", "-t", "tmpfs", "none", before], check=True)
    (before / "part").mkdir()
    for name in ("secret", "other", "plain"):
        (before / "part" / name).write_bytes(TEXT)
    (before / "apart").write_bytes(TEXT)
    for i in range(DOUBLINGS):
        (before / "part" / str(i)).mkdir()
    nest(before / "part")
    subprocess.run(["mount", "--bind", before / "part", point], check=True)
    whole = view_attempts.detached(str(before))
    subprocess.run(["umount", before], check=True)
    return whole


def nest(top: Path) -> None:
    """Put files within the reach of a climb, and at the end of a chain of DEEP directories."""
    at = os.open(top, os.O_PATH)
    for depth in range(1, DEEP + 1):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_PATH, dir_fd=at)
        os.close(at)
        at = below
        if depth in (DEEP // 42, DEEP):
            file = os.open("file", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at)
            os.write(file, TEXT)
            os.close(file)
    os.close(at)


@pytest.fixture(scope="module")
def without(place: int) -> dict[str, tuple[int, bytes]]:
    """How every way ends without the engine."""
    del place
    return {name: do(*way.words, user=way.user) for name, way in WAYS.items()}


@pytest.fixture(scope="module")
def impostor(place: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process of a user whose mm->exe_file says that it runs the vault, from before the engine."""
    del place
    program = ROOT / "mm_map"
    compiled.place("mm-map", program)
    process = subprocess.Popen(
        [program, VAULT, SECRET],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=USER,
        group=USER,
        extra_groups=[],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert Path(f"/proc/{process.pid}/exe").readlink() == VAULT
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def old_vault(place: int) -> Iterator[subprocess.Popen[bytes]]:
    """The vault itself, from before the engine: it reads what its input names."""
    del place
    shutil.copy("/usr/bin/dash", KEEPER)
    process = subprocess.Popen([KEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def engine(
    without: dict[str, tuple[int, bytes]],
    impostor: subprocess.Popen[bytes],
    old_vault: subprocess.Popen[bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Engine]:
    del impostor, old_vault
    assert without
    with running(POLICY, tmp_path_factory.mktemp("views")) as it:
        yield it


@pytest.mark.parametrize("name", list(WAYS))
def test_a_view_of_ones_own_lifts_nothing(engine, without, name) -> None:
    """Nor does it make anybody suspect of what nothing forbids."""
    del engine
    way = WAYS[name]

    assert way.without == without[name]
    assert way.within == do(*way.words, user=way.user)


def test_what_is_mounted_later_renames_nothing(engine, place) -> None:
    """The host shows a part of a file system; whoever mounts the whole reads by no other name."""
    del engine
    assert (NO, b"") == do("reading", SHOWN / "secret")

    words = scripted(_SCRIPT, "whole", str(place), str(WHOLE), "/part/secret")
    done = attempt(*words, pass_fds=[place])
    assert (NO, b"") == (done.returncode, done.stdout)
    try:
        assert (NO, b"") == do("reading", SHOWN / "secret")
    finally:
        subprocess.run(["umount", "--lazy", WHOLE], check=True)


@pytest.mark.parametrize("name", ["secret", "other"])
def test_a_part_and_the_whole_are_one_file(engine, place, name) -> None:
    """Whichever of its two names on the host a rule has, and whichever it is read by."""
    del engine, place
    assert [(NO, b"")] * 2 == [do("reading", EARLY / name), do("reading", LATE / "part" / name)]
    assert [(0, TEXT)] * 2 == [do("reading", EARLY / "plain"), do("reading", LATE / "part/plain")]


def test_a_task_that_was_there_is_not_what_it_says(engine, impostor) -> None:
    """Its owner has had mm->exe_file say that it runs the vault."""
    del engine
    said, _ = impostor.communicate(b"\n", scaled(60))

    assert (NO, b"") == (impostor.returncode, said)


def test_a_task_that_was_there_is_what_it_was_executed_as(engine, old_vault) -> None:
    """The neighbour of the former."""
    del engine
    said, _ = old_vault.communicate(f"read line < {SECRET} && echo $line\n".encode(), scaled(60))

    assert TEXT == said


def test_many_mounts_hide_no_name(engine) -> None:
    """However many mounts of its file system there are, the secret is found to be one."""
    del engine
    code, said = do("many_mounts", MOUNTS, VAULT.parent, SECRET, user=USER)

    assert (NO, b"") == (code, said)
    assert (0, TEXT) == do("many_mounts", 10, VAULT.parent, PLAIN, user=USER)


def test_many_mounts_of_a_user_are_that_users_alone(engine, place) -> None:
    """More of a file system that the host shows in parts than a search looks through: others' files keep names."""
    del engine, place
    apart = LATE / "apart"
    assert (0, TEXT) == do("reading", apart)
    user = {"user": USER, "group": USER, "extra_groups": []}
    words = scripted(_SCRIPT, "doubled", str(EARLY), str(DOUBLINGS))
    with subprocess.Popen(words, stdin=-1, stdout=-1, stderr=subprocess.STDOUT, **user) as held:
        assert held.stdin is not None
        assert held.stdout is not None
        assert held.stdout.readline() == b"ready\n"
        made = len(Path(f"/proc/{held.pid}/mountinfo").read_text().splitlines())
        found = [do("reading", path) for path in (apart, EARLY / "plain", LATE / "part/other")]
        held.stdin.close()

    assert made > 1 << DOUBLINGS
    assert found == [(0, TEXT), (0, TEXT), (NO, b"")]


def test_a_file_deeper_than_a_climb_has_an_unknown_name(engine, place) -> None:
    """Where the host shows a part of a file system: a limit that ended the climb does not say that a file is outside."""
    del engine, place
    found = [do("below", EARLY, depth, "file") for depth in (DEEP // 42, DEEP)]
    assert found == [(0, TEXT), (NO, b"")]


def test_a_program_in_huge_pages_is_fileless(engine) -> None:
    """Since v7.0 the mount of its file system looks like one that an overlay has for itself."""
    del engine
    pages = Path("/proc/sys/vm/nr_hugepages")
    pages.write_text("8")
    if int(pages.read_text()) < 4:
        pytest.skip("this machine has no huge pages")
    try:
        code, said = do("huge", "/usr/bin/cat", PLAIN)
    finally:
        pages.write_text("0")

    # Before, the kernel itself runs nothing from there: hugetlbfs has had no way to read for it.
    assert b"" == said
    assert code in ({NO} if platform.release() >= "6.2" else {NO, errno.EACCES, errno.ENOEXEC})


HELD = 1  # of the first two words of a slot: whether it is taken, and by whose task
# Every second is the first choice of some processors, and for anybody; of the others one in four is root's, and a user
# may hold an eighth of all.
FIRST = set(range(1, _abi.ENF_SCRATCHES, 2))
SHARED = [n for n in range(0, _abi.ENF_SCRATCHES, 2) if n % 8]
SHARE = _abi.ENF_SCRATCHES // 8


def slots_of(engine: Engine) -> tuple[int, int]:
    """Open the map of working memory: of the daemon's, the one with the largest elements of all with so many."""
    found = {}
    for info in Path(f"/proc/{engine.process.pid}/fdinfo").iterdir():
        try:
            lines = info.read_text().splitlines()
        except FileNotFoundError:
            continue  # closed since the directory was listed; the daemon keeps its maps
        facts = dict(line.split(":\t") for line in lines if ":\t" in line)
        if "map_id" in facts and int(facts["max_entries"]) == _abi.ENF_SCRATCHES:
            found[int(facts["value_size"])] = int(facts["map_id"])
    size = max(found)
    return calls.map_by_id(found[size]), size


def hold(fd: int, size: int, slots: set[int], user: int) -> None:
    """Let it look as if tasks of *user* were in the middle of decisions."""
    for slot in slots:
        room = calls.lookup(fd, slot, size)
        calls.update(fd, slot, struct.pack("=II", HELD, user) + room[8:])


def give_back(fd: int, size: int, slots: set[int]) -> None:
    for slot in slots:
        room = calls.lookup(fd, slot, size)
        calls.update(fd, slot, bytes(8) + room[8:])


def test_who_takes_all_the_memory_pays_for_it(engine) -> None:
    """What is nobody's first choice is all that a user may hold a part of; some is root's alone."""
    fd, size = slots_of(engine)
    share = FIRST | set(SHARED[:SHARE])
    try:
        hold(fd, size, share - {SHARED[0]}, USER)
        assert (0, TEXT) == do("reading", PLAIN, user=USER)
        hold(fd, size, share, USER)
        assert NO_MEMORY == do("reading", PLAIN, user=USER)[0]
        assert (0, TEXT) == do("reading", PLAIN, user=CONFINED + 1)
        assert (0, TEXT) == do("reading", PLAIN)
        hold(fd, size, FIRST | set(SHARED), CONFINED)
        assert NO_MEMORY == do("reading", PLAIN, user=CONFINED + 1)[0]
        assert (0, TEXT) == do("reading", PLAIN)
    finally:
        give_back(fd, size, FIRST | set(SHARED))
        os.close(fd)
    assert (0, TEXT) == do("reading", PLAIN, user=USER)
