# SPDX-License-Identifier: MIT
"""
What became of each policy file, in a file for whoever writes them: the agent of a cluster.

So the agent needs no right on the control socket. Who can read this file learns the names and the errors of
all policies, and counts; of records only in which pod which policy refused something first, and what kind of operation.
"""

from __future__ import annotations

import itertools
import json
import platform
import time
from typing import TYPE_CHECKING, Annotated, Final, Literal, NotRequired, TypedDict

import attrs

from enforcer import __version__
from enforcer.identity.naming import boot_id
from enforcer.policy.model.modes import Mode
from enforcer.policy.text.digest import digest_of
from enforcer.runtime.control.first_denials import MAX_DENIALS, FirstDenial, FirstDenials
from enforcer.runtime.control.posture import PostureDocument
from enforcer.runtime.policies.shares import fitting, sharer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enforcer.runtime.control.answers import Health
    from enforcer.runtime.control.report import PolicyFacts
    from enforcer.runtime.metrics.textfile import Textfile
    from enforcer.runtime.policies.active import ActiveSet
    from enforcer.runtime.policies.compact import CompactCopy
    from enforcer.runtime.policies.enforcement import Enforcement
    from enforcer.runtime.policies.refused_files import RefusedFile

__all__ = ["PolicyResult", "ResultsDocument", "ResultsFile"]

_LOOK: Final = 1.0  # seconds between two looks whether something else is active
_NEWS: Final = 5.0  # seconds between two writings for denials alone
_MAX_MESSAGE: Final = 4096
_MAX_MESSAGES: Final = 4 << 20
"""
Bytes of all messages. With what else there is, the file stays below the 16 MiB that an agent reads: whoever makes
thousands of policies that are wrong must not keep it from being read at all.
"""
_MAX_REFUSED: Final = 5000  # files of which nothing is active; a node reports as many policies
_NO_ROOM: Final = "too much is wrong to say it all here: enforcer status says why"


class PolicyResult(TypedDict):
    """What became of one policy, or of a file of which nothing is active."""

    name: Annotated[str | None, "Name of the policy; null if nothing of its file is active."]
    file: Annotated[str, "The file."]
    state: Annotated[
        Literal["active", "audit", "degraded", "older", "refused"],
        "active; audit: only recorded; degraded: some of it after the fact; older: what its file said "
        "before; refused: not at all.",
    ]
    reason: Annotated[str, "Why it is not as written, in one word; empty if it is."]
    message: Annotated[str, "The same in sentences."]
    digest: Annotated[
        str | None, "SHA-256 of the text that this is about; null if it is not known."
    ]
    denials: Annotated[int, "Operations that it denied or killed."]


class ResultsDocument(TypedDict):
    """The file of ``start --results``."""

    version: Annotated[int, "1."]
    enforcer: Annotated[str, "Version of enforcer."]
    kernel: Annotated[str, "Release of the kernel."]
    boot: Annotated[
        str,
        "The kernel's id of the boot in which it was written; empty if it is not told. In another, nothing of it holds.",
    ]
    time: Annotated[float, "When it was written, seconds since 1970; each quarter of a minute."]
    generation: Annotated[int, "Of the active policy image."]
    mode: Annotated[
        Literal["enforce", "audit"], "audit: nothing is refused, whatever policies say."
    ]
    posture: NotRequired[Annotated[PostureDocument, "What is enforced."]]
    lost: Annotated[int, "Records that were lost."]
    problem: Annotated[
        str,
        "Why what the files say now is not active, where none of them is to blame: it is tried again. Else empty.",
    ]
    policies: Annotated[
        list[PolicyResult],
        f"What became of each policy; of at most {_MAX_REFUSED} files of which nothing is active.",
    ]
    omitted: Annotated[int, "How many more files there are of which nothing is active."]
    firstDenials: Annotated[
        list[FirstDenial], f"Of each policy and pod the first denial, {MAX_DENIALS} at most."
    ]


