# SPDX-License-Identifier: MIT
"""Policies that somebody else than root could have written are not activated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from policy_text import HEAD

from enforcer.errors import PolicyErrors
from enforcer.policy.store import Trust, find_texts, load_policies
from enforcer.policy.text.trust import MAX_LINKS

NOBODY = 65534
ROOT = Trust()

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")


def _text(name):
    return f"{HEAD.replace('name: x', f'name: {name}')}spec: {{default: {{exec: log}}}}\n"


def _write(path, name="a"):
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_text(_text(name))
    path.chmod(0o644)
    return path


def _names(*paths, trust=ROOT):
    return [p.name for p in load_policies(paths, trust=trust).policies]


def _errors(*paths, trust=ROOT):
    with pytest.raises(PolicyErrors) as caught:
        load_policies(paths, trust=trust)
    return [str(e) for e in caught.value.errors]


def _config_map(root):
    """Lay out a mounted ConfigMap as the kubelet does."""
    _write(root / "..2024_01" / "a.yaml", "first")
    (root / "..data").symlink_to("..2024_01")
    (root / "a.yaml").symlink_to("..data/a.yaml")
    root.chmod(0o755)
    return root


@pytest.fixture(autouse=True)
def _mask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_files_of_root_are_read(tmp_path):
    """In a directory, below, and by name; /tmp is writable by all, but sticky."""
    _write(tmp_path / "d" / "a.yaml", "a")
    _write(tmp_path / "d" / "sub" / "b.yaml", "b")
    assert ["a", "b"] == _names(tmp_path / "d")
    assert ["a"] == _names(tmp_path / "d" / "a.yaml")


def test_paths_may_be_relative(tmp_path, monkeypatch):
    """They are walked from the working directory, which must be safe as well."""
    _write(tmp_path / "d" / "a.yaml", "a")
    monkeypatch.chdir(tmp_path / "d")
    assert ["a"] == _names("a.yaml")
    assert ["a"] == _names(".")
    assert ["a"] == _names("../d/./a.yaml")
    (tmp_path / "d").chmod(0o777)
    assert "chmod go-w" in _errors("a.yaml")[0]


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o620, 0o602])
def test_writable_files_are_refused(tmp_path, mode):
    """By the group, even that of root, or by others; the message says what to do."""
    file = _write(tmp_path / "a.yaml")
    file.chmod(mode)
    for path in (file, tmp_path):
        (error,) = _errors(path)
        assert error.startswith(f"{file}:1:1: not read: the file {file} can be changed by ")
        assert f"(mode {mode:04o})" in error
        assert error.endswith(f": chmod go-w {file}")


def test_files_of_others_are_refused(tmp_path):
    """Whoever owns a file can change it."""
    file = _write(tmp_path / "a.yaml")
    os.chown(file, NOBODY, 0)
    (error,) = _errors(tmp_path)
    assert error.startswith(f"{file}:1:1: not read: the file {file} belongs to user {NOBODY}")
    assert error.endswith(f": chown root {file}")


def test_a_daemon_that_is_not_root_trusts_itself_and_root(tmp_path):
    """And nobody else."""
    mine, roots, other = (_write(tmp_path / f"{n}.yaml", n) for n in ("mine", "roots", "other"))
    os.chown(mine, NOBODY, 0)
    os.chown(other, 1234, 0)
    assert ["mine", "roots"] == _names(mine, roots, trust=Trust(NOBODY))
    assert "belongs to user 1234" in _errors(other, trust=Trust(NOBODY))[0]


def test_checking_needs_no_trust(tmp_path):
    """Anybody may check what anybody wrote."""
    file = _write(tmp_path / "a.yaml")
    os.chown(file, NOBODY, 0)
    file.chmod(0o666)
    assert ["a"] == [p.name for p in load_policies([file]).policies]


def test_all_that_is_refused_is_said_at_once(tmp_path):
    """One bad file does not hide another, nor what is wrong inside a good one."""
    _write(tmp_path / "a.yaml").chmod(0o666)
    (tmp_path / "b.yaml").write_text("[\n")
    os.chown(_write(tmp_path / "c" / "c.yaml"), NOBODY, 0)
    assert ["a.yaml", "b.yaml", "c.yaml"] == [
        Path(error.split(":")[0]).name for error in _errors(tmp_path)
    ]


def test_names_are_quoted_for_the_shell(tmp_path):
    """What is proposed can be pasted."""
    file = _write(tmp_path / "a b.yaml")
    file.chmod(0o666)
    assert _errors(file)[0].endswith(f"chmod go-w '{file}'")


def test_directories_of_others_are_refused(tmp_path):
    """Their owner can put another file in place of ours; also far above, and below."""
    file = _write(tmp_path / "d" / "sub" / "a.yaml")
    for directory in (tmp_path / "d", tmp_path / "d" / "sub"):
        os.chown(directory, NOBODY, 0)
        for path in (file, file.parent, tmp_path / "d"):
            (error,) = _errors(path)
            assert f"the directory {directory} belongs to user {NOBODY}" in error
        os.chown(directory, 0, 0)
    assert ["a"] == _names(tmp_path / "d")


def test_a_writable_directory_on_the_way_must_be_sticky(tmp_path):
    """There only the owner of a name can take it away."""
    file = _write(tmp_path / "d" / "sub" / "a.yaml")
    (tmp_path / "d").chmod(0o777)
    assert f"the directory {tmp_path}/d can be changed by others" in _errors(file)[0]
    (tmp_path / "d").chmod(0o1777)
    assert ["a"] == _names(file)
    assert ["a"] == _names(file.parent)


@pytest.mark.parametrize("mode", [0o1777, 0o1775, 0o777])
def test_a_directory_that_is_listed_must_be_closed(tmp_path, mode):
    """Sticky is not enough where every name counts: anybody could add one."""
    _write(tmp_path / "d" / "a.yaml")
    (tmp_path / "d").chmod(mode)
    (error,) = _errors(tmp_path / "d")
    assert error.endswith(f": chmod go-w {tmp_path}/d")


def test_config_maps_are_read_through_their_links(tmp_path):
    """As Kubernetes mounts them, by directory and by file, before and after the swap."""
    root = _config_map(tmp_path / "config")
    assert ["first"] == _names(root)
    _write(root / "..2024_02" / "a.yaml", "second")
    (root / "..data_tmp").symlink_to("..2024_02")
    (root / "..data_tmp").rename(root / "..data")
    assert ["second"] == _names(root)
    assert ["second"] == _names(root / "a.yaml")


def test_links_of_others_are_refused(tmp_path):
    """Each on the way: whoever owns a link can make another of it."""
    root = _config_map(tmp_path / "config")
    for link in (root / "a.yaml", root / "..data"):
        os.chown(link, NOBODY, 0, follow_symlinks=False)
        (error,) = _errors(root)
        assert f"the link {link} belongs to user {NOBODY}" in error
        assert error.endswith(f": chown -h root {link}")
        os.chown(link, 0, 0, follow_symlinks=False)


def test_what_a_link_passes_is_checked(tmp_path):
    """An absolute link through somebody's directory is no way in, nor one that climbs."""
    _write(tmp_path / "bad" / "x" / "a.yaml")
    os.chown(tmp_path / "bad", NOBODY, 0)
    good = tmp_path / "good"
    good.mkdir()
    for target in (tmp_path / "bad" / "x" / "a.yaml", "../bad/x/a.yaml", "../bad/../bad/x/a.yaml"):
        (good / "a.yaml").symlink_to(target)
        assert f"bad belongs to user {NOBODY}" in _errors(good)[0]
        (good / "a.yaml").unlink()


