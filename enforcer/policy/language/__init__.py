# SPDX-License-Identifier: MIT
"""The words of the policy language, as tables: what they are called, and what they stand for in the kernel."""
