# SPDX-License-Identifier: MIT
"""
JSON Schema of the configuration file, derived from the tables by which it is read, for editors.

``python -m enforcer.cli.config_schema`` prints it; ``packaging/enforcer.schema.json`` is its output. The schema
knows words and forms; what is wrong otherwise only ``enforcer start`` tells.
"""

from __future__ import annotations

import json
import sys

from enforcer.cli.config import KEYS
from enforcer.policy.schema.fragments import DIALECT, Schema, object_of

__all__ = ["schema"]


def schema() -> Schema:
    """Return the schema of the file, in which everything may be commented out."""
    settings = object_of({key: setting.form for key, setting in KEYS.items()})
    return {
        "$schema": DIALECT,
        "title": "enforcer configuration",
        **settings,
        "type": ["object", "null"],
    }


if __name__ == "__main__":
    json.dump(schema(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
