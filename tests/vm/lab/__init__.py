# SPDX-License-Identifier: MIT
"""
The laboratory: boot a stock kernel under QEMU on top of the host's own files.

Only the standard library is used, because the laboratory has to start before
anything of the project is installed.
"""

__all__: list[str] = []
