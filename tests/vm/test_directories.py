# SPDX-License-Identifier: MIT
"""
What is known of a directory, and of strings that paths meet, serves files and names that nobody has touched before.

Each case warms a directory up by other files in it. Then a file or a name comes that was never used, so that nothing
can be remembered of itself.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import compiled
import pytest
from agent import Agent
from daemon import Daemon, managed
from storm_policy import PROGRAMS

ROOT = Path("/srv/directories")
# On an overlay each file is opened and made once more, in its layer.
EXT4 = Path("/mnt/scratch/directories")
TREE, SHUT, LIST, GLOB, USERS = (EXT4 / name for name in ("tree", "shut", "list", "glob", "users"))
FILES = 100
ROUNDS = 10
FEW = 15  # decisions while so many files are touched
REFUSED = (0, errno.EPERM)
READ, MAKE = os.O_RDONLY, os.O_CREAT | os.O_EXCL | os.O_WRONLY

# Two names of one hash, whatever its seed: the bit that is changed in the first word comes to the ends of both halves,
# where the second word takes it back (enf_mix in bpf/include/hash.h).
NAME = b"abcdefghABCDEFGH"
LONG = b"n" * 192 + NAME


def alike(name: bytes) -> bytes:
    """Another name with the hash of *name*."""
    return name[:-16] + bytes(b ^ 0x80 if n in {7, 11, 15} else b for n, b in enumerate(name[-16:]))


def policy(tree: str = "action: allow") -> str:
    """What is said of everything below a directory, and of single files."""
    ops = "[read, write, create, unlink, symlink]"
    lines = (
        f"{{name: told, file: read, match: {{path: {TREE}/told/**}}, action: log, rateLimit: 1/h}}",
        f"{{name: tree, file: {ops}, match: {{path: [{TREE}/**, {ROOT}/tree/**]}}, {tree}}}",
        f"{{name: user, file: {ops}, match: {{path: {USERS}/**, process: {{uid: 1001}}}}, action: allow}}",
        f"{{name: list, file: {ops}, match: {{path: [{LIST}/{NAME.decode()}, {LIST}/{LONG.decode()}, "
        + ", ".join(f"{LIST}/n{n}" for n in range(FILES))
        + f", {LIST}/{NAME.decode()}/f]}}, action: allow}}",
        f'{{name: glob, file: {ops}, match: {{path: "{GLOB}/*1"}}, action: allow}}',
        f"{{name: none, file: {ops}, match: {{path: [{ROOT}/**, {EXT4}/**]}}, action: deny, guard: false, rateLimit: 1/s}}",
    )
    return (
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: directories}\nspec:\n"
        f"  selector: {{binary: {ROOT}/bin/*}}\n  rules:\n"
        f"    - {{name: runs, file: read, match: {{path: {ROOT}/bin/**}}, action: allow}}\n"
        + "".join(f"    - {line}\n" for line in lines)
    )


def fill(folder: Path, names: range | tuple[bytes, ...] = range(FILES)) -> None:
    """Make files there that anybody may use."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    for name in names:
        path = folder / (f"n{name}" if isinstance(name, int) else os.fsdecode(name))
        path.write_text("content")
        path.chmod(0o666)


@pytest.fixture(scope="module")
def daemon(scratch, tmp_path_factory) -> Iterator[Daemon]:
    (ROOT / "bin").mkdir(parents=True)
    for program in PROGRAMS:
        compiled.place("storm", ROOT / "bin" / program)
    (ROOT / "policy.yaml").write_text(policy())
    with managed(tmp_path_factory.mktemp("directories"), ROOT / "policy.yaml") as it:
        it.start("--no-watch")
        yield it
    shutil.rmtree(ROOT)
    shutil.rmtree(EXT4)


@pytest.fixture
def agent(daemon) -> Iterator[Agent]:
    it = Agent.start(ROOT / "bin" / "trusted")
    for folder in (TREE, SHUT, LIST, GLOB, USERS):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
    yield it
    it.end()
    for folder in (TREE, SHUT, LIST, GLOB, USERS):
        shutil.rmtree(folder, ignore_errors=True)


def touch(agent: Agent, path: Path, flags: int = READ) -> tuple[int, int]:
    """Use a file once."""
    return agent.do("open", flags, path)


