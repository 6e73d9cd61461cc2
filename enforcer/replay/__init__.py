# SPDX-License-Identifier: MIT
"""
What a running system did, kept so that any policies can be asked about it later.

A recording session writes every access and how processes came to be; a journal keeps that; the native
build of the decision core decides it again, without root and without a kernel.
"""
