# SPDX-License-Identifier: MIT
"""
What was found once and is not asked again: everything that may change it makes it void.

Each file is opened often before, so that the hooks have every reason to leave early.
"""

import os
import shutil
import signal
import stat
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from daemon import kernel_counts, told
from engine import attempt, python, running

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: vault}
spec:
  rules:
    - {name: vault, file: read, guard: false, match: {path: /srv/fast/vault/**}, action: deny}
    - {name: kept, file: write, guard: false, match: {path: /srv/fast/kept/f}, action: deny}
    - {name: programs, exec: {}, guard: false, match: {path: /srv/fast/bin/**}, action: deny}
    - {name: nobody, file: read, match: {path: /srv/fast/users/f, process: {uid: 65534}}, action: deny}
    - name: names
      file: [create, unlink, mkdir, symlink]
      guard: false
      match: {path: [/srv/fast/names/taken, /srv/fast/names/deep/**, /run/fast/taken]}
      action: deny
    - {name: modes, file: [chmod, mknod], match: {mode: {range: 04000-07777}}, action: deny}
"""
PLACE = Path("/srv/fast")
TIMES = 50
# Accesses while names or mounts never rest; they take every processor.
ACCESSES = 3000 if "ENFORCER_SOAK" in os.environ else 400
# So many more times as often, until some name was found among changes: on a busy machine, two processors
# of a guest seldom run at the same moment.
ROUNDS = 50


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with running(POLICY, tmp_path_factory.mktemp("fast")) as it:
        yield it


@pytest.fixture
def place():
    subprocess.run(["rm", "-rf", PLACE], check=True)
    (PLACE / "open").mkdir(parents=True)
    (PLACE / "users").mkdir()
    (PLACE / "open" / "f").write_text("content")
    (PLACE / "users" / "f").write_text("content")
    yield PLACE
    subprocess.run(["umount", "-q", PLACE / "vault"], check=False)
    subprocess.run(["umount", "-q", PLACE / "shown"], check=False)
    if (PLACE / "vault").is_dir():  # whose folders nobody may read by this name
        (PLACE / "vault").rename(PLACE / "was-vault")
    subprocess.run(["rm", "-rf", PLACE], check=True)


def is_refused(path: Path) -> bool:
    """Whether this very process, which has opened it before, may read it."""
    try:
        found = path.read_text()
    except PermissionError:
        return True
    assert found == "content"
    return False


def warm(path: Path) -> None:
    """Give every reason to leave early."""
    for _ in range(TIMES):
        assert not is_refused(path)


def test_a_rename_of_the_directory_is_seen(engine, place):
    warm(place / "open" / "f")

    (place / "open").rename(place / "vault")

    assert is_refused(place / "vault" / "f")
    (place / "vault").rename(place / "open")
    warm(place / "open" / "f")


def test_a_rename_of_the_file_is_seen(engine, place):
    (place / "vault").mkdir()
    warm(place / "open" / "f")

    (place / "open" / "f").rename(place / "vault" / "f")

    assert is_refused(place / "vault" / "f")


def test_an_exchange_is_seen(engine, place):
    """Both names go on to exist; only what they mean has changed."""
    (place / "vault").mkdir()
    warm(place / "open" / "f")
    exchange = (
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "sys.exit(libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2))\n"
    )

    done = python(exchange, str(place / "open"), str(place / "vault"))

    assert done.returncode == 0, done.stderr
    assert is_refused(place / "vault" / "f")


def test_a_mount_that_is_moved_is_seen(engine, place):
    for name in ("shown", "vault"):
        (place / name).mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place / "shown"], check=True)
    subprocess.run(["mount", "--make-private", place / "shown"], check=True)
    (place / "shown" / "f").write_text("content")
    warm(place / "shown" / "f")

    subprocess.run(["mount", "--move", place / "shown", place / "vault"], check=True)

    assert is_refused(place / "vault" / "f")


def test_a_descriptor_of_a_directory_that_was_moved_is_no_way_around(engine, place):
    warm(place / "open" / "f")
    directory = os.open(place / "open", os.O_PATH)
    (place / "open").rename(place / "vault")

    with pytest.raises(PermissionError):
        os.open("f", os.O_RDONLY, dir_fd=directory)

    os.close(directory)


def test_another_operation_on_the_file_is_asked_for_itself(engine, place):
    """What holds for reading was not found for writing."""
    (place / "kept").mkdir()
    (place / "open" / "f").rename(place / "open" / "g")
    (place / "open" / "g").rename(place / "kept" / "g")
    warm(place / "kept" / "g")
    (place / "kept").rename(place / "open" / "kept")
    (place / "open" / "kept" / "g").rename(place / "open" / "kept" / "f")
    (place / "open" / "kept").rename(place / "kept")
    warm(place / "kept" / "f")

    with pytest.raises(PermissionError):
        (place / "kept" / "f").write_text("changed")


def test_other_credentials_are_seen(engine, place):
    """The same process, which was out of scope a moment ago."""
    code = (
        "for i in range(50): os.close(os.open(sys.argv[1], os.O_RDONLY))\n"
        "os.setresuid(65534, 65534, 65534)\n"
        "try: os.open(sys.argv[1], os.O_RDONLY)\n"
        "except PermissionError: sys.exit(7)\n"
    )
    (place / "users" / "f").chmod(0o644)

    assert python(code, str(place / "users" / "f")).returncode == 7
    assert python(code.replace("65534", "65533"), str(place / "users" / "f")).returncode == 0


@pytest.mark.parametrize(
    "below", ["f", "a/f", "/".join("abcdefghijklmnopqrst"), "n" * 200, "n" * 200 + "/f"]
)
def test_the_first_touch_of_a_forbidden_file_is_refused(engine, place, below):
    """However deep and long its name; its neighbour is found to be nobody's business at once, too."""
    warm(place / "open" / "f")
    for folder in ("vault", "open"):
        (place / folder / "new" / below).parent.mkdir(parents=True)
        (place / folder / "new" / below).write_text("content")

    assert is_refused(place / "vault" / "new" / below)
    assert not is_refused(place / "open" / "new" / below)


def test_a_forbidden_file_is_refused_by_its_other_name(engine, place):
    """A file with several names is not a file like others."""
    (place / "users" / "f").rename(place / "open" / "g")
    os.link(place / "open" / "g", place / "open" / "h")
    warm(place / "open" / "h")

    (place / "vault").mkdir()
    (place / "open" / "h").rename(place / "vault" / "h")

    assert is_refused(place / "vault" / "h")
    assert not is_refused(place / "open" / "g")


def test_a_name_by_another_mount_may_be_shorter(engine, place):
    """The host's oldest mount of a file system shows a part of it, under a name too long for any pattern."""
    whole, long, short = place / "whole", place / ("n" * 200), place / "vault"
    for point in (whole, long, short):
        point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", whole], check=True)
    try:
        for part, shown in (("a", long), ("b", short)):
            (whole / part).mkdir()
            (whole / part / "f").write_text("content")
            subprocess.run(["mount", "--bind", whole / part, shown], check=True)
    finally:
        subprocess.run(["umount", whole], check=True)
    try:
        for _ in range(3):
            assert is_refused(short / "f")
            assert not is_refused(long / "f")
    finally:
        subprocess.run(["umount", long], check=True)
        subprocess.run(["umount", short], check=True)


def make_and_remove(path: Path) -> None:
    """Give every reason to leave early: make and take away a name, again and again."""
    for _ in range(TIMES):
        path.touch()
        path.unlink()


def test_names_that_no_pattern_meets_are_not_decided(engine):
    """Where no layer of an overlay is asked about as well."""
    names = Path("/run/fast")
    names.mkdir()
    make_and_remove(names / "free")
    decided = kernel_counts()["decisions"]

    for n in range(TIMES):
        make_and_remove(names / f"free-{n % 2}")

    assert kernel_counts()["decisions"] - decided < TIMES  # of some thousand accesses
    with pytest.raises(PermissionError):
        (names / "taken").touch()
    names.rmdir()


def test_a_forbidden_name_is_refused_among_others_in_its_directory(engine, place):
    """Also after it was, when the others are no longer asked about by the quick way."""
    names = place / "names"
    (place / "before").mkdir()
    (place / "before" / "taken").touch()
    for made in (Path.touch, Path.mkdir, lambda path: path.symlink_to("target")):
        names.mkdir()
        for _ in range(3):
            make_and_remove(names / "free")
            with pytest.raises(PermissionError):
                made(names / "taken")
        assert not os.path.lexists(names / "taken")
        names.rmdir()
    (place / "before").rename(names)

    make_and_remove(names / "free")
    with pytest.raises(PermissionError):
        (names / "taken").unlink()

    assert (names / "taken").exists()
    names.rename(place / "before")
    (place / "before" / "taken").unlink()


@pytest.mark.parametrize("times", [1, TIMES])
def test_modes_are_asked_for_by_whatever_name(engine, place, times):
    """The rule has no path, so no path of a file says that it is not meant."""
    for folder in ("open", "users", "."):
        file, node = place / folder / "f", place / folder / "node"
        file.touch()
        for _ in range(times):
            file.chmod(0o750)
            with pytest.raises(PermissionError):
                file.chmod(0o4750)
            os.mknod(node, 0o600 | stat.S_IFIFO)
            node.unlink()
            with pytest.raises(PermissionError):
                os.mknod(node, 0o4600 | stat.S_IFIFO)

        assert (0o750, False) == (stat.S_IMODE(file.stat().st_mode), node.exists())


def test_a_directory_in_which_names_were_free_is_moved(engine, place):
    (place / "names").mkdir()
    (place / "open" / "new").mkdir()
    make_and_remove(place / "open" / "new" / "f")

    (place / "open" / "new").rename(place / "names" / "deep")

    with pytest.raises(PermissionError):
        (place / "names" / "deep" / "f").touch()
    assert not (place / "names" / "deep" / "f").exists()
    (place / "names" / "deep").rename(place / "open" / "new")
    make_and_remove(place / "open" / "new" / "f")


def test_a_program_that_was_moved_is_seen(engine, place):
    """Programs are remembered as files are."""
    program = place / "open" / "program"
    shutil.copyfile("/bin/true", program)
    program.chmod(0o755)
    for _ in range(TIMES):
        assert attempt(str(program)).returncode == 0

    (place / "open").rename(place / "bin")

    assert attempt(str(place / "bin" / "program")).returncode == 126
    (place / "bin").rename(place / "open")
    assert attempt(str(program)).returncode == 0


def test_a_program_is_refused_the_first_time(engine, place):
    (place / "bin").mkdir()
    shutil.copyfile("/bin/true", place / "bin" / "program")
    (place / "bin" / "program").chmod(0o755)

    assert attempt(str(place / "bin" / "program")).returncode == 126


def test_a_policy_that_comes_later_is_seen(engine, place, tmp_path):
    """What was uninteresting under the image before is asked again under the next."""
    late = tmp_path / "late.yaml"
    late.write_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: late}\n"
        f"spec: {{rules: [{{file: read, match: {{path: {place}/open/f}}, action: deny}}]}}\n"
    )
    warm(place / "open" / "f")

    told("policy", "add", str(late))

    assert is_refused(place / "open" / "f")
    told("policy", "remove", "late")
    warm(place / "open" / "f")


def test_a_forbidden_file_stays_so_while_names_move(engine, place):
    """Its own name moves, and so do those of files that were found uninteresting."""
    (place / "vault").mkdir(mode=0o755)
    (place / "vault" / "f").write_text("secret")
    is_over = threading.Event()

    def move() -> None:
        while not is_over.is_set():
            for folder in ("vault", "open"):
                (place / folder / "f").rename(place / folder / "g")
                (place / folder / "g").rename(place / folder / "f")

    mover = threading.Thread(target=move)
    mover.start()
    read = dict.fromkeys(("vault", "open"), 0)
    refused = dict.fromkeys(read, 0)
    try:
        for _ in range(ACCESSES):
            for folder in read:
                try:
                    (place / folder / "f").read_bytes()
                    read[folder] += 1
                except PermissionError:
                    refused[folder] += 1
                except FileNotFoundError:
                    continue
    finally:
        is_over.set()
        mover.join()

    assert (0, 0) == (read["vault"], refused["open"])
    assert read["open"]
    assert refused["vault"]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="nobody renames beside one processor")
def test_renames_elsewhere_refuse_nobody(engine, place):
    """
    Two processors do nothing but rename, so that the kernel's counter of renames is never still.

    Whose names hold still meanwhile has a path all the same, and a verdict by it.
    """
    (place / "vault").mkdir(mode=0o755)
    (place / "vault" / "f").write_text("secret")
    before = kernel_counts()
    movers = []
    for n in range(2):
        (place / f"moved-{n}").touch()
        names = [str(place / f"{name}-{n}") for name in ("moved", "gone")]
        loop = "while (1) { rename($ARGV[0], $ARGV[1]); rename($ARGV[1], $ARGV[0]) }"
        movers.append(subprocess.Popen(["perl", "-e", loop, *names]))
    try:
        access_among_changes(place, before, movers)
    finally:
        for mover in movers:
            mover.kill()
            mover.wait(60)

    now = kernel_counts()
    assert now["path_among"] > before["path_among"]
    assert (before["path_unknown"], before["on_error"]) == (now["path_unknown"], now["on_error"])


def access_among_changes(
    place: Path, before: dict[str, int], changers: Sequence[subprocess.Popen[bytes]]
) -> None:
    """
    Read what is free and what is forbidden, until some path was found while names or mounts changed.

    *changers* rest while the daemon is asked: it may get no turn beside them for longer than a command waits.
    """
    for number in range(ROUNDS):
        for n in range(ACCESSES):
            fresh = place / "open" / f"{number}-{n}"
            fresh.write_text("content")
            assert not is_refused(fresh)
            assert is_refused(place / "vault" / "f")
        for changer in changers:
            changer.send_signal(signal.SIGSTOP)
        if kernel_counts()["path_among"] > before["path_among"]:
            return
        for changer in changers:
            changer.send_signal(signal.SIGCONT)


# Mounts a directory over itself and takes it away again, in namespaces of its own, as an ordinary user may.
MOUNTER = r"""
my ($dir, $none) = ("/tmp", "none");
syscall(272, 0x10020000) == 0 or die "unshare: $!";
open(my $map, ">", "/proc/self/uid_map"); print $map "0 2001 1"; close $map;
my ($root, $kind) = ("/", ""); syscall(165, $none, $root, $kind, 0x44000, 0) == 0 or die "private: $!";
while (1) { syscall(165, $dir, $dir, $kind, 0x1000, 0) == 0 or die "bind: $!"; syscall(166, $dir, 2) }
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="nobody mounts beside one processor")
def test_mounts_elsewhere_refuse_nobody(engine, place):
    """Two processors do nothing but mount and unmount, as a user without privileges."""
    (place / "vault").mkdir(mode=0o755)
    (place / "vault" / "f").write_text("secret")
    before = kernel_counts()
    who = {"user": 2001, "group": 2001, "extra_groups": []}
    mounters = [subprocess.Popen(["perl", "-e", MOUNTER], **who) for _ in range(2)]
    try:
        access_among_changes(place, before, mounters)
        assert [None, None] == [mounter.poll() for mounter in mounters]
    finally:
        for mounter in mounters:
            mounter.kill()
            mounter.wait(60)

    now = kernel_counts()
    assert now["path_among"] > before["path_among"]
    assert (before["path_unknown"], before["on_error"]) == (now["path_unknown"], now["on_error"])
