# SPDX-License-Identifier: MIT
"""
The bpf system call on descriptors: arrays, per-CPU arrays, maps of maps, test runs.

Keys are indexes: the engine's maps that user space touches are all arrays. Values are bytes.
"""

from __future__ import annotations

import errno
import functools
import os

import attrs

from enforcer import _abi
from enforcer.errors import KernelError
from enforcer.libbpf._check import check
from enforcer.libbpf._ffi import ffi, lib

__all__ = [
    "MapFacts",
    "are_alike",
    "array_clear",
    "array_read",
    "create_array",
    "delete",
    "freeze",
    "get_pinned",
    "has_helper_loop",
    "has_lsm_hook",
    "has_security_function",
    "knock",
    "libbpf_version",
    "load_file_system",
    "lookup",
    "map_by_id",
    "map_facts",
    "memory",
    "mount_bpf",
    "open_cgroup",
    "percpu_read",
    "percpu_sum",
    "pin",
    "possible_cpus",
    "recursion_misses",
    "run",
    "update",
    "verified_instructions",
]

_LSM_NAMES = 1 << 16  # bytes: four times of what Linux 7.3 has
_NO_BTF = (-errno.ENOENT, -errno.ESRCH)


def possible_cpus() -> int:
    """
    Return how many CPUs the kernel may ever have: the number of copies in a per-CPU map.

    Raises:
        KernelError: if the kernel does not say.
    """
    return check(lib.libbpf_num_possible_cpus(), "count the possible CPUs")


def create_array(name: str, value_size: int) -> int:
    """
    Create an array of one value and return its descriptor.

    Raises:
        KernelError: if the kernel refuses; E2BIG is a value larger than it allows.
    """
    return check(lib.enf_array_create(name.encode(), value_size), f"create the map {name}")


def lookup(fd: int, index: int, size: int) -> bytes:
    """
    Return the *size* bytes at *index*.

    Raises:
        KernelError: if the kernel refuses.
    """
    value = ffi.new("char[]", size)
    code = lib.bpf_map_lookup_elem(fd, ffi.new("unsigned int *", index), value)
    check(code, f"read entry {index} of a map")
    return bytes(ffi.buffer(value, size))


def update(fd: int, index: int, value: bytes) -> None:
    """
    Replace the value at *index*, whole.

    Raises:
        KernelError: if the kernel refuses.
    """
    held = ffi.from_buffer("char[]", value)
    code = lib.bpf_map_update_elem(fd, ffi.new("unsigned int *", index), held, lib.BPF_ANY)
    check(code, f"write entry {index} of a map")


def freeze(fd: int) -> None:
    """
    Take the right to write the map by system call away from everyone, for good.

    Raises:
        KernelError: if the kernel refuses.
    """
    check(lib.bpf_map_freeze(fd), "freeze a map")


def delete(fd: int, index: int) -> None:
    """
    Empty entry *index* of a map of maps.

    Raises:
        KernelError: if the kernel refuses; ENOENT if it is empty.
    """
    code = lib.bpf_map_delete_elem(fd, ffi.new("unsigned int *", index))
    check(code, f"empty entry {index} of a map")


def put(fd: int, key: bytes, value: bytes) -> None:
    """
    Put *value* at *key* of a hash map, in place of what is there.

    Raises:
        KernelError: if the kernel refuses; E2BIG if the map is full.
    """
    keys, values = ffi.from_buffer("char[]", key), ffi.from_buffer("char[]", value)
    check(lib.bpf_map_update_elem(fd, keys, values, lib.BPF_ANY), "write an entry of a map")


def remove(fd: int, key: bytes) -> None:
    """
    Take what is at *key* out of a hash map, if there is something.

    Raises:
        KernelError: if the kernel refuses.
    """
    code = lib.bpf_map_delete_elem(fd, ffi.from_buffer("char[]", key))
    if code != -errno.ENOENT:
        check(code, "remove an entry of a map")


@attrs.frozen
class MapFacts:
    """What the kernel says of a map."""

    id: int
    value_size: int
    max_entries: int


