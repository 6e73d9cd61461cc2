# SPDX-License-Identifier: MIT
"""
What policies would have refused, for people who must decide whether to activate them.

Sums, who did it, and which of it looks like the ordinary work of the system.
"""
