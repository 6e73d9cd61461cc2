# SPDX-License-Identifier: MIT
"""One process of pytest that takes files from a queue, without a machine around it."""

import subprocess
import sys
from pathlib import Path

import pytest
from lab.claims import Claims, Entry

_VM = Path(__file__).resolve().parents[2] / "vm"

_CONFTEST = f"""
import sys
sys.path.insert(0, {str(_VM)!r})
from pathlib import Path
import pytest
from lab.claims import Claims
from taker import Taker

def pytest_addoption(parser):
    parser.addoption("--claims", type=Path)
    parser.addoption("--machine")

def pytest_configure(config):
    config.pluginmanager.register(
        Taker(Claims(config.getoption("--claims")), config.getoption("--machine")), "taker")

@pytest.fixture(scope="session")
def whole():
    print("whole up")
    yield
    print("whole down")
"""

_FILES = {
    "test_good.py": """
import pytest
@pytest.fixture(scope="module")
def thing(whole):
    print("thing up")
    yield 1
    print("thing down")
@pytest.mark.parametrize("n", [1, 2])
def test_one(thing, n): assert thing == 1
def test_skipped(): pytest.skip("no disk")
@pytest.mark.xfail(reason="known")
def test_known(): assert False
""",
    "test_more.py": "def test_more(whole): print('more')\n",
    "test_asks.py": "def test_asks(request): assert [request.node] == request.session.items\n",
    "test_bad.py": "def test_bad(): assert False\ndef test_after(): pass\n",
    "test_broken.py": "import no_such_module\n",
    "test_unclean.py": """
import pytest
@pytest.fixture(scope="module")
def thing():
    yield
    raise RuntimeError("unclean")
def test_fine(thing): pass
""",
    "test_dies.py": "import os\ndef test_dies(): os._exit(9)\n",
}


class _Place:
    """A folder with tests, and a queue of some of them."""

    def __init__(self, directory: Path, *queued: str) -> None:
        self.tests = directory / "tests"
        self.tests.mkdir()
        (self.tests / "conftest.py").write_text(_CONFTEST)
        for name, text in _FILES.items():
            (self.tests / name).write_text(text)
        self.claims = Claims(directory / "queue")
        self.claims.fill(Entry(f"tests/{name}") for name in queued)

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run one machine's pytest."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-s",
            "tests",
            *options,
        ]
        return subprocess.run(
            [*command, "--claims", str(self.claims.directory), "--machine", "one"],
            cwd=self.tests.parent,
            capture_output=True,
            text=True,
            check=False,
        )

    def outcomes(self) -> dict[str, str]:
        """Return what became of each test, by its name without the folder."""
        results = [self.claims.result(entry) for entry in self.claims.entries()]
        return {
            test.partition("/")[2]: outcome
            for result in results
            if result is not None
            for test, outcome in result.outcomes.items()
        }


def test_everything_that_is_queued_runs_and_nothing_else(tmp_path: Path) -> None:
    """Outcomes are told by test; fixtures of a file do not outlive it, of no scope."""
    place = _Place(tmp_path, "test_good.py", "test_more.py")

    done = place.run()

    assert 0 == done.returncode, done.stdout
    assert {
        "test_good.py::test_one[1]": "passed",
        "test_good.py::test_one[2]": "passed",
        "test_good.py::test_skipped": "skipped",
        "test_good.py::test_known": "xfailed",
        "test_more.py::test_more": "passed",
    } == place.outcomes()
    result = place.claims.result(Entry("tests/test_good.py"))
    assert result is not None
    assert {"tests/test_good.py::test_skipped": "no disk"} == result.reasons
    assert [] == place.claims.problems()
    words = ("whole up", "thing up", "thing down", "whole down", "more")
    places = [done.stdout.index(f"{word}\n") for word in words]
    assert sorted(places) == places
    assert 2 == done.stdout.count("whole down")
    assert "3 passed, 1 skipped, 1 xfailed" in done.stdout


def test_a_fixture_sees_the_tests_of_its_file(tmp_path: Path) -> None:
    """Some prepare what the tests will ask for, and ask the session which these are."""
    place = _Place(tmp_path, "test_more.py", "test_asks.py")

    done = place.run()

    assert 0 == done.returncode, done.stdout
    assert "passed" == place.outcomes()["test_asks.py::test_asks"]


def test_a_test_of_a_file_can_be_queued(tmp_path: Path) -> None:
    """Its neighbours are left alone."""
    place = _Place(tmp_path, "test_good.py::test_one[2]")

    assert 0 == place.run().returncode
    assert {"test_good.py::test_one[2]": "passed"} == place.outcomes()


def test_failures_of_every_kind_are_told_and_the_rest_runs(tmp_path: Path) -> None:
    """A file that cannot be imported, a test, and a clean-up at the end of a file."""
    place = _Place(tmp_path, "test_broken.py", "test_unclean.py", "test_bad.py", "test_more.py")

    done = place.run()

    assert 1 == done.returncode
    assert {
        "test_broken.py": "error",
        "test_unclean.py::test_fine": "error",
        "test_bad.py::test_bad": "failed",
        "test_bad.py::test_after": "passed",
        "test_more.py::test_more": "passed",
    } == place.outcomes()
    assert [] == place.claims.problems()


@pytest.mark.parametrize(
    ("first", "outcomes"),
    [
        ("test_bad.py", {"test_bad.py::test_bad": "failed"}),
        ("test_broken.py", {"test_broken.py": "error"}),
    ],
)
def test_the_first_failure_ends_it_on_request(
    tmp_path: Path, first: str, outcomes: dict[str, str]
) -> None:
    """The file is left in the middle, and says so; the next is not taken."""
    place = _Place(tmp_path, first, "test_more.py")

    done = place.run("-x")

    assert 0 != done.returncode
    assert outcomes == place.outcomes()
    assert [
        f"tests/{first}: one left it in the middle",
        "tests/test_more.py: no machine took it",
    ] == place.claims.problems()


def test_a_process_that_dies_leaves_a_claim_without_a_result(tmp_path: Path) -> None:
    """What it had finished before stays finished."""
    place = _Place(tmp_path, "test_more.py", "test_dies.py", "test_good.py")

    assert 9 == place.run().returncode
    assert {"test_more.py::test_more": "passed"} == place.outcomes()
    assert [
        "tests/test_dies.py: one took it and left no result",
        "tests/test_good.py: no machine took it",
    ] == place.claims.problems()


def test_an_empty_queue_is_no_failure(tmp_path: Path) -> None:
    """Another machine was faster."""
    place = _Place(tmp_path)

    assert 0 == place.run().returncode


def test_a_beginning_of_cases_is_those_cases(tmp_path: Path) -> None:
    """And one that names none is a failure, not nothing to do."""
    some = tmp_path / "some"
    some.mkdir()
    place = _Place(some, "test_good.py::test_one[1")
    none = tmp_path / "none"
    none.mkdir()
    nobody = _Place(none, "test_good.py::test_one[7")

    done, failed = place.run(), nobody.run()

    assert 0 == done.returncode, done.stdout
    assert {"test_good.py::test_one[1]": "passed"} == place.outcomes()
    assert failed.returncode != 0
    assert nobody.claims.problems()
