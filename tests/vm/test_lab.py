# SPDX-License-Identifier: MIT
"""What the other tests of this directory take for granted about the guest."""

import os
import shutil
import socket
from pathlib import Path

import pytest
from engine import attempt, running

_REPOSITORY = Path(__file__).resolve().parents[2]


def _mounts() -> dict[str, str]:
    """Return the file system type of each mount point; the last mounted wins."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return {fields[1]: fields[2] for fields in (line.split() for line in lines)}


def test_bpf_lsm_is_active() -> None:
    """The kernel asks BPF programs for its security decisions."""
    active = Path("/sys/kernel/security/lsm").read_text(encoding="ascii").strip().split(",")

    assert "bpf" in active


def test_kernel_describes_its_types() -> None:
    """CO-RE programs can be relocated against the running kernel."""
    assert Path("/sys/kernel/btf/vmlinux").stat().st_size > 0


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/", "overlay"),
        ("/proc", "proc"),
        ("/sys", "sysfs"),
        ("/sys/fs/bpf", "bpf"),
        ("/sys/fs/cgroup", "cgroup2"),
        ("/sys/kernel/security", "securityfs"),
        ("/sys/kernel/tracing", "tracefs"),
        ("/dev", "devtmpfs"),
        ("/dev/shm", "tmpfs"),
        ("/run", "tmpfs"),
    ],
)
def test_file_system_is_mounted(directory: str, kind: str) -> None:
    """What a running system mounts is mounted."""
    assert kind == _mounts()[directory]


def test_file_has_no_name_but_its_own(tmp_path: Path) -> None:
    """
    The layers of the root are mounted nowhere, or their files would have names that no rule expects.

    No mountinfo shows what is mounted behind the root; the engine finds it by its file system.
    """
    reader = Path("/root/enforcer-test-lab-cat")
    shutil.copy("/usr/bin/cat", reader)
    policy = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: lab}}
spec:
  rules:
    - {{file: read, match: {{path: /**, process: {{binary: {reader}}}}}, action: log}}
"""

    with running(policy, tmp_path) as engine:
        for file in (__file__, "/etc/passwd"):
            assert 0 == attempt(str(reader), file).returncode
        engine.wait_for(lambda event: event["object"].get("path") == "/etc/passwd")

    names = {event["object"]["path"] for event in engine.events()}
    assert __file__ in names
    assert [] == [name for name in names if not Path(name).exists()]
    reader.unlink()


def test_modules_lie_in_their_directory() -> None:
    """A module's name on the host of the policies is that of an installed kernel package."""
    directory = Path("/usr/lib/modules") / os.uname().release

    if not directory.exists():
        pytest.skip(f"{os.uname().release} has no modules")

    modules = directory / "kernel"

    assert modules == modules.resolve()
    assert (directory / "modules.dep.bin").is_file()
    assert any(file.is_file() for file in modules.rglob("*.ko*"))
    assert str(directory) not in _mounts()


def test_cgroup_controllers_are_handed_down() -> None:
    """A group of a test can be given limits."""
    group = Path("/sys/fs/cgroup/test-lab")

    group.mkdir()
    try:
        controllers = (group / "cgroup.controllers").read_text(encoding="ascii").split()
    finally:
        group.rmdir()

    assert {"cpu", "memory", "pids"} <= set(controllers)


def test_command_runs_as_root_in_the_clone() -> None:
    """The command keeps the host's directory and has every privilege."""
    assert 0 == os.geteuid()
    assert (_REPOSITORY / "tests/vm/run").exists()


def test_enforcer_on_path_is_the_clones() -> None:
    """The guest runs the code under test, not one that the host has installed."""
    assert str(_REPOSITORY / ".venv/bin/enforcer") == shutil.which("enforcer")


def test_loopback_is_up() -> None:
    """Network rules can be tested against a real connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()[:2], timeout=10),
    ):
        pass


def test_exchange_directory_is_writable() -> None:
    """Results can be left for the host."""
    probe = Path("/run/vm/test-lab")

    probe.write_text("result", encoding="ascii")

    assert "result" == probe.read_text(encoding="ascii")
    probe.unlink()


def test_scratch_is_ext4(scratch: Path) -> None:
    """The scratch disk is a real file system with user attributes."""
    probe = scratch / "test-lab"
    probe.touch()
    os.setxattr(probe, "user.test", b"value")

    assert b"value" == os.getxattr(probe, "user.test")
    assert "ext4" == _mounts()[str(scratch)]
    probe.unlink()
