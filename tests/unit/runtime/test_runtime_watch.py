# SPDX-License-Identifier: MIT
"""Changes of policy files are noticed, once each, and after they have come to rest."""

from __future__ import annotations

import errno
import os
import shutil

import attrs
import pytest

from enforcer.runtime.policies.watch import PolicyWatch

QUIET = 0.5


@attrs.define
class Clock:
    """Time that passes when told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@attrs.define
class Bench:
    """A directory with policies, and a watch on it and on a file elsewhere."""

    root: os.PathLike
    single: os.PathLike
    watch: PolicyWatch
    clock: Clock

    def rest(self) -> list[bool]:
        """Look when something was just done, and again after the quiet time, twice."""
        looks = []
        for passed in (0.25, QUIET, 0.25):
            self.clock.now += passed
            looks.append(self.watch.look())
        return looks


@pytest.fixture
def bench(tmp_path):
    root, single = tmp_path / "etc" / "policies", tmp_path / "single.yaml"
    (root / "sub").mkdir(parents=True)
    for path in (root / "a.yaml", root / "b.yml", root / "sub" / "c.yaml", single):
        path.write_text("policy")
    clock = Clock()
    return Bench(root, single, PolicyWatch([root, str(single)], QUIET, clock), clock)


TOLD = [False, True, False]
SILENT = [False, False, False]


def _save_atomically(bench, path):
    temporary = path.with_name(f".{path.name}.swp")
    temporary.write_text("policy")  # the same length
    temporary.rename(path)


CHANGES = {
    "plain write": lambda b: (b.root / "a.yaml").write_text("longer policy"),
    "resize": lambda b: os.truncate(b.root / "a.yaml", 10),
    "atomic save": lambda b: _save_atomically(b, b.root / "a.yaml"),
    "atomic save below": lambda b: _save_atomically(b, b.root / "sub" / "c.yaml"),
    "single file": lambda b: _save_atomically(b, b.single),
    "single file removed": lambda b: b.single.unlink(),
    "new file": lambda b: (b.root / "n.yaml").write_text(""),
    "removed file": lambda b: (b.root / "b.yml").unlink(),
    "renamed file": lambda b: (b.root / "b.yml").rename(b.root / "z.yml"),
    "hidden": lambda b: (b.root / "b.yml").rename(b.root / ".b.yml"),
    "new directory with a file": lambda b: shutil.copytree(b.root / "sub", b.root / "new"),
    "removed directory": lambda b: shutil.rmtree(b.root / "sub"),
    "removed root": lambda b: shutil.rmtree(b.root),
    "removed above": lambda b: shutil.rmtree(b.root.parent),
    "times only": lambda b: os.utime(b.root / "a.yaml", ns=(1, 1)),
    "chmod": lambda b: (b.root / "a.yaml").chmod(0o666),
    "chmod of the directory": lambda b: b.root.chmod(0o777),
    "chmod below": lambda b: (b.root / "sub").chmod(0o777),
    "chmod above": lambda b: b.root.parent.chmod(0o777),
    "file becomes a link": lambda b: (
        (b.root / "a.yaml").unlink(),
        (b.root / "a.yaml").symlink_to("b.yml"),
    ),
    "file becomes a directory": lambda b: (
        (b.root / "a.yaml").unlink(),
        (b.root / "a.yaml").mkdir(),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_told_once_and_after_it_is_quiet(bench, change):
    """Whatever it is; before it nothing is told, and after it nothing more."""
    assert SILENT == bench.rest()
    change(bench)
    assert TOLD == bench.rest()
    assert SILENT == bench.rest()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
@pytest.mark.parametrize("where", ["a.yaml", "sub", ".", ".."])
def test_a_new_owner_is_a_change(bench, where):
    """It may be what makes a refused file acceptable."""
    os.chown(bench.root / where, 65534, 0)
    assert TOLD == bench.rest()


def test_what_is_no_policy_changes_nothing(bench):
    """Temporary files of editors, hidden files, and what lies beside."""
    for name in (".a.yaml.swp", "a.yaml~", "4913", "README", "a.yaml.tmp"):
        (bench.root / name).write_text("x")
    (bench.root / ".git").mkdir()
    (bench.root / ".git" / "x.yaml").write_text("x")
    (bench.root.parent / "other.yaml").write_text("x")
    assert SILENT == bench.rest()


def test_changes_are_waited_out(bench):
    """As long as something changes it is not told, for a while; then once, for all of it."""
    for number in range(5):
        (bench.root / f"n{number}.yaml").write_text("x")
        bench.clock.now += QUIET * 0.6
        assert not bench.watch.look()
    bench.clock.now += QUIET * 0.6
    assert not bench.watch.look()
    assert [True, False, False] == bench.rest()


def test_a_file_that_never_rests_hides_no_other_change(bench):
    """Whoever changes a file three times a second delays what others changed by two seconds, and no more."""
    changed_at = bench.clock.now
    (bench.root / "a.yaml").write_text("of somebody else")
    told = []
    for number in range(30):
        (bench.root / "b.yml").write_text("x" * number)
        bench.clock.now += 0.25
        if bench.watch.look():
            told.append(bench.clock.now - changed_at)
    # It is seen at the first look, and waits for two seconds from there on, as what comes after it does.
    assert [2.25, 4.5, 6.75] == told


def test_a_change_waits_anew_after_another_was_told(bench):
    """Neither what was told nor what was undone lets the next change be read before it has rested."""
    (bench.root / "n.yaml").write_text("x")
    assert TOLD == bench.rest()
    (bench.root / "m.yaml").write_text("x")
    assert not bench.watch.look()
    (bench.root / "m.yaml").unlink()
    assert not bench.watch.look()
    bench.clock.now += 60
    (bench.root / "m.yaml").write_text("x")
    assert TOLD == bench.rest()


def test_what_is_undone_in_time_is_no_change(bench):
    """A file that came and went before it was quiet."""
    (bench.root / "n.yaml").write_text("x")
    assert not bench.watch.look()
    (bench.root / "n.yaml").unlink()
    assert SILENT == bench.rest()


def test_a_change_while_the_last_one_is_read_is_told_too(bench):
    """Between telling and looking again nothing is lost."""
    (bench.root / "a.yaml").write_text("second version")
    assert TOLD[:2] == bench.rest()[:2]
    (bench.root / "a.yaml").write_text("third version!")
    (bench.root / "b.yml").write_text("and another one")
    assert TOLD == bench.rest()


def test_a_removed_and_remade_directory_is_seen_at_both_times(bench):
    """While it is away, that is a state as any other."""
    shutil.move(bench.root, bench.root.parent / "away")
    assert TOLD == bench.rest()
    shutil.move(bench.root.parent / "away", bench.root)
    (bench.root / "late.yaml").write_text("x")
    assert TOLD == bench.rest()


def test_a_directory_replaced_by_its_copy_is_a_change(bench):
    """The names and contents are the same, the files are not."""
    shutil.copytree(bench.root, bench.root.parent / "copy")
    bench.root.rename(bench.root.parent / "old")
    (bench.root.parent / "copy").rename(bench.root)
    assert TOLD == bench.rest()


@pytest.fixture
def config_map(tmp_path):
    """A ConfigMap as the kubelet mounts it, watched by directory and by file."""
    root = tmp_path / "config"
    (root / "..2024_01").mkdir(parents=True)
    (root / "..2024_01" / "a.yaml").write_text("policy")
    (root / "..data").symlink_to("..2024_01")
    (root / "a.yaml").symlink_to("..data/a.yaml")
    return root


@pytest.mark.parametrize("name", [".", "a.yaml"])
def test_the_swap_of_a_config_map_is_a_change(config_map, name):
    """Only the link ``..data`` is replaced; the name that is read stays the same link."""
    clock = Clock()
    bench = Bench(config_map, None, PolicyWatch([config_map / name], QUIET, clock), clock)
    new = config_map / "..2024_02"
    new.mkdir()
    shutil.copy2(config_map / "..2024_01" / "a.yaml", new / "a.yaml")
    assert SILENT == bench.rest()

    (config_map / "..data_tmp").symlink_to("..2024_02")
    (config_map / "..data_tmp").rename(config_map / "..data")

    assert TOLD == bench.rest()
    shutil.rmtree(config_map / "..2024_01")
    assert SILENT == bench.rest()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
@pytest.mark.parametrize("passed", ["..data", "..2024_01", "..2024_01/a.yaml"])
def test_the_owner_of_what_a_link_passes_counts(config_map, passed):
    """It decides whether the policy is read."""
    clock = Clock()
    bench = Bench(config_map, None, PolicyWatch([config_map], QUIET, clock), clock)
    os.chown(config_map / passed, 65534, 0, follow_symlinks=False)
    assert TOLD == bench.rest()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_where_a_link_of_another_user_leads_is_not_looked_at(bench, tmp_path):
    """It is not read either, and by the reload its owner would know when a file changes that only root can look at."""
    (tmp_path / "closed").write_text("secret")
    for name in ("roots.yaml", "others.yaml"):
        (bench.root / name).symlink_to(tmp_path / "closed")
    os.chown(bench.root / "others.yaml", 9753, 9753, follow_symlinks=False)
    assert TOLD == bench.rest()
    (bench.root / "roots.yaml").unlink()
    assert TOLD == bench.rest()
    (tmp_path / "closed").write_text("another")
    assert SILENT == bench.rest()
    (bench.root / "others.yaml").unlink()
    assert TOLD == bench.rest()


def test_a_link_to_a_directory_that_is_swapped_is_a_change(tmp_path):
    """Releases in directories of their own, and a link to the current one."""
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "a.yaml").write_text("policy")
    current = tmp_path / "current"
    current.symlink_to("one")
    clock = Clock()
    bench = Bench(current, None, PolicyWatch([current], QUIET, clock), clock)
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(current)
    assert TOLD == bench.rest()


def test_links_that_lead_nowhere_are_states_like_others(bench):
    """Dangling, in a loop, growing with every round, or not to be a name at all."""
    (bench.root / "dangling.yaml").symlink_to("nothing")
    (bench.root / "loop.yaml").symlink_to("loop.yaml")
    (bench.root / "growing.yaml").symlink_to("sub/../growing.yaml")
    assert TOLD == bench.rest()
    (bench.root / "nothing").write_text("x")
    assert TOLD == bench.rest()
    assert not PolicyWatch(["a\0b", "x" * 300, ""], QUIET, bench.clock).look()


def test_a_directory_that_cannot_be_listed_is_a_state_like_others(bench, monkeypatch):
    """It is told when that begins, and when it ends."""
    scanning = os.scandir

    def failing(path):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(os, "scandir", failing)
    assert TOLD == bench.rest()
    monkeypatch.setattr(os, "scandir", scanning)
    assert TOLD == bench.rest()


def test_renewing_takes_all_as_known(bench):
    """What was read for another reason is not told of again; what comes later is."""
    (bench.root / "a.yaml").write_text("second version")
    assert not bench.watch.look()
    bench.watch.renew()
    assert SILENT == bench.rest()
    (bench.root / "a.yaml").write_text("a third version")
    assert TOLD == bench.rest()


def test_a_watch_can_be_relative(bench, monkeypatch):
    """Paths are as the administrator gave them."""
    monkeypatch.chdir(bench.root)
    watching = Bench(None, None, PolicyWatch(["a.yaml", "sub"], QUIET, bench.clock), bench.clock)
    (bench.root / "sub" / "d.yaml").write_text("x")
    assert TOLD == watching.rest()
