# SPDX-License-Identifier: MIT
"""
Every mount operation, refused and killed, with the kernel's own list of mounts as the witness; and
the guards: what would take a protected name away, together with the mount it lies on.
"""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attempter
import attrs
import mount_attempts
import pytest
from daemon import kernel_counts
from engine import Engine, running

_ROOT = Path("/srv/mounts")
_KEPT = Path("/srv/kept")
_SOURCES = Path("/srv/sources")
_SCRIPT = mount_attempts.__file__
_ERROR = errno.EDOM  # no mount operation returns it by itself
_SHARED, _PRIVATE = 1 << 20, 1 << 18


@attrs.frozen
class Case:
    """One attempt; *before* is what must be mounted: here, at the other place, or nothing."""

    attempt: str
    operation: str
    before: str = ""
    extra: str = ""
    is_own_namespace: bool = False
    """The attempt leaves nothing that the host could see."""
    label: str = ""

    @property
    def name(self) -> str:
        return self.label or f"{self.attempt}-{self.operation}".replace("_", "-")


CASES = [
    Case("mount_new", "mount"),
    Case("mount_new", "any"),
    Case("mount_new", "mount", extra="fsType: tmp*", label="type"),
    Case("mount_subtype", "mount", extra="fsType: fuse", label="subtype"),
    Case("mount_new", "mount", extra="source: none", label="source"),
    Case("mount_new", "mount", extra="mountFlags: nosuid", label="flags"),
    Case("mount_new_by_descriptor", "mount"),
    Case("mount_new_by_descriptor", "mount", extra="fsType: tmpfs", label="type-by-descriptor"),
    Case("mount_new_by_descriptor", "mount", extra="source: none", label="source-by-descriptor"),
    Case(
        "mount_new_by_descriptor",
        "mount",
        extra="mountFlags: {all: [nosuid], none: [ro]}",
        label="flags-by-descriptor",
    ),
    Case("mount_relative", "mount"),
    Case("mount_by_link", "mount"),
    Case("bind", "bind"),
    Case("bind_by_descriptor", "bind"),
    Case("remount", "remount", "here"),
    Case("remount", "remount", "here", extra="fsType: tmpfs", label="type-of-remount"),
    Case("remount_by_descriptor", "remount", "here"),
    Case("remount_this_mount", "remount", "here"),
    Case("share", "propagation", "here"),
    Case("share", "propagation", "here", extra="mountFlags: shared", label="kind-of-propagation"),
    Case("move_away", "move", "here"),
    Case("move_here", "move", "there"),
    Case("unmount", "unmount", "here"),
    Case("unmount", "unmount", "here", extra="fsType: tmpfs", label="type-of-unmounted"),
    Case("unmount_lazily", "unmount", "here"),
    Case("unmount_lazily", "unmount", "here", extra="unmountFlags: lazy", label="lazy"),
    Case("pivot", "pivotRoot", is_own_namespace=True),
]
if mount_attempts.has_new_namespaces():
    CASES += [
        Case("tree_in_new_namespace", "bind", is_own_namespace=True),
        Case("tree_in_new_namespace", "any", is_own_namespace=True),
        Case("tree_in_new_namespace", "mount", is_own_namespace=True),
        Case("tree_attr_in_new_namespace", "bind", is_own_namespace=True),
    ]
_BY_NAME = {case.name: case for case in CASES}


