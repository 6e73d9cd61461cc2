# SPDX-License-Identifier: MIT
"""Orders to the guard, as far as they can be seen without a kernel that protects."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import attrs
import header
import pytest

from enforcer.errors import KernelError, UnsupportedError
from enforcer.kernel import guard, loader, programs
from enforcer.kernel.guard import Guard, Kind
from enforcer.libbpf import abi

FORM, NAMES = abi.decoder("enf_guard_call")
ORDERS = header.enumeration("enf_guard_order", "ENF_GUARD_")


@attrs.define
class FakeProgram:
    """A loaded program, or one that was left out."""

    fd: int = 7
    autoload: bool = False

    def set_autoload(self, *, enabled: bool) -> None:
        self.autoload = enabled


@attrs.define
class FakeEngine:
    """An object with the guard's two special programs."""

    programs: dict[str, FakeProgram] = attrs.field(
        factory=lambda: {
            name: FakeProgram() for name in (programs.GUARD_CONTROL, programs.GUARD_EXIT)
        }
    )
    maps: dict[str, Any] = attrs.field(factory=dict)


@attrs.define
class FakeKernel:
    """Takes orders, answers with a code, and is blind or not."""

    code: int = 0
    blind: int = 0
    orders: list[dict[str, int]] = attrs.field(factory=list)
    paths: list[str] = attrs.field(factory=list)
    refused: dict[int, list[int]] = attrs.field(factory=dict)
    """The codes of the next orders about an address."""

    def run(self, fd: int, context: bytes) -> tuple[int, bytes]:
        assert 7 == fd
        call = dict(zip(NAMES, FORM.unpack(context), strict=True))
        self.orders.append(call)
        if call["directory"] >= 0:
            self.paths.append(str(Path(f"/proc/self/fd/{call['directory']}").readlink()))
        if self.refused.get(call["address"]):
            return self.refused[call["address"]].pop(0), context
        return self.code, FORM.pack(*(call | {"blind": self.blind}).values())


@attrs.define
class FakeLoaded:
    """A session's programs, of one object."""

    first: FakeEngine = attrs.field(factory=FakeEngine)


def made(kernel: FakeKernel) -> Guard:
    return Guard(FakeLoaded(), kernel.run)  # type: ignore[arg-type]


def test_the_object_has_every_program_of_the_table():
    """The table and the object name the same programs."""
    with loader.open_object(loader.ENGINE) as engine:
        found = {name for name in engine.programs if name.startswith("enf_guard_")}

    assert {p.name for p in programs.GUARD} | {programs.GUARD_EXIT, programs.GUARD_CONTROL} == found


def test_no_policy_needs_the_guard():
    """A session without protection loads nothing of it."""
    assert not {p for p in programs.needed((1 << 64) - 1) if p.role is programs.Role.GUARD}


def test_programs_that_are_no_lsm_programs_load_only_on_request():
    """The object leaves them out, until the guard is prepared."""
    engine = FakeEngine()

    guard.prepare(engine)  # type: ignore[arg-type]

    assert all(program.autoload for program in engine.programs.values())


def test_objects_are_registered_by_kind_and_number():
    """The order says which kind of object the number is of."""
    kernel = FakeKernel()

    made(kernel).register(Kind.MAP, 33)
    made(kernel).forget(Kind.LINK, 34)

    assert [(ORDERS["ADD"], Kind.MAP, 33), (ORDERS["DROP"], Kind.LINK, 34)] == [
        (o["order"], o["kind"], o["id"]) for o in kernel.orders
    ]


def test_arming_hands_over_the_directory(tmp_path):
    """The kernel side learns the directory by a descriptor, which is closed afterwards."""
    kernel, it = FakeKernel(blind=1), None
    open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (no path of ours)

    it = made(kernel)
    it.arm(tmp_path, own_cgroup=True)

    assert [str(tmp_path)] == kernel.paths
    assert (ORDERS["ARM"], 1) == (kernel.orders[0]["order"], kernel.orders[0]["cgroup"])
    assert it.blind
    assert open_before == len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_arming_without_pins():
    """Without a directory there is nothing of the file system to protect."""
    kernel = FakeKernel()

    made(kernel).arm(None, own_cgroup=False)

    assert (-1, 0) == (kernel.orders[0]["directory"], kernel.orders[0]["cgroup"])


def test_a_directory_that_is_not_there(tmp_path):
    """One sentence says which, and nothing is armed."""
    kernel = FakeKernel()

    with pytest.raises(KernelError, match=r"cannot protect .*absent: No such file"):
        made(kernel).arm(tmp_path / "absent", own_cgroup=False)

    assert not kernel.orders


def test_a_file_system_that_the_host_does_not_mount(tmp_path):
    """The kernel side finds no mount of it on the host."""
    with pytest.raises(
        UnsupportedError, match="host's mount namespace does not have its file system"
    ):
        made(FakeKernel(code=errno.ENOENT)).arm(tmp_path, own_cgroup=False)


