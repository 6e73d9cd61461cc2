# SPDX-License-Identifier: MIT
"""The control socket: commands, who may use them, what the daemon says about itself, and clients."""
