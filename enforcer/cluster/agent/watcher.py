# SPDX-License-Identifier: MIT
"""
List the objects of a resource, then watch them, for ever.

Whatever goes wrong, it begins again from the last version that is known, or with a list. Nothing is ever
said to be gone but by a complete list and by a DELETED event: so half an answer, garbage, silence and a
server that is away remove nothing.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
from tenacity import RetryError as GaveUpError
from tenacity import (
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from enforcer.cluster.agent.client import is_too_new, parse
from enforcer.cluster.agent.errors import (
    AnswerError,
    ExpiredError,
    GarbageError,
    KubeError,
    TooLargeError,
    printable,
)
from enforcer.cluster.agent.resource import Deleted, Found, Listed, key_of, metadata_of, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

    from tenacity import RetryCallState

    from enforcer.cluster.agent.client import Client
    from enforcer.cluster.agent.resource import Key, News, Resource
    from enforcer.cluster.agent.room import ListRoom

    _Items: TypeAlias = list[tuple[Key, dict[str, Any]]]

__all__ = ["Pace", "Watcher"]

_MAX_OBJECTS: Final = 200_000
_LACKING: Final = frozenset({403, 404})
_REFUSALS: Final = 6  # in a row, with pauses that grow: some half minute
_DIGITS: Final = 20  # of a number of 64 bits
_FAILURES: Final = 3
"""Watches in a row that failed without any news, after which the version itself is in doubt."""


@attrs.frozen
class Pace:
    """
    How a watcher spends its time, in seconds.

    Attributes:
        page: objects of one part of a list.
        watch: how long a watch may last, from and to; chosen at random, so that a thousand nodes do not
            come back at once.
        anew: after which everything is listed again, from and to, though nothing asked for it. A store that
            was restored from a backup, and has had more changes since than before, shows no other sign.
        silence: after which a watch without a line is given up. A server sends a bookmark each minute.
        answer: after which an answer without another byte is given up.
        absent: between two looks for a kind that a cluster may do without, and has not, from and to.
        pause: the first pause after a failure, on average half of it; it doubles.
        longest: no pause is longer.
    """

    page: int = 250
    watch: tuple[float, float] = (240.0, 480.0)
    anew: tuple[float, float] = (1800.0, 3600.0)
    silence: float = 100.0
    answer: float = 30.0
    absent: tuple[float, float] = (240.0, 480.0)
    pause: float = 1.0
    longest: float = 30.0


@attrs.define(eq=False, repr=False)
class Watcher:
    """
    One resource, in one thread.

    Attributes:
        tell: gets the news, in order.
        failed: gets each failure.
        works: called when the server has said something sensible.
        ending: set when it is to end.
        kept: what is held and told of each object; a list of them all is held at once.
        room: of that list; None: only its number is bounded.
    """

    resource: Resource
    client: Client
    tell: Callable[[News], None]
    failed: Callable[[KubeError], None]
    works: Callable[[], None]
    ending: Event
    pace: Pace = attrs.field(factory=Pace)
    kept: Callable[[dict[str, Any], Resource], dict[str, Any]] = lambda item, _: item
    room: ListRoom | None = None
    _version: str | None = attrs.field(default=None, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _refusals: int = attrs.field(default=0, init=False)
    _list_at: float = attrs.field(default=0.0, init=False)
    _page: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._page = self.pace.page

    def run(self) -> None:
        """List and watch until :attr:`ending`."""
        try:
            while not self.ending.is_set():
                for attempt in self._retrying():
                    with attempt:
                        self._round()
        except GaveUpError:
            pass  # it is to end
        finally:
            self.client.close()

    def list(self) -> None:
        """
        List once, and tell what there is.

        Raises:
            KubeError: there is no complete list.
        """
        objects: dict[Key, dict[str, Any]] = {}
        version, rest, taken = None, "", 0
        while True:
            page, items = self._get(rest)
            objects.update(items)
            if self.room is not None:
                taken += self.room.taken_by(kept for _, kept in items)
                taken = self.room.fit(objects, taken)
            if len(objects) > _MAX_OBJECTS:
                raise TooLargeError(f"there are more than {_MAX_OBJECTS:,} objects")
            version = version or version_of(page)
            rest = metadata_of(page).get("continue") or ""
            if not isinstance(rest, str):
                raise GarbageError("a list that goes on in no known way")
            if not rest:
                break
        self.tell(Listed(self.resource, objects))
        self._version, self._refusals = version, 0
        self._list_at = time.monotonic() + random.uniform(*self.pace.anew)  # noqa: S311 - as below
        self.works()

    # ---- Rounds --------------------------------------------------------------------------------

    def _retrying(self) -> Retrying:
        wait = wait_random_exponential(multiplier=self.pace.pause, max=self.pace.longest)

        def asked(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            least = error.retry_after if isinstance(error, AnswerError) else 0.0
            return max(least, wait(state))

        return Retrying(
            retry=retry_if_exception_type(KubeError),
            wait=asked,
            sleep=sleep_using_event(self.ending),
            stop=stop_when_event_set(self.ending),
        )

    def _round(self) -> None:
        """
        List if that is needed, and watch until the server ends it.

        Raises:
            KubeError: it failed, and a pause is due.
        """
        had_news = False
        try:
            if self._version is None or time.monotonic() >= self._list_at:
                self.list()
            for news in self._watch(self._version or ""):
                had_news, self._failures = True, 0
                self.works()
                if news is not None:
                    self.tell(news)
        except ExpiredError as error:
            self._version = None
            self.failed(error)
            raise
        except KubeError as error:
            self._failures += 1
            if self._failures >= _FAILURES:
                # Closed or open does not matter here: a list removes only what is certainly gone.
                self._version, self._failures = None, 0
            if self.ending.is_set():
                return
            if self._is_lacking(error):
                # It was told before. What was written of the kind stays: nothing was deleted.
                self._version, self._failures = None, 0
                self.ending.wait(random.uniform(*self.pace.absent))  # noqa: S311 - a pause
                return
            self.failed(error)
            if not had_news:
                raise
            # It worked for a while, so the pause does not grow; but neither is the server stormed.
            self.ending.wait(random.uniform(0.5, 1.5) * self.pace.pause)  # noqa: S311 - a pause

    def may_lack(self, error: KubeError) -> bool:
        """Whether *error* only says that there is no such kind here, or no right to it, and that may be."""
        is_refusal = isinstance(error, AnswerError) and error.status in _LACKING
        return self.resource.is_optional and is_refusal

    def _is_lacking(self, error: KubeError) -> bool:
        """Whether it is certain by now that there is no such kind: a server that starts says so of any, for seconds."""
        self._refusals = self._refusals + 1 if self.may_lack(error) else 0
        return self._refusals > _REFUSALS

    def _small(self, item: Any) -> tuple[Key, dict[str, Any]]:
        """Return what is kept of *item*: while a list is read, no more than one object is there as a whole."""
        return key_of(item, self.resource), self.kept(item, self.resource)

    def _get(self, rest: str) -> tuple[dict[str, Any], _Items]:
        query = {"limit": str(self._page)}
        if rest:
            query["continue"] = rest
        if self.resource.selector:
            query["fieldSelector"] = self.resource.selector
        try:
            return self.client.get_list(self.resource.path, query, self._small)
        except TooLargeError:
            if self._page > 1:
                self._page //= 2  # the next list, which is begun anew, has smaller parts
            raise

    def _watch(self, version: str) -> Iterator[News | None]:
        """Yield what a watch from *version* on tells; None for what is only a sign of life."""
        seconds = random.uniform(*self.pace.watch)  # noqa: S311 - nobody gains by guessing it
        query = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        if self.resource.selector:
            query["fieldSelector"] = self.resource.selector
        began = time.monotonic()
        is_empty = True
        for line in self.client.lines(
            self.resource.path,
            query,
            silence=self.pace.silence,
            longest=seconds + self.pace.silence,
        ):
            news, new = self._read(parse(line))
            self._require_newer(new)
            is_empty = False
            yield news
            # Only now: what could not be told is asked for again.
            self._version = new
        if is_empty and time.monotonic() - began < min(1.0, seconds / 2):
            raise GarbageError("a watch that ends at once")

    def _read(self, event: dict[str, Any]) -> tuple[News | None, str]:
        kind, item = event.get("type"), event.get("object")
        match kind:
            case "ADDED" | "MODIFIED" if isinstance(item, dict):
                return Found(self.resource, *self._small(item)), version_of(item)
            case "DELETED":
                return Deleted(self.resource, key_of(item, self.resource)), version_of(item)
            case "BOOKMARK":
                return None, version_of(item)
            case "ERROR" if isinstance(item, dict):
                message = printable(item.get("message"))
                if item.get("code") == 410 or is_too_new(item):
                    raise ExpiredError(message)
                raise GarbageError(f"the watch ended with an error: {message}")
            case _:
                raise GarbageError(f"an event of no known type: {printable(kind)!r}")

    def _require_newer(self, new: str) -> None:
        """
        Refuse to go backwards.

        A store that was restored from a backup goes on with smaller numbers. What happened there below ours
        would never be told, so everything is listed again. Versions that are no numbers are not compared.

        Raises:
            ExpiredError: *new* is older than what is known.
        """
        old = self._version or ""
        are_numbers = all(each.isdecimal() and len(each) <= _DIGITS for each in (old, new))
        if are_numbers and int(new) < int(old):
            raise ExpiredError(f"the store went back from version {old} to {new}")
