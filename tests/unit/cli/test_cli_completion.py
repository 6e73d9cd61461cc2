# SPDX-License-Identifier: MIT
"""Completion in shells: real ones where they are installed, and what every script must say."""

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from terminals import Terminal

from enforcer.cli import completion
from enforcer.cli.commands import COMMANDS, parser
from enforcer.cli.exits import Exit
from enforcer.cli.main import main

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts/completions.py"

FILES = ("one.yaml", "two.yaml", "space bar.yaml", "sub/", "sub.yaml")
CASES = {
    "enforcer st": {"start", "status", "stop"},
    "enforcer policy ": {"list", "show", "add", "remove", "enable", "disable", "set-mode"},
    "enforcer policy set-mode web ": {"enforce", "audit"},
    "enforcer policy set-mode --socket=s web e": {"enforce"},
    "enforcer policy set-mode --socket s web e": {"enforce"},
    "enforcer help sto": {"stop"},
    "enforcer completion ": {"bash", "zsh", "fish"},
    "enforcer start --watch-": {"--watch-confirm-within"},
    "enforcer start --no-w": {"--no-watch"},
    "enforcer start o": {"one.yaml"},
    "enforcer start one.yaml t": {"two.yaml"},
    "enforcer start --quiet one.yaml --config t": {"two.yaml"},
    "enforcer start --config=t": {"two.yaml"},
    "enforcer start --pins su": {"sub"},
    "enforcer start --syslog o": set(),
    "enforcer check --explain one.yaml t": {"two.yaml"},
    "enforcer policy add --key-fd 0 one.yaml t": {"two.yaml"},
    "enforcer explain some-id o": {"one.yaml"},
    "enforcer check sp": {"space bar.yaml"},
    "enforcer status o": set(),
}
"""What each shell offers at the end of a line, in a folder with FILES."""


@pytest.fixture(scope="module", params=completion.SHELLS)
def script(request):
    path = completion._SCRIPTS / f"enforcer.{request.param}"
    assert path.exists(), "run `make build`"
    return path


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in FILES:
        (folder / name).mkdir() if name.endswith("/") else (folder / name).touch()
    return folder


def offered(hits, line):
    """Return what *hits* would put in place of the last word of *line*, without slashes and quoting."""
    word = line.rpartition(" ")[2].rpartition("=")[2]
    bare = {hit.removeprefix("--config=").rstrip("/").replace("\\ ", " ") for hit in hits}
    return {hit for hit in bare if hit.startswith(word)}


def in_bash(script, line, folder):
    # As readline divides it: `=` is a word, and so is what is not typed yet.
    words = re.findall(r"=|[^\s=]+", line) + [""] * line.endswith(" ")
    line = (
        f"source {script}; COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; "
        '$(complete -p enforcer | sed "s/.*-F //; s/ .*//") enforcer; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", line], cwd=folder, capture_output=True, text=True, check=True
    )
    assert (
        ""
        == done.stderr.replace(
            "bash: line 1: compopt: not currently executing completion", ""
        ).strip()
    )
    return set(done.stdout.split("\n")) - {""}


def in_fish(script, line, folder):
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {script}; complete -C {shlex.quote(line)}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return {hit.partition("\t")[0] for hit in done.stdout.splitlines()}


ZSH = """
fpath=({folder}/../functions $fpath)
autoload -Uz compinit
compinit -u -d {folder}/../dump
compadd() {{
  builtin compadd "$@"
  local code=$? hits=()
  if [[ ${{@[1,(i)(-|--)]}} != *-(O|A|D)\\ * ]]; then
    builtin compadd -A hits "$@"
    [[ -n $hits ]] && print -rl -- $hits >>{folder}/../hits
  fi
  return $code
}}
leave() {{ exit }}
comppostfuncs=(leave)
bindkey '^I' complete-word
cd {folder}
print is''ready
"""
"""All that completion adds is written to a file; the shell ends with the first completion."""


def in_zsh(script, line, folder):
    hits = folder.parent / "hits"
    functions = folder.parent / "functions"
    functions.mkdir(exist_ok=True)
    shutil.copy(script, functions / "_enforcer")
    settings = folder.parent / "settings"
    settings.write_text(ZSH.format(folder=folder))
    terminal = Terminal.running(["zsh", "-f", "-i"])
    try:
        terminal.type(f"source {settings}\n".encode())
        terminal.until("isready")
        terminal.type(f"{line}\t".encode())
        assert 0 == terminal.ends()
    finally:
        terminal.close()
    return set(hits.read_text().split("\n")) - {""} if hits.exists() else set()


