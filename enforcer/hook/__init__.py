# SPDX-License-Identifier: MIT
"""What container runtimes run before the first program of a container, and how they come to know of it."""
