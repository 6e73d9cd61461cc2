# SPDX-License-Identifier: MIT
"""
Who a process is, for records: names, command lines, cgroups, containers. Never for verdicts.

Only which containers and pods there are (:mod:`.workloads`) the compiler asks, too, for the sets of cgroups
that the kernel decides by.
"""
