# SPDX-License-Identifier: MIT
"""The policies of the storm: each kind of subject, path, operation and action."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ADDRESSES", "GROUP", "IDS", "PORTS", "PROGRAMS", "TOPS", "policy"]

PROGRAMS = ("trusted", "other", "third")
TOPS = ("open", "shut", "users", "progs", "kin", "group", "told")
IDS = (0, 1001, 1002, 1003)
PORTS = (7501, 7502, 7503)
ADDRESSES = ("127.0.0.1", "127.0.0.2")
GROUP = "storm"


def policy(root: Path, variant: str) -> str:
    """The policies: *variant* ``b`` allows what ``a`` denies and the opposite, and has few globs; ``c`` asks for cgroups."""
    here, there = ("shut", "open") if variant == "b" else ("open", "shut")
    first, second = (1002, 1001) if variant == "b" else (1001, 1002)
    t, programs = root / "t", root / "bin"
    every = "[read, write, append, create, unlink, rename, mmapExec]"
    # Below where a glob begins, no name is permitted because its neighbour was.
    some = "told" if variant == "b" else "*"
    rules = [
        f"name: never, file: {every}, match: {{path: {t}/{there}/**}}, action: deny, guard: false, rateLimit: 1/s",
        f"name: user, file: read, match: {{path: {t}/users/**, process: {{uid: {first}}}}}",
        f"name: group, file: [write, append], match: {{path: {t}/users/**, process: {{gid: {second}}}}}",
        (
            f"name: program, file: [read, write], match: {{path: {t}/progs/**, "
            f"process: {{binary: {programs}/trusted}}}}"
        ),
        f"name: parent, file: read, match: {{path: {t}/kin/**, parent: {{binary: {programs}/trusted}}}}",
        (
            f"name: above, file: write, match: {{path: {t}/kin/**, "
            f"ancestors: {{binary: {programs}/trusted}}}}"
        ),
        f"name: exact, file: [read, append], match: {{path: [{t}/{here}/f0, {t}/users/d0/f1]}}",
        f"name: tree, file: [read, write, create, unlink, rename], match: {{path: {t}/{here}/**}}",
        f'name: glob, file: [read, mmapExec], match: {{path: "{t}/{some}/d0/*1"}}',
        f"name: told, file: read, match: {{path: {t}/told/**}}, action: log, rateLimit: 1/s",
        f"name: mounted, file: [read, write, create, unlink], match: {{path: {root}/m/x1/**}}",
        f"name: programs, file: [read, mmapExec], match: {{path: {programs}/**}}",
        f"name: runs, exec: {{}}, match: {{path: [{programs}/trusted, {programs}/other]}}",
        f"name: runs-third, exec: {{}}, match: {{path: {programs}/third, process: {{uid: {first}}}}}",
        "name: sockets, network: socket",
        f"name: connects, network: connect, match: {{address: 127.0.0.1, port: {PORTS[0]}}}",
        (
            f"name: sends, network: send, match: {{port: [{PORTS[0]}, {PORTS[1]}], "
            f"process: {{uid: [0, {second}]}}}}"
        ),
        f"name: binds, network: bind, match: {{port: {PORTS[2]}}}",
    ]
    if variant == "c":
        rules.append(
            f"name: cgroup, file: read, match: {{path: {t}/group/**, process: {{cgroup: /{GROUP}}}}}"
        )
    whole = [rule if "action:" in rule else f"{rule}, action: allow" for rule in rules]
    # As a default would, but that each refusal need not be a record.
    whole += [
        f"name: no-{event}, {event}: {what}, action: deny, rateLimit: 1/s"
        for event, what in (("file", every), ("exec", "{}"), ("network", "[connect, send, bind]"))
    ]
    head = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: "
    who = f"selector: {{binary: {programs}/*}}"
    lines = "".join(f"    - {{{rule}}}\n" for rule in whole)
    told = f'rateLimit: 1/s, match: {{path: "{t}/{some}/f2"}}'
    return (
        f"{head}names}}\nspec:\n  {who}\n"
        f"  rules:\n{lines}---\n{head}watched}}\nspec:\n  mode: audit\n  {who}\n  rules:\n"
        f"    - {{name: audited, file: read, {told}, action: deny}}\n"
    )