def touch_all(agent: Agent, folder: Path) -> None:
    """Use each file there once, which is permitted: the directory is known then."""
    for n in range(FILES):
        assert (1, 0) == touch(agent, folder / f"n{n}"), n


def decisions(daemon: Daemon) -> int:
    """How often the kernel side has decided anew."""
    return int(daemon.status()["kernel"]["decisions"])


def hits(daemon: Daemon) -> dict[str, int]:
    """How often each rule has decided."""
    rows = daemon.request("policy-show", name="directories")["policy"]["rows"]
    found: dict[str, int] = {}
    for row in rows:
        found[row["rule"]] = found.get(row["rule"], 0) + row["enforced"]
    return found


# ---- Counts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("folder", "rule"), [(TREE, "tree"), (TREE / "a" / ("b" * 200), "tree")])
def test_files_that_nobody_has_touched_are_permitted_without_a_decision(
    daemon, agent, folder, rule
) -> None:
    """Each of them counts."""
    fill(folder)
    before, decided = hits(daemon), decisions(daemon)

    touch_all(agent, folder)

    assert decisions(daemon) - decided < FEW
    assert FILES == hits(daemon)[rule] - before[rule]


def test_files_that_are_named_one_by_one_are_decided_once_for_each_image(daemon, agent) -> None:
    """Whatever is renamed meanwhile."""
    fill(LIST)
    touch_all(agent, LIST)
    before, decided = hits(daemon), decisions(daemon)

    for _ in range(3):
        (LIST / "n0").rename(LIST / "n0-away")
        (LIST / "n0-away").rename(LIST / "n0")
        touch_all(agent, LIST)

    assert decisions(daemon) - decided < 3 * FEW
    assert 3 * FILES == hits(daemon)["list"] - before["list"]


@pytest.mark.parametrize("stem", ["new", "n" * 250], ids=["short", "long"])
def test_names_that_come_and_go_are_permitted_without_a_decision(daemon, agent, stem) -> None:
    before, decided = hits(daemon), decisions(daemon)

    for n in range(FILES):
        assert (1, 0) == touch(agent, TREE / f"{stem}-{n}", MAKE)
        assert (1, 0) == agent.do("unlink", TREE / f"{stem}-{n}")

    assert decisions(daemon) - decided < FEW
    assert 3 * FILES == hits(daemon)["tree"] - before["tree"]  # made, opened to be written, removed


def test_what_is_recorded_or_refused_is_decided_each_time(daemon, agent) -> None:
    """Neighbours of files that are permitted."""
    fill(TREE)
    fill(TREE / "told")
    fill(SHUT)
    touch_all(agent, TREE)
    before = hits(daemon)

    touch_all(agent, TREE / "told")
    for n in range(FILES):
        assert REFUSED == touch(agent, SHUT / f"n{n}")
        assert REFUSED == touch(agent, SHUT / f"new-{n}", MAKE)
        assert REFUSED == agent.do("unlink", SHUT / f"n{n}")

    now = hits(daemon)
    assert FILES == now["told"] - before["told"]
    assert 3 * FILES == now["none"] - before["none"]


# ---- What a path is ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [NAME, LONG], ids=["short", "long"])
def test_a_name_with_the_hash_of_one_that_is_permitted_is_another(agent, name) -> None:
    """Anybody can make up such names."""
    other = os.fsdecode(alike(name))
    fill(LIST, (name, alike(name)))
    for n in range(5):
        fill(LIST, range(n, n + 1))
        assert (1, 0) == touch(agent, LIST / name.decode()), n
        assert (1, 0) == touch(agent, LIST / f"n{n}")
        assert REFUSED == touch(agent, LIST / other), n
        assert REFUSED == agent.do("unlink", LIST / other), n


def test_a_directory_with_the_hash_of_one_that_is_permitted_is_another(agent) -> None:
    fill(LIST / NAME.decode(), (b"f", b"g"))
    fill(LIST / os.fsdecode(alike(NAME)), (b"f", b"g"))
    for _ in range(3):
        assert (1, 0) == touch(agent, LIST / NAME.decode() / "f")
        for name in ("g", "f"):
            assert REFUSED == touch(agent, LIST / os.fsdecode(alike(NAME)) / name)
            assert REFUSED == touch(agent, LIST / os.fsdecode(alike(NAME)) / f"{name}-new", MAKE)


