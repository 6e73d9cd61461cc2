# SPDX-License-Identifier: MIT
"""Nodes of a policy file to values of the model: one reader for each part of the language."""