ASK = {"bash": in_bash, "fish": in_fish, "zsh": in_zsh}


@pytest.mark.parametrize("line", CASES)
def test_a_shell_completes(script, line, folder):
    """Commands, actions, options, choices, and files only where a file is meant."""
    shell = script.suffix[1:]
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}: run scripts/setup.sh")

    assert CASES[line] == offered(ASK[shell](script, line, folder), line)


@pytest.fixture
def bash(folder):
    terminal = Terminal.running(
        ["bash", "--norc", "--noprofile", "-i"], INPUTRC="/dev/null", PS1=""
    )
    terminal.type(f"cd {folder}; enforcer() {{ printf '<%s>' \"$@\"; }}\n".encode())
    yield terminal
    terminal.close()


@pytest.mark.parametrize(
    ("typed", "arguments"),
    [
        ("enforcer sto\t\n", "<stop>"),
        ("enforcer start spa\t\n", "<start><space bar.yaml>"),
        ("enforcer start --pers\t tw\t\n", "<start><--persist><two.yaml>"),
        ("enforcer start --config=tw\t on\t\n", "<start><--config=two.yaml><one.yaml>"),
        ("enforcer start --config=\t\n", "<start><--config=>"),
    ],
)
def test_what_is_typed_in_bash(bash, typed, arguments):
    """With readline between the keys and the script, which quotes and divides words itself."""
    bash.type(f"source {completion._SCRIPTS}/enforcer.bash\n".encode())

    bash.type(typed.encode())

    bash.until(arguments)


def test_the_command_prints_the_script(script, capsys):
    """As it was built."""
    assert Exit.OK == main(["completion", script.suffix[1:]])
    assert script.read_text("utf-8") == capsys.readouterr().out


def test_a_script_that_was_not_built(monkeypatch, tmp_path, capsys):
    """The sentence says how it is made."""
    monkeypatch.setattr(completion, "_SCRIPTS", tmp_path)

    assert Exit.USAGE == main(["completion", "zsh"])
    assert "run 'make build'" in capsys.readouterr().err


def test_every_script_knows_every_command(script):
    """And the options of each; where a shell is not installed, nothing else is known of its script."""
    module = load()
    text = script.read_text("utf-8")
    options = {
        name for action in module.actions(parser(COMMANDS)) for name in action.option_strings
    }
    dashes = "" if script.suffix == ".fish" else "--"
    long = {name.removeprefix("--") for name in options if name.startswith("--")}

    assert len(long) > 30
    assert [] == [name for name in COMMANDS if not re.search(rf"\b{name}\b", text)]
    assert [] == [name for name in long if not re.search(rf"{dashes}\b{name}\b", text)]


def test_repeated_files_and_values_behind_a_sign_in_zsh():
    """What shtab writes and zsh does not mean by it."""
    text = (completion._SCRIPTS / "enforcer.zsh").read_text("utf-8")

    assert '"(*)' not in text
    assert 5 <= text.count('"*:')
    assert '"--config=[' in text
    assert '"*--against=[' in text
    assert '"--once[' in text, "what takes no value"


def load():
    spec = importlib.util.spec_from_file_location("completions", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_arguments_that_are_files_are_known():
    """Every path completes files, the pins folders, and nothing else does."""
    module = load()

    made = {
        action.dest: getattr(action, "complete", None)
        for action in module.actions(module.with_files(parser(COMMANDS)))
    }

    assert module.FOLDER == made["pins"]
    assert {"policies", "files", "config", "metrics_file", "journal", "cases", "socket"} <= {
        dest for dest, complete in made.items() if complete == module.FILE
    }
    assert {None} == {made[dest] for dest in ("syslog", "name", "mode", "seconds", "record")}


def test_the_scripts_need_what_the_build_of_a_wheel_has(tmp_path):
    """It is made where nothing is installed but the requirements of the build."""
    code = (
        "import json, runpy, sys; sys.argv = sys.argv[1:]; before = set(sys.modules); "
        "runpy.run_path(sys.argv[0], run_name='__main__'); "
        "print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, SCRIPT, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    imported = set(json.loads(done.stdout))
    assert {"shtab", "enforcer"} <= imported
    assert set() == imported & {"yaml", "rich", "cffi", "_cffi_backend", "tenacity"}
    assert {path.name for path in completion._SCRIPTS.iterdir()} == {
        path.name for path in tmp_path.iterdir()
    }
