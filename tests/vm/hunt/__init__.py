# SPDX-License-Identifier: MIT
"""
The hunt: searchers that do not think.

A searcher is a program in C on ``hunt.c``. It makes random sequences of steps, and its oracle says whether a forbidden
effect was reached. This package runs it, makes what it finds small, and keeps that.
"""

__all__: list[str] = []
