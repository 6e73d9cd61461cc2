# SPDX-License-Identifier: MIT
"""
Explanations of records: policies are evaluated again on one access, part by part.

Needs no privileges and no kernel, and takes no part in verdicts.
"""
