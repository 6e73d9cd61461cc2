# SPDX-License-Identifier: MIT
"""
The mechanical layer: libbpf through cffi, one call at a time, every return code checked.

The only importer of the extension module. Knows nothing of policies, hooks or the engine's maps.
"""

from typing import Final

from enforcer.errors import UnsupportedError

try:
    from enforcer.libbpf._ffi import lib
except ImportError as error:
    raise UnsupportedError(
        f"the extension cannot be loaded ({error}): install libbpf 1.3 or later (libbpf1 on Debian "
        "and Ubuntu), or run 'make build' in a source tree"
    ) from error

_OLDEST: Final = (1, 3)
_found: Final = (lib.libbpf_major_version(), lib.libbpf_minor_version())

if _found < _OLDEST:
    raise UnsupportedError(
        f"libbpf {_found[0]}.{_found[1]} is too old: install {_OLDEST[0]}.{_OLDEST[1]} or later"
    )
