# SPDX-License-Identifier: MIT
"""The webhook that an API server of Kubernetes asks before it stores a policy. It decides nothing on nodes."""
