# SPDX-License-Identifier: MIT
"""
Which names the kernel will give to what a policy names.

The kernel side names an object by its place below the oldest mount on the host that shows it. Symbolic
links and later mounts do not appear in that name. Therefore patterns are compiled as written, and also
in every spelling that follows from the host's present links and mounts.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from enforcer.compiler.host import Host, Mount
from enforcer.compiler.limits import LIMITS
from enforcer.compiler.patterns import Below, Exact, Form, Glob, Token, Wild, merge

__all__ = ["Names", "derive", "rejoined", "split"]

_MAX_LINKS: Final = 40  # as the kernel follows
_SLASH: Final = 0x2F
_PROC: Final = b"/proc"

Tokens = tuple[Token, ...]


@attrs.define(eq=False, repr=False)
class Names:
    """The spellings of patterns on one host; remembers what it asked."""

    host: Host
    _links: dict[tuple[bytes, bool], tuple[bytes, ...]] = attrs.field(factory=dict)
    _points: dict[bytes, Mount] = attrs.field(factory=dict)
    _moved: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    _showing: dict[int, list[Mount]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for mount in self.host.mounts:
            if not mount.root.startswith(b"/"):
                continue  # a namespace, not a directory
            self._points[mount.point] = mount  # a later mount covers an earlier one
            self._showing.setdefault(mount.device, []).append(mount)
        moved = {(point, c) for point in self._points for c in self._canonical(point)}
        for mounts in self._showing.values():
            moved.update(part for i, mount in enumerate(mounts) for part in _in(mount, mounts[:i]))
        self._moved = sorted(moved)

    def spell(self, form: Form, *, by_root: bool = False) -> tuple[Form, ...]:
        """
        Return *form* and its other spellings on this host.

        *by_root*: only links count that nobody but root can have made.
        """
        head, tail = split(form)
        out: dict[Form, None] = {form: None}
        if not head and tail and tail[0] is Wild.DEEP:
            return self._through_mounts(form, b"", out)
        for linked in self._follow(head, by_root=by_root):
            for name in (linked, *self._canonical(linked)):
                out[rejoined(form, name, tail)] = None
        for spelled in tuple(out):
            if not isinstance(spelled, Exact):
                self._through_mounts(spelled, split(spelled)[0], out)
        return tuple(f for f in out if _fits(f))

    # ---- Links -------------------------------------------------------------------------------

    def _follow(self, path: bytes, depth: int = 0, *, by_root: bool) -> tuple[bytes, ...]:
        """Return *path* and every spelling on the way to the real one, which is the last."""
        if path in {b"", b"/"}:
            return (path,)
        known = self._links.get((path, by_root))
        if known is not None:
            return known
        parent, _, name = path.rpartition(b"/")
        # From the top, so that a path of 2,000 directories is no deep recursion.
        above = [parent]
        while above[-1] not in {b"", b"/"} and (above[-1], by_root) not in self._links:
            above.append(above[-1].rpartition(b"/")[0])
        for each in reversed(above):
            parents = self._follow(each, depth, by_root=by_root)
        spellings = [p.rstrip(b"/") + b"/" + name for p in parents]
        real = spellings[-1]
        inside_proc = real == _PROC or real.startswith(_PROC + b"/")
        # What links below /proc say depends on who asks.
        target = None if inside_proc or depth > _MAX_LINKS else self.host.link(real)
        if target and (not by_root or self.host.is_by_root(real)):
            leads = self._join(real.rpartition(b"/")[0], target, depth, by_root=by_root)
            spellings += self._follow(leads, depth + 1, by_root=by_root)
        out = (*dict.fromkeys(spellings[:-1]), spellings[-1])
        self._links[path, by_root] = out
        return out

    def _join(self, folder: bytes, target: bytes, depth: int, *, by_root: bool) -> bytes:
        """Put a link's *target* to the real *folder* it lies in."""
        at = b"" if target.startswith(b"/") else folder
        for part in target.split(b"/"):
            if part in {b"", b"."}:
                continue
            if part == b"..":
                at = self._follow(at, depth + 1, by_root=by_root)[-1].rpartition(b"/")[0]
            else:
                at += b"/" + part
        return at or b"/"

    # ---- Mounts ------------------------------------------------------------------------------

    def _canonical(self, path: bytes) -> tuple[bytes, ...]:
        """Return the kernel's names for what lies at *path* through the mounts that cover it."""
        mount = self._covering(path)
        if mount is None:
            return ()
        rest = path[len(mount.point.rstrip(b"/")) :] if path != mount.point else b""
        inner = _below(mount.root, rest)
        oldest = next(m for m in self._showing[mount.device] if _is_within(inner, m.root))
        named = _below(oldest.point, inner[len(oldest.root.rstrip(b"/")) :])
        return (named,) if named != path else ()

    def _covering(self, path: bytes) -> Mount | None:
        """Return the mount that *path* lies in."""
        if not self._points:
            return None
        while path:
            if path in self._points:
                return self._points[path]
            path = path.rpartition(b"/")[0]
        return self._points.get(b"/")

    def _through_mounts(self, form: Form, head: bytes, out: dict[Form, None]) -> tuple[Form, ...]:
        """Add to *out* how *form* looks below each bind mount further down than *head*."""
        for point, canonical in self._moved_below(head):
            if isinstance(form, Below):
                if canonical == form.value or not _is_within(canonical, form.value):
                    out[Exact(canonical)] = None
                    out[Below(canonical)] = None
            elif isinstance(form, Glob):
                reached = derive([form.tokens], point)
                if any(_may_end(rest) for rest in reached):
                    out[Exact(canonical)] = None
                for rest in derive(reached, b"/"):
                    if not _accepts_below(form.tokens, canonical, rest):
                        out[_glob(canonical, (b"/", *rest))] = None
        return tuple(out)

    def _moved_below(self, head: bytes) -> Iterator[tuple[bytes, bytes]]:
        base = head.rstrip(b"/") + b"/"
        start = bisect.bisect_left(self._moved, (base, b""))
        for point, canonical in self._moved[start:]:
            if not point.startswith(base):
                return
            if point != base:
                yield point, canonical


