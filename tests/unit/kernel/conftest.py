# SPDX-License-Identifier: MIT
"""What tests of the kernel layer need of the machine; a skip says which probe refused."""

import sys
from pathlib import Path

import pytest

from enforcer.errors import KernelError, UnsupportedError
from enforcer.kernel import host
from enforcer.kernel.lsm_support import find_problem
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
def compiled():
    """Return a function that compiles a test object of tests/bpf and returns its bytes."""
    sys.path.insert(0, str(ROOT))
    try:
        import build
    finally:
        sys.path.remove(str(ROOT))

    def compile_one(name):
        product = build.WORK / "tests" / f"{name}.bpf.o"
        try:
            with build.work_folder():
                build.build_object(product, [ROOT / "tests" / "bpf" / f"{name}.bpf.c"])
        except build.BuildError as error:
            pytest.skip(str(error))
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
