# SPDX-License-Identifier: MIT
"""Who did it, where there are more than a rule has room for: nobody hides what may be ordinary."""

import functools
import random
from pathlib import Path

import attrs
import pytest
from amount import examples
from fakes import DECODER, enricher, raw_event
from hypothesis import given, settings
from hypothesis import strategies as st
from printed import document
from reference.semantics import Access, Identity
from tapes import Tape

from enforcer.cli.dry_report import show
from enforcer.cli.main import main
from enforcer.events.types import Origin
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import PolicySet, Verb
from enforcer.workbench.dryrun.doers import OTHERS, PLACES, Doers
from enforcer.workbench.dryrun.findings import DISTINCT, DryRun
from enforcer.workbench.dryrun.fixes import Fixes
from enforcer.workbench.dryrun.ordinary import LOGINS, Looks, guess
from enforcer.workbench.dryrun.page import page
from enforcer.workbench.dryrun.programs import Programs
from enforcer.workbench.dryrun.report import as_document, make_report
from enforcer.workbench.dryrun.verdict import verdict
from enforcer.workbench.replay.lines import How

SECOND = 1_000_000_000
DOCS = Path(__file__).parents[3] / "docs"
ENRICHER = enricher(Origin("p", "no-writes", "p.yaml:3:5"))


class Machine(Programs):
    """Files as their names say; counts how often somebody looked at one."""

    looked = 0

    def objections(self, exe):
        self.looked += 1
        return [f"{exe} does not exist any more"] if exe.startswith("/srv/") else []

    def package(self, exe):
        return "some" if exe.startswith("/usr/") else None


@functools.cache
def denial(exe, *, unit="", user="root", at=1, path="/a"):
    raw = raw_event(
        op=Op.WRITE,
        flags=0,
        action=Verb.DENY,
        path=path.encode(),
        exe=exe.encode(),
        time_ns=at * SECOND,
    )
    record = ENRICHER.enrich(DECODER.decode(raw))
    return attrs.evolve(record, cgroup=f"/x.slice/{unit}" if unit else None, user=user)


def report(*records, programs=None):
    dry = DryRun(programs=programs or Machine())
    for record in records:
        dry.write(record)
    return make_report(dry, dry.findings(()), dry.programs, source="here", seconds=9.0)


def printed(made):
    return as_document(made, Fixes.of(PolicySet(()), made))


NOISE = [denial(f"/tmp/x{number}") for number in range(PLACES)]
ORDINARY = [*(denial("/usr/bin/dpkg", at=at) for at in (50, 51, 52)), denial("/usr/sbin/sshd")]


@pytest.mark.parametrize(
    "noise",
    [
        NOISE,
        [denial(f"/srv/x{number}") for number in range(PLACES)],
        [denial(f"/root/x{number}") for number in range(PLACES)],
    ],
    ids=["users", "signs-of-files", "unclear"],
)
def test_what_looks_ordinary_is_named_after_any_number_of_other_programs(noise):
    """It takes the place of who cannot look so, and the rest is counted."""
    said = verdict(report(*noise, *ORDINARY))

    assert said.startswith("Would break /usr/bin/dpkg: 3 denials; /usr/sbin/sshd: 1 denial; ")
    assert "; nothing else ordinary of what was judged; " in said
    assert said.endswith(f": {PLACES - 2}; not judged: 2")


def test_what_comes_back_is_named_after_any_number_of_other_programs():
    """It may be ordinary as long as its times are not known; each of its times counts."""
    noise = [denial(f"/root/x{number}") for number in range(PLACES)]
    regular = [denial("/usr/bin/tee", at=at) for at in (10, 70, 130, 190, 250)]

    said = verdict(report(*noise, *regular))

    assert said.startswith("Would break /usr/bin/tee: 5 denials; nothing else ordinary")


