# SPDX-License-Identifier: MIT
"""What talks to the API server of Kubernetes: the agent of a node and the webhook."""