def map_facts(fd: int) -> MapFacts:
    """
    Describe the map of *fd*.

    Raises:
        KernelError: if the kernel refuses.
    """
    facts = ffi.new("struct enf_map_facts *")
    check(lib.enf_map_facts(fd, facts), "ask about a map")
    return MapFacts(facts.id, facts.value_size, facts.max_entries)


def map_by_id(number: int) -> int:
    """
    Return a descriptor of the map with the id *number*.

    Raises:
        KernelError: if there is none, or the kernel refuses.
    """
    return check(lib.bpf_map_get_fd_by_id(number), f"open the map with id {number}")


def pin(fd: int, path: bytes) -> None:
    """
    Keep the map, program or link of *fd* under the name *path* of a BPF file system.

    Raises:
        KernelError: if the kernel refuses; EEXIST if the name is taken.
    """
    check(lib.bpf_obj_pin(fd, path), f"pin {path.decode()}")


def get_pinned(path: bytes) -> int:
    """
    Return a descriptor of what is pinned at *path*.

    Raises:
        KernelError: if nothing is, or the kernel refuses.
    """
    return check(lib.bpf_obj_get(path), f"open {path.decode()}")


def mount_bpf(directory: bytes) -> None:
    """
    Mount a BPF file system on *directory*.

    Raises:
        KernelError: if the kernel refuses.
    """
    check(lib.enf_mount_bpf(directory), f"mount a BPF file system on {directory.decode()}")


def load_file_system(name: bytes) -> None:
    """
    Let the kernel have the type of file systems *name*, by a module if it needs one.

    Raises:
        KernelError: if it has no such type, or refuses.
    """
    check(lib.enf_load_file_system(name), f"load the file system {name.decode()}")


def open_cgroup(mount: int, number: int) -> int:
    """
    Open the cgroup whose id is *number* as a place (O_PATH), and return its descriptor.

    Args:
        mount: a descriptor in the hierarchy; not one of a place.
        number: as the kernel numbers cgroups of version 2: the inode of their directory.

    Raises:
        KernelError: there is none (any more), or this process may not (CAP_DAC_READ_SEARCH).
    """
    return check(lib.enf_open_cgroup(mount, number), f"open the cgroup {number}")


def array_clear(fd: int, first: int, count: int, *, words: int) -> None:
    """
    Set *count* entries of *words* numbers each, from *first* on, to zero.

    Raises:
        KernelError: if the kernel refuses.
    """
    check(lib.enf_array_clear(fd, first, count, words), "clear the counters")


def array_read(fd: int, first: int, count: int, *, words: int) -> list[int]:
    """
    Return the *words* numbers of each of *count* entries from *first* on, entry after entry.

    Raises:
        KernelError: if the kernel refuses.
    """
    values = ffi.new("unsigned long long[]", max(1, count * words))
    check(lib.enf_array_read(fd, first, count, words, values), "read the counters")
    return list(values[0 : count * words])


def percpu_read(fd: int, count: int) -> list[int]:
    """
    Return the number that each possible CPU has in each of the first *count* entries, entry after entry.

    Raises:
        KernelError: if the kernel refuses.
    """
    values = ffi.new("unsigned long long[]", count * possible_cpus())
    check(lib.enf_percpu_read(fd, count, values), "read the counters")
    return list(values[0 : count * possible_cpus()])


def percpu_sum(fd: int, first: int, count: int, *, words: int) -> tuple[tuple[int, ...], ...]:
    """
    Add up, over all CPUs, the *words* numbers of each of *count* entries from *first* on.

    Raises:
        KernelError: if the kernel refuses.
    """
    sums = ffi.new("unsigned long long[]", max(1, count * words))
    check(lib.enf_percpu_sum(fd, first, count, words, sums), "read the counters")
    return tuple(zip(*[iter(sums[0 : count * words])] * words, strict=True))


