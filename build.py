# SPDX-License-Identifier: MIT
"""
Build what is not written by hand: the numbers of the ABI header, the BPF objects, the cffi extension,
the hook of container runtimes, the completions of shells and the pages of the manual.

A script (``python build.py [--force] [abi|objects|extension|hook|completions|manual|bytecode]``) and hatchling's
build hook at once.
Every product records a hash of all its inputs, command lines included, and is made again only when that
changes. The hash of ``enforcer_abi.h`` goes into every product, so that products of different headers
refuse to meet. In a clone the package's bytecode is made, too, as pip does for a wheel.

Environment:
    ENFORCER_SYSROOT: a directory that scripts/sysroot.py made. The wheel's extension is then built against
        the C library there, and contains libbpf and what that needs. Without it, the extension links the
        system's libbpf, which pkg-config finds.
    CC, CLANG, BPFTOOL: which tools to use.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT: Final = Path(__file__).resolve().parent
BPF: Final = ROOT / "bpf"
ABI_HEADER: Final = BPF / "include" / "enforcer_abi.h"
ABI_SCRIPT: Final = ROOT / "scripts" / "abi-module.py"
COMPLETIONS_SCRIPT: Final = ROOT / "scripts" / "completions.py"
MANUAL_SCRIPT: Final = ROOT / "scripts" / "manual.py"
PYTHON: Final = ROOT / "enforcer"
ABI_MODULE: Final = PYTHON / "_abi.py"
PACKAGE: Final = PYTHON / "libbpf"
OBJECTS: Final = PACKAGE / "objects"
EXTENSION: Final = PACKAGE / "_ffi.abi3.so"
HOOK: Final = PYTHON / "hook" / "container-hook"
COMPLETIONS: Final = PYTHON / "cli" / "completions"
WORK: Final = ROOT / "build"
MANUAL: Final = WORK / "man"

ALONE: Final = ("abi", "decide_test", "probe")
"""Sources that become an object of their own; all others are linked into enforcer.bpf.o."""

STATIC_EXTENSION: Final = WORK / "_ffi.static.so"
"""The extension of a wheel for everybody; the tree keeps its own, which tests may be using."""

STATIC_HOOK: Final = WORK / "container-hook"
"""The hook of a wheel for everybody."""

MIN_CLANG: Final = 15
MIN_LIBBPF: Final = "1.3"
CLANG_NAMES: Final = ("clang", *(f"clang-{n}" for n in range(25, MIN_CLANG - 1, -1)))


class BuildError(Exception):
    """The build cannot go on; one sentence says why and what to do."""


def run(*command: str | Path) -> str:
    """
    Run *command* in the project's root and return its output.

    Raises:
        BuildError: if it fails; its own messages have gone to the terminal already.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise BuildError(f"{words[0]} is not installed") from None
    except subprocess.CalledProcessError as error:
        raise BuildError(f"{words[0]} failed ({error.returncode}): {shlex.join(words)}") from None
    return done.stdout


def log(message: str) -> None:
    """Tell the user what is being made."""
    print(f"build: {message}", file=sys.stderr)


# ---- Up to date? ------------------------------------------------------------------------------


def fingerprint(inputs: Iterable[Path], *words: str) -> str:
    """Hash the contents of *inputs*, this file and the *words* of the commands."""
    digest = hashlib.sha256()
    for path in (Path(__file__), *sorted(inputs)):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    for word in words:
        digest.update(word.encode() + b"\0")
    return digest.hexdigest()


def is_current(product: Path, stamp: str) -> bool:
    """Tell whether *product* exists and was made from inputs with this *stamp*."""
    record = WORK / f"{product.name}.stamp"
    return product.exists() and record.exists() and record.read_text() == stamp


def write_stamp(product: Path, stamp: str) -> None:
    """Record that *product* was made from inputs with this *stamp*."""
    (WORK / f"{product.name}.stamp").write_text(stamp)


def abi_hash() -> str:
    """Return the first 8 bytes of the header's SHA-256 as a number."""
    return f"0x{hashlib.sha256(ABI_HEADER.read_bytes()).hexdigest()[:16]}"


