# SPDX-License-Identifier: MIT
"""
Operations on processes, memory and the kernel, refused and killed, each beside one that is not named.

One program does them. For each attempt and verb it has a parent of its own, which the rule names; without one
it is the control.
"""

from __future__ import annotations

import contextlib
import errno
import lzma
import os
import platform
import select
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import compiled
import pytest
from engine import Engine, attempt, running
from patience import scaled

_ROOT = Path("/srv/system")
_ERROR = errno.EDOM  # none of these operations returns it by itself
_PROGRAM = _ROOT / "attempts"
_VICTIM, _OTHER, _DATA = _ROOT / "victim", _ROOT / "other", _ROOT / "data"
_HELD = Path("/dev/shm/enforcer-system-test")  # of a tmpfs
_FILLED = ("fill_by_fault", "fill_by_device")
_MODULE = _ROOT / "dummy.ko"
_KERNEL = _ROOT / "kernel"
_FIRMWARE = Path("/usr/lib/firmware/enforcer-system-test")
_MODULES = Path(f"/usr/lib/modules/{platform.release()}")
_CODE = b"\x90" * 4096
_ROOT_IDS = "(0, 0, 0) (0, 0, 0)"
_LOADABLE = ("dummy", "af_alg")
_STAMPS = Path("/proc/sys/net/core/tstamp_allow_data")


@attrs.frozen
class Case:
    """One attempt with what it is given, and the like of it that the rule does not name."""

    attempt: str
    rule: str
    extra: str = ""
    given: str = ""
    neighbour: str = ""
    other: str = ""
    """An attempt instead of the same with *neighbour*."""
    error: int = _ERROR

    @property
    def name(self) -> str:
        return f"{self.attempt}-{self.rule.split(': ')[1]}".replace("_", "-")


