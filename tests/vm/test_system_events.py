# SPDX-License-Identifier: MIT
"""
Operations on processes, memory and the kernel, refused and killed, each beside one that is not named.

Every verb has an interpreter of its own, which the rules name, and one more has no rule: the control.
"""

from __future__ import annotations

import errno
import lzma
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import system_attempts
from engine import Engine, attempt, running

_ROOT = Path("/srv/system")
_ERROR = errno.EDOM  # none of these operations returns it by itself
_SCRIPT = system_attempts.__file__
_VICTIM, _OTHER, _DATA = _ROOT / "victim", _ROOT / "other", _ROOT / "data"
_MODULE = _ROOT / "dummy.ko"
_ROOT_IDS = "(0, 0, 0) (0, 0, 0)"


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
    Case("open_memory", "process: ptrace", _ON, str(_VICTIM), str(_OTHER)),
    Case("write_memory", "process: ptrace", f"{_ON}, targetUid: 0", str(_VICTIM), str(_OTHER)),
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
    Case("userns", "process: userns", other="use_sethostname"),
    Case("map_anonymous", "memory: mapExec", other="protect_clean_file", neighbour=str(_DATA)),
    Case("map_writable_too", "memory: mapExec", "", str(_DATA), str(_DATA), "protect_clean_file"),
    Case("map_zero", "memory: mapExec", other="protect_clean_file", neighbour=str(_DATA)),
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
    Case("kexec_from_memory", "kernel: kexec", "fileless: true", other="bpf_list"),
    Case("bpf_map", "kernel: bpf", "command: map_create", other="bpf_list"),
    Case("perf", "kernel: perf", other="bpf_list"),
    Case("io_uring", "kernel: ioUring", other="bpf_list"),
]
_BY_NAME = {case.name: case for case in CASES}


def _interpreter(verb: str, case: Case) -> Path:
    return _ROOT / verb / case.name


def _run(interpreter: Path, name: str, given: str) -> tuple[int, str, bool]:
    """Return how the attempt ended, the ids it had then, and whether its victim is unharmed."""
    victim = None
    if given in {str(_VICTIM), str(_OTHER)}:
        victim = subprocess.Popen([given, "300"])
        given = str(victim.pid)
    try:
        done = attempt(
            str(interpreter),
            "-S",
            _SCRIPT,
            name,
            given,
            env={"PYTHONHOME": sys.base_prefix, "PATH": os.environ["PATH"]},
        )
        return done.returncode, done.stdout.decode(), victim is None or _is_well(victim)
    finally:
        if victim is not None:
            victim.kill()
            victim.wait()
        for module in ("dummy", "af_alg"):
            subprocess.run(["rmmod", module], check=False, capture_output=True)


def _is_well(victim: subprocess.Popen[bytes]) -> bool:
    """Neither dead nor stopped."""
    state = Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state not in {"Z", "T", "t"}


def _modules() -> set[str]:
    return {line.split()[0] for line in Path("/proc/modules").read_text().splitlines()}


def _rule(verb: str, case: Case) -> str:
    extra = f", {case.extra}" if case.extra else ""
    return (
        f"  - name: {verb}-{case.name}\n    {case.rule}\n"
        f"    match: {{process: {{binary: {_interpreter(verb, case)}}}{extra}}}\n"
        f"    action: {{{verb}: {{errno: EDOM}}}}\n"
    )


@pytest.fixture(scope="module")
def controls() -> dict[str, tuple[int, str, bool]]:
    """What each attempt does where no policy is in force."""
    for verb in ("deny", "kill"):
        (_ROOT / verb).mkdir(parents=True)
    python = Path(sys.executable).resolve()
    for case in CASES:
        for verb in ("deny", "kill"):
            os.link(shutil.copy(python, _ROOT / f"{verb}.python"), _interpreter(verb, case))
            (_ROOT / f"{verb}.python").unlink()
    for name in (_VICTIM, _OTHER):
        shutil.copy("/usr/bin/sleep", name)
    _DATA.write_bytes(b"\x90" * 4096)
    (packed,) = Path(f"/usr/lib/modules/{platform.release()}").rglob("net/dummy.ko*")
    raw = packed.read_bytes()
    _MODULE.write_bytes(lzma.decompress(raw) if packed.suffix == ".xz" else raw)
    shutil.copy(_MODULE, f"{_MODULE}.other")
    return {case.name: _run(python, case.attempt, case.given) for case in CASES}


@pytest.fixture(scope="module")
def daemon(controls, tmp_path_factory) -> Iterator[Engine]:
    rules = "".join(_rule(verb, case) for verb in ("deny", "kill") for case in CASES)
    policy = (
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: system}\n"
        f"spec:\n  rules:\n{rules}"
    )
    with running(policy, tmp_path_factory.mktemp("system")) as engine:
        yield engine


@pytest.mark.parametrize("name", _BY_NAME)
def test_takes_place_without_a_policy(name, controls) -> None:
    """The attempt works: what refuses it later is the policy."""
    assert 0 == controls[name][0]


@pytest.mark.parametrize("name", _BY_NAME)
def test_denied(name, daemon) -> None:
    """The attempt fails with the rule's errno; ids, victim and modules are as they were."""
    case = _BY_NAME[name]

    found = _run(_interpreter("deny", case), case.attempt, case.given)

    assert (case.error, _ROOT_IDS, True) == found
    assert not {"dummy", "af_alg"} & _modules()


@pytest.mark.parametrize("name", _BY_NAME)
def test_killed(name, daemon) -> None:
    """The process dies of SIGKILL before it gets any further."""
    case = _BY_NAME[name]

    assert (-9, "", True) == _run(_interpreter("kill", case), case.attempt, case.given)
    assert not {"dummy", "af_alg"} & _modules()


@pytest.mark.parametrize("name", _BY_NAME)
def test_neighbour_is_left_alone(name, daemon) -> None:
    """What the rule does not name takes place, by the same program."""
    case = _BY_NAME[name]

    code, _, _ = _run(_interpreter("deny", case), case.other or case.attempt, case.neighbour)

    assert 0 == code


def test_a_process_may_signal_itself(daemon) -> None:
    """It could end without a signal."""
    done = attempt(
        str(_interpreter("deny", _BY_NAME["kill-signal"])),
        "-S",
        "-c",
        "import os; os.kill(os.getpid(), 15)",
        env={"PYTHONHOME": sys.base_prefix},
    )

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
    _run(_interpreter("deny", case), case.attempt, case.given)

    record = daemon.wait_for(lambda event: event.get("rule") == f"deny-{name}")

    assert shown == {key: record["object"].get(key) for key in shown}
    assert tuple(case.rule.split(": ")) == (record["event"], record["operation"])
    assert record["prevented"]