def test_absolute_links_and_links_to_directories_lead_on(tmp_path):
    """From the root, and to a directory that is then listed."""
    _write(tmp_path / "real" / "a.yaml", "a")
    (tmp_path / "absolute.yaml").symlink_to(tmp_path / "real" / "a.yaml")
    (tmp_path / "all").symlink_to("real")
    (tmp_path / "again").symlink_to(tmp_path / "all")
    assert ["a"] == _names(tmp_path / "absolute.yaml")
    assert ["a"] == _names(tmp_path / "again")
    assert ["a"] == _names(tmp_path / "again" / "a.yaml")


def test_links_end_somewhere(tmp_path):
    """A loop is an error, and so is a chain that the kernel would not follow either."""
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "0.yaml").symlink_to(_write(tmp_path / "end"))
    for number in range(1, MAX_LINKS + 1):
        (tmp_path / f"{number}.yaml").symlink_to(f"{number - 1}.yaml")
    for name in ("loop.yaml", f"{MAX_LINKS}.yaml"):
        (error,) = _errors(tmp_path / name)
        assert "Too many levels of symbolic links" in error
    assert ["a"] == _names(tmp_path / f"{MAX_LINKS - 1}.yaml")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("missing", "cannot read the file: No such file or directory: it is a link to missing"),
        ("file.yaml/x", "cannot read the file: Not a directory"),
        ("fifo", "not a regular file, but a FIFO"),
        ("/dev/zero", "not a regular file, but a device"),
    ],
)
def test_what_is_no_policy_is_an_error(tmp_path, target, message):
    """A FIFO or device is not even opened."""
    _write(tmp_path / "file.yaml")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "a").symlink_to(target)
    assert [f"{tmp_path}/a:1:1: {message}"] == _errors(tmp_path / "a")


