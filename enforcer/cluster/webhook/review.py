# SPDX-License-Identifier: MIT
"""
AdmissionReview of ``admission.k8s.io/v1``: what an API server asks, and what it is answered.

Only what is needed is read. Whoever reaches the port can send anything, so each field is looked at for its type.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.client import parse
from enforcer.cluster.agent.errors import GarbageError, printable
from enforcer.errors import EnforcerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.cluster.webhook.verdict import Verdict

__all__ = ["Review", "ReviewError", "answer"]

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"

_MAX_UID: Final = 128
_MAX_MESSAGE: Final = 4096
_MAX_WARNING: Final = 250
"""An API server shortens what is longer than 256 characters, and hands on 4,096 of all warnings together."""

_MAX_WARNINGS: Final = 16


class ReviewError(EnforcerError):
    """It is no AdmissionReview with a uid, without which nothing can be answered."""


@attrs.frozen
class Review:
    """
    A question.

    Attributes:
        uid: of the question, which the answer repeats.
        operation: CREATE, UPDATE, DELETE or CONNECT.
        kind: group, version and kind of the object.
        subresource: empty: the object itself.
        object: as it is to be stored; None: there is none.
        old: as it is stored.
    """

    uid: str
    operation: str
    kind: tuple[str, str, str]
    subresource: str
    object: Mapping[str, Any] | None
    old: Mapping[str, Any] | None

    @classmethod
    def read(cls, text: bytes) -> Review:
        """
        Read a question.

        Raises:
            ReviewError: it is none. What is wrong in an object is not looked at here.
        """
        try:
            document = parse(text)
        except GarbageError as error:
            raise ReviewError(str(error)) from None
        if (document.get("apiVersion"), document.get("kind")) != (API_VERSION, KIND):
            raise ReviewError(f"no {KIND} of {API_VERSION}")
        request = document.get("request")
        uid = request.get("uid") if isinstance(request, dict) else None
        if (
            not isinstance(request, dict)
            or not isinstance(uid, str)
            or not 0 < len(uid) <= _MAX_UID
        ):
            raise ReviewError("a request without a uid")
        kind = request.get("kind")
        words = kind if isinstance(kind, dict) else {}
        return cls(
            uid,
            _text(request.get("operation")),
            (_text(words.get("group")), _text(words.get("version")), _text(words.get("kind"))),
            _text(request.get("subResource")),
            _map(request.get("object")),
            _map(request.get("oldObject")),
        )

    @property
    def label(self) -> str:
        """The object in a few words, for a log: its kind, its namespace and its name, and nothing of what it says."""
        meta = (self.object or self.old or {}).get("metadata")
        known = meta if isinstance(meta, dict) else {}
        names = [known[key] for key in ("namespace", "name") if isinstance(known.get(key), str)]
        return printable(f"{self.kind[2] or 'object'} {'/'.join(names)}")


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _map(found: object) -> Mapping[str, Any] | None:
    return found if isinstance(found, dict) else None


def answer(uid: str, verdict: Verdict) -> bytes:
    """Return the answer to the question *uid*."""
    response: dict[str, Any] = {"uid": uid, "allowed": verdict.is_allowed}
    if not verdict.is_allowed:
        response["status"] = {
            # As the server answers what its own schema refuses.
            "code": HTTPStatus.UNPROCESSABLE_ENTITY,
            "reason": "Invalid",
            "message": verdict.message[:_MAX_MESSAGE],
        }
    if verdict.warnings:
        response["warnings"] = [each[:_MAX_WARNING] for each in verdict.warnings[:_MAX_WARNINGS]]
    document = {"apiVersion": API_VERSION, "kind": KIND, "response": response}
    return json.dumps(document).encode()
