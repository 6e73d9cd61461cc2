# SPDX-License-Identifier: MIT
"""
No name is a way around a rule: neither by giving it to something else, nor by another name of the same.

Each attempt is made three times: without an engine, on what a rule names, and beside that. What is read by the
name afterwards is the witness.
"""

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attempter
import name_attempts
import pytest
import use_attempts
from engine import Engine, attempt, python, running

_SCRIPT, _USE = name_attempts.__file__, use_attempts.__file__
_ERROR = errno.EDOM
_BASE = Path("/srv/names")
_CONTENT = (
    "remove_and_link",
    "remove_and_hard_link",
    "remove_and_pipe",
    "replace",
    "replace_by_link",
    "exchange",
    "link_where_nothing_is",
    "link_as_directory",
    "hard_link_as_directory",
    "move_directory_there",
)
_NAMES = ("remove_one_name", "replace_one_name")
_ENDS = ("/key", "/absent", "/later/key")
_GO_ON = ("make_directory", "remove_single")
_READ_BY_MEMORY = (
    *("map_to_read", "map_to_run", "map_a_copy", "map_and_protect"),
    *("map_without_rights", "map_for_a_tracer"),
)
_MAY_LACK = ("map_without_rights",)
_WRITTEN_BY_MEMORY = ("map_to_write", "map_and_protect_to_write")
_LEFT_BY_MEMORY = ("change_a_copy",)
_MAPPED_BEFORE = "mapped_before"
_MEMORY = (*_READ_BY_MEMORY, *_WRITTEN_BY_MEMORY, *_LEFT_BY_MEMORY, _MAPPED_BEFORE)
_MOUNTS = ("detached_ramfs", "detached_tmpfs", "attached_tmpfs")
_NODES = ("device_itself", "other_node", "regular_then_node")
_CHARACTER, _OTHER_CHARACTER = "/dev/full", "/dev/zero"
_POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: names}
spec:
  rules:
  - name: content
    file: write
    match: {path: [{content}]}
    action: {deny: {errno: EDOM}}
  - name: not-kept
    file: write
    match: {path: [{free}]}
    action: {deny: {errno: EDOM}}
    guard: false
  - name: twice
    file: read
    match: {path: [{twice}]}
    action: {deny: {errno: EDOM}}
  - name: read-by-memory
    file: {operations: [read], strict: true}
    match: {path: [{read}], process: {uid: {stranger}}}
    action: {deny: {errno: EDOM}}
  - name: written-by-memory
    file: {operations: [write], strict: true}
    match: {path: [{written}], process: {uid: {stranger}}}
    action: {deny: {errno: EDOM}}
  - name: place
    mount: mount
    match: {fsType: tmpfs, path: {place}}
    action: allow
  - name: types
    mount: mount
    match: {fsType: [ramfs, tmpfs]}
    action: {deny: {errno: EDOM}}
  - name: devices
    file: read
    match: {path: [{devices}]}
    action: {deny: {errno: EDOM}}
