# SPDX-License-Identifier: MIT
"""The dashboard: frames drawn from a model, and keys that change it. Needs no terminal."""
