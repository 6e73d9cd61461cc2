# SPDX-License-Identifier: MIT
"""
Recordings of a running system, on which policies can be tried later.

A recording session writes every access and the origin of every process to a journal. The native build of
the decision core decides on it again, without root and without a kernel.
"""