def test_nobody_judges_what_has_no_place():
    """It is in the sums, in the sentence and in the notes, and no program of the report."""
    made = report(*NOISE, *NOISE, *ORDINARY)
    found = printed(made)
    (rule,) = found["rules"]

    assert {"(others)"}.isdisjoint(who["exe"] for who in rule["by"])
    assert PLACES == len(rule["by"])
    assert 4 == rule["notJudged"]  # two programs with two operations each gave way
    assert {"ordinary": 4, "unclear": 0, "unusual": 2 * PLACES - 4} == rule["looks"]
    assert 2 * PLACES + 4 == found["wouldDeny"] == sum(rule["looks"].values()) + rule["notJudged"]
    (note,) = found["notes"]
    assert note.startswith(f"4 operations were not judged: a rule keeps {PLACES} programs")


def test_whoever_reads_it_sees_that_some_were_not_judged(capsys):
    """On the terminal and on the page, as a note and at the rule."""
    made = report(*NOISE, denial("/usr/bin/dpkg"))
    show(made, Fixes.of(PolicySet(()), made))
    shown = capsys.readouterr().out

    assert "  and 1 by others, who were not judged\n" in shown
    assert "note: 1 operation was not judged: " in shown
    assert "and 1 times others, who were not judged" in page(made)
    assert "1 operation was not judged: " in page(made)


def test_as_many_as_there_is_room_for_are_all_judged():
    """No file is looked at before, and nothing is said of a limit."""
    programs = Machine()
    dry = DryRun(programs=programs)
    for record in NOISE:
        dry.write(record)
    looked = programs.looked
    made = make_report(dry, dry.findings(()), programs, source="here", seconds=9.0)

    assert 0 == looked
    assert f"Would break nothing that looks ordinary; unusual: {PLACES}" == verdict(made)
    assert () == made.notes
    assert 0 == printed(made)["rules"][0]["notJudged"]


def test_logins_share_a_place_before_anybody_gives_one_up(capsys):
    """Each login has a scope of its own: its number says less than another program."""
    logins = [
        denial("/usr/sbin/sshd", unit=f"session-{number}.scope") for number in range(2 * PLACES)
    ]
    made = report(*logins, denial("/usr/bin/dpkg"), denial("/tmp/evil"))
    show(made, Fixes.of(PolicySet(()), made))
    by = printed(made)["rules"][0]["by"]

    assert verdict(made) == (
        f"Would break /usr/sbin/sshd: {2 * PLACES} denials; /usr/bin/dpkg: 1 denial; "
        "nothing else ordinary; unusual: 1"
    )
    assert ("/usr/sbin/sshd", True) == (by[0]["exe"], by[0]["withOthers"])
    assert [False] == [who["withOthers"] for who in by if who["exe"] == "/tmp/evil"]
    assert OTHERS in " ".join(capsys.readouterr().out.split())
    assert OTHERS in page(made)


def test_services_keep_their_names():
    """What shares a place has one name in the report: a service is not another one."""
    units = [denial("/usr/bin/passwd", unit=f"s{number}.service") for number in range(PLACES - 1)]
    logins = [denial("/usr/bin/passwd", unit=f"session-{number}.scope") for number in range(9)]
    made = report(*logins, *units)

    assert {f"s{number}.service" for number in range(PLACES - 1)} == {
        each.doer.unit for each in made.who[0] if each.doer.unit.endswith(".service")
    }
    assert verdict(made).startswith("Would break /usr/bin/passwd: 9 denials; ")


def test_of_more_ordinary_programs_than_have_room_the_frequent_stay():
    """And the sentence says that it does not know all."""
    many = [denial("/usr/bin/su", unit=f"run-{number}.service") for number in range(3 * PLACES)]
    made = report(*many[:PLACES], *ORDINARY[:3], *many[PLACES:])

    assert verdict(made).startswith("Would break /usr/bin/dpkg: 3 denials; ")
    assert verdict(made).endswith(f"of what was judged; not judged: {2 * PLACES + 1}")