def _mounts() -> list[str]:
    """Root, place, options and propagation of every mount of this namespace."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [" ".join(line.split()[3:]) for line in lines]


def _place(verb: str, case: Case, name: str = "object") -> Path:
    return _ROOT / verb / case.name / name


def _prepare(verb: str, case: Case) -> None:
    for name in ("object", "neighbour"):
        path = _place(verb, case, name)
        for suffix in ("", ".source", ".other"):
            path.with_name(name + suffix).mkdir(parents=True)
        if case.before:
            there = path if case.before == "here" else path.with_name(f"{name}.other")
            mount_attempts.mount("none", str(there), "tmpfs")


def _try(name: str, path: Path) -> int:
    return attempter.make(_SCRIPT, name, str(path)).returncode


def _observed(case: Case, path: Path) -> tuple[int, bool]:
    """How the attempt ended, and whether the list of mounts changed."""
    before = _mounts()
    code = _try(case.attempt, path)
    return code, before != _mounts()


def _rule(verb: str, case: Case) -> str:
    extra = f"      {case.extra}\n" if case.extra else ""
    return (
        f"  - name: {verb}-{case.name}\n    mount: {case.operation}\n"
        f"    match:\n      path: {_place(verb, case)}\n{extra}"
        f"    action: {{{verb}: {{errno: EDOM}}}}\n"
    )


def _policy() -> str:
    rules = "".join(_rule(verb, case) for verb in ("deny", "kill") for case in CASES)
    kept = "".join(
        f"  - name: kept-{name}\n    file: read\n    match: {{path: {_KEPT}/{name}/mnt/secret}}\n"
        "    action: {deny: {errno: EDOM}}\n"
        for name in _GUARDED
    )
    lifted = (
        f"  - mount: any\n    match: {{path: [{_KEPT}/lifted/mnt, {_KEPT}/lifted/**]}}\n"
        "    action: allow\n"
        f"  - name: lifted\n    file: read\n    match: {{path: {_KEPT}/lifted/mnt/secret}}\n"
        "    action: {deny: {errno: EDOM}}\n"
        f"  - name: unguarded\n    file: read\n    match: {{path: {_KEPT}/open/mnt/secret}}\n"
        "    action: {deny: {errno: EDOM}}\n    guard: false\n"
    )
    head = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\n"
    return (
        f"{head}metadata: {{name: mounts}}\nspec:\n  rules:\n{rules}---\n"
        f"{head}metadata: {{name: kept}}\nspec:\n  rules:\n{lifted}{kept}---\n"
        f"{head}metadata: {{name: sources}}\nspec:\n  rules:\n{_sources()}"
    )


# Attempt, and whether the source is one that the policy allows.
_BINDS = {
    "bind_longest_source": True,
    "bind_longer_source": False,
    "bind_above": False,
    "bind_above_by_long_source": False,
}

# The paths of rules that do not hold for a new file system in a new namespace, which has no host name.
_NAMED = {"root": "/", "all": "/**", "below": "/mnt/**"}


def _sources() -> str:
    """To bind only what is below one directory, told by how it is written."""
    allowed = "".join(
        f"  - mount: bind\n    match: {{path: {_SOURCES}/{name}/object, source: "
        f"{{prefix: {_SOURCES}/{name}/object.source/, notContains: /../}}}}\n    action: allow\n"
        for name in _BINDS
    )
    named = "".join(
        f"  - name: in-{name}\n    mount: mount\n"
        f"    match: {{path: '{path}', source: {_SOURCES}/in-{name}}}\n"
        "    action: {deny: {errno: EDOM}}\n"
        for name, path in _NAMED.items()
    )
    return (
        f"{allowed}  - name: in-new\n    mount: mount\n    match: {{source: {_SOURCES}/in-new}}\n"
        "    action: {deny: {errno: EDOM}}\n"
        f"{named}  - name: other-source\n    mount: bind\n"
        f"    match: {{path: {_SOURCES}/**}}\n    action: {{deny: {{errno: EDOM}}}}\n"
    )


def _prepare_source(name: str) -> None:
    for suffix in ("", ".source", ".other"):
        (_SOURCES / name / f"object{suffix}").mkdir(parents=True)


# Attempt, and whether it is on the mount or on the file that the rule names.
_GUARDED = {
    "move_away": "mnt",
    "move_away_by_name": "mnt",
    "unmount": "mnt",
    "unmount_lazily": "mnt",
    "mount_new": "mnt",
    "mount_new_by_descriptor": "mnt",
    "bind": "mnt",
    "move_here": "mnt",
    "cover_directory": "mnt",
    "cover_file": "mnt/secret",
    "unmount_shared_copy": "mnt",
    "remove_mount_point": "mnt",
    "replace_mount_point": "mnt",
}


def _keep(name: str) -> Path:
    """A file system of its own with a secret, as rules protect it."""
    base = _KEPT / name
    for part in ("mnt", "mnt.other", "mnt.source"):
        (base / part).mkdir(parents=True)
    if name == "unmount_shared_copy":
        mount_attempts.mount("none", str(base), "tmpfs")
        mount_attempts.mount(None, str(base), None, _SHARED)
        (base / "mnt").mkdir()
    mount_attempts.mount("none", str(base / "mnt"), "tmpfs")
    (base / "mnt/secret").write_text("secret")
    if name.endswith("move_here"):
        mount_attempts.mount("none", str(base / "mnt.other"), "tmpfs")
    return base


@pytest.fixture(scope="module")
def controls() -> dict[str, tuple[int, bool]]:
    """What each attempt does where no policy is active."""
    mount_attempts.mount(None, "/", None, _PRIVATE | 0x4000)
    subprocess.run(["modprobe", "-q", "fuse"], check=False)
    found = {}
    for case in CASES:
        _prepare("control", case)
        found[case.name] = _observed(case, _place("control", case))
    for name in _BINDS:
        _prepare_source(f"control/{name}")
        before = _mounts()
        code = _try(name, _SOURCES / "control" / name / "object")
        found[f"source-{name}"] = code, before != _mounts()
    for name, target in _GUARDED.items():
        base = _keep(f"control/{name}") if name != "unmount_shared_copy" else _keep(name)
        before = _mounts()
        code = _try(name, base / target)
        found[f"guard-{name}"] = code, before != _mounts()
    return found


@pytest.fixture(scope="module")
def daemon(controls, tmp_path_factory) -> Iterator[Engine]:
    for verb in ("deny", "kill"):
        for case in CASES:
            _prepare(verb, case)
    mount_attempts.umount(f"{_KEPT}/unmount_shared_copy", 2)
    (_KEPT / "unmount_shared_copy").rename(_KEPT / "control/unmount_shared_copy")
    for name in (*_GUARDED, "lifted", "open", "own"):
        _keep(name)
    for name in _BINDS:
        _prepare_source(name)
    with running(_policy(), tmp_path_factory.mktemp("mounts")) as engine:
        yield engine


@pytest.mark.parametrize("name", _BY_NAME)
def test_takes_place_without_a_policy(name, controls) -> None:
    """The attempt works: what refuses it later is the policy."""
    assert (0, not _BY_NAME[name].is_own_namespace) == controls[name]


@pytest.mark.parametrize(("verb", "expected"), [("deny", _ERROR), ("kill", -9)])
@pytest.mark.parametrize("name", _BY_NAME)
def test_refused(name, verb, expected, daemon) -> None:
    """The attempt fails with the rule's errno or ends its process, and no mount changes."""
    case = _BY_NAME[name]

    assert (expected, False) == _observed(case, _place(verb, case))


