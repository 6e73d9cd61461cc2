# SPDX-License-Identifier: MIT
"""
Every file operation, refused and killed, with the file itself as the witness.

Each case is one attempt on three objects of its own: one that a rule denies, one that a rule kills
for, and one without a rule. Each has a neighbour in the same directory that the rules do not name.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import attempter
import attrs
import file_attempts
import pytest
from engine import Engine, attempt, running

_ROOT = Path("/srv/files")
_SCRIPT = file_attempts.__file__
_ERROR = errno.EDOM  # no file operation returns it by itself
_CONTENT = "kept content"
_FILE, _ABSENT, _DIRECTORY = "file", "absent", "directory"


@attrs.frozen
class Case:
    """One attempt: what the rule says, and what its object is."""

    attempt: str
    operation: str
    kind: str = _FILE
    extra: str = ""
    """More of ``match``."""
    strict: bool = False
    before: str = ""
    """The operation of a rule that allows, put before."""
    label: str = ""

    @property
    def name(self) -> str:
        """The name of its directory and of its rules."""
        return self.label or f"{self.attempt}-{self.operation}".replace("_", "-")


_STRANGER = f"process: {{uid: {file_attempts.STRANGER}}}"
CASES = [
    Case("read", "read"),
    Case("read", "open"),
    Case("read", "any"),
    Case("read_both_ways", "read"),
    Case("write", "write"),
    Case("write", "modify"),
    Case("write_both_ways", "write"),
    Case("append", "append"),
    Case("append", "write"),
    Case("create", "create", _ABSENT),
    Case("create", "write", _ABSENT),
    Case("create", "open", _ABSENT),
    Case("create", "create", _ABSENT, extra="mode: {mask: 0400}", label="create-mode"),
    Case("truncate", "truncate"),
    Case("truncate", "write"),
    Case("ftruncate", "truncate"),
    Case("open_truncate", "truncate"),
    Case("map_executable", "mmapExec"),
    Case("protect_executable", "mmapExec"),
    Case("unlink", "unlink"),
    Case("rename_onto", "unlink"),
    Case("rename_onto", "write"),
    Case("rename_onto", "rename"),
    Case("rename_onto", "create", _ABSENT),
    Case("rename_away", "rename"),
    Case("rename_away", "rename", _DIRECTORY, label="rename-directory"),
    Case("rename_away", "read", label="rename-guard"),
    Case("exchange_to", "rename"),
    Case("exchange_from", "rename"),
    Case("link_from", "link"),
    Case("link_from", "read", label="link-guard"),
    Case("link_to", "link", _ABSENT),
    Case("link_to", "create", _ABSENT),
    Case("symlink", "symlink", _ABSENT),
    Case("mkdir", "mkdir", _ABSENT),
    Case("mkdir", "mkdir", _ABSENT, extra="directory: true", label="mkdir-directory"),
    Case("mkdir", "any", _ABSENT, extra="directory: true", label="any-directory"),
    Case("rmdir", "rmdir", _DIRECTORY),
    Case("mkfifo", "mknod", _ABSENT),
    Case("make_device", "mknod", _ABSENT),
    Case("chmod", "chmod"),
    Case("fchmod", "chmod"),
    Case("chmod_suid", "chmod", extra="mode: {mask: 06000}"),
    Case("chown", "chown"),
    Case("fchown", "chown"),
    Case("lchown", "chown"),
    Case("set_attribute", "setxattr"),
    Case("set_attribute", "setxattr", extra="xattr: trusted.added", label="set-named-attribute"),
    Case("remove_attribute", "setxattr"),
    Case("set_acl", "setxattr"),
    Case("read_as_stranger", "read", extra=_STRANGER, strict=True),
    Case("write_as_stranger", "write", extra=_STRANGER, strict=True),
    Case("stop_appending", "write", before="append"),
]
_BY_NAME = {case.name: case for case in CASES}


def _place(verb: str, case: Case) -> Path:
    return _ROOT / verb / case.name


def _prepare(directory: Path, case: Case) -> None:
    directory.mkdir(parents=True)
    for name in ("object", "neighbour"):
        path = directory / name
        if case.kind == _FILE:
            path.write_text(_CONTENT)
            path.chmod(0o644)
            os.setxattr(path, "trusted.kept", b"value")
        elif case.kind == _DIRECTORY:
            path.mkdir()
        path.with_name(f"{name}.source").write_text("other content")


def _rules(verb: str, case: Case) -> str:
    path = _place(verb, case) / "object"
    strict = ", strict: true" if case.strict else ""
    rule = (
        f"  - name: {verb}-{case.name}\n"
        f"    file: {{operations: [{case.operation}]{strict}}}\n"
        f"    match:\n      path: {path}\n"
    )
    if case.extra:
        rule += f"      {case.extra}\n"
    rule += f"    action: {{{verb}: {{errno: EDOM}}}}\n"
    if case.before:
        allow = f"  - file: {case.before}\n    match: {{path: {path}}}\n    action: allow\n"
        rule = allow + rule
    return rule


def _policy() -> str:
    rules = "".join(_rules(verb, case) for verb in ("deny", "kill") for case in CASES)
    return (
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: files}\n"
        f"spec:\n  rules:\n{rules}"
        f"  - file: write\n    match: {{path: {_ROOT}/plain}}\n    action: deny\n"
    )


def _facts(path: Path, *, readable: bool) -> tuple[object, ...] | None:
    """Everything about one name that an attempt could change; reading may be what is refused."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    content = path.read_text() if readable and stat.S_ISREG(status.st_mode) else None
    changed = status.st_size, status.st_mtime_ns if stat.S_ISREG(status.st_mode) else None
    attributes = sorted(os.listxattr(path, follow_symlinks=False))
    owner = status.st_uid, status.st_gid
    return (status.st_mode, owner, status.st_nlink, changed, content, attributes)


