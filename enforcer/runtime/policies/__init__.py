# SPDX-License-Identifier: MIT
"""Which policies are active: read, compiled and committed, changed at run time, followed by what changes outside."""
