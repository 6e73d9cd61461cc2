# SPDX-License-Identifier: MIT
"""The guess whether something is the ordinary work of the system, and its reasons."""

import pytest

from enforcer.policy.language.vocabulary import SubjectFlag
from enforcer.workbench.dryrun.doers import Doing, Subject
from enforcer.workbench.dryrun.ordinary import Looks, guess
from enforcer.workbench.dryrun.programs import Programs

SECOND = 1_000_000_000
INIT = "/usr/lib/systemd/systemd"


@pytest.fixture
def programs(tmp_path):
    """Return a machine with some programs and the books of dpkg, all of them the tests' user's."""
    info = tmp_path / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info / "coreutils.list").write_text("/.\n/bin/cat\n/usr/bin/tee\n/etc/x\n")
    (info / "postgresql:amd64.list").write_text("/usr/bin/postgres\n")
    for name in ("cat", "tee", "postgres", "dpkg", "own", "su", "loose"):
        file = tmp_path / "usr/bin" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
        file.chmod(0o755)
    (tmp_path / "usr/bin/loose").chmod(0o757)
    return Machine(tmp_path)


class Machine(Programs):
    """Everything belongs to root here, whoever runs the tests."""

    def __init__(self, root):
        super().__init__(root=root)

    def objections(self, exe):
        return [each for each in super().objections(exe) if "belongs to user" not in each]


def doer(exe="/usr/bin/tee", *, above=(), unit="", user="root", container="", flags=0):
    return Subject(exe, above[0] if above else "", user, unit, container, flags, tuple(above))


def looks(who, programs, *, at=(1,)):
    doing = Doing(count=len(at), moments=[moment * SECOND for moment in at])
    found = guess(who, doing, programs)
    assert found.why
    return found


def test_a_package_manager_is_ordinary_and_so_is_what_it_starts(programs):
    """By its whole name: what only calls itself dpkg is another program."""
    own = looks(doer("/usr/bin/dpkg"), programs)
    below = looks(
        doer("/usr/bin/tee", above=("/bin/sh", "/usr/bin/dpkg", "/usr/bin/apt")), programs
    )
    other = looks(doer("/usr/bin/tee", above=("/opt/dpkg",)), programs)

    assert (Looks.ORDINARY, "/usr/bin/dpkg is a package manager") == (own.looks, own.why[0])
    assert (Looks.ORDINARY, "package manager") == (below.looks, below.why[0][-15:])
    assert Looks.UNCLEAR is other.looks


@pytest.mark.parametrize(
    ("who", "says"),
    [
        (doer(above=("/bin/sh", "/usr/sbin/cron", INIT)), "the scheduler /usr/sbin/cron"),
        (doer("/usr/bin/su"), "logs users in"),
        (doer("/usr/bin/postgres", above=(INIT,), unit="postgresql.service"), "main program of"),
    ],
)
def test_strong_signs_are_enough(programs, who, says):
    """Schedulers, logins, services."""
    found = looks(who, programs)

    assert Looks.ORDINARY is found.looks
    assert says in found.why[0]


def test_being_in_a_unit_is_not_enough(programs):
    """A shell below a web server is in the unit, too: only its own programs count, and packaged ones."""
    below = looks(doer("/usr/bin/tee", above=("/bin/sh", INIT), unit="web.service"), programs)
    home_made = looks(doer("/usr/bin/own", above=(INIT,), unit="web.service"), programs)

    assert (Looks.UNCLEAR, Looks.UNCLEAR) == (below.looks, home_made.looks)


def test_weak_signs_count_together(programs):
    """Being installed says little, coming back every minute says little; both say more."""
    installed = looks(doer(), programs)
    regular = looks(doer("/usr/bin/own"), programs, at=(10, 70, 131, 190, 250))
    both = looks(doer(), programs, at=(10, 70, 131, 190, 250))
    irregular = looks(doer(), programs, at=(10, 70, 75, 190, 500))
    at_once = looks(doer(), programs, at=(10, 10.5, 11, 11.5, 12))

    assert (Looks.UNCLEAR, ("coreutils" in installed.why[0])) == (installed.looks, True)
    assert (Looks.UNCLEAR, "every 60 s") == (regular.looks, regular.why[0][-10:])
    assert Looks.ORDINARY is both.looks
    assert (Looks.UNCLEAR, Looks.UNCLEAR) == (irregular.looks, at_once.looks)


@pytest.mark.parametrize(
    ("exe", "flags", "says"),
    [
        ("/tmp/tool", 0, "where users write"),
        ("/home/x/tool", 0, "where users write"),
        ("/usr/bin/loose", 0, "users other than root may write"),
        ("/usr/bin/gone", 0, "does not exist"),
        ("memfd:x", SubjectFlag.FILELESS, "has no name"),
    ],
)
def test_signs_against_outweigh_all(programs, exe, flags, says):
    """Also below a package manager, and with the regularity of a clock."""
    found = looks(
        doer(exe, above=("/usr/bin/dpkg",), flags=flags), programs, at=(60, 120, 180, 240)
    )

    assert Looks.UNUSUAL is found.looks
    assert says in found.why[0]


def test_of_another_owner(tmp_path):
    """A program that is not root's is none of the system's."""
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/tool").write_text("")
    uid = (tmp_path / "usr/bin/tool").stat().st_uid
    if uid == 0:
        (tmp_path / "usr/bin/tool").chmod(0o755)
        import os

        os.chown(tmp_path / "usr/bin/tool", 12345, 0)
        uid = 12345

    found = looks(doer("/usr/bin/tool"), Programs(root=tmp_path))

    assert (Looks.UNUSUAL, f"belongs to user {uid}") == (
        found.looks,
        found.why[0][len("/usr/bin/tool ") :].partition(",")[0],
    )


def test_in_a_container_files_here_say_nothing(programs):
    """A container's /usr/bin/dpkg is whatever its image says."""
    found = looks(doer("/usr/bin/dpkg", container="0" * 64), programs)

    assert Looks.UNCLEAR is found.looks


def test_of_another_machine_files_here_say_nothing(programs):
    """Only what was recorded counts."""
    programs.is_here = False

    assert Looks.UNCLEAR is looks(doer("/usr/bin/gone"), programs).looks
    assert Looks.ORDINARY is looks(doer("/usr/bin/dpkg"), programs).looks