def test_the_newest_of_those_that_came_once_stays():
    """So one that comes often finds its place, however late."""
    often = [denial("/tmp/often", at=1000 + at) for at in range(50)]
    noise = [denial(f"/tmp/y{number}", at=1000 + number % 50) for number in range(100)]
    shuffled = [each for pair in zip(often, noise[:50], strict=True) for each in pair]
    made = report(*NOISE, *shuffled, *noise[50:])

    assert ("/tmp/often", 50) == (made.who[0][0].doer.exe, made.who[0][0].doing.count)


def test_of_those_that_came_as_often_the_one_that_was_seen_last_stays():
    """Whoever began first may still go on."""
    doers = observed([denial(f"/tmp/{name}", at=at) for at, name in enumerate("abbac", 1)], 2)

    assert ["/tmp/a", "/tmp/c"] == sorted(doer.exe for doer in doers.kept)
    assert 2 == doers.not_judged


def test_programs_that_may_be_ordinary_share_places_before_they_give_them_up():
    """Each is named, with all that it did."""
    scopes = [denial("/usr/bin/tee", unit=f"session-{number}.scope") for number in range(PLACES)]
    made = report(*scopes, denial("/usr/bin/cp"), denial("/usr/bin/cat"))

    assert 0 == made.not_judged
    assert {"/usr/bin/tee", "/usr/bin/cp", "/usr/bin/cat"} == {
        each.doer.exe for each in made.who[0]
    }


def test_files_of_another_machine_say_nothing_while_it_is_replayed():
    """Neither for a program nor against it."""
    programs = Programs(is_here=False)
    gone = [denial(f"/usr/bin/gone{number}") for number in range(PLACES)]
    made = report(*gone, denial("/tmp/evil"), *ORDINARY, programs=programs)

    assert verdict(made).startswith("Would break /usr/bin/dpkg: 3 denials; /usr/sbin/sshd: 1 ")
    assert made.not_judged == 3
    assert "/tmp/evil" not in {each.doer.exe for each in made.who[0]}


POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: p}
spec:
  rules:
    - {name: no-reads, file: read, match: {path: /secret}, action: deny}
