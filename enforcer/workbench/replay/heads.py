# SPDX-License-Identifier: MIT
"""The heads of recorded ``struct enf_event``: numbers by name, and who acted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from enforcer import _abi
from enforcer.libbpf import abi
from enforcer.libbpf.decision import Identity
from enforcer.policy.language.vocabulary import SubjectFlag

if TYPE_CHECKING:
    import struct

__all__ = ["ACCESS", "CGROUP", "LINE", "Credentials", "HeadReader"]

ACCESS: Final = _abi.ENF_EVENT_ACCESS
LINE: Final = _abi.ENF_EVENT_LINE
CGROUP: Final = _abi.ENF_EVENT_CGROUP
_EXE_AT: Final = _abi.ENF_FOLD_EXE_AT
_FOLDED: Final = _abi.ENF_FOLD_BITS >> _EXE_AT << _EXE_AT
"""Where names of the executable are folded."""
_KEPT_FLAGS: Final = sum(SubjectFlag) | _FOLDED


class Credentials(NamedTuple):
    """Who acted: identity as policies look at it, with the number of its cgroup."""

    uid: int
    euid: int
    gid: int
    egid: int
    caps: int
    flags: int
    cgroup: int
    exe: bytes

    def identity(self, cgroup: bytes) -> Identity:
        """Make what the decision core takes; *cgroup* empty: its path is not known."""
        return Identity(
            exe=self.exe or None,
            cgroup=cgroup,
            uid=self.uid,
            euid=self.euid,
            gid=self.gid,
            egid=self.egid,
            caps=self.caps,
            flags=self.flags,
        )


class HeadReader:
    """
    Reads heads; the layout is the C compiler's.

    Attributes:
        at: position of a number in what :meth:`read` returns, by name.
    """

    def __init__(self) -> None:
        self._form: struct.Struct
        self._form, names = abi.decoder("enf_event")
        self.at = {name: at for at, name in enumerate(names)}
        self._size, self._path, self._exe, self._name = (
            self.at[name] for name in ("size", "path_len", "exe_len", "name_len")
        )
        self._who = tuple(
            self.at[name] for name in ("uid", "euid", "gid", "egid", "caps", "subj_flags", "cgroup")
        )

    def read(self, raw: bytes) -> tuple[Any, ...] | None:
        """Read the head of *raw*; None if the record does not fit together."""
        size = self._form.size
        if len(raw) < size:
            return None
        head = self._form.unpack_from(raw)
        names = size + head[self._path] + head[self._exe]
        fits = names + head[self._name] <= head[self._size] <= len(raw)
        return head if fits and b"\0" not in raw[size:names] else None  # no path has one

    def who(self, head: tuple[Any, ...], raw: bytes) -> Credentials:
        """Tell who acted."""
        uid, euid, gid, egid, caps, flags, cgroup = (head[at] for at in self._who)
        begin = self._form.size + head[self._path]
        exe = raw[begin : begin + head[self._exe]]
        return Credentials(uid, euid, gid, egid, caps, flags & _KEPT_FLAGS, cgroup, exe)

    def path(self, head: tuple[Any, ...], raw: bytes) -> bytes:
        """Return the path behind the head."""
        return raw[self._form.size : self._form.size + head[self._path]]

    def name(self, head: tuple[Any, ...], raw: bytes) -> bytes:
        """Return the name, or the arguments, behind the head."""
        begin = self._form.size + head[self._path] + head[self._exe]
        return raw[begin : begin + head[self._name]]
