# SPDX-License-Identifier: MIT
"""Where records go. A sink that fails keeps what it can, says so once, and never stops the loop."""
