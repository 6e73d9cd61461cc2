# SPDX-License-Identifier: MIT
"""The compiler: typed model to one binary image. Needs no privileges and no kernel."""
