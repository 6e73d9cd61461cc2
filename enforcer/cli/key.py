# SPDX-License-Identifier: MIT
"""
Make the key to a protected engine: a passphrase. Only a verifier of it is written to a file.

After `enforcer start --protect --key FILE`, ending or changing enforcement takes the passphrase.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from enforcer.cli.arguments import file_path
from enforcer.cli.exits import Exit, UsageError
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.cli.passphrase import add_key_fd, read_passphrase

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from enforcer.cli.document_types import KeyDocument

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer key /etc/enforcer/key          ask for a passphrase, twice
  enforcer key --generate /etc/enforcer/key
                                          make a passphrase and print it, once
"""

_GENERATED = 20  # bytes of a passphrase that nobody can guess


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "file", metavar="FILE", type=file_path, help="file to write the verifier to"
    )
    parser.add_argument(
        "--generate",
        action="store_true",
        help="make a passphrase and print it; it is not stored",
    )
    add_output(parser)
    add_key_fd(parser)


def run(args: argparse.Namespace) -> int:
    """Make the verifier."""
    from enforcer.kernel.verifier import Verifier
    from enforcer.runtime.protection.key import SALT_BYTES, key_of, stored_of

    said = _generated() if args.generate else _chosen(args.key_fd)
    salt = secrets.token_bytes(SALT_BYTES)
    _write(args.file, Verifier(salt, stored_of(key_of(said, salt))).text)
    if args.form == JSON:
        made: KeyDocument = {
            "version": 1,
            "file": str(args.file),
            "passphrase": said if args.generate else None,
        }
        print_document(made)
        return Exit.OK
    if args.generate:
        print(said)
    print(f"enforcer: {args.file} verifies this passphrase; keep the passphrase elsewhere")
    return Exit.OK


def _chosen(key_fd: int | None) -> str:
    from enforcer.runtime.protection.key import LEAST

    said = read_passphrase(key_fd, f"passphrase, at least {LEAST} characters")
    if len(said) < LEAST:
        raise UsageError(
            f"the passphrase has {len(said)} characters: use {LEAST} or more, or --generate"
        )
    if key_fd is None and read_passphrase(None, "the same passphrase again") != said:
        raise UsageError("the passphrases differ: nothing was written")
    return said


def _generated() -> str:
    from base64 import b32encode

    text = b32encode(secrets.token_bytes(_GENERATED)).decode("ascii").lower()
    return "-".join(text[at : at + 8] for at in range(0, len(text), 8))


def _write(path: Path, text: str) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists and may still be needed: name another file") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{text}\n")
