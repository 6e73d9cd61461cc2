# SPDX-License-Identifier: MIT
"""Remarks on policies that are valid but probably not intended: the checks and their inputs."""
