# SPDX-License-Identifier: MIT
"""What tests of the kernel layer need of the machine; a skip says which probe refused."""

import sys
from pathlib import Path

import pytest

from enforcer.errors import KernelError, UnsupportedError
from enforcer.kernel import host
from enforcer.kernel.lsm import find_problem
from enforcer.libbpf import calls
from enforcer.libbpf.handles import BpfObject

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def bpf():
    """Ask for root and the bpf system call."""
    try:
        host.require_privileges()
        calls.has_helper_loop()
    except (UnsupportedError, KernelError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def lsm(bpf):
    """Ask for a kernel that calls LSM programs."""
    problem = find_problem()
    if problem is not None:
        pytest.skip(str(problem))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """Return a function that compiles a test object of tests/bpf and returns its bytes."""
    sys.path.insert(0, str(ROOT))
    try:
        import build
    finally:
        sys.path.remove(str(ROOT))
    try:
        clang, bpftool = build.find_clang(), build.find_bpftool()
    except build.BuildError as error:
        pytest.skip(str(error))

    def compile_one(name):
        folder = tmp_path_factory.mktemp(name)
        part, product = folder / "part.o", folder / f"{name}.bpf.o"
        source = ROOT / "tests" / "bpf" / f"{name}.bpf.c"
        build.run(clang, *build.bpf_flags(clang), "-c", source, "-o", part)
        build.run(bpftool, "gen", "object", product, part)
        return product.read_bytes()

    return compile_one


@pytest.fixture(scope="session")
def fixture_bytes(compiled):
    return compiled("fixture")


@pytest.fixture
def opened(fixture_bytes):
    """Return the test object, opened and without the program that the verifier refuses."""
    with BpfObject.open(fixture_bytes, "fixture") as opened:
        opened.programs["refused"].set_autoload(enabled=False)
        yield opened


@pytest.fixture
def loaded(bpf, opened):
    opened.load()
    return opened
