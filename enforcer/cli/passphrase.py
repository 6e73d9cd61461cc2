# SPDX-License-Identifier: MIT
"""Ask for the passphrase of a key, and prove to a daemon or the kernel that the caller has it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from enforcer.cli.exits import UsageError
from enforcer.errors import ControlError
from enforcer.runtime.control.protocol import KeyNeededError

if TYPE_CHECKING:
    from pathlib import Path

    from enforcer.cli.arguments import Arguments
    from enforcer.runtime.control.protocol import AnswerT, Client, Word

__all__ = ["Passphrase", "add_key_fd", "ask_with_key", "let_go", "let_in", "read_passphrase"]

_MOST = 4096  # bytes of a passphrase
_WRONG = "the passphrase is wrong: nothing was changed"


def add_key_fd(parser: Arguments) -> None:
    """Add the descriptor that the passphrase is read from."""
    parser.add_argument(
        "--key-fd",
        metavar="N",
        type=int,
        help="read the passphrase of a daemon that is protected by a key from this descriptor, up to the "
        "end of the line (default: ask at the terminal)",
    )


def read_passphrase(key_fd: int | None, question: str) -> str:
    """
    Read a passphrase: from the descriptor if one is given, else from the terminal.

    Raises:
        UsageError: there is no terminal, or nothing was given.
    """
    if key_fd is not None:
        found = _line(key_fd)
    elif sys.stdin is not None and sys.stdin.isatty():
        from getpass import getpass

        found = getpass(f"{question}: ")
    else:
        raise UsageError(
            "a passphrase is needed, and there is no terminal to ask for it: give it with "
            "--key-fd 0"
        )
    if not found:
        raise UsageError("no passphrase was given: nothing was changed")
    return found


def _line(key_fd: int) -> str:
    read = b""
    try:
        while b"\n" not in read and len(read) <= _MOST:
            more = os.read(key_fd, _MOST)
            if not more:
                break
            read += more
    except OSError as error:
        raise UsageError(f"--key-fd {key_fd} cannot be read: {error.strerror}") from error
    if len(read) > _MOST:
        raise UsageError(f"the passphrase is longer than {_MOST} bytes")
    return os.fsdecode(read.partition(b"\n")[0])


class Passphrase:
    """
    The passphrase of one command, asked for when it is needed, and once.

    Not of attrs: importing that takes as long as everything else that a short command needs.
    """

    __slots__ = ("_key_fd", "_said")

    def __init__(self, key_fd: int | None) -> None:
        self._key_fd = key_fd
        self._said: str | None = None

    def key(self, salt: bytes) -> bytes:
        """
        Return the key that it makes with *salt*.

        Raises:
            UsageError: there is no passphrase.
        """
        from enforcer.runtime.protection.key import key_of

        if self._said is None:
            self._said = read_passphrase(self._key_fd, "passphrase of the key")
        return key_of(self._said, salt)


def ask_with_key(
    client: Client, passphrase: Passphrase, command: Word[AnswerT], **fields: object
) -> AnswerT:
    """
    Ask for *command*, with a proof if the daemon wants one; return the answer.

    Raises:
        PolicyErrors: policies are wrong, with every place; the previous policies stay active.
        ControlError: the daemon cannot do it, is not there, or the passphrase is wrong.
        UsageError: a passphrase is needed, and there is none.
    """
    try:
        return client.ask(command, **fields)
    except KeyNeededError as needed:
        from enforcer.runtime.protection.key import canonical, proof_of

        key = passphrase.key(bytes.fromhex(needed.salt))
        request = canonical({"command": command, **fields})
        proof = proof_of(key, bytes.fromhex(needed.nonce), request)
    return client.ask(command, proof=proof.hex(), **fields)


def let_in(pins: Path, passphrase: Passphrase) -> None:
    """
    Show the key to the kernel, so that this process may change enforcement that is protected.

    Raises:
        UsageError: only the service manager may, or there is no passphrase.
        ControlError: the passphrase is wrong.
        KernelError: the kernel does not answer.
    """
    from enforcer.kernel.verifier import Answer, ask, claim

    answer = ask()
    if answer is Answer.CLOSED:
        raise UsageError(
            "enforcement is protected without a key: only a reboot or the service manager can end "
            "it (systemctl stop enforcer; if the daemon was lost, systemctl start enforcer before "
            "that)"
        )
    if answer is Answer.LOCKED and claim(_key(pins, passphrase)) is not Answer.OPEN:
        raise ControlError(_WRONG)


def let_go(pins: Path, passphrase: Passphrase) -> bool:
    """
    Show the key to the kernel, so that it stops protecting what a lost daemon left; False if it did not.

    Raises:
        UsageError: there is no key, no passphrase, or the daemon lives.
        ControlError: the passphrase is wrong.
        KernelError: the kernel does not answer.
    """
    from enforcer.kernel.verifier import Answer, ask, release

    answer = ask()
    if answer is Answer.OPEN:
        return False
    if answer is Answer.CLOSED:
        raise UsageError(
            "enforcement is protected without a key: systemctl start enforcer takes it over"
        )
    answer = release(_key(pins, passphrase))
    if answer is Answer.BUSY:
        raise UsageError("its daemon is running and protects it: end it with enforcer stop")
    if answer is not Answer.OPEN:
        raise ControlError(_WRONG)
    return True


def _key(pins: Path, passphrase: Passphrase) -> bytes:
    from enforcer.kernel.verifier import Verifier

    kept = Verifier.kept(pins)
    if kept is None:
        raise UsageError(
            f"enforcement is protected by a key, but nothing is pinned in {pins}: name the "
            "right --pins"
        )
    return passphrase.key(kept.salt)