_ON = f"target: {_VICTIM}"
CASES = [
    Case("kill", "process: signal", f"{_ON}, signal: [KILL, TERM]", str(_VICTIM), str(_OTHER)),
    Case("kill_by_descriptor", "process: signal", _ON, str(_VICTIM), str(_OTHER)),
    Case("stop", "process: signal", f"signal: STOP, {_ON}", str(_VICTIM), str(_OTHER)),
    Case("attach", "process: ptrace", _ON, str(_VICTIM), str(_OTHER)),
    Case("seize", "process: ptrace", _ON, str(_VICTIM), str(_OTHER)),
    # These have an error of their own for whatever refuses.
    Case(
        "open_memory",
        "process: ptrace",
        _ON,
        str(_VICTIM),
        str(_OTHER),
        error=errno.EACCES,
    ),
    Case(
        "write_memory",
        "process: ptrace",
        f"{_ON}, targetUid: 0",
        str(_VICTIM),
        str(_OTHER),
        error=errno.EPERM,
    ),
    Case(
        "take_descriptor",
        "process: ptrace",
        _ON,
        str(_VICTIM),
        str(_OTHER),
        error=errno.EPERM,
    ),
    Case("traceme", "process: traceme", other="use_chroot"),
    Case("setuid", "process: setuid", "newUid: 1234", "1234", "1235"),
    Case("seteuid", "process: setuid", "newUid: 1234", "1234", "1235"),
    Case("set_saved_uid", "process: setuid", "newUid: 1234", "1234", "1235"),
    Case("setfsuid", "process: setuid", "newUid: 1234", "1234", "1235"),
    Case("setgid", "process: setgid", "newGid: 1234", "1234", "1235"),
    Case("setegid", "process: setgid", "newGid: 1234", "1234", "1235"),
    Case("gain", "process: capset", "gained: SYS_TIME", "25", "24"),
    Case(
        "use_chroot",
        "process: capability",
        "capability: SYS_CHROOT",
        other="userns",
        error=errno.EPERM,  # as if it had it not
    ),
    Case(
        "see_frames",
        "process: capability",
        "capability: SYS_ADMIN",
        other="use_chroot",
        error=errno.EPERM,
    ),
    Case(
        "set_link",
        "process: capability",
        "capability: NET_ADMIN",
        other="list_sockets",
        error=errno.EPERM,
    ),
    Case(
        "raw_socket",
        "process: capability",
        "capability: NET_RAW",
        other="see_stamp",
        error=errno.EPERM,
    ),
    Case("userns", "process: userns", other="use_sethostname"),
    Case("map_anonymous", "memory: mapExec", other="protect_clean_file", neighbour=str(_DATA)),
    Case("map_writable_too", "memory: mapExec", "", str(_DATA), str(_DATA), "protect_clean_file"),
    Case("map_zero", "memory: mapExec", other="protect_clean_file", neighbour=str(_DATA)),
    Case("map_memfd", "memory: mapExec", other="protect_clean_file", neighbour=str(_DATA)),
    Case(
        "attach_shared_memory",
        "memory: mapExec",
        other="protect_clean_file",
        neighbour=str(_DATA),
    ),
    *(
        Case(way, f"memory: {operation}", "", str(_HELD), str(_DATA), "protect_clean_file")
        for way in _FILLED
        for operation in ("mapExec", "protectExec")
    ),
    Case("protect_shared", "memory: protectExec", "", "", str(_DATA), "protect_clean_file"),
    Case("protect_anonymous", "memory: protectExec", "", "", str(_DATA), "protect_clean_file"),
    Case(
        "protect_written_file",
        "memory: protectExec",
        "",
        str(_DATA),
        str(_DATA),
        "protect_clean_file",
    ),
    Case(
        "protect_shared_file",
        "memory: protectExec",
        "",
        str(_DATA),
        str(_DATA),
        "protect_clean_file",
    ),
    Case("protect_code", "memory: protectExec", "", str(_DATA), str(_DATA), "protect_clean_file"),
    Case("insert", "kernel: module", f"path: {_MODULE}", str(_MODULE), f"{_MODULE}.other"),
    Case(
        "insert_from_memory",
        "kernel: module",
        "fileless: true",
        str(_MODULE),
        f"{_MODULE}.other",
        "insert",
    ),
    Case(
        "request",
        "kernel: moduleRequest",
        "module: net-pf-38*",
        other="perf",
        error=errno.EAFNOSUPPORT,
    ),
    Case("kexec", "kernel: kexec", f"path: {_KERNEL}", str(_KERNEL), f"{_KERNEL}.other"),
    Case("kexec_from_memory", "kernel: kexec", "fileless: true", other="bpf_list"),
    Case(
        "load_firmware",
        "kernel: firmware",
        f"path: {_FIRMWARE}",
        str(_FIRMWARE),
        f"{_FIRMWARE}.other",
    ),
    Case("bpf_map", "kernel: bpf", "command: map_create", other="bpf_list"),
    Case("perf", "kernel: perf", other="bpf_list"),
    Case("io_uring", "kernel: ioUring", other="bpf_list"),
]
_BY_NAME = {case.name: case for case in CASES}
_LEAVE_SOMETHING = {
    *("kill", "kill_by_descriptor", "stop", "setuid", "seteuid", "set_saved_uid", "setgid"),
    *("setegid", "insert", "insert_from_memory", "request", "kexec"),
}
_TESTER = "test_firmware"  # a module that asks for firmware when told to; not in every kernel
_EACH = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            case.attempt == "load_firmware" and not [*_MODULES.rglob(f"{_TESTER}.ko*")],
            reason=f"this kernel has no module {_TESTER}",
        ),
    )
    for name, case in _BY_NAME.items()
]


def _parent(verb: str, case: Case) -> Path:
    return _ROOT / verb / case.name


@attrs.frozen
class Outcome:
    """How an attempt ended, the ids it had then, whether its victim is well, what it brought in."""

    code: int
    ids: str = _ROOT_IDS
    is_victim_well: bool = True
    brought: frozenset[str] = frozenset()


