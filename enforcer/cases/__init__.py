# SPDX-License-Identifier: MIT
"""Cases of ``enforcer test``: who does what and what is expected of it, read, judged and told to pipelines."""
