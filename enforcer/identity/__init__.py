# SPDX-License-Identifier: MIT
"""
Who a process is, for records: names, command lines, cgroups, containers. Never for verdicts.

The one exception is the list of containers and pods (:mod:`.workloads`): the compiler makes the sets of
cgroups from it by which the kernel decides.
"""
