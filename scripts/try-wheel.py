#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
try-wheel.py [--suite NAME …] [--python PROGRAM …] WHEEL    install a wheel in clean systems, and use it there.

A clean system has Python and nothing else of what enforcer needs: no libbpf, no compiler, no network. What is
typed there are the commands of docs/service.md. The wheels that ours depends on are fetched on this system
before. PROGRAM is another Python of this system, in a virtual environment of its own. Needs root and mmdebstrap.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import clean_system
from trial import Refused, check_program, done

ROOT = Path(__file__).resolve().parents[1]
SUITES = ("bookworm", "trixie", "sid")

# Of the commands, those that need a running system.
NOT_IN_A_DIRECTORY = ("enforcer doctor", "systemctl")

INSTALLED = (
    *("etc/enforcer/enforcer.yaml", "etc/logrotate.d/enforcer"),
    *("etc/systemd/system/enforcer.service", "usr/share/doc/enforcer/service.md"),
    *("usr/local/share/man/man1/enforcer.1", "usr/local/share/man/man5/enforcer.yaml.5"),
    "usr/local/share/bash-completion/completions/enforcer",
    "usr/local/share/fish/vendor_completions.d/enforcer.fish",
    "usr/local/share/zsh/site-functions/_enforcer",
    "usr/local/share/man/man1/kubectl-enforcer.1",
    *(f"opt/enforcer/bin/kubectl{name}" for name in ("-enforcer", "_complete-enforcer")),
    *(
        "opt/enforcer/share/enforcer/enforcer.schema.json",
        "opt/enforcer/share/enforcer/policies/secrets.yaml",
    ),
)

# Of the libraries inside: their licences, which must be there.
NOTICES = "opt/enforcer/lib/python3.*/site-packages/enforcer-*.dist-info/licenses/**/notices"
LIBRARIES = ("elfutils", "libbpf", "zlib")

# What the process that has loaded the extension maps, by the names of files.
MAPPED = """
import enforcer.libbpf
print(*sorted({line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}), sep="\\n")
"""


def commands() -> str:
    """Return what docs/service.md says to type, as a script."""
    page = (ROOT / "docs/service.md").read_text()
    (block,) = re.findall(
        r"```console\n((?:# .*\n)*?# .*\bpip install enforcer-(?:.*\n)*?)```", page
    )
    lines = [line.removeprefix("# ") for line in block.splitlines()]
    return "\n".join(line for line in lines if not line.startswith(NOT_IN_A_DIRECTORY))


def fetch(wheel: Path, version: str, into: Path) -> None:
    """Put the *wheel* and those that it needs, for this *version* of Python, *into* a folder."""
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (5, 12, 17, 28, 34)]
    options = ["--quiet", "--only-binary=:all:", f"--python-version={version}", *platforms]
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    subprocess.run([*pip, *options, f"--dest={into}", str(wheel)], check=True)


def try_system(system: Path, wheel: Path) -> None:
    def run(*command: str, **environment: str) -> str:
        ended = clean_system.enter(system, *command, **environment)
        return done(ended, f"{command[0]} {command[1]}")

    found = [path for path in system.rglob("lib*") if path.name.startswith(("libbpf", "libelf"))]
    if found:
        raise Refused(f"the system is not clean: {found[0]}")
    version = run("python3", "-Ic", "import sys; print(*sys.version_info[:3], sep='.')").strip()
    fetch(wheel, version, system / "root/wheels")
    run(
        "bash",
        "-ec",
        f"cd /root/wheels\n{commands()}",
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS="/root/wheels",
    )
    said = check_program(
        partial(clean_system.enter, system), "/opt/enforcer/share/enforcer/policies"
    )
    print(f"try-wheel: Python {version}: {said}", flush=True)
    mapped = run("/opt/enforcer/bin/python", "-Ic", MAPPED)
    if "/_ffi.abi3.so" not in mapped or re.search(r"/lib(bpf|elf)[.-]", mapped):
        raise Refused(f"the extension's process maps\n{mapped}")
    wanted = [*INSTALLED, *(f"{NOTICES}/{name}.copyright" for name in LIBRARIES)]
    if missing := [name for name in wanted if not any(system.glob(name))]:
        raise Refused(f"not installed: {missing}")


def try_suite(suite: str, wheel: Path) -> None:
    with temporary_folder() as place:
        clean_system.make(suite, place / suite, ("python3", "python3-venv"))
        print(f"try-wheel: {suite}", flush=True)
        try_system(place / suite, wheel)


def try_python(program: str, wheel: Path) -> None:
    """Try another Python of this system: its libbpf may be there, and must not be used."""
    with temporary_folder() as place:
        subprocess.run([program, "-m", "venv", place], check=True)
        pip = [place / "bin/pip", "install", "--quiet", "--disable-pip-version-check", wheel]
        subprocess.run(pip, check=True)

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            command = [str(place / "bin" / words[0]), *words[1:]]
            return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)

        version = done(run("python", "-V"), program).split()[1]
        said = check_program(run, "share/enforcer/policies")
        print(f"try-wheel: Python {version}: {said}")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="enforcer-") as place:
        path = Path(place)
        path.chmod(0o755)
        yield path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--suite", nargs="*", default=SUITES, help="of Debian (%(default)s)")
    parser.add_argument("--python", nargs="*", default=[], metavar="PROGRAM", help="of this system")
    parser.add_argument("wheel", type=Path)
    options = parser.parse_args()
    try:
        for suite in options.suite:
            try_suite(suite, options.wheel.absolute())
        for program in options.python:
            try_python(program, options.wheel.absolute())
    except (Refused, clean_system.MissingError) as error:
        print(f"try-wheel: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
