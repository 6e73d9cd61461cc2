# SPDX-License-Identifier: MIT
"""Which policies are in force: read, compiled and committed, changed at run time, followed by what changes outside."""
