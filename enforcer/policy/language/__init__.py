# SPDX-License-Identifier: MIT
"""The words of the policy language, as tables, and what they stand for in the kernel."""
