# SPDX-License-Identifier: MIT
"""
Ways around rules on files by way of descriptors, of what has no name, and of metadata; and on signals.

Each attempt has an object that a rule is about, and one that none is about. The direct attempt is refused,
and so is every way around it; the file itself is the witness.
"""

import errno
import fcntl
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attempter
import attrs
import descriptor_attempts
import pytest
from engine import Engine, running

_SCRIPT = descriptor_attempts.__file__
_ERROR = errno.EDOM  # no file operation returns it by itself
_CONTENT = "content that is kept"
_FILE, _ABSENT = "file", "absent"
_GETFLAGS = 0x80086601
_LACKING = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})
_NEW = frozenset(
    {
        *("overwrite_without_append", "overwrite_by_old_call", "overwrite_by_submit"),  # 6.9
        *("overwrite_by_ring", "overwrite_by_worker"),
        *("set_flags_by_call", "set_flags_by_second_name"),  # 6.17
    }
)
"""Ways that a kernel may lack: then the control ends with one of the errors above, and changes nothing."""


# Commands of f2fs and SMB that change what is there by a descriptor to append (F2FS_IOC_*, CIFS_IOC_*), whose rule
# refuses them, and whether the file is known. ext4 does not know them: that the engine asks first is all to be seen.
_ELSEWHERE = (
    ("c020f509", "append", False),  # MOVE_RANGE
    ("c01cf509", "append", False),  # the same with words of 32 bits
    ("4018f514", "append", True),  # SEC_TRIM_FILE
    ("f519", "append", True),  # START_ATOMIC_REPLACE
    ("f519", "truncate", True),
    ("4004cf03", "append", True),  # COPYCHUNK_FILE
)
_ELSEWHERE_BY = ("control_elsewhere", "control_elsewhere_by_old_call")


@attrs.frozen
class Case:
    """
    A rule with the direct attempt on its object, ways around, and what it must let be done.

    Attributes:
        match: of the rule, in front of ``path``.
        kind: what the object is before.
        ways: attempts; what a kernel lacks is left out where its control says so.
        permitted: attempts on the object itself that nothing forbids.
        before: a rule that goes before.
        blunt: ways of which it cannot be told what they are about, so that they are refused for every file.
        names: what the rule is about, below its directory.
        keeps_names: the rule has its guard.
        unchanged: what an attempt prints that has changed nothing.
    """

    name: str
    operation: str
    direct: str
    ways: tuple[str, ...]
    permitted: tuple[str, ...] = ()
    match: str = ""
    kind: str = _FILE
    before: str = ""
    blunt: tuple[str, ...] = ()
    names: str = "*/object"
    keeps_names: bool = True
    unchanged: bytes = b""


_PRIVILEGED = "mode: {mask: 06000}, "
CASES = (
    Case("read", "read", "read", ("open_for_ioctl",), ("open_as_place",)),
    Case("write", "write", "write", ("open_for_ioctl",), ("read", "open_as_place")),
    Case(
        "append",
        "write",
        "write",
        (
            "overwrite_without_append",
            "overwrite_by_old_call",
            "overwrite_by_submit",
            "overwrite_by_ring",
            "overwrite_by_worker",
            "overwrite_by_mapping",
            "overwrite_by_protecting",
            "punch",
            "zero",
            "exchange_with_loader_appending",
        ),
        ("append", "append_in_every_way", "append_by_old_call"),
        blunt=("exchange_blocks", "exchange_blocks_by_old_call"),
        before="append",
    ),
    Case("truncate", "truncate", "truncate", ("exchange_with_loader",), ("append", "write")),
    Case(
        "link",
        "create",
        "create_privileged",
        ("link_nameless_privileged", "link_privileged"),
        ("link_nameless", "link"),
        _PRIVILEGED,
        _ABSENT,
        keeps_names=False,
    ),
    Case(
        "chmod",
        "chmod",
        "chmod_privileged",
        ("fchmod_nameless", "chmod_nameless"),
        ("chmod_nameless_plainly",),
        _PRIVILEGED,
        names="**",
    ),
    Case(
        "own-namespace",
        "[chmod, setxattr, setattr]",
        "chmod_in_own_namespace",
        (
            "set_attribute_in_own_namespace",
            "remove_attribute_in_own_namespace",
            "set_acl_in_own_namespace",
            "set_times_in_own_namespace",
            "chmod_by_second_name",
            "set_attribute_by_second_name",
            "remove_attribute_by_second_name",
            "set_acl_by_second_name",
            "set_times_by_second_name",
            "set_flags_by_second_name",
            "chmod_from_another_namespace",
            "set_attribute_from_another_namespace",
            "set_times_from_another_namespace",
            "set_attribute_behind_mounts",
        ),
        unchanged=b"600 2000000000 trusted.kept",
    ),
    Case(
        "modify",
        "modify",
        "chmod",
        (
            "set_times",
            "set_times_of_descriptor",
            "touch",
            "set_flags",
            "set_flags_by_project",
            "set_flags_by_call",
        ),
        ("read",),
    ),
    Case("setattr", "setattr", "set_times", ("touch",), ("append", "chmod", "chown", "truncate")),
    Case(
        "stranger",
        "read",
        "read_as_stranger",
        ("read_by_old_worker",),
        ("read",),
        f"process: {{uid: {descriptor_attempts.STRANGER}}}, ",
    ),
)
_BY_NAME = {case.name: case for case in CASES}
_WAYS = [(case.name, way) for case in CASES for way in case.ways]
_BLUNT = [(case.name, way) for case in CASES for way in case.blunt]
_CONTROLS = [(case.name, way) for case in CASES for way in (case.direct, *case.ways, *case.blunt)]
_PERMITTED = [(case.name, way) for case in CASES for way in case.permitted]