"""


def test_a_replay_looks_at_no_file_of_another_machine(tmp_path, capsys):
    """Programs of the recording are not known here, and that is no sign against them."""
    tape, file = Tape(), tmp_path / "p.yaml"
    file.write_text(POLICY)
    for exe in (*(b"/usr/bin/not-here-%d" % number for number in range(PLACES)), b"/tmp/evil"):
        identity = Identity(exe=exe)
        line = tape.begin(How.FOUND, 0, identity)
        tape.access(line, identity, Access((Op.READ,), {Dim.PATH: b"/secret"}))
    journal = tape.write(tmp_path / "journal", operations=["READ"])

    assert 0 == main(["dry-run", "--replay", str(journal), str(file), "--json"])
    (rule,) = document("dry-run", capsys.readouterr().out)["rules"]

    assert (PLACES, 1) == (rule["looks"]["unclear"], rule["notJudged"])
    assert "/tmp/evil" in rule["processes"]


# ---- In any order ---------------------------------------------------------------------------------

SERVICES = [f"s{number}.service" for number in range(4)]
SCOPES = [f"session-{number}.scope" for number in range(6)]
USERS = ["root", "joe"]

STRONG = st.tuples(
    st.sampled_from(sorted(LOGINS)),
    st.sampled_from(["", *SERVICES, *SCOPES]),
    st.sampled_from(USERS),
)
REGULAR = st.tuples(
    st.sampled_from([f"/usr/bin/p{number}" for number in range(9)]),
    st.sampled_from(["", *SCOPES]),
    st.sampled_from(USERS),
)
NOT = st.tuples(
    st.sampled_from(
        [f"/{where}/x{number}" for where in ("tmp", "srv", "root") for number in range(20)]
    ),
    st.sampled_from(["", *SERVICES, *SCOPES]),
    st.sampled_from(USERS),
)


def ordinary(doers):
    """Name the programs and services that look ordinary."""
    return {
        (doer.exe, doer.unit if doer.unit.endswith(".service") else "")
        for doer, doing in doers.kept.items()
        if guess(doer, doing, doers.programs).looks is Looks.ORDINARY
    }


def observed(records, places):
    doers = Doers(Machine(), places)
    for record in records:
        doers.observe(record)
        assert len(doers.kept) <= places
    assert len(records) == sum(doing.count for doing in doers.kept.values()) + doers.not_judged
    return doers


def happened(strong, regular, others):
    """Make records: of the regular ones one each minute; what two users do at other seconds is not regular."""
    return [
        *(denial(exe, unit=unit, user=user) for exe, unit, user in (*strong, *strong, *others)),
        *(
            denial(exe, unit=unit, user=user, at=at)
            for exe, unit, user in regular
            for at in range(60 if user == "root" else 77, 360, 60)
        ),
    ]


@settings(max_examples=examples(300), deadline=None)
@given(
    strong=st.sets(STRONG, max_size=12),
    regular=st.sets(REGULAR, max_size=8),
    others=st.lists(NOT, max_size=60),
    seed=st.integers(0, 2**32),
)
def test_the_order_changes_nothing_of_what_is_named(strong, regular, others, seed):
    """As long as there is a place for each name of what is surely ordinary, and each that may be."""
    names = {(exe, unit if unit.endswith(".service") else "") for exe, unit, _ in strong}
    records = happened(sorted(strong), sorted(regular), others)
    random.Random(seed).shuffle(records)

    doers = observed(records, max(1, len(names) + len(regular)))

    assert ordinary(observed(records, 10_000)) == ordinary(doers)
    assert names <= ordinary(doers)


@settings(max_examples=examples(300), deadline=None)
@given(
    strong=st.sets(STRONG, max_size=12),
    regular=st.sets(REGULAR, max_size=8),
    others=st.lists(NOT, max_size=60),
    places=st.integers(1, 12),
    seed=st.integers(0, 2**32),
)
def test_sums_are_exact_whatever_has_no_room(strong, regular, others, places, seed):
    """And whoever might be ordinary is left out only where everybody with a place might be."""
    records = happened(sorted(strong), sorted(regular), others)
    random.Random(seed).shuffle(records)

    doers = observed(records, places)

    kept = {doer.exe for doer in doers.kept}
    if not {exe for exe, _, _ in (*strong, *regular)} <= kept:
        assert not {exe for exe in kept if exe.startswith(("/tmp/", "/srv/", "/root/"))}


# ---- The other limits -----------------------------------------------------------------------------


def test_of_executables_and_objects_the_first_have_their_counts():
    """Later ones are counted together; what has its count goes on."""
    many = [denial(f"/tmp/x{number}", path=f"/a/{number}") for number in range(DISTINCT + 3)]
    (rule,) = printed(report(*many, many[0], many[-1]))["rules"]

    for counts, first in ((rule["processes"], "/tmp/x0"), (rule["objects"], "file.write /a/0")):
        assert DISTINCT + 1 == len(counts)
        assert (4, 2) == (counts["(others)"], counts[first])
        assert DISTINCT + 5 == sum(counts.values())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("replay.md", f"A rule has room for {PLACES} groups."),
        ("replay.md", f"the counts of the first {DISTINCT:,}."),
        ("commands.md", f"A rule has room for {PLACES} groups of programs."),
        ("json.md", f"the most frequent first, {PLACES} at most."),
        ("json.md", f"Operations of programs beyond {PLACES}, which are not in `by`."),
        ("json.md", f"Executables, with counts: the first {DISTINCT:,}, then `(others)`."),
    ],
)
def test_the_limits_are_in_the_documents(name, says):
    """With the numbers that hold."""
    assert says in (DOCS / name).read_text()