def _run(parent: Path | None, name: str, given: str) -> Outcome:
    victim = None
    if given in {str(_VICTIM), str(_OTHER)}:
        victim = subprocess.Popen([given], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # Popen returns when exec closes descriptors, which is before it moves the stack.
        assert _is_well(victim)
        given = str(victim.pid)
    try:
        done = attempt(*([str(parent)] if parent else []), str(_PROGRAM), name, given)
        is_well = victim is None or _is_well(victim)
        return Outcome(done.returncode, done.stdout.decode(), is_well, _brought())
    finally:
        _unload()
        if victim is not None:
            victim.kill()
            victim.communicate()


def _is_well(victim: subprocess.Popen[bytes]) -> bool:
    """Whether it answers: it cannot before it has noticed that it was killed or stopped."""
    assert victim.stdin is not None
    assert victim.stdout is not None
    until = time.monotonic() + scaled(20)
    with contextlib.suppress(BrokenPipeError):
        os.write(victim.stdin.fileno(), b"x")
    while not select.select([victim.stdout], [], [], 0.01)[0]:
        state = Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state in {"Z", "T", "t"}:
            return False
        assert time.monotonic() < until, "neither dead nor stopped, but silent"
    return os.read(victim.stdout.fileno(), 1) == b"x"


def _brought() -> frozenset[str]:
    """What attempts have loaded into the kernel, or as the kernel to come."""
    found = {line.split()[0] for line in Path("/proc/modules").read_text().splitlines()}
    if Path("/sys/kernel/kexec_loaded").read_text().strip() != "0":
        found.add("kexec")
    return found & {*_LOADABLE, "kexec"}


def _unload() -> None:
    if _brought():
        subprocess.run(["rmmod", *_LOADABLE], check=False, capture_output=True)
        subprocess.run([_PROGRAM, "kexec_from_memory"], check=True)


def _small_kernel() -> bytes:
    """What kexec takes for a kernel of x86, by its head (Documentation/arch/x86/boot.rst)."""
    image = bytearray(0x10000)
    for at, form, value in (
        (0x1F1, "B", 4),  # setup_sects
        (0x1FE, "H", 0xAA55),  # boot_flag
        (0x201, "B", 0x6A),  # how far the head goes
        (0x202, "4s", b"HdrS"),
        (0x206, "H", 0x020F),  # version
        (0x211, "B", 1),  # loadflags: high
        (0x230, "I", 0x200000),  # kernel_alignment
        (0x236, "H", 0x63),  # xloadflags: 64 bits, anywhere, page tables of 5 levels
        (0x238, "I", 255),  # cmdline_size
        (0x260, "I", 0x10000),  # init_size
    ):
        struct.pack_into(f"<{form}", image, at, value)
    return bytes(image)


def _rule(verb: str, case: Case) -> str:
    extra = f", {case.extra}" if case.extra else ""
    return (
        f"  - name: {verb}-{case.name}\n    {case.rule}\n"
        f"    match: {{parent: {{binary: {_parent(verb, case)}}}{extra}}}\n"
        f"    action: {{{verb}: {{errno: EDOM}}}}\n"
    )


@pytest.fixture(scope="module")
def controls() -> dict[str, Outcome]:
    """What each attempt does where no policy is active."""
    if not [*_MODULES.rglob("net/dummy.ko*")]:
        pytest.skip("this kernel loads no modules")
    for verb in ("deny", "kill"):
        (_ROOT / verb).mkdir(parents=True)
    compiled.place("system-attempts", _PROGRAM)
    for case in CASES:
        for verb in ("deny", "kill"):
            compiled.place("parent", _parent(verb, case))
    for name in (_VICTIM, _OTHER):
        shutil.copy("/usr/bin/cat", name)
    for name in (_DATA, _HELD):
        name.write_bytes(_CODE)
    (packed,) = _MODULES.rglob("net/dummy.ko*")
    for name in (_KERNEL, Path(f"{_KERNEL}.other")):
        name.write_bytes(_small_kernel())
    _FIRMWARE.parent.mkdir(exist_ok=True)
    for name in (_FIRMWARE, Path(f"{_FIRMWARE}.other")):
        name.write_bytes(b"firmware")
    subprocess.run(["modprobe", "-q", _TESTER], check=False)
    _STAMPS.write_text("0")  # show what was sent to those who could listen, and ask who they are
    raw = packed.read_bytes()
    _MODULE.write_bytes(lzma.decompress(raw) if packed.suffix == ".xz" else raw)
    shutil.copy(_MODULE, f"{_MODULE}.other")
    return {case.name: _run(None, case.attempt, case.given) for case in CASES}


@pytest.fixture(scope="module")
def daemon(controls, tmp_path_factory) -> Iterator[Engine]:
    rules = "".join(_rule(verb, case) for verb in ("deny", "kill") for case in CASES)
    policy = (
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: system}\n"
        f"spec:\n  rules:\n{rules}"
    )
    with running(policy, tmp_path_factory.mktemp("system")) as engine:
        yield engine


