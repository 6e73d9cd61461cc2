# SPDX-License-Identifier: MIT
"""A clean system of a Debian suite in a directory or an archive, made with mmdebstrap, and commands in it."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/vm"))

from lab.packages import mirror  # noqa: E402
from lab.tools import LabError, tool  # noqa: E402

# How this system's apt reaches its mirror, which may be a snapshot; mmdebstrap asks it nothing.
_REACHING = (
    *("Acquire::Check-Valid-Until", "Acquire::Check-Date"),
    *("Acquire::http::Proxy", "Acquire::https::Proxy"),
)

# The kernel's file systems as in the host, so that `doctor` finds the same kernel; no network.
_ENTER = """
mount -t proc proc "$1/proc" && mount --rbind /sys "$1/sys" && mount --rbind /dev "$1/dev"
root=$1
shift
exec chroot "$root" "$@"
"""
_ENVIRONMENT = (
    "env",
    "-i",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
)


class MissingError(Exception):
    """A program is missing; the sentence says which package has it."""


def needed(program: str, package: str) -> str:
    """
    Return where the *program* is.

    Raises:
        MissingError: if it is not installed.
    """
    try:
        return tool(program)
    except LabError:
        raise MissingError(f"{program} is not installed: apt-get install {package}") from None


def _apt_options() -> Iterable[str]:
    for name in _REACHING:
        value = subprocess.check_output(
            [tool("apt-config"), "dump", "--format", "%v%n", name], text=True
        )
        if value.strip():
            yield f'--aptopt={name} "{value.strip()}"'


def make(
    suite: str, into: Path, packages: Iterable[str], *options: str, left_out: Iterable[str] = ()
) -> None:
    """
    Make a system of the *suite*, with nothing but what Debian calls essential, apt and *packages*.

    Of the packages no file is unpacked that one of the patterns *left_out* matches; *options* come behind them.

    Raises:
        MissingError: mmdebstrap is not installed.
        subprocess.CalledProcessError: it failed; its messages have gone to the terminal.
    """
    source = f"deb {mirror()} {suite} main"
    # Trust of packages does not depend on the directory: Debian's keyring is the system's.
    words = [needed("mmdebstrap", "mmdebstrap"), "--quiet", "--variant=minbase", *_apt_options()]
    words += [f"--dpkgopt=path-exclude={path}" for path in left_out]
    words += [f"--include={','.join(packages)}", *options, suite, str(into), source]
    subprocess.run(words, stdin=subprocess.DEVNULL, check=True)


def enter(system: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the *command* in the *system*, without a network. Needs root."""
    variables = [f"{name}={value}" for name, value in environment.items()]
    return subprocess.run(
        [
            *("unshare", "--mount", "--net", "--pid", "--fork"),
            *("sh", "-ec", _ENTER, "sh", str(system), *_ENVIRONMENT, *variables, *command),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
