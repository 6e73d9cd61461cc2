# SPDX-License-Identifier: MIT
"""
Why a record says what it says: policies asked again about one access, part by part.

No privileges, no kernel, and no say in any verdict: what is found here is words for people.
"""
