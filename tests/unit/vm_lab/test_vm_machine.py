# SPDX-License-Identifier: MIT
"""The life of a machine, with a script in the place of QEMU."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_RUN = Path(__file__).resolve().parents[2] / "vm" / "run"

# Finds what the guest would find: the exchange directory and the two outputs.
_FAKE_QEMU = r"""#!/bin/bash
if [[ $* == "-cpu help" ]]; then
    printf 'Recognized CPUID flags:\n  avx2 erms\n  fsrm\n'
    exit
fi
for argument; do
    case $argument in
    local,id=exchange,*) exchange=${argument#*path=} exchange=${exchange%%,*} ;;
    file,id=out,path=*) out=${argument#*path=} ;;
    file,id=err,path=*) err=${argument#*path=} ;;
    file,id=console,path=*) console=${argument#*path=} ;;
    max | max,*) model=$argument ;;
    esac
done
control=$exchange/.lab
"""


class _Lab:
    """``tests/vm/run`` on a machine whose QEMU is a script."""

    def __init__(self, directory: Path) -> None:
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        self._programs = directory / "bin"
        self._programs.mkdir()
        self._kernel = directory / "bzImage"
        self._kernel.touch()

    def start(self, qemu: str, *options: str) -> "subprocess.Popen[bytes]":
        """Run a command with *qemu* as the body of the script."""
        script = self._programs / "qemu-system-x86_64"
        script.write_text(_FAKE_QEMU + qemu, encoding="utf-8")
        script.chmod(0o755)
        environment = os.environ | {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "TMPDIR": str(self.temporary),
        }
        command = [sys.executable, str(_RUN), "--kernel", str(self._kernel), *options, "--", "true"]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def leftovers(self) -> list[Path]:
        """Return what is left in the temporary directory."""
        return list(self.temporary.iterdir())


@pytest.fixture
def lab(tmp_path: Path) -> _Lab:
    """Return a laboratory, if the rest of its tools is installed."""
    if not Path("/bin/busybox").exists():
        pytest.skip("no /bin/busybox: run scripts/setup.sh")
    return _Lab(tmp_path)


def test_outputs_and_exit_code_pass_through(lab: _Lab) -> None:
    """Bytes arrive unchanged on their own descriptor, and so does the exit code."""
    process = lab.start(r"printf 'a\0\377\n' >$out; echo problem >$err; echo 7 >$control/code")

    out, err = process.communicate(timeout=20)

    assert b"a\0\xff\n" == out
    assert b"problem\n" == err
    assert 7 == process.returncode
    assert [] == lab.leftovers()


def test_timeout_ends_the_machine(lab: _Lab) -> None:
    """A machine that goes on too long is killed."""
    process = lab.start("exec sleep 100", "--timeout", "0.5")

    _, err = process.communicate(timeout=20)

    assert b"timed out" in err
    assert 124 == process.returncode
    assert [] == lab.leftovers()


def test_dead_guest_is_told_from_a_failed_command(lab: _Lab) -> None:
    """Without an exit code from the guest its console is shown."""
    process = lab.start("echo Kernel panic >$console; exit 0")

    _, err = process.communicate(timeout=20)

    assert b"Kernel panic" in err
    assert 250 == process.returncode


def test_results_are_copied_out(lab: _Lab, tmp_path: Path) -> None:
    """What the guest left in its exchange directory survives it, its orders do not."""
    out = tmp_path / "out"
    process = lab.start(
        "echo log >$console; echo 1 >$exchange/result; echo 0 >$control/code", "--out", str(out)
    )

    process.communicate(timeout=20)

    assert 0 == process.returncode
    assert ["console.log", "result"] == sorted(path.name for path in out.iterdir())


@pytest.mark.parametrize(("possible", "remappers"), [(64, 0), (256, 1)])
def test_processors_that_are_only_possible(lab: _Lab, possible: int, remappers: int) -> None:
    """The machine has them, its kernel starts those that are asked for, and over 255 interrupts must find them."""
    body = 'printf "%s\\n" "$@" >$out; echo 0 >$control/code'
    process = lab.start(body, "--cpus", "1", "--possible", str(possible))

    out, _ = process.communicate(timeout=20)

    arguments = out.decode().splitlines()
    assert str(possible) == arguments[arguments.index("-smp") + 1]
    assert "maxcpus=1" in arguments[arguments.index("-append") + 1].split()
    assert remappers == sum(each.startswith("intel-iommu") for each in arguments)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_cleans_up(lab: _Lab, number: signal.Signals) -> None:
    """An interrupted run leaves neither a process nor a file."""
    process = lab.start("echo $$ >$out; exec sleep 100")
    assert process.stdout is not None
    qemu = int(process.stdout.readline())

    process.send_signal(number)
    process.communicate(timeout=20)

    assert 128 + number == process.returncode
    assert _ends(qemu)  # by the kernel, where the signal came as it was being started
    assert [] == lab.leftovers()


def test_machine_does_not_outlive_a_killed_run(lab: _Lab) -> None:
    """The kernel ends what the laboratory could not."""
    process = lab.start("echo $$ >$out; exec sleep 100")
    assert process.stdout is not None
    qemu = int(process.stdout.readline())

    process.kill()
    process.communicate(timeout=20)

    assert _ends(qemu)


def _ends(number: int) -> bool:
    """Wait for the end of process *number*, which has been killed."""
    deadline = time.monotonic() + 10
    while _is_running(number) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _is_running(number)


def _is_running(number: int) -> bool:
    """Say whether process *number* still runs; one that nobody has waited for does not."""
    try:
        status = Path(f"/proc/{number}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_guest_is_told_of_systemd(lab: _Lab) -> None:
    """The guest finds the units that make the command a service, and that they are wanted."""
    if not Path("/usr/lib/systemd/systemd").exists():
        pytest.skip("no systemd: run scripts/setup.sh")
    process = lab.start(
        "grep ^vm_systemd= $control/settings >$out; ls $control/vm.* >$err; echo 0 >$control/code",
        "--systemd",
    )

    out, err = process.communicate(timeout=20)

    assert b"vm_systemd=1\n" == out
    assert 2 == len(err.split())


@pytest.mark.parametrize(
    ("options", "model"),
    [((), b"max,erms=off,fsrm=off\n"), (("--cpu", "max"), b"max\n")],
)
def test_processor_is_the_fastest_to_emulate_unless_named(
    lab: _Lab, options: tuple[str, ...], model: bytes
) -> None:
    """QEMU is asked which flags it knows; a named model is taken as it is."""
    process = lab.start("echo $model >$out; echo 0 >$control/code", *options)

    out, _ = process.communicate(timeout=20)

    assert model == out


def test_a_queue_is_shared_and_can_be_written(lab: _Lab, tmp_path: Path) -> None:
    """Several machines are given the same directory; without the option there is no such share."""
    queue = tmp_path / "queue"
    queue.mkdir()
    body = 'printf "%s\\n" "$@" | grep id=queue >$out; echo 0 >$control/code'

    shared, _ = lab.start(body, "--queue", str(queue)).communicate(timeout=20)
    plain, _ = lab.start(body).communicate(timeout=20)

    assert f"local,id=queue,path={queue},".encode() in shared
    assert b"readonly" not in shared
    assert b"" == plain
