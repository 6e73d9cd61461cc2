# SPDX-License-Identifier: MIT
"""What people look at: frames drawn from a model, and keys that change it. Needs no terminal."""