@pytest.mark.parametrize("name", _BY_NAME)
def test_neighbour_is_left_alone(name, daemon) -> None:
    """The same attempt on the directory beside takes place."""
    case = _BY_NAME[name]

    code, changed = _observed(case, _place("deny", case, "neighbour"))

    assert (0, not case.is_own_namespace) == (code, changed)


def test_records_tell_what_was_refused(daemon) -> None:
    """Operation, place, type, source and options are in the record."""
    _observed(_BY_NAME["flags"], _place("deny", _BY_NAME["flags"]))

    record = daemon.wait_for(lambda event: event.get("rule") == "deny-flags")

    assert ("mount", "mount", True) == (record["event"], record["operation"], record["prevented"])
    shown = record["object"]
    assert str(_place("deny", _BY_NAME["flags"])) == shown["path"]
    assert ("tmpfs", "none", ["nosuid"]) == (shown["fsType"], shown["source"], shown["mountFlags"])


@pytest.mark.parametrize("name", _BINDS)
def test_any_source_can_be_bound_without_a_policy(name, controls) -> None:
    """However it is written."""
    assert (0, True) == controls[f"source-{name}"]


@pytest.mark.parametrize("name", _BINDS)
def test_source_that_cannot_be_read_whole_is_not_known(name, daemon) -> None:
    """What it begins with does not permit it, and it is counted."""
    unknown = kernel_counts()["name_unknown"]
    before = _mounts()

    code = _try(name, _SOURCES / name / "object")

    assert (0 if _BINDS[name] else _ERROR, _BINDS[name]) == (code, before != _mounts())
    is_long = name in {"bind_longer_source", "bind_above_by_long_source"}
    assert is_long == (kernel_counts()["name_unknown"] > unknown)


