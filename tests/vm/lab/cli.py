# SPDX-License-Identifier: MIT
"""The command line of ``tests/vm/run``."""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .kernel import LAB, NAMES, cache_directory, resolve
from .machine import QUEUE_DIRECTORY, SCRATCH_DIRECTORY, Machine, Outcome, run
from .tools import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

EXIT_TIMEOUT = 124
EXIT_LAB = 125
EXIT_GUEST_DIED = 250

_REPOSITORY = Path(__file__).resolve().parents[3]
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_DESCRIPTION = f"""\
Boot a kernel on top of this machine's files, run COMMAND as root in the current
directory, power off.  What the guest writes stays in its memory, except /run/vm.

One COMMAND word is a line for bash, several are a program and its arguments.
Exit code: COMMAND's; {EXIT_TIMEOUT} timeout; {EXIT_LAB} no machine; {EXIT_GUEST_DIED} the guest died."""


class _Interrupted(BaseException):
    """A signal asks this process to end; raised so that everything is cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: Sequence[str]) -> int:
    """Run the laboratory as *arguments* say and return the exit code."""
    options, command = parse(arguments)
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        machine = Machine(
            kernel=resolve(options.kernel, cache=cache_directory()),
            command=script(command),
            directory=Path.cwd(),
            cpus=options.cpus,
            possible=options.possible,
            cpu=options.cpu,
            memory=options.mem,
            timeout=options.timeout or None,
            icount=options.icount,
            append=tuple(options.append),
            scratch_mib=options.scratch,
            systemd=options.systemd,
            queue=options.queue,
            out=options.out,
            plugin=options.plugin,
        )
        return report(run(machine, cache=cache_directory()), verbose=options.verbose)
    except (LabError, OSError, subprocess.CalledProcessError) as error:
        _say(str(error))
        return EXIT_LAB
    except _Interrupted as interrupted:
        _say(f"ended by {signal.Signals(interrupted.number).name}")
        return 128 + interrupted.number


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Split *arguments* at ``--`` into options and the command."""
    parser = argparse.ArgumentParser(
        prog="tests/vm/run",
        usage="%(prog)s [options] -- COMMAND...",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--kernel",
        default="cloud",
        metavar="NAME|FILE",
        help=f"{', '.join((*NAMES, LAB))}, or an image",
    )
    add("--cpus", type=_count, default=2, metavar="N", help="processors (2)")
    add("--possible", type=_count, metavar="N", help="processors that there could be (as --cpus)")
    add("--cpu", metavar="MODEL", help="QEMU's model of a processor (the fastest to emulate)")
    add("--icount", action="store_true", help="one processor; guest time counts instructions")
    add("--timeout", type=float, default=600, metavar="S", help="seconds, 0 for none (600)")
    add("--mem", default="2G", metavar="SIZE", help="memory (2G)")
    add(
        "--append",
        action="append",
        default=[],
        metavar="ARG",
        help="add to the kernel's command line",
    )
    add(
        "--scratch",
        type=_count,
        default=0,
        metavar="MIB",
        help=f"an ext4 disk at {SCRATCH_DIRECTORY}",
    )
    add("--systemd", action="store_true", help="systemd is process 1, COMMAND a service of it")
    add("--queue", type=Path, metavar="DIR", help=f"share DIR at {QUEUE_DIRECTORY}, to be written")
    add("--out", type=Path, metavar="DIR", help="copy /run/vm and console.log here at the end")
    add("--plugin", metavar="FILE[,ARG]", help="a plugin of QEMU, with its arguments")
    add("-v", "--verbose", action="store_true", help="print how long it took")
    arguments = list(arguments)
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options, command = parser.parse_args(arguments[:split]), arguments[split + 1 :]
    if not command:
        parser.error("no COMMAND: put it after --")
    return options, command


def script(command: Sequence[str]) -> str:
    """Return the shell script that runs *command* with the project's own programs first."""
    path = shlex.quote(str(_REPOSITORY / ".venv/bin"))
    line = command[0] if len(command) == 1 else f"exec {shlex.join(command)}"
    return f"export ENFORCER_GUEST=1 PATH={path}:$PATH\n{line}"


def report(outcome: Outcome, *, verbose: bool) -> int:
    """Say what is worth knowing of *outcome* and return the exit code that stands for it."""
    boot = outcome.boot_seconds
    if outcome.timed_out:
        _say(f"timed out after {outcome.total_seconds:.0f} s")
    elif outcome.code is None:
        _say("the guest ended without an exit code")
    if outcome.code is None and (boot is None or not outcome.timed_out):
        _say(f"the end of its console:\n{outcome.console_tail}")
    if verbose:
        booted = "never" if boot is None else f"after {boot:.1f} s"
        _say(f"command started {booted}, ended after {outcome.total_seconds:.1f} s")
    if outcome.timed_out:
        return EXIT_TIMEOUT
    return EXIT_GUEST_DIED if outcome.code is None else outcome.code


def _interrupt(number: int, _frame: FrameType | None) -> None:
    for other in _SIGNALS:  # a second signal must not interrupt the cleaning up
        signal.signal(other, signal.SIG_IGN)
    raise _Interrupted(number)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _say(text: str) -> None:
    print(f"vm: {text.rstrip()}", file=sys.stderr, flush=True)