def test_impossible_names_are_errors():
    """Not a traceback."""
    assert "not the name of a file" in _errors("a\0b")[0]


def _swapping(monkeypatch, name, swap):
    """Call *swap* once, right before *name* is opened for reading, after it was looked at."""
    opened, swaps = os.open, [swap]

    def opening(path, flags, *args, **kwargs):
        if str(path) == name and not flags & os.O_PATH and swaps:
            swaps.pop()()
        return opened(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", opening)
    return swaps


def test_a_file_swapped_after_the_look_is_checked_itself(tmp_path, monkeypatch):
    """Another owner's file that takes the name between look and open is not read."""
    file, evil = _write(tmp_path / "a.yaml"), _write(tmp_path / "evil", "evil")
    os.chown(evil, NOBODY, 0)
    swaps = _swapping(monkeypatch, "a.yaml", lambda: evil.rename(file))
    assert f"belongs to user {NOBODY}" in _errors(file)[0]
    assert not swaps


def test_a_link_swapped_in_after_the_look_is_not_followed(tmp_path, monkeypatch):
    """The kernel follows nothing for us."""
    file, evil = _write(tmp_path / "a.yaml"), tmp_path / "evil"
    evil.symlink_to("/etc/hostname")
    swaps = _swapping(monkeypatch, "a.yaml", lambda: evil.rename(file))
    assert "symbolic links" in _errors(file)[0]
    assert not swaps


def test_a_file_swapped_before_it_is_read_changes_nothing(tmp_path, monkeypatch):
    """What is read is the file that was checked, not its name."""
    file, evil = _write(tmp_path / "a.yaml", "good"), _write(tmp_path / "evil", "evil")
    os.chown(evil, NOBODY, 0)
    reading = open

    def swapped(*args, **kwargs):
        if evil.exists():
            evil.rename(file)
        return reading(*args, **kwargs)

    monkeypatch.setattr("builtins.open", swapped)
    assert ["good"] == _names(file)
    assert not evil.exists()


def test_a_directory_swapped_under_the_reader_stays_the_one_that_was_checked(tmp_path, monkeypatch):
    """Its files come from its descriptor."""
    good, evil = tmp_path / "d", tmp_path / "evil"
    _write(good / "a.yaml", "good")
    os.chown(_write(evil / "a.yaml", "evil"), NOBODY, 0)
    scanning = os.scandir

    def swapped(*args):
        if evil.exists():
            good.rename(tmp_path / "away")
            evil.rename(good)
        return scanning(*args)

    monkeypatch.setattr(os, "scandir", swapped)
    assert ["good"] == _names(good)
    assert not evil.exists()


def test_nothing_stays_open(tmp_path):
    """Neither after success nor after any refusal."""
    root = _config_map(tmp_path / "config")
    os.chown(_write(root / "bad.yaml"), NOBODY, 0)
    (root / "loop.yaml").symlink_to("loop.yaml")
    before = set(Path("/proc/self/fd").iterdir())
    for path in (root, root / "a.yaml", root / "loop.yaml", root / "none", "a\0b"):
        try:
            load_policies([path], trust=Trust())
        except PolicyErrors:
            continue
    assert before == set(Path("/proc/self/fd").iterdir())


READ_ONLY = """
mount --bind "$1" "$1" || exit 77
mount -o remount,ro,bind "$1" || exit 77
shift
exec "$@"
"""
LOADING = """
import sys
from enforcer.policy.store import Trust, find_texts, load_policies
print(*(p.name for p in load_policies(sys.argv[1:], trust=Trust()).policies))
"""


def test_a_writable_volume_that_is_mounted_read_only_is_read(tmp_path):
    """Kubernetes makes volumes with mode 0777 and mounts ConfigMaps read-only."""
    root = _config_map(tmp_path / "config")
    root.chmod(0o777)
    assert "chmod go-w" in _errors(root)[0]

    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", root, sys.executable, "-c", LOADING, root],
        capture_output=True,
        text=True,
        check=False,
    )

    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"mounting is refused: {done.stderr.strip()}")
    assert ("first\n", "") == (done.stdout, done.stderr)


