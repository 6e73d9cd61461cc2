# SPDX-License-Identifier: MIT
"""The policy of what is tried at single things that are remembered: for agents, each file with its own rule."""

from __future__ import annotations

from pathlib import Path

__all__ = ["MANY", "MARKED", "many", "policy"]

MARKED = 3
"""Seconds that a mark is asked for."""

MANY = range(20_000, 20_400)
"""Users with a rule each: more sets of subjects than there is room for."""


def policy(root: Path, *, without: str = "", is_watched: bool = False) -> str:
    """
    The policies, without the rule of that name.

    *is_watched*: with conditions that close the shortest way, as they are compared each time.
    """
    files, programs = root / "files", root / "bin"
    rules = {
        "held": (
            f"file: {{operations: [read], strict: true}}, "
            f"match: {{path: {files}/held, process: {{uid: 1001}}}}"
        ),
        "no-use": (
            f"file: {{operations: [read], strict: true}}, match: {{path: {files}/held}}, "
            "action: deny, rateLimit: 1/s"
        ),
        "plain": f"file: [read, write, append], match: {{path: {files}/plain}}",
        "told": f"file: read, match: {{path: {files}/told}}, action: log",
        "limited": f"file: read, match: {{path: {files}/limited}}, action: log, rateLimit: 2/h",
        "said": f"file: read, match: {{path: {files}/said}}, message: 'seen {{path}}'",
        "user": f"file: read, match: {{path: {files}/user, process: {{uid: 1001}}}}",
        "program": f"file: read, match: {{path: {files}/program, process: {{binary: {programs}/trusted}}}}",
        "marks": f"file: read, match: {{path: {files}/marks}}, mark: used",
        "marked": (
            f"file: append, match: {{path: {files}/marked, within: {{mark: used, last: {MARKED}s}}}}"
        ),
        "free": f"file: read, match: {{path: {files}/free/**}}",
        "moved": f'file: read, match: {{path: ["{files}/moved-*", "{files}/moved-*/f"]}}',
        "moves": f'file: [create, write], match: {{path: ["{files}/moved-*", {files}/kept]}}',
        "port": "network: [connect, send], match: {port: 7511}",
        "socket": "network: socket",
        "runs": f"exec: {{}}, match: {{path: {programs}/**}}",
        "loads": f"file: [read, mmapExec], match: {{path: {programs}/**}}",
    }
    if is_watched:
        for name, who in {"cgroup": "cgroup: /storm", "capable": "capabilities: NET_RAW"}.items():
            rules[name] = f"file: read, match: {{path: {files}/{name}, process: {{{who}}}}}"
    rules.pop(without, None)
    lines = [
        f"{{name: {name}, {rule if 'action:' in rule else f'{rule}, action: allow'}}}"
        for name, rule in rules.items()
    ]
    refused = f"match: {{path: {files}/**}}, action: deny, guard: false, rateLimit: 1/s"
    lines += [
        f"{{name: no-file, file: [read, write, append], {refused}}}",
        "{name: no-port, network: [connect, send, bind], action: deny, rateLimit: 1/s}",
    ]
    head = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: "
    who = f"  selector: {{binary: {programs}/*}}\n"
    body = "".join(f"    - {line}\n" for line in lines)
    audited = f"{{name: audited, file: read, match: {{path: {files}/audited}}, action: deny}}"
    return (
        f"{head}remembered}}\nspec:\n{who}  rules:\n"
        f"    - {{name: audited, file: read, match: {{path: {files}/audited}}, action: allow}}\n{body}"
        f"---\n{head}watched}}\nspec:\n  mode: audit\n{who}  rules:\n    - {audited}\n"
    )


def many(root: Path) -> str:
    """A policy by which each of many users may read one file."""
    files, programs = root / "files", root / "bin"
    lines = "".join(
        f"    - {{file: read, match: {{path: {files}/many-{uid % 7}, process: {{uid: {uid}}}}}, action: allow}}\n"
        for uid in MANY
    )
    return (
        f"apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {{name: many}}\nspec:\n"
        f"  selector: {{binary: {programs}/*}}\n  rules:\n{lines}"
        f"    - {{file: read, match: {{path: {files}/**}}, action: deny, guard: false, rateLimit: 1/s}}\n"
    )
