# SPDX-License-Identifier: MIT
"""What the C compiler of the extension says of the ABI header: the other side of what Python has of it."""

from enforcer.libbpf._ffi import ffi, lib


def constant(name):
    """Return the value of a constant, or of a member of an enumeration."""
    return getattr(lib, name)


def enumeration(name, prefix):
    """Return ``enum name`` without *prefix* and without its end mark, in the order of values."""
    members = {key: getattr(lib, key) for key in ffi.typeof(f"enum {name}").relements}
    return {
        key.removeprefix(prefix): value
        for key, value in sorted(members.items(), key=lambda item: item[1])
        if not key.startswith("_")
    }


def structure(name):
    """Return the size of ``struct name``, and where its fields lie and their sizes."""
    fields = ffi.typeof(f"struct {name}").fields
    return ffi.sizeof(f"struct {name}"), {
        field: (place.offset, ffi.sizeof(place.type)) for field, place in fields
    }
