# SPDX-License-Identifier: MIT
"""With the kernel's types that the engine reads, libbpf finds what it finds among all of them."""

import ctypes
import errno
import fcntl
import os
from pathlib import Path

import pytest

from enforcer.errors import KernelError
from enforcer.kernel import loader, programs
from enforcer.libbpf import calls
from enforcer.libbpf.handles import BpfObject

OBJECT = Path(loader.__file__).parent.parent / "libbpf/objects/enforcer.bpf.o"
KERNEL = Path("/sys/kernel/btf/vmlinux")
FOUND = (b"relo #", b"candidate")
"""In formats of libbpf's messages: what it found, and what it made of that."""
_PRINT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)

pytestmark = pytest.mark.skipif(
    not KERNEL.exists(), reason="this kernel does not describe its types"
)


class _Options(ctypes.Structure):
    """struct bpf_object_open_opts of libbpf.h, up to btf_custom_path."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("object_name", ctypes.c_char_p),
        ("relaxed_maps", ctypes.c_bool),
        ("pin_root_path", ctypes.c_char_p),
        ("attach_prog_fd", ctypes.c_uint32),
        ("kconfig", ctypes.c_char_p),
        ("btf_custom_path", ctypes.c_char_p),
    )


def relocations(types: Path | None) -> list[str]:
    """
    Have libbpf relocate every program of the engine; return what it says of each place.

    *types*: those that it looks through; None: all of the kernel, and those of modules for what the kernel has not.
    """
    libbpf, libc = ctypes.CDLL("libbpf.so.1"), ctypes.CDLL(None)
    said, line = [], ctypes.create_string_buffer(1024)

    @_PRINT
    def hear(_: int, form: bytes, values: int) -> int:
        if any(words in form for words in FOUND):
            libc.vsnprintf(line, len(line), form, ctypes.c_void_p(values))
            said.append(line.value.decode())
        return 0

    set_print = libbpf.libbpf_set_print
    set_print.restype = ctypes.c_void_p
    former = set_print(hear)
    libbpf.bpf_object__open_file.restype = ctypes.c_void_p
    options = _Options(size=ctypes.sizeof(_Options))
    if types is not None:
        options.btf_custom_path = os.fsencode(types)
    opened = ctypes.c_void_p(
        libbpf.bpf_object__open_file(os.fsencode(OBJECT), ctypes.byref(options))
    )
    # No map has its size, so nothing is loaded: that comes after all is relocated.
    assert libbpf.bpf_object__load(opened) < 0
    libbpf.bpf_object__close(opened)
    set_print(ctypes.c_void_p(former))
    return said


@pytest.fixture
def types(tmp_path: Path) -> Path:
    """The file that loads of the engine share, as it is after the first."""
    with os.fdopen(os.memfd_create("types", os.MFD_ALLOW_SEALING), "rb+") as file:
        BpfObject.open(OBJECT.read_bytes(), "enforcer", file.fileno()).close()
        file.seek(0)
        (tmp_path / "types").write_bytes(file.read())
    return tmp_path / "types"


def test_every_place_is_relocated_to_the_same(types):
    """Also the numbers of types that programs name to the kernel."""
    whole, small = relocations(None), relocations(types)

    assert len(whole) > 1000
    assert any("type_id" in line or "TYPE_ID" in line for line in whole)
    assert whole == small


def test_it_is_a_fraction_of_all(types):
    assert 0 < types.stat().st_size < KERNEL.stat().st_size / 2


def test_nobody_changes_it_afterwards():
    """Loads that come later would read other places of the kernel."""
    with os.fdopen(os.memfd_create("types", os.MFD_ALLOW_SEALING), "rb+", buffering=0) as file:
        BpfObject.open(OBJECT.read_bytes(), "enforcer", file.fileno()).close()

        for change in (lambda: file.write(b"x"), lambda: file.truncate(0)):
            with pytest.raises(PermissionError):
                change()


def test_it_is_written_once():
    with os.fdopen(os.memfd_create("types", os.MFD_ALLOW_SEALING), "rb+") as file:
        for _ in range(2):
            BpfObject.open(OBJECT.read_bytes(), "enforcer", file.fileno()).close()
        file.seek(0)
        found = file.read()

    assert 1 == found.count(found[:24])  # its head


def test_without_room_for_it_all_types_are_read():
    """It is opened without them, and nothing is left of what was begun."""
    with os.fdopen(os.memfd_create("types", os.MFD_ALLOW_SEALING), "rb+") as file:
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)

        opened = BpfObject.open(OBJECT.read_bytes(), "enforcer", file.fileno())

        assert 0 == os.fstat(file.fileno()).st_size
        assert opened.programs
        opened.close()


def test_hooks_are_those_of_the_kernel():
    """By its symbols, which are another list than its types."""
    symbols = {line.split()[2] for line in Path("/proc/kallsyms").read_text().splitlines()}
    hooks = {spec.hook for spec in programs.PROGRAMS}

    found = {hook for hook in hooks if calls.has_lsm_hook(hook)}

    assert found
    assert {hook for hook in hooks if f"bpf_lsm_{hook}" in symbols} == found
    assert not calls.has_lsm_hook("nothing")
    assert calls.has_security_function("security_file_open")
    assert not calls.has_security_function("vfs_open")


def test_no_room_for_their_names_is_no_absence(monkeypatch):
    """Else a hook that is there would be left out."""
    calls._lsm_functions.cache_clear()
    monkeypatch.setattr(calls, "_LSM_NAMES", 100)

    with pytest.raises(KernelError, match=os.strerror(errno.E2BIG)):
        calls.has_lsm_hook("file_open")
