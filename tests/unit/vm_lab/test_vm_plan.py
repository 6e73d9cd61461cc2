# SPDX-License-Identifier: MIT
"""What boots: every file is somewhere, and where it can be proven."""

from pathlib import Path

import pytest
from lab.claims import Entry
from lab.omissions import OUTER, OUTER_TESTS
from lab.plan import (
    ALL_KERNELS,
    ALSO,
    APART,
    BESIDE,
    DEFAULT_KERNEL,
    ONE_ENGINE,
    OVERRIDING,
    PROCESSORS,
    SOAKED,
    WAITING,
    WEIGHTS,
    Boot,
    inner,
    node_id,
    outer,
)

_VM = Path(__file__).resolve().parents[2] / "vm"
_FILES = sorted(path.name for path in _VM.glob("test_*.py"))


def _inner(*, has_lab: bool = True) -> dict[str, Boot]:
    boots = inner(_FILES, machines=3, cpus=1, has_lab=has_lab)
    return {boot.name: boot for boot in boots}


def _outer(*, has_lab: bool = True) -> dict[str, Boot]:
    return {boot.name: boot for boot in outer(_FILES, machines=2, cpus=2, has_lab=has_lab)}


def _names(boots: list[Boot]) -> list[str]:
    tests = [entry.test for boot in boots for entry in boot.entries]
    return sorted(test.removeprefix("tests/vm/") for test in tests)


def _files(boots: list[Boot]) -> list[str]:
    """The files that run as a whole."""
    return [name for name in _names(boots) if "::" not in name]


_ALSO = [test for tests in ALSO.values() for test in tests]


@pytest.mark.parametrize(
    "name", [*WEIGHTS, *sorted(ONE_ENGINE), *APART, *PROCESSORS, *OVERRIDING, *_ALSO, *SOAKED]
)
def test_tables_name_files_that_are_there(name: str) -> None:
    """A file that was renamed would lose its place silently."""
    file, _, test = name.partition("::")
    beside = {Path(path).name: _VM.parents[1] / path for path in BESIDE}
    beside |= {path.name: path for path in (_VM / "containers").glob("test_*.py")}
    assert beside.get(file, _VM / file).is_file()
    assert not test or f"def {test.partition('[')[0]}(" in (_VM / file).read_text()


@pytest.mark.parametrize("name", OUTER_TESTS)
def test_what_is_left_to_the_outer_circle_is_there(name: str) -> None:
    """With a case of that beginning, where one is named."""
    file, _, test = node_id(name).partition("::")
    text = (_VM.parents[1] / file).read_text()
    function, _, case = test.partition("[")
    assert not test or f"def {function}(" in text
    case = case.rstrip("]")
    assert not case or f'"{case}"' in text or list(_VM.glob(f"*_cases/{case}*.yaml"))


def test_every_file_runs_once_on_the_kernel_of_the_inner_circle() -> None:
    """In the ordinary machines or in a boot of its own."""
    boots = [boot for boot in _inner().values() if boot.kernel == "cloud"]

    assert _FILES == _files(boots)


def test_every_file_runs_on_every_kernel_of_the_outer_circle() -> None:
    """But for what no kernel changes; and the soak and the containers are beside them."""
    boots = _outer()
    soak, _ = boots.pop("soak"), boots.pop("containers")

    for kernel in ALL_KERNELS:
        here = [file for file in _FILES if kernel == DEFAULT_KERNEL or file not in OUTER]
        assert here == _files([boot for boot in boots.values() if boot.kernel == kernel])
    storm = {"ENFORCER_STORM": "build/test/storm.gz"}
    assert {"ENFORCER_SOAK": "10", "ENFORCER_OUTER": "1", **storm} == soak.environment
    assert {"1"} == {boot.environment["ENFORCER_OUTER"] for boot in boots.values()}
    assert not any(boot.environment for boot in _inner().values())
    assert "tests/soak/test_soak.py" in {entry.test for entry in soak.entries}


def test_runtimes_of_containers_are_a_part_of_the_outer_circle() -> None:
    """In machines with two processors each, so that there are half as many; what takes the longest comes first."""
    containers = {boot.name: boot for boot in outer(_FILES, machines=4, cpus=1, has_lab=True)}[
        "containers"
    ]

    assert "containers" == containers.part
    there = (f"containers/{path.name}" for path in (_VM / "containers").glob("test_*.py"))
    assert sorted(there) == _files([containers])
    assert (2, 2) == (containers.machines, containers.processors(2))
    assert "test_runtimes.py" == Path(containers.entries[0].test).name
    assert "containers" not in _inner()