def test_one_more_user_may_own_policies(tmp_path):
    """The agent of a cluster: its files count, not those of others, nor what others can write to."""
    agent = Trust(NOBODY)
    folder = tmp_path / "policies"
    path = _write(folder / "a.yaml")
    for each in (folder, path):
        os.chown(each, NOBODY, NOBODY)

    assert ["a"] == _names(folder, trust=agent)
    assert "belongs to user 65534" in _errors(folder)[0]
    assert "belongs to user 65534" in _errors(folder, trust=Trust(1234))[0]
    folder.chmod(0o775)
    assert "can be changed by group 65534" in _errors(folder, trust=agent)[0]
    folder.chmod(0o777)
    assert "can be changed by others" in _errors(folder, trust=agent)[0]


# ---- What the other user cannot read ----------------------------------------------------------

AGENT = 9753
SECRET = "root:$6$abcdefgh$only-root-reads-this:19000:0:99999:7:::"


@pytest.fixture
def shared(tmp_path):
    """A folder of the other user, beside a secret that it cannot read, and a directory that it cannot enter."""
    folder, closed = tmp_path / "policies", tmp_path / "closed"
    for each in (folder, folder / "sub", closed):
        each.mkdir()
    for each in (folder, folder / "sub"):
        os.chown(each, AGENT, AGENT)
    (closed / "shadow").write_text(SECRET)
    (closed / "shadow").chmod(0o600)
    (closed / "known-name.yaml").write_text(SECRET)
    closed.chmod(0o700)
    return folder


def _said(folder):
    """Return what whoever reads the refusals gets to know."""
    found = find_texts([folder], trust=Trust(AGENT))
    return [
        (Path(each.path).name, each.content, " ".join(map(str, each.errors)))
        for each in found
        if each.errors or (each.content is not None and b"only-root" in each.content)
    ]


def _give(path):
    os.chown(path, AGENT, AGENT, follow_symlinks=False)


def _link(folder, target):
    (folder / "a.yaml").symlink_to(target)
    _give(folder / "a.yaml")


def _relative(folder):
    _link(folder, "../closed/shadow")


def _absolute(folder):
    _link(folder, folder.parent / "closed" / "shadow")


def _below(folder):
    _link(folder / "sub", "../../closed/shadow")


def _chain(folder):
    """The last link is root's, in root's directory."""
    (folder.parent / "good.yaml").symlink_to("closed/shadow")
    _link(folder, "../good.yaml")


def _process(folder):
    """A descriptor of this process, by a link of the kernel."""
    descriptor = os.open(folder.parent / "closed" / "shadow", os.O_RDONLY | os.O_CLOEXEC)
    _link(folder, f"/proc/{os.getpid()}/fd/{descriptor}")


def _root_of_process(folder):
    _link(folder, f"/proc/self/root{folder.parent}/closed/shadow")


def _hard_link(folder):
    os.link(folder.parent / "closed" / "shadow", folder / "a.yaml")


def _hard_link_below(folder):
    os.link(folder.parent / "closed" / "shadow", folder / "sub" / "a.yaml")


def _hard_link_of_a_link(folder):
    """A link of root's under another name, as fs.protected_hardlinks=0 lets everybody make one."""
    (folder.parent / "good.yaml").symlink_to("closed/shadow")
    os.link(folder.parent / "good.yaml", folder / "a.yaml", follow_symlinks=False)
    # It must lead on from where it is now.
    (folder.parent / "policies" / "closed").symlink_to("../closed")
    _give(folder / "closed")