def run(fd: int, context: bytes) -> tuple[int, bytes]:
    """
    Run a ``SEC("syscall")`` program on *context*; return its result and the context after it.

    Raises:
        KernelError: if the kernel refuses.
    """
    held = ffi.new("char[]", len(context))
    ffi.memmove(held, context, len(context))
    result = ffi.new("unsigned int *")
    check(lib.enf_syscall_run(fd, held, len(context), result), "run a BPF program")
    return int(result[0]), bytes(ffi.buffer(held, len(context)))


def knock(request: bytes) -> int:
    """
    Show *request*, a ``struct enf_knock``, to whatever guards the engine; return the errno that it answers.

    EINVAL is the kernel's own: nobody has kept the caller out.
    """
    held = ffi.new("char[]", len(request))
    ffi.memmove(held, request, len(request))
    return -int(lib.enf_bpf(_abi.ENF_KNOCK, held, len(request)))


def memory(fd: int) -> int:
    """
    Return the bytes that the kernel accounts to the map or program of *fd*.

    Raises:
        KernelError: if the kernel does not say.
    """
    return _of_descriptor(fd, "memlock", "a map")


def _of_descriptor(fd: int, key: str, what: str) -> int:
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as stream:  # noqa: PTH123 (no file)
        for line in stream:
            name, _, value = line.partition(":")
            if name == key:
                return int(value)
    raise KernelError(f"descriptor {fd} is not {what}: no {key} is shown for {os.getpid()}:{fd}")


@functools.cache
def _lsm_functions() -> frozenset[str]:
    """
    Return the functions for LSM programs, by the kernel's BTF: megabytes, which are read once.

    Raises:
        KernelError: if it cannot be read. A kernel that has none has no functions: it loads no program either.
    """
    text = ffi.new("char[]", _LSM_NAMES)
    used = lib.enf_types_lsm(text, len(text))
    if used in _NO_BTF:
        return frozenset()
    check(used, "read the kernel's BTF")
    return frozenset(bytes(ffi.buffer(text, used)).decode().split("\0"))


def has_lsm_hook(hook: str) -> bool:
    """Tell whether the kernel has the LSM hook *hook*, by its BTF: KernelError if that cannot be read."""
    return f"bpf_lsm_{hook}" in _lsm_functions()


def has_security_function(name: str) -> bool:
    """Tell whether the kernel has *name*, which calls an LSM hook; raises as :func:`has_lsm_hook`."""
    return name in _lsm_functions()


def are_alike(one: str, other: str) -> bool:
    """
    Tell whether two functions of the kernel have the same arguments and result; false if one is missing.

    Raises:
        KernelError: if the kernel's BTF cannot be read.
    """
    return bool(check(lib.enf_are_alike(one.encode(), other.encode()), "read the kernel's BTF"))


def recursion_misses(fd: int) -> int:
    """
    Return how often the kernel did not run the program of *fd*, since it ran already on that processor.

    Raises:
        KernelError: if the kernel does not say.
    """
    return _of_descriptor(fd, "recursion_misses", "a program")


def verified_instructions(fd: int) -> int:
    """
    Return how many instructions the verifier went through for the program of *fd*.

    A measure of what loading it takes that is the same on every machine. Linux commit aba64c7da983
    ("bpf: Add verified_insns to bpf_prog_info and fdinfo") (v5.16).

    Raises:
        KernelError: if the kernel does not say.
    """
    return _of_descriptor(fd, "verified_insns", "a program")


def has_helper_loop() -> bool:
    """
    Tell whether the kernel has ``bpf_loop``, by loading a program that calls it.

    Raises:
        KernelError: if the kernel lets us load no program at all.
    """
    found = lib.libbpf_probe_bpf_helper(lib.BPF_PROG_TYPE_KPROBE, lib.BPF_FUNC_loop, ffi.NULL)
    return bool(check(found, "ask the kernel for the helper bpf_loop"))


def libbpf_version() -> tuple[int, int]:
    """Return the version of the libbpf that is loaded."""
    return lib.libbpf_major_version(), lib.libbpf_minor_version()
