# SPDX-License-Identifier: MIT
"""Who a process is, for records only: names, command lines, cgroups, containers. Never for verdicts."""
