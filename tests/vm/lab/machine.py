# SPDX-License-Identifier: MIT
"""
One virtual machine: from its description to the exit code of its command.

QEMU emulates the processor (TCG), so that the laboratory runs where there is no
nested virtualisation and behaves the same everywhere.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import initramfs
from .modules import ModuleTree
from .process import Relay, start, stop
from .processor import fastest
from .sharing import Share, serve_9p, serve_virtiofs
from .state import State
from .time_slice import LONG, LONGEST, time_slice
from .tools import LabError, tool

if TYPE_CHECKING:
    from .kernel import Kernel

SCRATCH_DIRECTORY = "/mnt/scratch"
QUEUE_DIRECTORY = "/run/vm-queue"
_SYSTEMD = Path("/usr/lib/systemd/systemd")

_EARLY_MODULES = ("virtio_pci", "virtio_console", "virtio_rng", "overlay")
_OVERLAY_SIZE = "75%"
_RELAY_SECONDS = 10.0
# The kernel measures how fast the processor counts. Emulated on a busy host, it was once wrong by 37 times.
# And QEMU 10 seldom fails an assertion of its own while several processors start (iotlb_to_section).
_BOOTS = 3
_XAPIC = 255  # processors that are numbered in eight bits; with more, interrupts must be remapped

_KERNEL_ARGUMENTS = (
    "console=ttyS0 loglevel=5 panic=-1 rdinit=/init no_timer_check tsc=reliable "
    # Emulation gains nothing from mitigations, and they cost a third of its speed.
    "mitigations=off random.trust_cpu=on"
)
# virtiofsd fills guest pages behind the back of QEMU's translator, which may go on running code
# that it translated from an earlier content of the page.  Zeroing each page on allocation makes
# the emulated processor write it, and the translator forgets the old code.  Without this, user
# space crashes at random.
_VIRTIOFS_ARGUMENT = "init_on_alloc=1"


@dataclass(frozen=True)
class Machine:
    """What to boot and what to run in it."""

    kernel: Kernel
    command: str
    directory: Path
    cpus: int = 2
    possible: int | None = (
        None  # processors with those that the kernel does not start; cpus when None
    )
    cpu: str | None = None  # QEMU's model, the fastest to emulate when None
    memory: str = "2G"
    timeout: float | None = None
    icount: bool = False
    append: tuple[str, ...] = ()
    scratch_mib: int = 0
    systemd: bool = False
    queue: Path | None = None
    out: Path | None = None
    plugin: str | None = None  # of QEMU, as its -plugin takes it


@dataclass(frozen=True)
class Outcome:
    """How a machine ended; *code* is None when the guest left no exit code behind."""

    code: int | None
    timed_out: bool
    boot_seconds: float | None
    total_seconds: float
    console_tail: str
    is_clock_wrong: bool = False
    """The guest found so as it booted, and has run nothing."""
    is_emulator_dead: bool = False
    """QEMU ended by a signal of its own before the command began."""


def run(machine: Machine, *, cache: Path) -> Outcome:
    """
    Boot *machine*, pass the output of its command through, and wait for its end.

    Everything that was started or created is gone afterwards, also when an
    exception, such as one raised by a signal handler, interrupts the wait.

    Raises:
        LabError: when the machine cannot be started, or its clock is wrong at the last of some boots.
    """
    if machine.systemd and not _SYSTEMD.exists():
        raise LabError("systemd is not installed: run scripts/setup.sh as root")
    for _ in range(_BOOTS):
        outcome = _run_once(machine, cache)
        if not outcome.is_clock_wrong and not outcome.is_emulator_dead:
            return outcome
    if outcome.is_emulator_dead:
        return outcome
    raise LabError(f"the guest's clock was wrong at each of {_BOOTS} boots")


def _run_once(machine: Machine, cache: Path) -> Outcome:
    with ExitStack() as stack:
        state = stack.enter_context(State())
        tree = ModuleTree(machine.kernel.modules, cache=cache) if machine.kernel.modules else None
        # A kernel without modules is one built for a laboratory, with 9p inside.
        use_9p = tree is None or tree.has("9p")
        _write_control(machine, tree, state.control)
        arguments = _qemu(machine, state)
        arguments += _boot(machine, tree, state, use_9p=use_9p)
        shares = [
            Share("root", Path("/"), readonly=True),
            Share("exchange", state.exchange, readonly=False),
        ]
        if machine.queue:
            shares.append(Share("queue", machine.queue.absolute(), readonly=False))
        if use_9p:
            arguments += serve_9p(shares)
        else:
            arguments += serve_virtiofs(
                shares, memory=machine.memory, sockets=state.root, stack=stack
            )
        if machine.scratch_mib:
            arguments += _scratch(machine.scratch_mib, state.root / "scratch.img")
        if machine.out:
            stack.callback(state.copy_out, machine.out)
        return _execute(machine, arguments, state, stack)


def _write_control(machine: Machine, tree: ModuleTree | None, control: Path) -> None:
    """Write the files that tell the guest what to do."""
    for script in ("stage2", "run"):
        shutil.copy(initramfs.GUEST_SCRIPTS / f"{script}.sh", control / script)
    for unit in ("vm.target", "vm.service"):
        shutil.copy(initramfs.GUEST_SCRIPTS / unit, control / unit)
    settings = {
        "vm_directory": str(machine.directory),
        "vm_modules": str(tree.directory) if tree else "",
        "vm_scratch": SCRATCH_DIRECTORY if machine.scratch_mib else "",
        "vm_one_output": "1" if _one_output() else "",
        "vm_systemd": "1" if machine.systemd else "",
        # Where instructions are the clock, it has nothing to do with the host's.
        "vm_clock": "" if machine.icount else "1",
    }
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
    (control / "settings").write_text(lines, encoding="utf-8")
    (control / "command").write_text(machine.command + "\n", encoding="utf-8")


def _one_output() -> bool:
    """Two outputs that are one file on the host are one in the guest, which keeps their order."""
    try:
        return os.path.sameopenfile(1, 2)
    except OSError:
        return False


def _qemu(machine: Machine, state: State) -> list[str]:
    if machine.icount:
        # One instruction is one nanosecond of guest time: time then counts instructions.
        speed = ["-accel", "tcg", "-icount", "shift=0", "-smp", "1"]
    else:
        count = max(machine.cpus, machine.possible or 0)
        speed = ["-accel", "tcg,thread=multi", "-smp", str(count)]
        if count > _XAPIC:
            speed += ["-device", "intel-iommu,intremap=on,eim=on"]
    return [
        tool("qemu-system-x86_64"),
        "-machine",
        "q35",
        "-cpu",
        machine.cpu or fastest(is_counted=machine.icount),
        "-m",
        machine.memory,
        *speed,
        *(("-plugin", machine.plugin) if machine.plugin else ()),
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-chardev",
        f"file,id=console,path={state.console}",
        "-serial",
        "chardev:console",
        "-device",
        "virtio-rng-pci",
        "-device",
        "virtio-serial-pci,max_ports=4",
    ]


def _boot(machine: Machine, tree: ModuleTree | None, state: State, *, use_9p: bool) -> list[str]:
    wanted = (*_EARLY_MODULES, *(("9pnet_virtio", "9p") if use_9p else ("virtiofs",)))
    archive = state.root / "initramfs"
    archive.write_bytes(
        initramfs.build(
            modules=tree.closure(wanted) if tree else [],
            settings={
                "share": "9p" if use_9p else "virtiofs",
                "overlay_size": _OVERLAY_SIZE,
                "queue": QUEUE_DIRECTORY if machine.queue else "",
            },
        )
    )
    append = [_KERNEL_ARGUMENTS, *([] if use_9p else [_VIRTIOFS_ARGUMENT]), *machine.append]
    if machine.possible:
        append.append(f"maxcpus={machine.cpus}")
    return [
        "-kernel",
        str(machine.kernel.image),
        "-initrd",
        str(archive),
        "-append",
        " ".join(append),
    ]


def _scratch(size_mib: int, image: Path) -> list[str]:
    with image.open("wb") as file:
        file.truncate(size_mib << 20)
    done = subprocess.run(
        [tool("mkfs.ext4"), "-q", image],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"mkfs.ext4 failed: {done.stderr.strip()}")
    return [
        "-drive",
        f"file={image},format=raw,if=none,id=scratch,cache=unsafe",
        "-device",
        "virtio-blk-pci,drive=scratch",
    ]


def _execute(machine: Machine, arguments: list[str], state: State, stack: ExitStack) -> Outcome:
    relays = {"out": Relay(1), "err": Relay(2)}
    for relay in relays.values():
        stack.callback(relay.close, timeout=0.0)
    for name, relay in relays.items():
        path = f"/proc/self/fd/{relay.write_end}"
        arguments += ["-chardev", f"file,id={name},path={path}"]
        arguments += ["-device", f"virtserialport,chardev={name},name={name}"]
    began = time.time()
    with time_slice(LONGEST if machine.cpus == 1 else LONG):
        qemu = start(arguments, pass_fds=[relay.write_end for relay in relays.values()])
    stack.callback(stop, qemu)
    for relay in relays.values():
        relay.release()
    timed_out = False
    try:
        qemu.wait(machine.timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
        stop(qemu)
    for relay in relays.values():
        relay.close(timeout=_RELAY_SECONDS)
    started = state.started()
    return Outcome(
        code=state.code(),
        timed_out=timed_out,
        boot_seconds=started - began if started else None,
        total_seconds=time.time() - began,
        console_tail=state.console_tail(),
        is_clock_wrong=state.is_clock_wrong(),
        is_emulator_dead=not timed_out and not started and qemu.returncode < 0,
    )