def test_a_glob_is_asked_of_each_name(agent) -> None:
    """What it says of one name it does not say of its neighbour."""
    fill(GLOB)
    for n in range(FILES):
        assert ((1, 0) if n % 10 == 1 else REFUSED) == touch(agent, GLOB / f"n{n}"), n


def test_a_file_with_two_names_is_no_file_like_others(agent) -> None:
    """The name by which it is used decides, and which that is changes with a rename of either."""
    fill(TREE)
    fill(SHUT)
    touch_all(agent, TREE)
    for n in range(5):
        (TREE / f"link-{n}").hardlink_to(SHUT / f"n{n}")
        assert REFUSED == touch(agent, SHUT / f"n{n}")
        (SHUT / f"n{n}").unlink()
        assert (1, 0) == touch(agent, TREE / f"link-{n}")
        (TREE / f"link-{n}").rename(SHUT / f"n{n}")
        assert REFUSED == touch(agent, SHUT / f"n{n}")


# ---- Where a directory is ------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "a", "a/b/c"])
def test_a_directory_that_moves_takes_its_names_along(agent, below) -> None:
    """Itself, or one above it; what is touched there was not touched before."""
    fill(TREE / "moved" / below)
    touch_all(agent, TREE / "moved" / below)
    for n in range(3):
        (TREE / "moved").rename(SHUT / "moved")
        fill(SHUT / "moved" / below, range(FILES + n, FILES + n + 1))
        assert REFUSED == touch(agent, SHUT / "moved" / below / f"n{FILES + n}")
        assert REFUSED == touch(agent, SHUT / "moved" / below / f"new-{n}", MAKE)
        assert REFUSED == agent.do("unlink", SHUT / "moved" / below / "n0")
        (SHUT / "moved").rename(TREE / "moved")
        assert (1, 0) == touch(agent, TREE / "moved" / below / f"n{FILES + n}")


def test_directories_that_change_places_are_seen(agent) -> None:
    """Both are known."""
    for folder in (TREE / "one", SHUT / "one"):
        fill(folder)
    for n in range(10):
        assert (1, 0) == touch(agent, TREE / "one" / f"n{n}")
        assert REFUSED == touch(agent, SHUT / "one" / f"n{n}")
        for old, new in ((TREE / "one", TREE / "two"), (SHUT / "one", TREE / "one")):
            old.rename(new)
        (TREE / "two").rename(SHUT / "one")


@pytest.mark.parametrize("base", [ROOT, EXT4], ids=["overlay", "ext4"])
def test_a_directory_that_got_the_address_of_another_is_not_that(agent, base) -> None:
    """No rename and no mount tells of it."""
    for folder in (base / "tree", base / "shut"):
        folder.mkdir(parents=True, exist_ok=True)
    for n in range(ROUNDS):
        for top, expected in (("tree", (1, 0)), ("shut", REFUSED)):
            folders = [base / top / f"d{each}" for each in range(20)]
            for folder in folders:
                folder.mkdir()
                folder.chmod(0o777)
                assert expected == touch(agent, folder / "f", MAKE), (n, folder)
                assert (expected == REFUSED) == (not (folder / "f").exists())
            for folder in folders:
                (folder / "f").unlink(missing_ok=True)
                folder.rmdir()


def test_what_is_mounted_over_a_directory_has_its_own_names(agent) -> None:
    """A bind mount shows what has another name; what lies below comes back when it goes."""
    fill(TREE / "point")
    fill(SHUT / "shown")
    touch_all(agent, TREE / "point")
    for n in range(3):
        subprocess.run(["mount", "--bind", SHUT / "shown", TREE / "point"], check=True)
        try:
            assert REFUSED == touch(agent, TREE / "point" / f"n{n}")
            assert REFUSED == touch(agent, TREE / "point" / f"new-{n}", MAKE)
        finally:
            subprocess.run(["umount", TREE / "point"], check=True)
        assert (1, 0) == touch(agent, TREE / "point" / f"n{n}")