def _directory_of_root(folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "a.yaml").write_text(SECRET)


@pytest.mark.parametrize(
    "lay",
    [
        _relative,
        _absolute,
        _below,
        _chain,
        _process,
        _root_of_process,
        _hard_link,
        _hard_link_below,
        _hard_link_of_a_link,
        _directory_of_root,
    ],
)
def test_the_other_user_has_no_file_read_that_it_cannot_read(shared, lay):
    """The first words of a file that is no policy are in its refusal, and a digest of it in the results."""
    lay(shared)
    _write(shared / "good.yaml", "good")
    _give(shared / "good.yaml")

    ((_, content, said),) = _said(shared)

    assert content is None
    assert "only-root" not in said
    assert "not read: " in said
    # What is the user's own still counts.
    found = {
        Path(each.path).name: each.content for each in find_texts([shared], trust=Trust(AGENT))
    }
    assert found["good.yaml"] == _text("good").encode()


@pytest.mark.parametrize("target", ["../closed/shadow", "../closed/none", "../closed", "/root/x"])
def test_a_link_of_the_other_user_does_not_tell_what_is_there(shared, target):
    """The same is said of a target that exists, of one that does not, and of a directory."""
    _link(shared, target)
    ((name, _, said),) = _said(shared)
    assert name == "a.yaml"
    assert said.endswith(
        f"not read: user {AGENT} can have made the link {shared / 'a.yaml'}, and only links of root are followed: "
        "put the file there itself"
    )


def test_a_fifo_of_root_is_not_opened(shared):
    """Opening it would wake who waits at its other end."""
    os.mkfifo(shared.parent / "fifo")
    os.link(shared.parent / "fifo", shared / "a.yaml")
    ((_, _, said),) = _said(shared)
    assert "not a regular file, but a FIFO" in said


def test_a_file_of_root_renamed_in_after_the_look_is_not_read(shared, monkeypatch):
    """The descriptor that was opened decides."""
    _write(shared / "a.yaml", "a")
    _give(shared / "a.yaml")
    secret = shared.parent / "closed" / "shadow"
    swaps = _swapping(monkeypatch, "a.yaml", lambda: secret.rename(shared / "a.yaml"))

    ((_, content, said),) = _said(shared)

    assert not swaps
    assert content is None
    assert "belongs to user 0" in said


def test_a_directory_that_becomes_a_link_after_the_list_tells_no_name(shared, monkeypatch):
    """Not by "did you mean", which would look for names where the link leads."""
    _write(shared / "sub" / "known-names.yaml", "a")
    _give(shared / "sub" / "known-names.yaml")

    def swap():
        (shared / "sub" / "known-names.yaml").unlink()
        (shared / "sub").rmdir()
        (shared / "sub").symlink_to("../closed")

    opened, swaps = os.open, [swap]

    def opening(path, flags, *args, **kwargs):
        if str(path) == "known-names.yaml" and swaps:
            swaps.pop()()
        return opened(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", opening)
    ((_, _, said),) = _said(shared)

    assert not swaps
    assert said.endswith("cannot read it: No such file or directory")


def test_links_of_root_lead_on_beside_those_of_the_other_user(shared):
    """A mounted ConfigMap is root's."""
    config = _config_map(shared.parent / "config")
    assert ["first"] == _names(config, trust=Trust(AGENT))
    assert ["first"] == _names(config / "a.yaml", trust=Trust(AGENT))


def test_where_both_can_make_names_files_are_the_other_users(shared):
    """A file of root's in a directory that is open to all can be a hard link; a directory cannot."""
    shared.parent.chmod(0o1777)
    mine = _write(shared.parent / "mine.yaml")
    folder = _write(shared.parent / "roots" / "a.yaml").parent
    assert "belongs to user 0" in _errors(mine, trust=Trust(AGENT))[0]
    assert ["a"] == _names(folder, trust=Trust(AGENT))
    _give(mine)
    assert ["a"] == _names(mine, trust=Trust(AGENT))
    (shared.parent / "roots.yaml").symlink_to("roots/a.yaml")
    assert "only links of root" in _errors(shared.parent / "roots.yaml", trust=Trust(AGENT))[0]