"""


def _at(place: str, name: str) -> str:
    return str(_BASE / place / name)


def _devices() -> list[str]:
    """A character device, and the disk of the machine if it has one."""
    disks = [line.split()[0] for line in Path("/proc/mounts").read_text().splitlines()]
    return [_CHARACTER, *(disk for disk in disks if disk.startswith("/dev/vd"))]


def _policy() -> str:
    names = (*_CONTENT, *_GO_ON)
    written = (*_WRITTEN_BY_MEMORY, *_LEFT_BY_MEMORY)
    values = {
        "content": [_at("kept", n) + end for n in names for end in _ENDS],
        "free": [_at("free", n) + end for n in _CONTENT for end in _ENDS],
        "twice": [_at("kept", n) + end for n in _NAMES for end in ("/twice", "/single")],
        "read": [_at("kept", n) for n in (*_READ_BY_MEMORY, _MAPPED_BEFORE)],
        "written": [_at("kept", n) for n in written],
        "stranger": [str(use_attempts.STRANGER)],
        "place": [str(_BASE / "place")],
        "devices": _devices(),
    }
    text = _POLICY
    for word, found in values.items():
        text = text.replace(f"{{{word}}}", ", ".join(found))
    return text


def _try(name: str, place: str) -> tuple[int, bytes, bytes]:
    result = attempter.make(_SCRIPT, name, _at(place, name))
    return result.returncode, result.stdout, result.stderr


def _use(name: str, path: str) -> tuple[int, bytes, bytes]:
    result = attempter.make(_USE, name, path)
    return result.returncode, result.stdout, result.stderr


def _read(path: str) -> bytes | None:
    file = Path(path)
    return file.read_bytes() if file.is_file() else None


@pytest.fixture(scope="module")
def controls() -> dict[str, tuple[int, bytes, bytes]]:
    """What the attempts do before there is an engine."""
    _BASE.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", _BASE], check=True)
    for place in ("control", "kept", "beside", "free"):
        for name in (*_CONTENT, *_NAMES, *_GO_ON):
            name_attempts.fill(_at(place, name))
        for name in _MEMORY:
            Path(_at(place, name)).write_bytes(b"0123456789")
    (_BASE / "place").mkdir()
    found = {name: _try(name, "control") for name in (*_CONTENT, *_NAMES, *_GO_ON)}
    found |= {name: _use(name, _at("control", name)) for name in _MEMORY}
    found |= {name: _use(name, str(_BASE / "place")) for name in _MOUNTS}
    return found | {f"{n} {device}": _use(n, device) for n in _NODES for device in _devices()}


@pytest.fixture(scope="module")
def daemon(controls, tmp_path_factory) -> Iterator[Engine]:
    """One engine; it starts after the controls were taken."""
    with running(_policy(), tmp_path_factory.mktemp("names")) as it:
        yield it


@pytest.mark.parametrize("name", _CONTENT)
def test_what_may_not_be_written_is_not_replaced(name, controls, daemon):
    """Readers get the content that was there, or nothing where nothing was."""
    at = _at("kept", name)
    assert (0, name_attempts.EVIL) == controls[name][:2], controls[name]
    written = attempt("sh", "-c", f"echo changed > {at}/key")

    tried = _try(name, "kept")

    assert written.returncode != 0
    assert (_ERROR, b"") == tried[:2], tried
    assert (name_attempts.GOOD, None, None) == tuple(_read(at + end) for end in _ENDS)


@pytest.mark.parametrize("name", _CONTENT)
def test_replacing_goes_on_elsewhere(name, controls, daemon):
    """Beside what is named nothing is refused."""
    tried = _try(name, "beside")

    assert (0, name_attempts.EVIL) == tried[:2], tried


@pytest.mark.parametrize(
    "name", ["remove_and_link", "link_where_nothing_is", "move_directory_there"]
)
def test_guard_can_be_switched_off(name, controls, daemon):
    """With ``guard: false`` a rule keeps no name."""
    tried = _try(name, "free")

    assert (0, name_attempts.EVIL) == tried[:2], tried


@pytest.mark.parametrize("name", _NAMES)
def test_file_of_two_names_keeps_both(name, controls, daemon):
    """The other name reads nothing, before the attempt on the first and after it."""
    at = _at("kept", name)
    assert (0, name_attempts.GOOD) == controls[name][:2], controls[name]
    before = attempt("cat", at + "/alias")

    tried = _try(name, "kept")

    assert (1, b"") == (before.returncode, before.stdout)
    assert (_ERROR, b"") == tried[:2], tried
    after = attempt("cat", at + "/alias")
    assert (1, b"") == (after.returncode, after.stdout)
    assert 2 == Path(at, "twice").stat().st_nlink


@pytest.mark.parametrize("name", _NAMES)
def test_names_go_elsewhere(name, controls, daemon):
    """Beside what is named the first name goes and the other reads."""
    tried = _try(name, "beside")

    assert (0, name_attempts.GOOD) == tried[:2], tried


@pytest.mark.parametrize("name", _GO_ON)
def test_what_keeps_no_name_goes_on(name, controls, daemon):
    """A directory may be made where a rule has files; a file of one name that is only not read may go."""
    tried = _try(name, "kept")

    assert 0 == controls[name][0], controls[name]
    assert controls[name][:2] == tried[:2], tried


def test_single_name_that_is_not_read_may_be_removed(daemon):
    """It has no other name by which it could be read."""
    path = _at("kept", "remove_one_name") + "/single"

    read, removed = attempt("cat", path), attempt("rm", path)

    assert (1, b"") == (read.returncode, read.stdout)
    assert 0 == removed.returncode, removed.stderr
    assert not Path(path).exists()


# ---- Memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", _READ_BY_MEMORY)
def test_strict_reading_is_also_by_memory(name, controls, daemon):
    """A descriptor that was opened before is not read by mapping it."""
    tried = _use(name, _at("kept", name))

    lacking = [(errno.EIO, b"")] if name in _MAY_LACK else []
    assert controls[name][:2] in [(0, b"0123456789"), *lacking], controls[name]
    assert (_ERROR, b"") == tried[:2], tried


@pytest.mark.parametrize("name", _WRITTEN_BY_MEMORY)
def test_strict_writing_is_also_by_memory(name, controls, daemon):
    """Nor is it written to by a mapping that others share."""
    path = _at("kept", name)

    tried = _use(name, path)

    assert (0, b"changed") == controls[name][:2], controls[name]
    assert b"changed789" == Path(_at("control", name)).read_bytes()
    assert (_ERROR, b"") == tried[:2], tried
    assert b"0123456789" == Path(path).read_bytes()


@pytest.mark.parametrize("name", [*_READ_BY_MEMORY, *_WRITTEN_BY_MEMORY])
def test_mapping_goes_on_elsewhere(name, controls, daemon):
    """Beside what is named files are mapped as before."""
    tried = _use(name, _at("beside", name))

    assert controls[name][:2] == tried[:2], tried


@pytest.mark.parametrize("name", _LEFT_BY_MEMORY)
def test_copies_in_memory_are_not_the_file(name, controls, daemon):
    """Who may not write may change a private copy."""
    path = _at("kept", name)

    tried = _use(name, path)

    assert (0, b"changed") == controls[name][:2] == tried[:2], tried
    assert b"0123456789" == Path(path).read_bytes()


def test_what_is_mapped_stays_mapped(controls, daemon):
    """What was mapped before the rule was about the process is read on, as the documentation says."""
    tried = _use(_MAPPED_BEFORE, _at("kept", _MAPPED_BEFORE))

    assert (0, b"0123456789") == controls[_MAPPED_BEFORE][:2] == tried[:2], tried


# ---- Mounts ---------------------------------------------------------------------------------------


def test_file_system_of_a_refused_type_is_not_made(controls, daemon):
    """It need not be attached to be used."""
    direct = attempt("mount", "-t", "ramfs", "none", str(_BASE / "place"))

    tried = _use("detached_ramfs", "")

    assert (0, b"kept there") == controls["detached_ramfs"][:2], controls["detached_ramfs"]
    assert direct.returncode != 0
    assert (_ERROR, b"") == tried[:2], tried


def test_what_may_be_attached_somewhere_may_be_made(controls, daemon):
    """Where is not known yet; it is decided when it is attached."""
    elsewhere = _BASE / "elsewhere"
    elsewhere.mkdir()

    made = _use("detached_tmpfs", "")
    there = _use("attached_tmpfs", str(_BASE / "place"))
    other = _use("attached_tmpfs", str(elsewhere))

    assert (0, b"kept there") == controls["attached_tmpfs"][:2], controls["attached_tmpfs"]
    assert (0, b"kept there") == made[:2], made
    assert (0, b"kept there") == there[:2], there
    assert (_ERROR, b"") == other[:2], other


def test_types_that_no_rule_names_are_made(daemon):
    """A file system of another type is neither refused when it is made nor when it is used."""
    result = python(
        "import ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "context = libc.syscall(430, b'mqueue', 0)\n"
        "assert libc.syscall(431, context, 6, None, None, 0) == 0\n"
        "mount = libc.syscall(432, context, 0, 0)\n"
        "os.close(os.open('queue', os.O_RDWR | os.O_CREAT, 0o600, dir_fd=mount))\n"
    )

    assert 0 == result.returncode, result.stderr


# ---- Devices --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", _NODES)
def test_device_is_met_by_any_node(name, controls, daemon):
    """A node that somebody makes is no other device."""
    for device in _devices():
        control, tried = controls[f"{name} {device}"], _use(name, device)

        assert (0, b"read") == control[:2], (device, control)
        assert (_ERROR, b"") == tried[:2], (device, tried)


def test_other_devices_are_opened(daemon):
    """Neither another number nor the same number of the other kind is meant."""
    own_node = _use("other_node", _OTHER_CHARACTER)
    kinds = [_use("node_of_the_other_kind", device) for device in _devices()]

    assert (0, b"read") == own_node[:2], own_node
    assert all(code != _ERROR for code, _, _ in kinds), kinds


def test_nodes_of_a_refused_device_may_be_made_and_removed(daemon):
    """The rule is on reading; a node that leads nowhere is no matter."""
    result = attempt(
        "sh", "-c", "mknod /dev/own-node c 1 7 && chmod 600 /dev/own-node && rm /dev/own-node"
    )

    assert 0 == result.returncode, result.stderr