def test_the_kernel_that_can_override_runs_what_needs_it() -> None:
    """Where it is missing the rest runs."""
    assert sorted(OVERRIDING) == _names([_inner()["lab"]])
    assert "lab" not in _inner(has_lab=False)
    assert "lab" not in {boot.kernel for boot in _outer(has_lab=False).values()}


def test_boots_of_their_own_differ_as_their_files_need() -> None:
    """Each has one file and one machine, and what else it can do."""
    boots = _inner()

    assert ("--systemd",) == boots["cloud-systemd"].options
    assert "--icount" in boots["cloud-icount"].options
    assert any("lsm=" in option and "bpf" not in option for option in boots["cloud-lsms"].options)
    for file, (name, _) in APART.items():
        assert [file] == _files([boots[f"cloud-{name}"]])
    assert {f"tests/vm/{test}" for test in ALSO["systemd"]} < {
        entry.test for entry in boots["cloud-systemd"].entries
    }


def test_what_mostly_waits_takes_no_other_s_place() -> None:
    """One at a time, on whatever kernel; each of the others fills a slot."""
    for boots in (_inner(), _outer()):
        beside = [boot for boot in boots.values() if boot.slots == 0]
        assert sorted(WAITING) == sorted({*_files(beside)})
        assert {1} == {boot.machines for boot in beside}
        assert {0, 1} == {boot.slots for boot in boots.values()}


def test_the_longest_come_first_and_the_shared_queue_last() -> None:
    """
    The boots of one machine are over before the queue is empty, so nobody idles at the end.

    Files that share an engine are the last of a machine, so that no other comes between two of them.
    """
    *special, ordinary = inner(_FILES, machines=3, cpus=2, has_lab=True)

    assert 3 == ordinary.machines
    assert {1} == {boot.machines for boot in special}
    names = [Path(entry.test).name for entry in ordinary.entries]
    engines = [name in ONE_ENGINE for name in names]
    assert sorted(engines) == engines
    for shared in (False, True):
        weights = [WEIGHTS.get(name, 1) for name in names if (name in ONE_ENGINE) == shared]
        assert sorted(weights, reverse=True) == weights


def test_what_needs_two_processors_has_them_and_no_other_does() -> None:
    """A race shows nothing on one; attackers of other files would keep the second busy."""
    boots = _inner()

    assert Entry("tests/vm/test_race.py", cpus=2) in boots["cloud-smp"].entries
    assert sorted(PROCESSORS) == _files([boots["cloud-smp"]])
    assert {("cloud-smp", 2)} == {
        (boot.name, boot.processors(1)) for boot in boots.values() if boot.processors(1) != 1
    }


def test_the_outer_circle_takes_the_plain_processor_on_the_inner_kernel() -> None:
    """The inner one has taken the other; not for what counts, nor for what runs on that kernel only."""
    plain = ("--cpu", "max")

    takes = {name: boot.options for name, boot in _outer().items() if "--cpu" in boot.options}

    assert not any("--cpu" in boot.options for boot in _inner().values())
    names = {"cloud", "cloud-confirm", "cloud-lsms", "cloud-smp", "cloud-systemd"}
    assert names == set(takes)
    assert plain == tuple(takes["cloud"][-2:])
    assert plain == tuple(takes["cloud-systemd"][:2])


def test_a_choice_of_files_boots_only_what_they_need() -> None:
    """The queues of the others are empty."""
    boots = inner(["test_service.py"], machines=2, cpus=2, has_lab=True)

    assert {"cloud-systemd": ["test_service.py"]} == {
        boot.name: _files([boot]) for boot in boots if boot.entries
    }


def test_files_elsewhere_are_for_the_ordinary_boot() -> None:
    """They are there, and no choice of files of tests/vm takes them along."""
    root = Path(__file__).resolve().parents[3]
    *special, ordinary = inner(_FILES, BESIDE, machines=2, cpus=2, has_lab=True)

    assert all((root / path).is_file() for path in BESIDE)
    assert {Entry(path) for path in BESIDE} <= set(ordinary.entries)
    assert not {e.test for boot in special for e in boot.entries} & set(BESIDE)