def _state(case: Case, path: Path) -> dict[str, object]:
    """The facts of an object and of the names beside it that attempts use."""
    readable = case.strict or case.operation not in {"read", "open", "any"}
    names = (path.name + end for end in ("", ".source", ".moved", ".link"))
    return {name: _facts(path.with_name(name), readable=readable) for name in names}


def _observed(case: Case, path: Path) -> tuple[int, bytes, bool, bytes]:
    """Make the attempt: its return code, what it read, whether anything changed, its words."""
    before = _state(case, path)
    result = attempter.make(_SCRIPT, case.attempt, str(path))
    return result.returncode, result.stdout, _state(case, path) != before, result.stderr


_Observed = tuple[int, bytes, bool, bytes]


@pytest.fixture(scope="module")
def controls() -> dict[str, _Observed]:
    """What each attempt does while no policy is active."""
    for case in CASES:
        for verb in ("deny", "kill", "control"):
            _prepare(_place(verb, case), case)
    (_ROOT / "plain").write_text(_CONTENT)
    return {case.name: _observed(case, _place("control", case) / "object") for case in CASES}


@pytest.fixture(scope="module")
def daemon(controls, tmp_path_factory) -> Iterator[Engine]:
    """One engine with all rules; it starts after the controls were taken."""
    with running(_policy(), tmp_path_factory.mktemp("files")) as it:
        yield it


def _took_place(observed: _Observed) -> bool:
    code, read, changed, _ = observed
    return code == 0 and (changed or bool(read))


@pytest.mark.parametrize("name", _BY_NAME)
def test_takes_place_without_a_policy(name, controls):
    """The attempt works: what refuses it later is the policy."""
    assert _took_place(controls[name]), controls[name]


@pytest.mark.parametrize("name", _BY_NAME)
def test_denied(name, daemon):
    """The attempt fails with the rule's errno, nothing is read and nothing changes."""
    case = _BY_NAME[name]

    code, read, changed, words = _observed(case, _place("deny", case) / "object")

    assert (_ERROR, b"", False) == (code, read, changed), words


@pytest.mark.parametrize("name", _BY_NAME)
def test_killed(name, daemon):
    """
    The process dies of SIGKILL, nothing is read and nothing changes.

    What only the guard of a kill rule refuses is denied: moving a file is not what the rule names.
    """
    case = _BY_NAME[name]
    expected = _ERROR if case.name.endswith("-guard") else -9

    code, read, changed, words = _observed(case, _place("kill", case) / "object")

    assert (expected, b"", False) == (code, read, changed), words


@pytest.mark.parametrize("name", _BY_NAME)
def test_neighbour_is_left_alone(name, daemon):
    """The same attempt on the file beside takes place."""
    case = _BY_NAME[name]

    observed = _observed(case, _place("deny", case) / "neighbour")

    assert _took_place(observed), observed


def test_mode_rule_lets_other_modes_pass(daemon):
    """A rule on set-user-ID bits has nothing against ordinary permissions."""
    path = _place("deny", _BY_NAME["chmod-suid-chmod"]) / "object"

    result = attempt("chmod", "0700", str(path))

    assert (0, 0o700) == (result.returncode, stat.S_IMODE(path.stat().st_mode))


def test_attribute_rule_lets_other_attributes_pass(daemon):
    """A rule on one extended attribute has nothing against another."""
    path = _place("deny", _BY_NAME["set-named-attribute"]) / "object"

    os.setxattr(path, "trusted.other", b"value")

    assert b"value" == os.getxattr(path, "trusted.other")


def test_appending_stays_allowed(daemon):
    """What comes before the rule against writing still appends."""
    path = _place("deny", _BY_NAME["stop-appending-write"]) / "object"

    result = attempter.make(_SCRIPT, "append", str(path))

    assert (0, _CONTENT + "changed") == (result.returncode, path.read_text())


def test_errno_is_eperm_if_the_rule_names_none(daemon):
    """A plain deny looks like a lack of permission."""
    path = _ROOT / "plain"

    with pytest.raises(PermissionError) as caught:
        path.write_text("changed")

    assert (errno.EPERM, _CONTENT) == (caught.value.errno, path.read_text())


@pytest.mark.parametrize("verb", ["deny", "kill"])
@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("read-read", "file.read"),
        ("write-write", "file.write"),
        ("unlink-unlink", "file.unlink"),
        ("rename-away-rename", "file.rename"),
        ("mkfifo-mknod", "file.mknod"),
        ("chown-chown", "file.chown"),
        ("set-attribute-setxattr", "file.setxattr"),
    ],
)
def test_record_tells_what_was_prevented(verb, name, operation, daemon):
    """Each refusal leaves a record with rule, action, path and that it was prevented."""
    case = _BY_NAME[name]
    path = str(_place(verb, case) / "object")
    _observed(case, Path(path))

    record = daemon.wait_for(lambda event: event.get("rule") == f"{verb}-{name}")

    assert (verb, True, "EDOM") == (record["action"], record["prevented"], record["errno"])
    assert (operation.split(".")[1], path) == (record["operation"], record["object"]["path"])
    assert ("SIGKILL" if verb == "kill" else None) == record["signal"]
