# SPDX-License-Identifier: MIT
"""``kubectl enforcer``: what the nodes of a cluster do, for people who have kubectl and no right on any node."""