def test_a_guard_of_another_process():
    """Its orders are refused, with the reason."""
    with pytest.raises(KernelError, match="cannot end the protection: Operation not permitted"):
        made(FakeKernel(code=errno.EPERM)).disarm()


def test_a_descriptor_that_is_no_object():
    """A file has no number among the objects of BPF."""
    with open("/dev/null", "rb") as file, pytest.raises(KernelError, match="has no map_id"):  # noqa: PTH123
        guard.identity(file.fileno(), "map_id")


@pytest.mark.parametrize(
    ("place", "members", "alone"),
    [
        ("0::/system.slice/enforcer.service\n", "42\n", True),
        ("1:name=systemd:/x\n0::/system.slice/enforcer.service\n", "42\n", True),
        ("0::/system.slice/enforcer.service\n", "42\n43\n", True),
        ("0::/system.slice/enforcer.service\n", "42\n44\n", False),
        ("0::/\n", "42\n", False),
        ("1:name=systemd:/x\n", "42\n", False),
    ],
)
def test_living_alone(tmp_path, place, members, alone):
    """A cgroup is the daemon's own if nobody is in it but itself and its children."""
    (tmp_path / "cgroup").write_text(place)
    directory = tmp_path / "system.slice" / "enforcer.service"
    directory.mkdir(parents=True)
    (directory / "cgroup.procs").write_text(members)
    (tmp_path / "cgroup.procs").write_text(members)
    parents = {42: 1, 43: 42, 44: 1}

    found = guard.lives_alone(
        tmp_path / "cgroup", tmp_path, pid=42, parent_of=lambda pid: parents[pid]
    )

    assert alone == found


def test_where_it_cannot_be_told_it_does_not_live_alone(tmp_path):
    """Then the cgroup is not protected, and nothing else changes."""
    assert not guard.lives_alone(tmp_path / "absent", tmp_path)


def test_what_is_mapped_is_sealed(tmp_path):
    """Every file once, by its name and by what is mapped; what is not a file is left and counted."""
    mapped = tmp_path / "lib.so"
    mapped.write_bytes(b"")
    maps = tmp_path / "maps"
    maps.write_text(
        f"7f00-7f01 r--p 00000000 fe:00 12   {mapped}\n"
        f"7f01-7f02 r-xp 00001000 fe:00 12   {mapped}\n"
        "7f02-7f03 rw-p 00000000 00:00 0 \n"
        "7f03-7f04 rw-s 00000000 00:0f 9    anon_inode:[bpf-map]\n"
        "7f04-7f05 rw-p 00000000 00:00 0    [heap]\n"
        f"7f05-7f06 r--p 00000000 fe:00 13   {tmp_path}/gone.so (deleted)\n"
    )
    kernel = FakeKernel(refused={0x7F05: [errno.ENOENT]})

    assert 1 == made(kernel).seal(maps)

    assert [str(mapped)] == kernel.paths
    assert {ORDERS["SEAL"]} == {call["order"] for call in kernel.orders}
    assert [(True, 0), (False, 0x7F00), (False, 0x7F05)] == [
        (call["directory"] >= 0, call["address"]) for call in kernel.orders
    ]


def test_what_is_mapped_is_asked_again_while_that_changes(tmp_path):
    """Another thread holds the lock for a moment; for good is an error."""
    maps = tmp_path / "maps"
    maps.write_text(f"7f00-7f01 r--p 00000000 fe:00 13   {tmp_path}/gone.so (deleted)\n")
    kernel = FakeKernel(refused={0x7F00: [errno.EBUSY, errno.EBUSY]})

    assert 0 == made(kernel).seal(maps)

    assert 3 == len(kernel.orders)
    with pytest.raises(KernelError, match="cannot seal"):
        made(FakeKernel(code=errno.EBUSY)).seal(maps)


def test_the_type_of_probes(tmp_path):
    """As the kernel tells it: none is no error, and what cannot be read is."""
    file = tmp_path / "devices" / "uprobe" / "type"
    with pytest.raises(KernelError, match="cannot protect against probes"):
        guard._type_of_probes(file)
    file.parents[1].mkdir()
    assert 0 == guard._type_of_probes(file)
    file.parent.mkdir()
    file.write_text("9\n")
    assert 9 == guard._type_of_probes(file)
    file.write_text("x")
    with pytest.raises(KernelError, match="cannot protect against probes"):
        guard._type_of_probes(file)


def test_a_table_that_is_full_is_told(tmp_path):
    """What cannot be sealed is an error."""
    maps = tmp_path / "maps"
    maps.write_text(f"7f00-7f01 r--p 00000000 fe:00 12   {maps}\n")

    with pytest.raises(KernelError, match="cannot seal"):
        made(FakeKernel(code=errno.ENOMEM)).seal(maps)
    with pytest.raises(KernelError, match="cannot read"):
        made(FakeKernel()).seal(tmp_path / "none")