@pytest.mark.parametrize("name", _EACH)
def test_takes_place_without_a_policy(name, controls) -> None:
    """The attempt works, and is seen where it leaves something: what refuses it is the policy."""
    found = controls[name]

    assert 0 == found.code
    assert _BY_NAME[name].attempt not in _LEAVE_SOMETHING or Outcome(0) != found


@pytest.mark.parametrize("name", _EACH)
def test_denied(name, daemon) -> None:
    """The attempt fails with the rule's errno; ids, victim and kernel are as they were."""
    case = _BY_NAME[name]

    assert Outcome(case.error) == _run(_parent("deny", case), case.attempt, case.given)


@pytest.mark.parametrize("name", _EACH)
def test_killed(name, daemon) -> None:
    """The process dies of SIGKILL before it gets any further."""
    case = _BY_NAME[name]

    assert Outcome(-9, "") == _run(_parent("kill", case), case.attempt, case.given)


@pytest.mark.parametrize("name", _EACH)
def test_neighbour_is_left_alone(name, daemon) -> None:
    """What the rule does not name takes place, by the same program."""
    case = _BY_NAME[name]

    found = _run(_parent("deny", case), case.other or case.attempt, case.neighbour)

    assert 0 == found.code


@pytest.mark.parametrize("way", _FILLED)
def test_program_that_is_not_named_makes_a_userfaultfd(way, daemon) -> None:
    """It fills a page that it executes, as without the policy; the file is as before."""
    assert Outcome(0) == _run(None, way, str(_HELD))

    assert _CODE == _HELD.read_bytes()


@pytest.mark.parametrize("name", ["set-link-capability", "raw-socket-capability"])
def test_what_the_opener_of_a_socket_had_is_no_use(name, daemon) -> None:
    """Its capability alone gives nothing, or serves whoever runs when a packet is sent: nobody is killed."""
    case = _BY_NAME[name]

    assert Outcome(0) == _run(_parent("kill", case), case.other, "")


def test_a_process_may_signal_itself(daemon) -> None:
    """It could end without a signal."""
    parent = str(_parent("deny", _BY_NAME["kill-signal"]))
    done = attempt(parent, str(_PROGRAM), "signal_itself")

    assert -15 == done.returncode


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("kill-signal", {"signal": "kill", "targetUid": 0, "path": str(_VICTIM)}),
        ("setuid-setuid", {"newUid": 1234}),
        ("gain-capset", {"gained": ["CAP_SYS_TIME"]}),
        ("use-chroot-capability", {"capability": "sys_chroot"}),
        ("bpf-map-bpf", {"command": "map_create"}),
        ("request-moduleRequest", {"module": "net-pf-38"}),
        ("insert-module", {"path": str(_MODULE)}),
    ],
)
def test_records_tell_the_operands(name, shown, daemon) -> None:
    """With the words of policies."""
    case = _BY_NAME[name]
    _run(_parent("deny", case), case.attempt, case.given)

    record = daemon.wait_for(lambda event: event.get("rule") == f"deny-{name}")

    assert shown == {key: record["object"].get(key) for key in shown}
    assert tuple(case.rule.split(": ")) == (record["event"], record["operation"])
    assert record["prevented"]
