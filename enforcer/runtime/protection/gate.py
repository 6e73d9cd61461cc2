# SPDX-License-Identifier: MIT
"""
Who may change protected policies: being root is not enough.

With a key, each request must prove it. Without a key, the caller must be a process that the service
manager has started in the daemon's own unit. Requests that change nothing are always answered.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from enforcer.runtime.protection.key import is_proof

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.kernel.verifier import Verifier
    from enforcer.runtime.control.answers import Refusal
    from enforcer.runtime.control.peer import Peer

__all__ = ["Gate", "Visit"]

_NONCE_BYTES = 32
_CLOSED = "enforcement is protected without a key"
_STOP = (
    f"{_CLOSED}: end it by the service manager (systemctl stop enforcer), or with Ctrl-C where it was "
    "started"
)
_CHANGE = (
    f"{_CLOSED}: change it by the policy files and the service manager (systemctl reload enforcer)"
)
_CONFIRM = f"{_CLOSED}: confirm by the service manager (systemctl kill --kill-whom=main --signal=SIGUSR2 enforcer)"
_SENTENCES = {"stop": _STOP, "confirm": _CONFIRM}
_LOCKED = "enforcement is protected by a key: give its passphrase at a terminal, or with --key-fd"
_WRONG = "the passphrase is wrong: the active policies do not change"


@attrs.define
class Visit:
    """What is known of one connection: the number that its next proof must be made for."""

    nonce: bytes | None = None


@attrs.define(eq=False, repr=False)
class Gate:
    """
    Answers in the place of the daemon where it must refuse.

    Attributes:
        verifier: of the key; None: there is none.
        is_managers: tells whether the service manager has started a process for the daemon's unit.
        report: gets a sentence for wrong proofs, and where there is no key for what is refused.
        failures: how many there were.
    """

    verifier: Verifier | None
    is_managers: Callable[[Peer], bool]
    report: Callable[[str], None]
    failures: int = attrs.field(default=0, init=False)

    def refusal(
        self, visit: Visit, peer: Peer, command: str, request: bytes, proof: str | None
    ) -> Refusal | None:
        """
        Judge a request for a change; *request* is what a proof is made for.

        Returns:
            The answer, or None if the request may be carried out.
        """
        if self.verifier is None:
            if self.is_managers(peer):
                return None
            self._fail(f"{command}, asked for by {peer}, was refused: enforcement is protected")
            return {"ok": False, "error": _SENTENCES.get(command, _CHANGE)}
        nonce, visit.nonce = visit.nonce, None  # used once, whatever comes of it
        if proof is None:
            visit.nonce = os.urandom(_NONCE_BYTES)
            return _challenge(visit.nonce, self.verifier.salt)
        if nonce is not None and _is_hex(proof):
            if is_proof(bytes.fromhex(proof), self.verifier.stored, nonce, request):
                return None
            self._fail(f"a wrong passphrase for {command}, given by {peer}")
        return {"ok": False, "error": _WRONG, "isWrong": True}

    def _fail(self, what: str) -> None:
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:  # 1, 2, 4, …: nobody floods the log with this
            self.report(f"{what} ({self.failures} so far)")


def _challenge(nonce: bytes, salt: bytes) -> Refusal:
    return {
        "ok": False,
        "error": _LOCKED,
        "challenge": {"nonce": nonce.hex(), "salt": salt.hex()},
    }


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True