def _in(mount: Mount, older: Iterable[Mount]) -> Iterator[tuple[bytes, bytes]]:
    """Yield where *mount* shows parts that *older* ones have named, and by what."""
    for part in older:
        if part.root != mount.root and _is_within(part.root, mount.root):
            at = _below(mount.point, part.root[len(mount.root.rstrip(b"/")) :])
            if at != part.point:
                yield at, part.point


def derive(patterns: Iterable[Tokens], text: bytes) -> set[Tokens]:
    """Return what is left of each of *patterns* when *text* has been read, in all possible ways."""
    now = set(patterns)
    for byte in text:
        now = {rest for tokens in now for rest in _step(tokens, byte)}
    return now


def _step(tokens: Tokens, byte: int) -> Iterator[Tokens]:
    if not tokens:
        return
    first, rest = tokens[0], tokens[1:]
    if isinstance(first, bytes):
        if first[:1] == bytes((byte,)):
            yield (first[1:], *rest) if len(first) > 1 else rest
    elif isinstance(first, frozenset):
        if byte in first:
            yield rest
    elif first is Wild.ONE:
        if byte != _SLASH:
            yield rest
    elif first is Wild.BYTE:
        yield rest
    elif first is Wild.DIRS:
        yield from _step(rest, byte)
        yield from _step((Wild.DEEP, b"/", *rest), byte)
    else:  # RUN and DEEP; units have no mounts below them
        if first is Wild.DEEP or byte != _SLASH:
            yield tokens
        yield from _step(rest, byte)


def _accepts_below(tokens: Tokens, folder: bytes, rest: Tokens) -> bool:
    """
    Tell whether *tokens* accept whatever is *rest* below *folder* anyway; where that is hard to tell, they do not.

    A pattern that may begin anywhere has no other names then, however many mounts there are.
    """
    match tokens:
        case (bytes(lead), Wild.DIRS, *more):
            is_below = (folder.rstrip(b"/") + b"/").startswith(lead)
            return is_below and rest in {tuple(more), (Wild.DEEP, b"/", *more)}
    return rest == tokens


def _may_end(tokens: Tokens) -> bool:
    return all(token in {Wild.RUN, Wild.DEEP, Wild.DIRS} for token in tokens)


def split(form: Form) -> tuple[bytes, Tokens]:
    """Part *form* into its leading whole components without wildcards, and the rest."""
    if isinstance(form, Exact | Below):
        return form.value, ()
    first = form.tokens[0]
    if not isinstance(first, bytes):
        return b"", form.tokens
    head, _, name = first.rpartition(b"/")
    return head, (b"/" + name, *form.tokens[1:])


def rejoined(form: Form, head: bytes, tail: Tokens) -> Form:
    """Return *form* with *head* in place of its own, and the rest of it."""
    if isinstance(form, Glob):
        return _glob(head, tail)
    return form if form.value == head else type(form)(head)


def _glob(head: bytes, tail: Tokens) -> Form:
    head = b"" if head == b"/" else head
    if not tail:
        return Exact(head or b"/")
    tokens = merge((head, *tail)) if head else merge(tail)
    return Exact(tokens[0]) if len(tokens) == 1 and isinstance(tokens[0], bytes) else Glob(tokens)


def _fits(form: Form) -> bool:
    """Tell whether the kernel can produce a name of that length at all."""
    return isinstance(form, Glob) or len(form.value) <= LIMITS["ENF_PATH_MAX"]


def _below(folder: bytes, rest: bytes) -> bytes:
    """Put *rest* ("" or "/…") below *folder*."""
    if rest in {b"", b"/"}:
        return folder
    return folder.rstrip(b"/") + rest


def _is_within(path: bytes, folder: bytes) -> bool:
    return folder in {b"/", path} or path.startswith(folder + b"/")
