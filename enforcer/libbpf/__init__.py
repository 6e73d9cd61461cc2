# SPDX-License-Identifier: MIT
"""
The mechanical layer: libbpf through cffi, one call at a time, every return code checked.

The only importer of the extension module. Knows nothing of policies, hooks or the engine's maps.
"""