@attrs.define(eq=False, repr=False)
class ResultsFile:
    """
    A file, written when something else is active, and now and then for counts.

    When the daemon ends in order, the file goes: nothing is active, or nobody knows.
    """

    file: Textfile
    denials: FirstDenials = attrs.field(factory=FirstDenials)
    _written: float = attrs.field(default=0.0, init=False)
    _told: ActiveSet | None = attrs.field(default=None, init=False)
    _texts: CompactCopy[dict[str, bytes]] | None = attrs.field(default=None, init=False)
    _digests: dict[str, str] = attrs.field(factory=dict, init=False)

    def serve(self, enforcement: Enforcement, health: Callable[[], Health]) -> FirstDenials:
        """
        Write from now on what is active by *enforcement*; *health* says what was lost.

        Returns:
            What is to be told of each record.
        """

        def text() -> bytes:
            self._told, self._written = enforcement.now, time.monotonic()
            self.denials.has_news = False
            return _printed(self._document(enforcement, health()))

        def look() -> None:
            is_due = self.denials.has_news and time.monotonic() >= self._written + _NEWS
            if enforcement.now is not self._told or is_due:
                self.file.write()

        self.file.serve(text)
        self.file.reactor.every(_LOOK, look)
        return self.denials

    def _document(self, enforcement: Enforcement, health: Health) -> ResultsDocument:
        records = health["records"]
        posture = enforcement.posture()
        only_audits = enforcement.sources.audit and not posture.tally.enforcing
        policies, omitted = _bounded(list(self._policies(enforcement)))
        return {
            "version": 1,
            "enforcer": __version__,
            "kernel": platform.release(),
            "boot": boot_id(),
            "time": round(time.time(), 1),
            "generation": health["generation"],
            "mode": "audit" if only_audits else "enforce",
            "posture": posture.as_dict(),
            "lost": records["lostDecisions"] + records["lostActivity"] + records["malformed"],
            "problem": enforcement.problem[:_MAX_MESSAGE],
            "policies": policies,
            "omitted": omitted,
            "firstDenials": self.denials.all(),
        }

    def _policies(self, enforcement: Enforcement) -> Iterator[PolicyResult]:
        now = enforcement.now
        denials = enforcement.sessions.counts().enforced_without(
            {facts.name: facts.permitting for facts in now.facts}
        )
        digests = self._digests_of(now)
        for facts in now.facts:
            refused = next((each for each in now.refused if each.covers(facts.file)), None)
            digest = digests.get(facts.file) if refused is None else refused.digest
            yield _result(facts, refused, digest, denials.get(facts.name, 0))
        known = {facts.file for facts in now.facts}
        for each in now.refused:
            if not any(each.covers(file) for file in known):
                yield _result(None, each, each.digest, 0)

    def _digests_of(self, now: ActiveSet) -> dict[str, str]:
        """Return the digests of the texts that are active; made anew only when these are others."""
        if now.texts is not self._texts:
            self._texts = now.texts
            texts = now.texts.unpack() if now.texts is not None else {}
            self._digests = {path: digest_of(text) for path, text in texts.items()}
        return self._digests


def _printed(found: object) -> bytes:
    """Write JSON as it is read best, and short; of what is no UTF-8, a reader gets what Python has for it."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _bounded(results: list[PolicyResult]) -> tuple[list[PolicyResult], int]:
    """Return of *results* what has room, each namespace having the same share, and how many are left out."""
    active = [each for each in results if each["name"] is not None]
    refused = [each for each in results if each["name"] is None]
    fits = fitting([(sharer(each["file"]), 1) for each in refused], _MAX_REFUSED)
    kept = [*active, *itertools.compress(refused, fits)]
    told = [each for each in kept if each["message"]]
    sizes = [(sharer(each["file"]), len(_printed(each["message"]))) for each in told]
    for each, has_room in zip(told, fitting(sizes, _MAX_MESSAGES), strict=True):
        if not has_room:
            each["message"] = _NO_ROOM
    return kept, len(results) - len(kept)


def _result(
    facts: PolicyFacts | None, refused: RefusedFile | None, digest: str | None, denials: int
) -> PolicyResult:
    result: PolicyResult = {
        "name": facts.name if facts is not None else None,
        "file": facts.file if facts is not None else refused.path if refused is not None else "",
        "state": "active",
        "reason": "",
        "message": "",
        "digest": digest,
        "denials": denials,
    }
    if refused is not None:
        result["state"] = "older" if facts is not None else "refused"
        result["reason"] = "Refused" if refused.digest is not None else "Unreadable"
        result["message"] = "\n".join(refused.as_dict()["errors"])[:_MAX_MESSAGE]
    elif facts is None or not facts.is_enabled:
        result["state"], result["reason"] = "refused", "Disabled"
        result["message"] = "it was switched off at run time: enforcer policy enable"
    elif facts.mode == Mode.AUDIT.value:
        result["state"] = "audit"
    elif facts.degraded:
        result["state"], result["reason"] = "degraded", "AfterTheFact"
        result["message"] = f"recorded, but not prevented: {', '.join(facts.degraded)}"[
            :_MAX_MESSAGE
        ]
    return result
