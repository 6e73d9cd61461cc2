# SPDX-License-Identifier: MIT
"""Values of the model as text of the language: the inverse of the readers."""
