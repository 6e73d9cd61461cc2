# SPDX-License-Identifier: MIT
"""Policies: text to typed model. Needs no privileges and no kernel."""