@pytest.fixture(scope="module")
def root(scratch) -> Path:
    """Return where everything happens: ext4, which keeps flags."""
    return scratch / "descriptors"


def _place(root: Path, case: Case, attempt: str, *, ruled: bool) -> Path:
    """Return the object of an attempt, which has one of its own on either side."""
    where = "ruled" if ruled else "free"
    return root / case.name / where / attempt.replace("_", "-") / "object"


def _prepare(path: Path, case: Case) -> Path:
    """Make the object anew, and the files beside it that attempts use."""
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir(parents=True)
    if case.kind == _FILE:
        path.write_text(_CONTENT)
        path.chmod(0o644)
        os.utime(path, (1_500_000_000, 1_500_000_000))
    path.with_name("object.source").write_text("other content")
    privileged = path.with_name("object.privileged")
    privileged.write_text("other content")
    privileged.chmod(0o4755)
    return path


def _facts(path: Path, case: Case) -> tuple[object, ...] | None:
    """Everything about the file that an attempt could change; reading may be what is refused."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    rights = status.st_mode, status.st_uid, status.st_gid, status.st_nlink
    if case.operation == "read":
        return (rights, status.st_mtime_ns)
    with path.open("rb") as stream:
        flags = fcntl.ioctl(stream, _GETFLAGS, b"\0" * 8)
        return (rights, status.st_mtime_ns, status.st_blocks, stream.read(), flags)


@attrs.frozen
class Observed:
    """How an attempt ended: its exit code, what it printed, whether the object is another now."""

    code: int
    said: bytes
    is_changed: bool
    words: bytes

    def took_place(self, case: Case) -> bool:
        """Tell whether it got or changed something."""
        return self.code == 0 and (self.is_changed or self.said != case.unchanged)


def _observe(path: Path, case: Case, name: str) -> Observed:
    before = _facts(path, case)
    result = attempter.make(_SCRIPT, name, str(path))
    changed = _facts(path, case) != before
    return Observed(result.returncode, result.stdout, changed, result.stderr)


def _rule(root: Path, case: Case, operation: str, action: str) -> str:
    path = root / case.name / "ruled"
    guard = "" if case.keeps_names else "    guard: false\n"
    match = case.match if action != "allow" else ""
    return (
        f"  - name: {case.name}-{action}\n    file: {operation}\n"
        f"    match: {{{match}path: {path}/{case.names}}}\n"
        f"    action: {action if action == 'allow' else '{deny: {errno: EDOM}}'}\n{guard}"
    )


def _policy(root: Path) -> str:
    rules = ""
    for case in CASES:
        if case.before:
            rules += _rule(root, case, case.before, "allow")
        rules += _rule(root, case, case.operation, "deny")
    return (
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: descriptors}\n"
        f"spec:\n  rules:\n{rules}"
        "  - name: nameless\n    file: chmod\n"
        "    match: {mode: {mask: 06000}, memfd: true}\n"
        "    action: {deny: {errno: EDOM}}\n"
        "  - name: kept-process\n    process: signal\n"
        f"    match: {{target: {root}/kept}}\n    action: {{deny: {{errno: EDOM}}}}\n"
    )


@pytest.fixture(scope="module")
def controls(root) -> dict[tuple[str, str], Observed]:
    """What every attempt does while no policy is active; then everything is made anew."""
    found = {}
    for case in CASES:
        for name in (case.direct, *case.ways, *case.blunt, *case.permitted):
            path = _prepare(_place(root, case, name, ruled=True), case)
            found[case.name, name] = _observe(path, case, name)
            _prepare(path, case)
            _prepare(_place(root, case, name, ruled=False), case)
    for name in ("kept", "other"):
        shutil.copy("/usr/bin/sleep", root / name)
    return found


@pytest.fixture(scope="module")
def elsewhere(root, controls) -> set[int]:
    """How commands of other file systems end while no policy is active."""
    path = _place(root, _BY_NAME["append"], "append", ruled=True)
    return {
        attempter.make(_SCRIPT, way, str(path), number).returncode
        for way in _ELSEWHERE_BY
        for number, _, _ in _ELSEWHERE
    }


@pytest.fixture(scope="module")
def memory_control(elsewhere) -> subprocess.CompletedProcess[bytes]:
    """What becomes of memory while no policy is active."""
    return attempter.make(_SCRIPT, "chmod_memory", "-")


@pytest.fixture(scope="module")
def reaped() -> Iterator[list[subprocess.Popen[bytes]]]:
    """What is ended after the engine, which would refuse it."""
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for process in found:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def daemon(root, controls, memory_control, reaped, tmp_path_factory) -> Iterator[Engine]:
    """One engine with all rules; it starts after the controls were taken."""
    with running(_policy(root), tmp_path_factory.mktemp("descriptors")) as it:
        yield it


@pytest.fixture(scope="module")
def targets(root, daemon, reaped) -> dict[str, subprocess.Popen[bytes]]:
    """Two processes: one that a rule is about, and another."""
    found = {name: subprocess.Popen([root / name, "1000"]) for name in ("kept", "other")}
    reaped += found.values()
    return found


def _is_lacking(way: str, control: Observed) -> bool:
    return way in _NEW and control.code in _LACKING


@pytest.mark.parametrize(("name", "way"), _CONTROLS)
def test_takes_place_without_a_policy(name, way, controls):
    """The attempt works: what refuses it later is the policy."""
    control = controls[name, way]

    assert control.took_place(_BY_NAME[name]) is not _is_lacking(way, control), control


@pytest.mark.parametrize("name", _BY_NAME)
def test_direct_attempt_is_refused(name, root, daemon):
    """The attempt that the rule names fails with its errno, and nothing has changed."""
    case = _BY_NAME[name]

    seen = _observe(_place(root, case, case.direct, ruled=True), case, case.direct)

    assert (_ERROR, case.unchanged, False) == (seen.code, seen.said, seen.is_changed), seen


@pytest.mark.parametrize(("name", "way"), [*_WAYS, *_BLUNT])
def test_way_around_is_refused(name, way, root, controls, daemon):
    """So does the other way to the same effect."""
    case = _BY_NAME[name]
    errors = {_ERROR, *(_LACKING if _is_lacking(way, controls[name, way]) else ())}

    seen = _observe(_place(root, case, way, ruled=True), case, way)

    assert (case.unchanged, False) == (seen.said, seen.is_changed), seen
    assert seen.code in errors, seen


@pytest.mark.parametrize(("name", "way"), _WAYS)
def test_neighbour_is_left_alone(name, way, root, controls, daemon):
    """The same on a file that no rule is about takes place."""
    case = _BY_NAME[name]

    seen = _observe(_place(root, case, way, ruled=False), case, way)

    assert seen.took_place(case) is not _is_lacking(way, controls[name, way]), seen


@pytest.mark.parametrize(("name", "way"), _PERMITTED)
def test_what_nothing_forbids_goes_on(name, way, root, controls, daemon):
    """On the object itself the rule refuses no more than it says."""
    case = _BY_NAME[name]
    assert controls[name, way].took_place(case), controls[name, way]

    seen = _observe(_place(root, case, way, ruled=True), case, way)

    assert seen.took_place(case), seen


@pytest.mark.parametrize(("name", "way"), _BLUNT)
def test_what_cannot_be_told_is_refused_as_an_error(name, way, root, daemon):
    """On a file that no rule is about, too: the onError of a rule decides, and the record says so."""
    case = _BY_NAME[name]

    seen = _observe(_place(root, case, way, ruled=False), case, way)
    record = daemon.wait_for(lambda event: event.get("onError"))

    assert (_ERROR, case.unchanged, False) == (seen.code, seen.said, seen.is_changed), seen
    assert ("deny", True) == (record["action"], record["prevented"])


@pytest.mark.parametrize("way", _ELSEWHERE_BY)
@pytest.mark.parametrize("command", _ELSEWHERE)
def test_commands_of_other_file_systems_are_decided(command, way, root, elsewhere, daemon):
    """Before the file system is asked; on files that no rule is about, if it cannot be told which is changed."""
    assert {errno.ENOTTY} == elsewhere
    number, name, is_told = command
    ruled, free = (_place(root, _BY_NAME[name], "append", ruled=ruled) for ruled in (True, False))

    refused = attempter.make(_SCRIPT, way, str(ruled), number)
    other = attempter.make(_SCRIPT, way, str(free), number)

    assert (_ERROR, errno.ENOTTY if is_told else _ERROR) == (refused.returncode, other.returncode)


# ---- Memory, other processes, records -------------------------------------------------------------


def test_memory_becomes_no_privileged_program(root, daemon):
    """What memfd_create makes has a mode, too."""
    plain = attempter.make(_SCRIPT, "chmod_memory_plainly", "-")

    for way in ("chmod_memory", "chmod_memory_without_a_name"):
        refused = attempter.make(_SCRIPT, way, "-")
        assert (_ERROR, b"") == (refused.returncode, refused.stdout), refused
    assert (0, b"0o711") == (plain.returncode, plain.stdout), plain


def test_memory_is_free_without_a_policy(memory_control):
    """The attempt works: what refuses it is the policy."""
    assert (0, b"0o4755") == (memory_control.returncode, memory_control.stdout), memory_control


def _limits(pid: int) -> tuple[tuple[int, int], ...]:
    kinds = "CPU", "FSIZE", "NOFILE", "STACK", "AS"
    return tuple(resource.prlimit(pid, getattr(resource, f"RLIMIT_{kind}")) for kind in kinds)


@pytest.mark.parametrize(
    "way", ["signal", "limit_time", "limit_size", "limit_stack", "limit_space"]
)
def test_kept_process_is_not_ended(way, targets):
    """Nor is it given a limit at which the kernel ends it."""
    process = targets["kept"]
    before = _limits(process.pid)

    result = attempter.make(_SCRIPT, way, str(process.pid))

    assert _ERROR == result.returncode, result
    assert (before, None) == (_limits(process.pid), process.poll())


@pytest.mark.parametrize(
    ("which", "way"), [("other", "limit_time"), ("other", "limit_size"), ("kept", "limit_files")]
)
def test_other_limits_are_set(which, way, targets):
    """Of another process; and one that ends nobody."""
    pid = targets[which].pid
    before = _limits(pid)

    result = attempter.make(_SCRIPT, way, str(pid))

    assert 0 == result.returncode, result
    assert before != _limits(pid)


@pytest.mark.parametrize(
    ("name", "way", "operation"),
    [("append", "overwrite_by_mapping", "write"), ("modify", "touch", "setattr")],
)
def test_record_says_what_it_was(name, way, operation, root, daemon):
    """A refusal is on record as the operation that policies name."""
    case = _BY_NAME[name]
    path = _place(root, case, way, ruled=True)
    _observe(path, case, way)

    record = daemon.wait_for(
        lambda event: event.get("rule") == f"{name}-deny" and event["object"]["path"] == str(path)
    )

    assert ("deny", True, operation) == (
        *(record["action"], record["prevented"]),
        record["operation"],
    )
