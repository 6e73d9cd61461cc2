# SPDX-License-Identifier: MIT
"""
What policies would have refused, for users who decide whether to activate them.

Counts, the processes, and which refusals look like ordinary work of the system.
"""
