# SPDX-License-Identifier: MIT
"""Very many rules, by which memory is measured: of four kinds, in equal parts."""

from __future__ import annotations

from pathlib import Path

VERY_MANY = 10_000
MOST_MAPS = 16_000_000  # bytes of all maps with so many rules
PER_FILE = 2000
_KINDS = (
    "file: read, match: {{path: /srv/app{a}/f{n}.db}}, action: deny",
    "file: write, match: {{path: /srv/t{a}/s{n}/**}}, action: deny",
    "exec: {{}}, match: {{path: '/home/*/b{a}/t-{n}*.sh'}}, action: kill",
    "network: connect, match: {{address: 10.{high}.{low}.0/24}}, action: log",
)
_HEAD = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: {name}}}
spec:
  rules:
"""


def write(folder: Path, name: str, rules: list[str]) -> None:
    """Put a policy file in its place at once."""
    beside = folder / f".{name}"
    beside.write_text(_HEAD.format(name=name) + "".join(f"    - {{{rule}}}\n" for rule in rules))
    beside.replace(folder / f"{name}.yaml")


def write_very_many(folder: Path) -> None:
    """Put all of them there, in several files."""
    for first in range(0, VERY_MANY, PER_FILE):
        rules = [
            _KINDS[n % len(_KINDS)].format(n=n, a=n % 97, high=n >> 8 & 255, low=n & 255)
            for n in range(first, first + PER_FILE)
        ]
        write(folder, f"very-many-{first}", rules)
