# SPDX-License-Identifier: MIT
"""The agent between a Kubernetes API server and the engine: it has the network, and files are all that both share."""
