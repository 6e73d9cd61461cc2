# SPDX-License-Identifier: MIT
"""What runtimes have mounted for containers, as the kernel side has it: ``bpf/include/mounted.bpf.h``."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import attrs

from enforcer import _abi
from enforcer.errors import EnforcerBug
from enforcer.libbpf import abi, calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.libbpf.handles import BpfObject

__all__ = ["Mounted", "MountedMap"]

_MAP: Final = "mounted"
_KNOWN: Final = ".data.mounted"
_KEY: Final = struct.Struct("=QII")
_LENGTHS: Final = struct.Struct(f"=II{_abi.ENF_MOUNTED_PATH}s{_abi.ENF_MOUNTED_PATH}s")
_ANY: Final = struct.pack("=Q", 1)


@attrs.frozen
class Mounted:
    """
    What is mounted for one container.

    Attributes:
        cgroup: the id of its cgroup, to which everything below belongs.
        names: of each, the host's name and the container's; neither ends with a slash.
    """

    cgroup: int
    names: tuple[tuple[bytes, bytes], ...]

    @property
    def with_room(self) -> Mounted:
        """It, without what the kernel side has no room for."""
        fit = (each for each in self.names if max(map(len, each)) < _abi.ENF_MOUNTED_PATH)
        return Mounted(self.cgroup, tuple(fit)[: _abi.ENF_MOUNTED_EACH])


@attrs.frozen
class MountedMap:
    """The entries of one session; *engine*: its object."""

    engine: BpfObject

    def put(self, mounted: Mounted, before: int = 0) -> None:
        """
        Let the files that lie at what is *mounted* have the names by that, for the container; *before*: entries that it has.

        Raises:
            KernelError: there is no room, or the kernel refuses.
        """
        if _KEY.size + _LENGTHS.size != abi.sizeof("enf_mounted"):
            raise EnforcerBug("entries of mounts have another form in the kernel")
        if mounted.names:
            calls.update(self.engine.maps[_KNOWN].fd, 0, _ANY)
        for number, (host, inside) in enumerate(mounted.names):
            key = _KEY.pack(mounted.cgroup, number, 0)
            value = key + _LENGTHS.pack(len(host), len(inside), host, inside)
            calls.put(self._fd, key, value)
        self._remove(mounted.cgroup, range(len(mounted.names), before))

    def remove(self, mounted: Mounted) -> None:
        """
        Take the entries of *mounted* away.

        Raises:
            KernelError: if the kernel refuses.
        """
        self._remove(mounted.cgroup, range(len(mounted.names)))

    def _remove(self, cgroup: int, numbers: Sequence[int]) -> None:
        for number in reversed(numbers):  # whoever looks ends at the first that is not there
            calls.remove(self._fd, _KEY.pack(cgroup, number, 0))

    @property
    def _fd(self) -> int:
        return self.engine.maps[_MAP].fd
