# SPDX-License-Identifier: MIT
"""Arguments that several commands share, and the types of their values."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from enforcer import places
from enforcer.cli.exits import UsageError
from enforcer.runtime.control.protocol import CONFIRM_LEAST, CONFIRM_MOST

if TYPE_CHECKING:
    from argparse import _ActionsContainer
    from typing import TypeAlias

    from enforcer.sinks.address import Address

    Arguments: TypeAlias = _ActionsContainer
    """A parser, or a group of its options: argparse has no public name for what both are."""

__all__ = [
    "DURATION",
    "MAX_USER",
    "add_confirm_within",
    "add_policies",
    "add_socket",
    "confirmation_time",
    "duration",
    "file_or_stdin",
    "file_path",
    "kept_file",
    "listening_address",
    "loopback_port",
    "metrics_file",
    "policy_paths",
    "require_root",
    "socket_address",
    "user_number",
]

DURATION = r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|)"
"""A pattern for times."""

MAX_USER = 0xFFFF_FFFE
"""The greatest number of a user: the next one means none (setreuid(2))."""

_DURATION = re.compile(DURATION)
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


def add_policies(parser: Arguments, *, optional: bool, is_needed: bool = True) -> None:
    """
    Add the list of policy files and folders: *optional* for a command that may read them again.

    *is_needed*: whether the parser itself refuses to do without, where they are not optional.
    """
    help_text = "policy file, or folder whose *.yaml files are read"
    help_text += f" (default: {places.POLICIES})" if optional else "; - is standard input"
    parser.add_argument(
        "policies",
        metavar="POLICY",
        nargs="*" if optional or not is_needed else "+",
        type=kept_file if optional else file_or_stdin,
        help=help_text,
    )


def add_socket(parser: Arguments) -> None:
    """Add the path of the control socket."""
    parser.add_argument(
        "--socket",
        metavar="PATH",
        type=file_path,
        default=places.SOCKET,
        help=f"control socket of the daemon (default: {places.SOCKET})",
    )


def add_confirm_within(parser: Arguments) -> None:
    """Add the time in which a change must be confirmed."""
    parser.add_argument(
        "--confirm-within",
        metavar="TIME",
        type=confirmation_time,
        help="activate the previous policies again unless `enforcer confirm` comes in time: 60s, 5m",
    )


def policy_paths(given: list[Path]) -> list[Path]:
    """Take what was *given*, else the default folder, which must then exist."""
    if given:
        return given
    if not places.POLICIES.is_dir():
        raise UsageError(
            f"no policies: {places.POLICIES} does not exist; "
            "create it, or name a policy file or folder"
        )
    return [places.POLICIES]


def require_root(doing: str) -> None:
    """Refuse at once what only root can do."""
    if os.geteuid() != 0:
        raise UsageError(f"{doing} needs root: run it with sudo, or as root")


def file_path(text: str) -> Path:
    """Read the name of a file or folder. An empty one would be the working directory."""
    if not text:
        raise argparse.ArgumentTypeError("the name of a file is empty: name one")
    return Path(text)


def file_or_stdin(text: str) -> Path:
    """Read the name of a file or folder, or ``-`` for standard input."""
    return places.STDIN if text == "-" else file_path(text)


def log_file(text: str) -> Path:
    """Read the name of a log, or ``-`` for standard output."""
    return places.STDOUT if text == "-" else file_path(text)


def kept_file(text: str) -> Path:
    """Read the name of a file or folder that is read more than once, or by another process."""
    if text == "-":
        raise argparse.ArgumentTypeError(
            "standard input can be read only once: write the policy to a file"
        )
    return file_path(text)


def loopback_port(text: str) -> tuple[str, int]:
    """Read an address with a port that only this machine can reach."""
    from enforcer.sinks.address import loopback

    try:
        return loopback(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def listening_address(text: str) -> tuple[str, int]:
    """Read an address with a port, where others may reach this process."""
    from enforcer.sinks.address import host_and_port

    try:
        return host_and_port(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def socket_address(text: str) -> Address:
    """Read where a socket leads."""
    from enforcer.sinks.address import read_address

    try:
        return read_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def metrics_file(text: str) -> Path:
    """Read the name of a file that the node exporter would read."""
    if not text.endswith(".prom"):
        raise argparse.ArgumentTypeError(
            f"{text!r} must end with .prom: the node exporter reads no other file"
        )
    return file_path(text)


def duration(text: str) -> float:
    """Read ``500ms``, ``60s``, ``5m``, ``1h`` or a number of seconds."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: write 60s, 5m or 1h")
    return float(found[1]) * _SECONDS[found[2]]


def user_number(text: str) -> int:
    """Read the number of a user. Names are not looked up, since a container has other names than the host."""
    if text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= MAX_USER:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not the number of a user: write 9753")


def confirmation_time(text: str) -> float:
    """Read a duration in which somebody can confirm."""
    seconds = duration(text)
    if not CONFIRM_LEAST <= seconds <= CONFIRM_MOST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time to confirm in: write {CONFIRM_LEAST:g}s to "
            f"{CONFIRM_MOST / 60:g}m"
        )
    return seconds
