# SPDX-License-Identifier: MIT
"""
Containers that the kernel side was told of after its image was made: ``bpf/include/met.bpf.h``.

An entry says which conditions of one image the cgroup meets. It counts for that image alone.
"""

from __future__ import annotations

import contextlib
import os
import struct
from typing import TYPE_CHECKING, Final

import attrs

from enforcer import _abi
from enforcer.errors import EnforcerBug, KernelError
from enforcer.kernel.labels import label_tasks
from enforcer.kernel.programs import MEET_TASKS
from enforcer.libbpf import abi, calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.libbpf.handles import BpfObject

__all__ = ["MetMap"]

_MAP: Final = "met"
_LABELS: Final = "tasks"
_BEGUN: Final = ".data.begun"
_FORM: Final = struct.Struct(f"=QQII{_abi.ENF_MET_ATOMS}I")
_KEY: Final = struct.Struct("=Q")


@attrs.frozen
class MetMap:
    """The entries of one session; *engine*: its object."""

    engine: BpfObject

    @staticmethod
    def has_room(atoms: Sequence[int]) -> bool:
        """Tell whether an entry has room for all *atoms*."""
        return len(atoms) <= _abi.ENF_MET_ATOMS

    def is_runtime(self, pid: int) -> bool:
        """
        Tell whether what the process *pid* does in a container's cgroup is a runtime's, of which no condition on containers holds.

        False where it has no label, or is not there.
        """
        try:
            process = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            label = calls.lookup(self._fd(_LABELS), process, abi.sizeof("enf_task"))
        except KernelError:
            return False
        finally:
            os.close(process)
        return bool(abi.scalars("enf_task", label)["flags"] & _abi.ENF_SF_RUNTIME)

    def put(self, cgroup: int, generation: int, atoms: Sequence[int]) -> None:
        """
        Let the cgroup with the id *cgroup*, and all below it, meet *atoms* under the image of *generation*, and no others.

        Raises:
            KernelError: there is no room, or the kernel refuses.
        """
        if _FORM.size != abi.sizeof("enf_met"):
            raise EnforcerBug("entries of containers have another form in the kernel")
        filled = (*atoms, *[0] * (_abi.ENF_MET_ATOMS - len(atoms)))
        value = _FORM.pack(cgroup, generation, len(atoms), 0, *filled)
        calls.put(self._fd(_MAP), _KEY.pack(cgroup), value)

    def remove(self, cgroup: int) -> None:
        """
        Take the entry of the cgroup with the id *cgroup* away, if there is one.

        Raises:
            KernelError: if the kernel refuses.
        """
        calls.remove(self._fd(_MAP), _KEY.pack(cgroup))

    def refresh(self, cgroup: int) -> None:
        """
        Let what is in the cgroup with the id *cgroup*, or below, be known by its entry, which is there.

        Raises:
            KernelError: if the kernel refuses.
        """
        calls.update(self._fd(_BEGUN), 0, _KEY.pack(cgroup))
        with contextlib.closing(self.engine.programs[MEET_TASKS].attach()) as iterator:
            label_tasks(iterator)

    def _fd(self, name: str) -> int:
        return self.engine.maps[name].fd
