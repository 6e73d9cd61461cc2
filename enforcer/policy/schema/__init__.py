# SPDX-License-Identifier: MIT
"""Descriptions of the language: a JSON Schema for editors, and the tables of its reference."""
