# SPDX-License-Identifier: MIT
"""
The folder that the engine reads: a file for each policy of the API server.

It is the interface and the cache in one: a node boots with what it says. A file goes only by a complete list
without its object, or by a DELETED event. What cannot be written stays as it was, and is tried again.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.cluster.agent.foreign_object import SELECTOR, LabelsUnknownError, for_node
from enforcer.cluster.agent.policy_state import ROLLOUT, Refusal, Version
from enforcer.cluster.agent.policy_text import (
    SUFFIX,
    file_name,
    generation_of,
    holding,
    is_of,
    namespace_of,
    only_records,
    policy_text,
    uid_of,
)
from enforcer.cluster.agent.resource import FOREIGN, POLICIES, Deleted, Found, Listed
from enforcer.cluster.agent.rollout import Rollout, RolloutError
from enforcer.cluster.agent.room import LabelledPolicies, Places
from enforcer.cluster.agent.small_objects import left_out, whole
from enforcer.policy.text.digest import digest_of
from enforcer.whole_file import beside, replace, settle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from enforcer.cluster.agent.node_object import NodeObject
    from enforcer.cluster.agent.policy_state import PolicyStates
    from enforcer.cluster.agent.resource import Key, News, Resource
    from enforcer.cluster.agent.room import Entry

__all__ = ["PolicyFolder"]

_FILE: Final = 0o644
_FOLDER: Final = 0o755


@attrs.define(eq=False, repr=False)
class PolicyFolder:
    """
    The files of policies, and which object each is of.

    Attributes:
        states: is told which text is of which version, before the text is there.
        node: for which it is decided whether a policy is enforced or only records.
        by_labels: policies on which that hangs on labels of the node.
        places: how many files each namespace has.
    """

    path: Path
    states: PolicyStates
    node: NodeObject
    by_labels: LabelledPolicies = attrs.field(factory=LabelledPolicies)
    places: Places = attrs.field(factory=Places)
    _wanted: dict[str, bytes | None] = attrs.field(factory=dict, init=False)  # packed texts
    _files: set[str] = attrs.field(factory=set, init=False)

    def open(self) -> None:
        """
        Make the folder if there is none, and clear what a crash has left half written.

        Raises:
            OSError: it cannot be used.
        """
        self.path.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
        new = beside(self.path / SUFFIX).name  # .yaml.new
        for name in os.listdir(self.path):  # noqa: PTH208 - names only
            if name.endswith(new):
                (self.path / name).unlink(missing_ok=True)
            else:
                self._files.add(name)
                for resource in [each for each in (*POLICIES, *FOREIGN) if is_of(name, each)]:
                    self.places.add(namespace_of(name, resource), name)

    def drop(self, resource: Resource) -> None:
        """Remove the files of a kind that nobody asks for any more, with :meth:`write`."""
        for name in [each for each in self._files if is_of(each, resource)]:
            self._unwant(name, resource)
            self.states.forget(name)

    def take(self, news: News) -> None:
        """Remember what *news* makes of the files, for :meth:`write`."""
        match news:
            case Listed():
                wanted = {
                    file_name(key, news.resource): (key, item) for key, item in news.objects.items()
                }
                for name in [n for n in self.by_labels if is_of(n, news.resource)]:
                    self.by_labels.forget(name)
                # What goes makes place for what is new.
                for name in {*self._files, *self._wanted} - wanted.keys():
                    if is_of(name, news.resource):
                        self._unwant(name, news.resource)
                self.states.keep(news.resource, wanted)
                for name, (key, item) in wanted.items():
                    self._want(name, key, item, news.resource)
            case Found():
                name = file_name(news.key, news.resource)
                self._want(name, news.key, news.object, news.resource)
            case Deleted():
                name = file_name(news.key, news.resource)
                self._unwant(name, news.resource)
                self.by_labels.forget(name)
                self.states.forget(name)

    def relabel(self) -> None:
        """Decide again what hangs on the labels of the node, for :meth:`write`."""
        for name, known in self.by_labels.entries():
            self._want(name, *known)

    def _want(self, name: str, key: Key, kept: dict[str, Any], resource: Resource) -> None:
        self.by_labels.forget(name)
        if (left := left_out(kept)) is not None:
            # Towards what was, as below.
            why = Refusal(left.generation, "spec", left.message, left.reason, left.uid)
            self.states.refuse(name, key, resource, why)
            return
        if resource.is_foreign:
            self._want_foreign(name, key, kept, resource)
            return
        item = whole(kept)
        try:
            rollout = Rollout.of(item)
        except RolloutError as error:
            # Towards what was: a policy that is active stays as it is, and a new one is not begun.
            self.states.refuse(name, key, resource, _refusal(item, error.path, str(error)))
            return
        reached = rollout.reaches(item, self.node.name, self.node.labels)
        is_guess = reached is None
        if is_guess:
            reached = self._is_enforced(name)
        written = item if reached else holding(item)
        version = Version(
            generation_of(item),
            rollout.text,
            is_held=written != item,
            is_guess=is_guess,
            uid=uid_of(item),
        )
        self._put(name, key, written, resource, version)
        if rollout.needs_labels:
            self._keep(name, (key, kept, resource))

    def _put(
        self, name: str, key: Key, item: Mapping[str, Any], resource: Resource, version: Version
    ) -> None:
        """Let the file *name* say what *item* does, if it has a place."""
        if not self.places.admits(key[0], name):
            why = f"the namespace has {self.places.most} files of policies on this node already"
            self.states.refuse(
                name, key, resource, _refusal(item, "metadata.namespace", why, "TooMany")
            )
            return
        text = policy_text(item, key, resource)
        self._wanted[name] = _pack(text)
        self.states.note(name, key, resource, version, digest_of(text))

    def _unwant(self, name: str, resource: Resource) -> None:
        """Let the file *name* go."""
        self._wanted[name] = None
        self.places.free(namespace_of(name, resource), name)

    def _keep(self, name: str, entry: Entry) -> None:
        """Keep a policy that hangs on labels, and say of which there is no room for that."""
        why = (
            "the agent has no room to decide anew on this policy when the labels of the node change"
        )
        for gone, (key, kept, resource) in self.by_labels.keep(name, entry):
            # It stays as it is, of which nobody may believe that it follows the labels.
            refusal = _refusal(whole(kept), "spec", why, "NoRoom")
            self.states.refuse(gone, key, resource, refusal)

    def _want_foreign(self, name: str, key: Key, kept: dict[str, Any], resource: Resource) -> None:
        item = whole(kept)
        spec = item.get("spec")
        needs_labels = isinstance(spec, dict) and SELECTOR in spec
        try:
            written = for_node(item, self.node)
        except RolloutError as error:
            self.states.refuse(name, key, resource, _refusal(item, error.path, str(error)))
        except LabelsUnknownError:
            # Towards what was, as above: it is decided again once the labels are known.
            why = "the labels of the node are not known"
            refusal = _refusal(item, f"spec.{SELECTOR}", why)
            self.states.refuse(name, key, resource, refusal)
        else:
            if written is None:
                self._unwant(name, resource)
                self.states.forget(name)
            else:
                version = Version(generation_of(item), uid=uid_of(item))
                self._put(name, key, written, resource, version)
        if needs_labels:
            self._keep(name, (key, kept, resource))

    def _is_enforced(self, name: str) -> bool:
        """Whether the policy of the file *name* is enforced, as far as files say. In doubt it is, and stays so."""
        if name in self._wanted:
            packed = self._wanted[name]
            # It may be to go, by order: what comes now is another policy.
            return packed is not None and not only_records(zlib.decompress(packed))
        try:
            text = (self.path / name).read_bytes()
        except FileNotFoundError:
            return False  # it was never enforced here
        except OSError:
            return True
        return not only_records(text)

    @property
    def is_behind(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._wanted)

    def write(self) -> tuple[int, int]:
        """
        Let the files say what is wanted; those that say it already are not touched.

        Returns:
            How many were written, and how many removed.

        Raises:
            OSError: the first failure; the rest was done, and what failed is tried again.
        """
        failure: OSError | None = None
        written = removed = 0
        # What is new comes first: a policy under another name replaces the one before without a gap.
        for name in sorted(self._wanted, key=lambda name: (self._wanted[name] is None, name)):
            packed = self._wanted[name]
            try:
                if packed is None:
                    removed += self._remove(self.path / name)
                else:
                    written += self._write(self.path / name, zlib.decompress(packed))
            except OSError as error:
                failure = failure or error
            else:
                del self._wanted[name]
        if written or removed:
            settle(self.path)
        if failure is not None:
            raise failure
        return written, removed

    def _write(self, path: Path, text: bytes) -> bool:
        try:
            if path.read_bytes() == text:
                return False
        except OSError:
            pass  # there is none, or it can be replaced all the same
        replace(path, text, _FILE, is_lasting=True)
        self._files.add(path.name)
        return True

    def _remove(self, path: Path) -> bool:
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        finally:
            self._files.discard(path.name)
        return True


def _refusal(item: Mapping[str, Any], path: str, message: str, reason: str = ROLLOUT) -> Refusal:
    return Refusal(generation_of(item), path, message, reason, uid_of(item))


def _pack(text: bytes) -> bytes:
    """Return *text* smaller: twenty kilobytes of an object are a megabyte in lines, and all of them wait at once."""
    return zlib.compress(text, 1)