def test_a_new_file_system_in_a_new_namespace_is_mounted(daemon) -> None:
    """No move_mount follows, and its source is known all the same; where the kernel cannot do that it says so."""
    refused = _ERROR if mount_attempts.has_new_namespaces() else errno.EINVAL
    passed = 0 if mount_attempts.has_new_namespaces() else errno.EINVAL

    assert refused == _try("mount_in_new_namespace", _SOURCES / "in-new")
    assert passed == _try("mount_in_new_namespace", _SOURCES / "in-other")


@pytest.mark.parametrize("name", _NAMED)
def test_a_new_file_system_in_a_new_namespace_has_no_path(name, daemon) -> None:
    """The host has no name for it: rules with a path do not hold."""
    passed = 0 if mount_attempts.has_new_namespaces() else errno.EINVAL

    assert passed == _try("mount_in_new_namespace", _SOURCES / f"in-{name}")


# ---- Guards ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", _GUARDED)
def test_names_can_be_taken_away_without_a_policy(name, controls) -> None:
    """Each attempt works and changes the host's mounts."""
    assert (0, True) == controls[f"guard-{name}"]


@pytest.mark.parametrize("name", _GUARDED)
def test_what_takes_a_protected_name_away_is_refused(name, daemon) -> None:
    """No mount of the host changes, and the secret stays where the rule protects it."""
    before = _mounts()

    code = _try(name, _KEPT / name / _GUARDED[name])

    assert (_ERROR, before) == (code, _mounts())
    with pytest.raises(OSError, match=str(_ERROR)):
        (_KEPT / name / "mnt/secret").read_text()


def test_the_root_of_the_host_stays(daemon) -> None:
    """Everything lies on it."""
    before = _mounts()

    assert (_ERROR, before) == (_try("pivot_the_host", Path("/")), _mounts())


def test_another_namespace_may_change_its_own_mounts(daemon) -> None:
    """The host's are untouched, and the rule stands."""
    before = _mounts()

    assert (0, before) == (_try("unmount_own_copy", _KEPT / "own/mnt"), _mounts())


@pytest.mark.parametrize("name", ["lifted", "open"])
def test_guards_can_be_lifted(name, daemon) -> None:
    """By a rule in front that allows every mount operation there, or by guard: false."""
    before = _mounts()

    assert 0 == _try("unmount", _KEPT / name / "mnt")
    assert before != _mounts()


def test_records_of_guards_name_the_rule(daemon) -> None:
    """The rule whose name was kept, marked as its guard."""
    _try("unmount", _KEPT / "unmount/mnt")

    record = daemon.wait_for(lambda e: e.get("rule") == "kept-unmount" and e["event"] == "mount")

    assert ("guard", True) == (record["operation"], record["guard"])
    assert f"{_KEPT}/unmount/mnt" == record["object"]["path"]
