# SPDX-License-Identifier: MIT
"""
Self-protection of the engine: what to load for it, and the orders that activate it.

The state lies in maps of the session and is changed by one program of the object, which refuses
everybody but the process that armed it. ``docs/protection.md`` says what is protected against whom.

The order of a start: :func:`prepare` before the load; :func:`attach` with the other hooks; make the
pins; :meth:`Guard.arm` last.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Self

import attrs

from enforcer import _abi
from enforcer.errors import KernelError, UnsupportedError
from enforcer.identity.process import cgroup_in
from enforcer.kernel import loader
from enforcer.kernel import programs as table
from enforcer.kernel.engine import Engine
from enforcer.kernel.image_map import Slot
from enforcer.kernel.placement import Placement
from enforcer.kernel.programs import ProgramSpec
from enforcer.kernel.verifier import Verifier
from enforcer.libbpf import abi, calls
from enforcer.libbpf.handles import BpfObject

__all__ = ["Guard", "Kind", "attach", "lives_alone", "prepare", "programs"]

_FORM, _NAMES = abi.decoder("enf_guard_call")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_PROBES: Final = Path("/sys/bus/event_source/devices/uprobe/type")
_MAPPED: Final = 6  # fields of a mapping that has a name
_TRIES: Final = 100  # while another thread changes what is mapped
_OFFSPRING, _OFFSPRING_NAMES = abi.decoder("enf_offspring")


class Kind:
    """The kinds of objects that :meth:`Guard.register` knows."""

    LINK: Final = _abi.ENF_GUARD_LINK
    MAP: Final = _abi.ENF_GUARD_MAP
    PROGRAM: Final = _abi.ENF_GUARD_PROGRAM


def programs(at: Placement = Placement.HOOKS) -> tuple[ProgramSpec, ...]:
    """Return the LSM programs of the guard that this kernel has a place for, in order."""
    return loader.present(table.GUARD, at)


def prepare(engine: BpfObject) -> None:
    """
    Switch on those programs of the guard in the opened object *engine* that are not LSM programs.

    Raises:
        KernelError: if libbpf refuses.
    """
    for name in (table.GUARD_EXIT, table.GUARD_CONTROL):
        engine.programs[name].set_autoload(enabled=True)


@attrs.define(eq=False)
class Guard:
    """
    The guard of one session.

    Attributes:
        blind: this kernel hides addresses, so every observing program of others is refused, too.
        verifier: of the key that lets others end it; None: the service manager does.
    """

    _engine: Engine
    _run: Callable[[int, bytes], tuple[int, bytes]] = calls.run
    blind: bool = attrs.field(init=False, default=False)
    verifier: Verifier | None = attrs.field(init=False, default=None)

    @classmethod
    def of(cls, engine: Engine) -> Self:
        """Return the guard of the loaded *engine*, whose object :func:`prepare` has seen."""
        return cls(engine)

    def register_session(self, links: Iterable[int] = ()) -> None:
        """
        Protect every map and loaded program of the engine, its images, and *links* (descriptors).

        What the owner makes once the guard is armed is protected by itself.

        Raises:
            KernelError: if the kernel does not tell an id, or its table is full.
        """
        for entry in self._engine.first.maps.values():
            self.register(Kind.MAP, identity(entry.fd, "map_id"))
        for slot in Slot:
            number = _image_in(self._engine.first.maps["images"].fd, slot)
            if number:
                self.register(Kind.MAP, number)
        for program in self._engine.programs:
            if program.fd >= 0:
                self.register(Kind.PROGRAM, identity(program.fd, "prog_id"))
        for link in links:
            self.register(Kind.LINK, identity(link, "link_id"))

    def register(self, kind: int, number: int) -> None:
        """
        Protect the object *number* (its id) of *kind*.

        Raises:
            KernelError: if there is no room for more, or the guard is another process's.
        """
        self._order(_abi.ENF_GUARD_ADD, "protect an object of the engine", kind=kind, id=number)

    def forget(self, kind: int, number: int) -> None:
        """
        Stop protecting the object *number* of *kind*.

        Raises:
            KernelError: if the guard is another process's.
        """
        self._order(_abi.ENF_GUARD_DROP, "release an object of the engine", kind=kind, id=number)

    def protect(self, session: Path | None, verifier: Verifier | None) -> None:
        """
        Activate protection for what is pinned at *session*, last of all, with the key of *verifier*.

        Raises:
            UnsupportedError, KernelError: as :meth:`arm`.
        """
        if session is not None and verifier is not None:
            verifier.keep(session)
        base = session.parent if session is not None else None
        self.arm(base, own_cgroup=lives_alone(), verifier=verifier)
        self.seal()

    def arm(
        self, directory: Path | None, *, own_cgroup: bool, verifier: Verifier | None = None
    ) -> None:
        """
        Activate protection for this process. May be called again to change its arguments.

        Args:
            directory: holds all pins, of every session; None where nothing is pinned.
            own_cgroup: protect the cgroup of this process, see :func:`lives_alone`.
            verifier: of the key that lets others end it; None: the service manager does.

        Raises:
            UnsupportedError: if the host does not mount the file system of *directory*.
            KernelError: if the directory cannot be opened, or the guard is another process's.
        """
        fd = -1
        if directory is not None:
            try:
                fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise KernelError(
                    f"cannot protect {directory}: {error.strerror}", error.errno or 0
                ) from error
        try:
            after = self._order(
                _abi.ENF_GUARD_ARM,
                "arm the protection",
                directory=fd,
                cgroup=int(own_cgroup),
                keyed=int(verifier is not None),
                probes=_type_of_probes(),
                verifier=verifier.stored if verifier is not None else b"",
            )
        except KernelError as error:
            if error.errno == errno.ENOENT:
                raise UnsupportedError(
                    f"cannot protect {directory}: the host's mount namespace does not have its "
                    "file system: mount it there",
                    errno.ENOENT,
                ) from error
            raise
        finally:
            if fd >= 0:
                os.close(fd)
        self.blind, self.verifier = bool(after["blind"]), verifier

    def disarm(self) -> None:
        """
        End protection: the first step of an orderly stop.

        Raises:
            KernelError: if the guard is another process's.
        """
        self._order(_abi.ENF_GUARD_DISARM, "end the protection")

    def seal(self, mappings: Path = Path("/proc/self/maps")) -> int:
        """
        Forbid writing to the files that this process has mapped; return how many could not be sealed.

        Those are what is not a file: made in memory, or of the kernel. A file whose name has gone to another is
        sealed by what is mapped; and that of an overlay together with the file of the layer that the kernel
        maps for it.

        Raises:
            KernelError: if the kernel does not list the mappings, or the guard has no room for more.
        """
        kept: dict[str, str] = {}
        try:
            for line in os.fsdecode(mappings.read_bytes()).split("\n"):
                fields = line.split(maxsplit=5)
                if len(fields) == _MAPPED and fields[5].startswith("/"):
                    kept.setdefault(fields[5], fields[0])
        except OSError as error:
            raise KernelError(f"cannot read {mappings}: {error.strerror}") from error
        left = 0
        for name, place in kept.items():
            ways = (self._seal(name), self._seal(f"/proc/self/map_files/{place}"))
            left += not any([*ways, self._seal_mapped(name, int(place.partition("-")[0], 16))])
        return left

    def _seal_mapped(self, name: str, address: int) -> bool:
        for tries in range(_TRIES, 0, -1):
            try:
                self._order(_abi.ENF_GUARD_SEAL, f"seal {name}", address=address)
            except KernelError as error:
                if error.errno == errno.ENOENT:
                    return False
                if error.errno != errno.EBUSY or tries == 1:
                    raise
                time.sleep(0.001)
            else:
                break
        return True

    def _seal(self, path: str) -> bool:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            self._order(_abi.ENF_GUARD_SEAL, f"seal {path}", directory=fd)
        finally:
            os.close(fd)
        return True

    def has_started(self, pid: int) -> bool:
        """
        Tell whether the first process of the machine, the service manager, has started *pid* for the daemon's unit.

        If that is not known the answer is no: then nothing is changed.
        """
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            fd = self._engine.first.maps["offspring"].fd
            found = _OFFSPRING.unpack(calls.lookup(fd, handle, _OFFSPRING.size))
        except KernelError:
            return False
        finally:
            os.close(handle)
        return bool(dict(zip(_OFFSPRING_NAMES, found, strict=True))["first"] == _abi.ENF_FIRST_OWN)

    def _order(self, order: int, what: str, **values: int | bytes) -> dict[str, int | bytes]:
        call: dict[str, int | bytes] = {**dict.fromkeys(_NAMES, 0), "order": order}
        call |= {"directory": -1, "verifier": b"", **values}
        fd = self._engine.first.programs[table.GUARD_CONTROL].fd
        code, after = self._run(fd, _FORM.pack(*call.values()))
        if code:
            raise KernelError(f"cannot {what}: {os.strerror(code)}", code)
        return dict(zip(_NAMES, _FORM.unpack(after), strict=True))


def attach(engine: Engine, specs: Iterable[ProgramSpec]) -> Guard:
    """
    Attach the guard's programs *specs* of the loaded *engine*, and register all that is attached.

    It is not armed yet.

    Raises:
        KernelError: if the kernel refuses.
    """
    made, first = Guard.of(engine), engine.first.programs
    engine.links.attach(first[spec.name] for spec in specs)
    engine.links.attach([first[table.GUARD_EXIT]])
    made.register_session(fd for _, fd in engine.links.each())
    return made


def _type_of_probes(file: Path = _PROBES) -> int:
    """
    Return the type of those events of perf that are probes in user space; 0 if this kernel has none.

    Raises:
        KernelError: if the kernel does not tell.
    """
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        # Fails closed: without sysfs nobody knows whether there are any.
        if isinstance(error, FileNotFoundError) and file.parents[1].is_dir():
            return 0
        raise KernelError(f"cannot protect against probes: {file}: {error}") from error


def _image_in(images: int, slot: Slot) -> int:
    """Return the number of the map in *slot* of the map of maps *images*; 0 if there is none."""
    try:
        return int.from_bytes(calls.lookup(images, slot, 4), "little")
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return 0
        raise


def identity(fd: int, key: str) -> int:
    """
    Return the kernel's number of the object of *fd*; *key* is its name in fdinfo.

    Raises:
        KernelError: if the kernel shows none.
    """
    for line in Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value)
    raise KernelError(f"descriptor {fd} has no {key}: it is not a BPF object")


def lives_alone(
    membership: Path = Path("/proc/self/cgroup"),
    root: Path = _CGROUPS,
    *,
    pid: int | None = None,
    parent_of: Callable[[int], int] | None = None,
) -> bool:
    """
    Tell whether this process and its children are alone in their cgroup, as those of a service are.

    In a login session others live in the same cgroup, and its manager must be able to end it. If
    it cannot be told the answer is no: then the cgroup is not protected, and nothing else changes.
    """
    ours = os.getpid() if pid is None else pid
    parent_of = parent_of or _parent_of
    try:
        place = os.fsdecode(cgroup_in(membership.read_bytes()) or b"/")
        if place == "/":
            return False
        members = (root / place.lstrip("/") / "cgroup.procs").read_text(encoding="ascii")
        return all(ours in {one, parent_of(one)} for one in map(int, members.split()))
    except OSError:
        return False


def _parent_of(pid: int) -> int:
    """Return the parent of a process; raises OSError if it is gone."""
    # The name stands in brackets and may hold any character, brackets too.
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
