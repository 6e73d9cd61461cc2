# SPDX-License-Identifier: MIT
"""
A bad input: the files that it needs, the command line, and what a person would want to read of it.

The tables ``*.toml`` have one ``[[case]]`` each, with these keys:

- *name*: what is wrong.
- *policy*, *rule*, *configuration*, *cases*, *bytes*: the text of the file that is wrong. It says which command runs.
- *files*, *prepare*, *stdin*, *stdout*: what else there is. *encoding*: of *policy*.
- *arguments*: the command line, if the file does not say it.
- *says*, *prints*: standard error and standard output; *code*: the exit code.

Words such as ``@good@`` stand for texts that are too long for a table, or the same in many cases.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import attrs

from enforcer.cli.exits import Exit

TABLES = sorted(Path(__file__).parent.glob("*.toml"))

_HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: web}\nspec:\n  rules:\n"
_GOOD = (
    "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: good}\nspec:\n  rules:\n"
    "    - {name: reads, file: read, match: {path: /srv/vault, process: {uid: 7}}, action: deny}\n"
)
_CASES = "apiVersion: enforcer/v1\nkind: EnforcerCases\npolicies: [good.yaml]\ncases:\n  - {}\n"
_CASE = "{do: file.read, path: /srv/vault, expect: nothing}"
_MARKS = "".join(f"    - {{exec: {{}}, mark: m{number}}}\n" for number in range(65))
_LONG = {
    "@good@": _GOOD,
    "@cases@": _CASES.format(_CASE),
    "@long@": "n" * 300,
    "@255@": "a" * 255,
    "@4096@": "/abc" * 1024,
    "@nested@": "[" * 100,
    "@large@": "x" * (1 << 20),
    "@many marks@": f"{_HEAD}{_MARKS}",
}


@attrs.frozen
class BadInput:
    """One row of a table, ready to be tried."""

    name: str
    arguments: tuple[str, ...]
    files: dict[str, bytes]
    says: str
    prints: str | None = None
    code: int = Exit.POLICY
    prepare: str | None = None
    stdin: str | None = None
    stdout: str | None = None

    @classmethod
    def of(cls, row: dict[str, object]) -> BadInput:
        """Read a row; what is not said follows from the file that is wrong."""
        given = {key: _filled(value) for key, value in row.items()}
        files = dict(given.pop("files", {}))
        encoding = given.pop("encoding", "utf-8")
        kinds = [key for key in _FILES if key in given]
        file, words, write = _FILES[kinds[0]] if kinds else ("", (), str)
        for kind in kinds:
            made = write(given.pop(kind))
            files[file] = made if isinstance(made, bytes) else made.encode(encoding)
        if kinds == ["cases"]:
            files["good.yaml"] = _GOOD
        code = given.pop("code", Exit.USAGE if kinds == ["configuration"] else Exit.POLICY)
        if code == Exit.OK:
            words = (*words, "-q")  # warnings, and not what is there for information
        arguments = tuple(given.pop("arguments", words or _CHECK))
        return cls(
            arguments=arguments,
            files={key: v if isinstance(v, bytes) else v.encode() for key, v in files.items()},
            says=_with_summary(given.pop("says").strip("\n"), arguments, code, kinds),
            code=code,
            **given,
        )


def _with_summary(says: str, arguments: tuple[str, ...], code: int, kinds: list[str]) -> str:
    """Add the last line, which follows from the others."""
    if not says or code == Exit.OK or says.startswith("enforcer: ") or arguments[0] == "test":
        return says
    many = len(says.splitlines())
    where = "policies: nothing was loaded"
    if kinds == ["configuration"]:
        where = "the configuration: nothing was started"
    return f"{says}\nenforcer: {many} error{'s' if many > 1 else ''} in {where}"


def _rule(text: str) -> str:
    """Put a rule into a policy; its first line comes behind the dash, the others below."""
    first, *rest = text.strip("\n").split("\n")
    # What stands in front of a line of its own is what is wrong with it.
    lines = [line if line[:1].isspace() and line[:1] != " " else f"      {line}" for line in rest]
    return "\n".join([f"{_HEAD}    - {first}", *lines, ""])


_CHECK = ("check", "policy.yaml")
_FILES = {
    "policy": ("policy.yaml", _CHECK, str),
    "bytes": ("policy.yaml", _CHECK, bytes.fromhex),
    "rule": ("policy.yaml", _CHECK, _rule),
    "configuration": ("enforcer.yaml", ("start", "--config", "enforcer.yaml"), str),
    "cases": ("web.cases.yaml", ("test", "web.cases.yaml"), _CASES.format),
}


def _filled(value: object) -> object:
    if isinstance(value, dict):
        return {key: _filled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each) for each in value]
    for word, text in _LONG.items() if isinstance(value, str) else ():
        value = value.replace(word, text)
    return value


def bad_inputs() -> list[BadInput]:
    """Read all tables."""
    tables = (tomllib.loads(table.read_text("utf-8")) for table in TABLES)
    return [BadInput.of(row) for table in tables for row in table["case"]]