def test_a_file_system_that_moves_is_seen(agent) -> None:
    """The same directories and files, elsewhere."""
    for point in (TREE / "fs", SHUT / "fs"):
        point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", TREE / "fs"], check=True)
    subprocess.run(["mount", "--make-private", TREE / "fs"], check=True)
    fill(TREE / "fs" / "a")
    try:
        touch_all(agent, TREE / "fs" / "a")
        subprocess.run(["mount", "--move", TREE / "fs", SHUT / "fs"], check=True)
        fill(SHUT / "fs" / "a", range(FILES, FILES + 1))
        assert REFUSED == touch(agent, SHUT / "fs" / "a" / f"n{FILES}")
        assert REFUSED == touch(agent, SHUT / "fs" / "a" / "new", MAKE)
    finally:
        for point in (TREE / "fs", SHUT / "fs"):
            subprocess.run(["umount", "-q", point], check=False)


def test_another_root_changes_no_name(agent) -> None:
    """In a root of its own a task finds what is not permitted by a path that would be."""
    inner = SHUT / str(TREE).lstrip("/")
    fill(TREE)
    fill(inner)
    touch_all(agent, TREE)
    agent.must("fork")
    agent.must("chroot", SHUT)

    assert REFUSED == touch(agent, TREE / "n0")
    assert REFUSED == touch(agent, TREE / "new", MAKE)

    agent.do("quit")
    assert (1, 0) == touch(agent, TREE / "n0")


def test_a_mount_namespace_of_its_own_permits_nothing(agent) -> None:
    fill(TREE)
    fill(SHUT / "shown")
    touch_all(agent, TREE)
    agent.must("fork")
    agent.must("unshare")
    assert (1, 0) == touch(agent, TREE / "n1")
    agent.must("bind", SHUT / "shown", TREE)

    assert REFUSED == touch(agent, TREE / "n2")
    assert REFUSED == touch(agent, TREE / "new", MAKE)

    agent.do("quit")
    assert (1, 0) == touch(agent, TREE / "n2")


# ---- Who asks, and under which policy --------------------------------------------------------------


def test_other_ids_are_seen(agent) -> None:
    """The directory and its strings are known from one user; another has an answer of his own."""
    fill(USERS)
    for n in range(5):
        agent.must("ids", 1001, 0)
        assert (1, 0) == touch(agent, USERS / f"n{n}")
        assert (1, 0) == touch(agent, USERS / f"new-{n}", MAKE)
        agent.must("ids", 1002, 0)
        assert REFUSED == touch(agent, USERS / f"n{n + 10}")
        assert REFUSED == touch(agent, USERS / f"newer-{n}", MAKE)
        agent.must("ids", 0, 0)


def test_another_program_is_seen(agent) -> None:
    fill(SHUT)
    fill(TREE)
    touch_all(agent, TREE)
    agent.must("become", ROOT / "bin" / "other")
    assert REFUSED == touch(agent, SHUT / "n1")
    assert (1, 0) == touch(agent, TREE / "n1")


def test_a_policy_that_permits_no_longer_is_seen(daemon, agent) -> None:
    """It has the same strings at the same places."""
    fill(TREE)
    for n in range(3):
        touch_all(agent, TREE)
        (ROOT / "policy.yaml").write_text(policy("action: deny, guard: false"))
        daemon.request("reload")
        for _ in range(2):
            fill(TREE, range(FILES + n, FILES + n + 1))
            assert REFUSED == touch(agent, TREE / f"n{FILES + n}")
            assert REFUSED == touch(agent, TREE / f"new-{n}", MAKE)
        (ROOT / "policy.yaml").write_text(policy())
        daemon.request("reload")
        assert (1, 0) == touch(agent, TREE / f"n{FILES + n}")


def test_a_policy_that_records_from_now_on_is_seen(daemon, agent) -> None:
    """What was permitted by the same strings is no longer permitted unseen."""
    fill(TREE)
    touch_all(agent, TREE)
    (ROOT / "policy.yaml").write_text(policy("action: log, rateLimit: 1/h"))
    daemon.request("reload")
    try:
        fill(TREE, range(FILES, 2 * FILES))
        decided = decisions(daemon)
        for n in range(FILES, 2 * FILES):
            assert (1, 0) == touch(agent, TREE / f"n{n}")
        assert decisions(daemon) - decided >= FILES
    finally:
        (ROOT / "policy.yaml").write_text(policy())
        daemon.request("reload")