@contextlib.contextmanager
def work_folder() -> Iterator[None]:
    """Hold the folder of intermediate files: one build at a time."""
    WORK.mkdir(exist_ok=True)
    with (WORK / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# ---- BPF objects ------------------------------------------------------------------------------


def find_clang() -> str:
    """
    Find a clang that can compile for BPF.

    Raises:
        BuildError: if there is none, or only ones older than MIN_CLANG.
    """
    names = (os.environ["CLANG"],) if "CLANG" in os.environ else CLANG_NAMES
    seen = []
    for name in names:
        path = shutil.which(name)
        if path is None:
            continue
        version = run(path, "-dumpversion").strip()
        if int(version.partition(".")[0]) >= MIN_CLANG:
            return path
        seen.append(f"{path} is {version}")
    reason = ", ".join(seen) or f"no {names[0]} on the PATH"
    raise BuildError(
        f"BPF objects need clang {MIN_CLANG} or newer ({reason}): install clang, "
        "or name one with CLANG=/path/to/clang"
    )


def find_bpftool() -> str:
    """
    Find bpftool, also where a user's PATH does not reach.

    Raises:
        BuildError: if there is none.
    """
    name = os.environ.get("BPFTOOL", "bpftool")
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        raise BuildError("BPF objects are linked with bpftool, which is not installed")
    return path


def bpf_flags(clang: str) -> list[str]:
    """Return the compiler's flags for every BPF source."""
    triplet = run(clang, "-print-target-triple").strip().replace("-pc-", "-")
    includes = [Path("/usr/include") / triplet, Path("/usr/include") / multiarch()]
    return [
        *("-g", "-O2", "-mcpu=v3", "-Wall", "-Werror", "-target", "bpf"),
        "-D__TARGET_ARCH_x86",
        f"-DENF_ABI_HASH={abi_hash()}ULL",
        f"-ffile-prefix-map={ROOT}=.",
        *(f"-I{path}" for path in dict.fromkeys(includes) if path.is_dir()),
        f"-I{BPF / 'include'}",
    ]


def multiarch() -> str:
    """Return Debian's name for this architecture's include directory."""
    return str(sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu")


def build_object(product: Path, sources: Sequence[Path], *, force: bool = False) -> None:
    """Compile *sources* one by one and link them into the BPF object *product*."""
    clang, bpftool = find_clang(), find_bpftool()
    flags = bpf_flags(clang)
    stamp = fingerprint([*sources, *(BPF / "include").glob("*.h")], clang, *flags)
    if not force and is_current(product, stamp):
        return
    log(f"{product.relative_to(ROOT)} from {len(sources)} source{'s' * (len(sources) > 1)}")
    parts = []
    for source in sources:
        part = WORK / source.with_suffix(".o").name
        run(clang, *flags, "-c", source, "-o", part)
        parts.append(part)
    product.parent.mkdir(parents=True, exist_ok=True)
    run(bpftool, "gen", "object", product, *parts)
    write_stamp(product, stamp)


def build_objects(*, force: bool = False) -> None:
    """
    Build every object that the sources in bpf/src make.

    Raises:
        BuildError: if a tool is missing or refuses a source.
    """
    alone = [BPF / "src" / f"{name}.bpf.c" for name in ALONE]
    for source in alone:
        if source.exists():
            build_object(OBJECTS / f"{source.stem}.o", [source], force=force)
    linked = sorted(set((BPF / "src").glob("*.bpf.c")) - set(alone))
    if linked:
        build_object(OBJECTS / "enforcer.bpf.o", linked, force=force)


# ---- The ABI header ---------------------------------------------------------------------------

KERNEL_TYPES: Final = (
    *("-D_LINUX_TYPES_H", "-D__u8=unsigned char", "-D__u16=unsigned short", "-D__s32=int"),
    *("-D__u32=unsigned int", "-D__u64=unsigned long long"),
)


def header_cdef(header: Path) -> str:
    """
    Turn a C header of ours into declarations that cffi reads.

    The preprocessor removes comments and includes. Constants keep their values, which the extension
    compares with those of the C compiler.
    """
    text = run(
        *(os.environ.get("CC", "cc"), "-E", "-P", "-DENFORCER_CDEF", *KERNEL_TYPES),
        *("-D_Static_assert(...)=", f"-I{BPF / 'include'}", f"-I{PACKAGE}", header),
    )
    declarations = re.sub(r"^\s*;\s*$", "", text, flags=re.MULTILINE)
    constants = re.findall(r"^#define (ENF_\w+)[\s\\]+(\S+)", header.read_text(), re.MULTILINE)
    return declarations + "".join(f"#define {name} {value}\n" for name, value in constants)


def build_abi(*, force: bool = False) -> None:
    """
    Write the module of the header's numbers and layouts.

    Raises:
        BuildError: the C compiler is missing, or the header is not as the module needs it.
    """
    stamp = fingerprint([ABI_HEADER, ABI_SCRIPT], os.environ.get("CC", "cc"))
    if not force and is_current(ABI_MODULE, stamp):
        return
    log(f"{ABI_MODULE.relative_to(ROOT)}")
    declarations = WORK / "enforcer_abi.cdef.h"
    declarations.write_text(header_cdef(ABI_HEADER))
    fresh = ABI_MODULE.with_suffix(".new")
    fresh.write_text(run(sys.executable, ABI_SCRIPT, declarations, abi_hash()))
    fresh.replace(ABI_MODULE)
    write_stamp(ABI_MODULE, stamp)


# ---- The extension ----------------------------------------------------------------------------


def sysroot() -> Path | None:
    """
    Return the directory of C library and static libraries that a wheel for everybody is built against.

    Raises:
        BuildError: the environment names one that scripts/sysroot.py did not make, or not to its end.
    """
    named = os.environ.get("ENFORCER_SYSROOT")
    if not named:
        return None
    root = Path(named).absolute()
    if not (root / "notices").is_dir():
        raise BuildError(
            f"ENFORCER_SYSROOT={named} is not complete: make it with scripts/sysroot.py"
        )
    return root


GUARDED: Final = ("-D_FORTIFY_SOURCE=2", "-fstack-protector-strong")


def static_flags(root: Path) -> tuple[list[str], list[str]]:
    """Return the compiler's and the linker's flags for libraries and Python's headers in *root*."""
    (include,) = (root / "usr" / "include").glob("python3.*")
    linked = [f"-l:{archive.name}" for archive in static_libraries(root)]
    return (
        [f"--sysroot={root}", f"-I{include}", *GUARDED],
        # -s: the libraries' symbols are of no use to anybody, and four fifths of the file.
        [*places(root), *linked, "-Wl,--exclude-libs,ALL,--gc-sections,-z,relro,-z,now,-s"],
    )


def places(root: Path) -> list[str]:
    """Say where the linker finds the libraries in *root*: in its own host's directories, too, unless these come first."""
    libraries = root / "usr" / "lib"
    found = [libraries / multiarch(), libraries]
    return [f"--sysroot={root}", f"-B{found[0]}", *(f"-L{path}" for path in found)]


def static_libraries(root: Path) -> list[Path]:
    """Return the archives in *root*, each before those that it needs."""
    return [root / "usr" / "lib" / f"lib{name}.a" for name in ("bpf", "elf", "eu", "z")]


def system_flags() -> tuple[list[str], list[str]]:
    """
    Return the compiler's and the linker's flags for the system's libbpf and Python's headers.

    Raises:
        BuildError: if the headers are missing, or libbpf is missing or too old.
    """
    include = sysconfig.get_path("include")
    if not (Path(include) / "Python.h").exists():
        raise BuildError(f"Python.h is not in {include}: install python3-dev")
    try:
        run("pkg-config", f"--atleast-version={MIN_LIBBPF}", "libbpf")
    except BuildError as error:
        raise BuildError(
            f"the extension needs libbpf {MIN_LIBBPF} or newer with its headers "
            f"({error}): install libbpf-dev and pkg-config"
        ) from None
    cflags = run("pkg-config", "--cflags", "libbpf")
    libs = run("pkg-config", "--libs", "libbpf")
    return [f"-I{include}", *shlex.split(cflags)], shlex.split(libs)


def extension_source() -> tuple[str, str]:
    """Return the declarations for cffi and the C source that they describe."""
    cdef = header_cdef(ABI_HEADER) + (PACKAGE / "_ffi.cdef.h").read_text()
    source = (PACKAGE / "_ffi.csrc.c").read_text()
    for part in ("_types", "_native", "_lane"):
        cdef += header_cdef(PACKAGE / f"{part}.h")
        source += f'\n#include "{part}.c"\n'
    return cdef, source


def build_extension(*, force: bool = False) -> None:
    """
    Build the cffi extension in place, linked with the system's libbpf.

    Raises:
        BuildError: if the compiler, Python's headers or libbpf are missing.
    """
    compile_extension(EXTENSION, *system_flags(), force=force)


def build_static_extension(root: Path) -> None:
    """
    Build the cffi extension of a wheel for everybody, with the libraries in *root* inside it.

    Raises:
        BuildError: if the compiler is missing, or refuses.
    """
    inputs = [*static_libraries(root), *(root / "notices").iterdir()]
    compile_extension(STATIC_EXTENSION, *static_flags(root), inputs=inputs)


def compile_extension(
    product: Path,
    cflags: Sequence[str],
    libs: Sequence[str],
    *,
    inputs: Sequence[Path] = (),
    force: bool = False,
) -> None:
    """Compile and link the cffi extension *product*, which is made of *inputs*, too."""
    from cffi import FFI  # noqa: PLC0415 -- the objects alone need no cffi

    compiler = os.environ.get("CC", "cc")
    flags = [
        *("-std=gnu11", "-O2", "-g", "-Wall", "-Werror", "-fPIC", "-shared"),
        *("-fvisibility=hidden", "-Wno-unused-function", f"-ffile-prefix-map={ROOT}=."),
        f"-DENF_ABI_HASH={abi_hash()}ULL",
        *(f"-I{path}" for path in (BPF / "include", PACKAGE)),
        *cflags,
    ]
    sources = [*(BPF / "include").glob("*.h"), *PACKAGE.glob("_*.[ch]"), *inputs]
    stamp = fingerprint(sources, compiler, *flags, *libs, sys.version)
    if not force and is_current(product, stamp):
        return
    log(f"{product.relative_to(ROOT)}")
    cdef, source = extension_source()
    ffi = FFI()
    ffi.cdef(cdef)
    ffi.set_source("enforcer.libbpf._ffi", source, py_limited_api=True)
    generated = WORK / "_ffi.c"
    ffi.emit_c_code(str(generated))
    # A module in use keeps its old file: write beside it and rename.
    fresh = product.with_suffix(".new")
    run(compiler, *flags, generated, "-o", fresh, *libs)
    fresh.replace(product)
    write_stamp(product, stamp)


# ---- The hook of container runtimes -----------------------------------------------------------


def build_hook(*, force: bool = False) -> None:
    """
    Build the hook in place, for the C library of this system.

    Raises:
        BuildError: if the compiler is missing, or refuses.
    """
    compile_hook(HOOK, force=force)


def compile_hook(product: Path, *flags: str, force: bool = False) -> None:
    """Compile and link the hook *product*, which needs the C library alone, with further *flags*."""
    compiler = os.environ.get("CC", "cc")
    source = HOOK.with_name("container_hook.c")
    words = [
        *("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIE", "-pie", *GUARDED),
        *("-Wl,-z,relro,-z,now,-s", *flags),
    ]
    stamp = fingerprint([source, *source.parent.glob("*.h")], compiler, *words)
    if not force and is_current(product, stamp):
        return
    log(f"{product.relative_to(ROOT)}")
    fresh = product.with_suffix(".new")
    run(compiler, source, *words, "-o", fresh)
    fresh.replace(product)
    write_stamp(product, stamp)


# ---- What the parsers of commands say ---------------------------------------------------------


def build_folder(
    product: Path, script: Path, inputs: Iterable[Path], *words: str, force: bool
) -> None:
    """Let *script* fill the folder *product* from the parsers, from *inputs* and what *words* stand for."""
    stamp = fingerprint([script, *PYTHON.rglob("*.py"), *inputs], *words, sys.version)
    if not force and is_current(product, stamp):
        return
    log(f"{product.relative_to(ROOT)}")
    fresh = WORK / f"{product.name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    run(sys.executable, script, fresh)
    shutil.rmtree(product, ignore_errors=True)
    fresh.rename(product)
    write_stamp(product, stamp)


def build_completions(*, force: bool = False) -> None:
    """
    Write the scripts by which shells complete; the numbers of the ABI header are there already.

    Raises:
        BuildError: shtab is missing, or a command cannot be imported.
    """
    try:
        version = importlib.metadata.version("shtab")
    except importlib.metadata.PackageNotFoundError:
        raise BuildError("completions are made with shtab, which is not installed") from None
    build_folder(COMPLETIONS, COMPLETIONS_SCRIPT, (), version, force=force)


def build_manual(*, force: bool = False) -> None:
    """
    Write the pages of the manual, of which `docs/` has a part.

    Raises:
        BuildError: a command cannot be imported, or a page is not as the script needs it.
    """
    inputs = [MANUAL_SCRIPT.with_name("roff.py"), ROOT / "packaging" / "enforcer.yaml"]
    inputs += [ROOT / "docs" / name for name in ("commands.md", "service.md")]
    build_folder(MANUAL, MANUAL_SCRIPT, inputs, force=force)


# ---- Bytecode ---------------------------------------------------------------------------------


def build_bytecode(*, force: bool = False) -> None:
    """
    Compile the package's modules, as pip does for those of a wheel.

    Where nobody can write beside them, or may (a read-only root, PYTHONDONTWRITEBYTECODE), each start
    would compile them anew, which takes as long as everything else that it imports.

    Raises:
        BuildError: a module cannot be compiled.
    """
    if not compileall.compile_dir(PYTHON, quiet=1, force=force):
        raise BuildError(f"{PYTHON.name} cannot be compiled: the messages above say which module")


# ---- Entry points -----------------------------------------------------------------------------


class EnforcerBuildHook(BuildHookInterface[Any]):
    """hatchling's hook: build everything, tag the wheel for the stable ABI of CPython 3.11."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build in place before hatchling collects the files of a wheel."""
        if self.target_name != "wheel":
            return
        try:
            with work_folder():
                build_abi()
                build_objects()
                if root := sysroot():
                    build_static_extension(root)
                    # The sysroot has no dynamic linker, in which the C library has symbols.
                    lax = "-Wl,--unresolved-symbols=ignore-in-shared-libs"
                    compile_hook(STATIC_HOOK, *places(root), lax)
                    made = {STATIC_EXTENSION: EXTENSION, STATIC_HOOK: HOOK}
                    for product, place in made.items():
                        build_data["force_include"][str(product)] = str(place.relative_to(ROOT))
                else:
                    build_extension()
                    build_hook()
                    build_data["artifacts"] += [
                        str(each.relative_to(ROOT)) for each in (EXTENSION, HOOK)
                    ]
                build_completions()
                build_manual()
        except BuildError as error:
            self.app.abort(f"enforcer: {error}")
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform}"


class EnforcerMetadataHook(MetadataHookInterface):
    """hatchling's hook: the licences of what a wheel contains, which are more where libraries are linked in."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Say under which licences it may be distributed, and where their texts are."""
        licences, texts = ["MIT", "GPL-2.0-only"], ["LICENSE", "LICENSES/*"]
        if root := sysroot():
            licences += ["BSD-2-Clause", "GPL-2.0-or-later", "Zlib"]
            texts.append(f"{(root / 'notices').relative_to(ROOT)}/*")
        metadata["license"] = " AND ".join(licences)
        metadata["license-files"] = texts


def main() -> int:
    """Build what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description="Build what is not written by hand, and bytecode.")
    kinds = {"abi": build_abi, "objects": build_objects, "extension": build_extension}
    kinds |= {"hook": build_hook, "completions": build_completions, "manual": build_manual}
    kinds["bytecode"] = build_bytecode
    parser.add_argument("what", nargs="?", choices=("all", *kinds), default="all")
    parser.add_argument("--force", action="store_true", help="also what is up to date")
    arguments = parser.parse_args()
    try:
        with work_folder():
            for kind, make in kinds.items():
                if arguments.what in {"all", kind}:
                    make(force=arguments.force)
    except BuildError as error:
        log(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
