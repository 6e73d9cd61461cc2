# SPDX-License-Identifier: MIT
"""Cases of ``enforcer test``: read, judged, and reported to pipelines."""
