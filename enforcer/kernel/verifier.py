# SPDX-License-Identifier: MIT
"""
The verifier of the key to a protected engine, and how the key is shown to the kernel.

The key is 32 bytes that are derived from a passphrase, see ``enforcer.runtime.protection.key``. The kernel
and the daemon keep only its SHA-256. A reader of that cannot compute the key; it can only try passphrases.
"""

from __future__ import annotations

import enum
import errno
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import attrs

from enforcer import _abi
from enforcer.errors import KernelError
from enforcer.libbpf import abi, calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Answer", "Verifier", "ask", "claim", "release"]

_NAME: Final = "key"
_TITLE: Final = "enforcer-key"
_VERSION: Final = "1"
_FIELDS: Final = 4
_SALT: Final = 16
_STORED: Final = abi.place("enf_guard_call", "verifier")[1]
_FORM: Final = abi.decoder("enf_knock")[0]


@attrs.frozen
class Verifier:
    """
    What tells the key from others.

    Attributes:
        salt: by which the passphrase becomes the key.
        stored: SHA-256 of the key.
    """

    salt: bytes
    stored: bytes

    @property
    def text(self) -> str:
        """One line that :meth:`read` takes."""
        return f"{_TITLE}:{_VERSION}:{self.salt.hex()}:{self.stored.hex()}"

    @classmethod
    def read(cls, text: str) -> Self:
        """
        Read what :attr:`text` made.

        Raises:
            ValueError: it is something else.
        """
        fields = text.strip().split(":")
        if len(fields) != _FIELDS or fields[:2] != [_TITLE, _VERSION]:
            raise ValueError("it was not made by: enforcer key")
        salt, stored = map(bytes.fromhex, fields[2:])
        if len(salt) != _SALT or len(stored) != _STORED:
            raise ValueError("it is incomplete")
        return cls(salt, stored)

    def keep(self, session: Path) -> None:
        """
        Keep it with the pins of a session, where everybody can find it and nobody can change it.

        Raises:
            KernelError: if the kernel refuses.
        """
        try:
            # The file system holds objects of BPF and links; nobody follows this one.
            (session / _NAME).symlink_to(self.text)
        except OSError as error:
            raise KernelError(f"cannot keep the key's verifier: {error.strerror}") from error

    @classmethod
    def kept(cls, base: Path) -> Self | None:
        """Return that of the newest session pinned below *base* that has one."""
        for text in _texts(base):
            try:
                return cls.read(text)
            except ValueError:
                continue  # of another version; an older session may have one that can be read
        return None


def _texts(base: Path) -> Iterator[str]:
    try:
        names = [each.name for each in base.iterdir() if each.name.isdecimal()]
    except OSError:
        return
    for name in sorted(names, key=int, reverse=True):
        try:
            yield str((base / name / _NAME).readlink())
        except OSError:
            continue


class Answer(enum.Enum):
    """What the guards of the engine say to who knocks."""

    OPEN = errno.EINVAL
    """Nobody guards, or the caller is let in."""
    CLOSED = errno.EPERM
    """The caller is kept out, and there is no key."""
    LOCKED = errno.ENOKEY
    """The caller is kept out, and the key would let it in."""
    WRONG = errno.EKEYREJECTED
    """That is not the key."""
    BUSY = errno.EBUSY
    """The daemon lives, and is to be asked instead."""


def ask(knock: Callable[[bytes], int] = calls.knock) -> Answer:
    """
    Ask whether this process is kept from the engine.

    Raises:
        KernelError: the kernel answers something else.
    """
    return _knock(_abi.ENF_KNOCK_ASK, b"", knock)


def claim(key: bytes, knock: Callable[[bytes], int] = calls.knock) -> Answer:
    """
    Show *key*, so that this process may do everything, beside the daemon or in its place.

    Raises:
        KernelError: the kernel answers something else.
    """
    return _knock(_abi.ENF_KNOCK_CLAIM, key, knock)


def release(key: bytes, knock: Callable[[bytes], int] = calls.knock) -> Answer:
    """
    Show *key*, so that what a lost daemon left is protected no longer; it stays active.

    Raises:
        KernelError: the kernel answers something else.
    """
    return _knock(_abi.ENF_KNOCK_RELEASE, key, knock)


def _knock(order: int, key: bytes, knock: Callable[[bytes], int]) -> Answer:
    code = knock(_FORM.pack(order, 0, key))
    try:
        return Answer(code)
    except ValueError:
        raise KernelError("the kernel refuses to say who guards the engine", code) from None
