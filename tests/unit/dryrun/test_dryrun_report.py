# SPDX-License-Identifier: MIT
"""The report of a dry run: sums, the page, the difference of two sets, the command."""

import contextlib
import html.parser
import re
import resource
from types import SimpleNamespace

import attrs
import pytest
from fakes import DECODER, enricher, raw_event
from printed import document
from reference.semantics import Access, Identity
from tapes import Tape

from enforcer.cli.dry_report import show
from enforcer.cli.main import main
from enforcer.errors import UnsupportedError
from enforcer.events.types import Origin
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import Mode, PolicySet, Verb
from enforcer.policy.store import load_policies, load_text
from enforcer.workbench.dryrun.comparison import Contrast
from enforcer.workbench.dryrun.findings import DryRun, Timeline
from enforcer.workbench.dryrun.fixes import Fixes
from enforcer.workbench.dryrun.page import page
from enforcer.workbench.dryrun.programs import Programs
from enforcer.workbench.dryrun.report import as_document, make_report
from enforcer.workbench.dryrun.verdict import verdict
from enforcer.workbench.replay.lines import How
from enforcer.workbench.replay.recorder import Recorded

SECOND = 1_000_000_000
HOSTILE = b"/x/<script>alert(1)</script>\"'&\x1b[2J\xe2\x80\xae<img src=x onerror=a()>"
ORIGINS = (Origin("p", "no-writes", "p.yaml:3:5"), Origin("p", "<b>bold</b>", "p.yaml:7:5"))


def denial(path=b"/a", *, exe=b"/usr/bin/tee", row=0, action=Verb.DENY, at=1, **values):
    raw = raw_event(
        op=Op.WRITE,
        flags=0,
        action=action,
        row=row,
        path=path,
        exe=exe,
        time_ns=at * SECOND,
        **values,
    )
    return enricher(*ORIGINS).enrich(DECODER.decode(raw))


def report(*records, **values):
    dry = DryRun()
    for record in records:
        dry.write(record)
    return make_report(dry, dry.findings(()), Programs(), source="here", seconds=9.0, **values)


class Tags(html.parser.HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_page_is_whole_and_obeys_nobody():
    """No element or attribute comes from what processes chose; nothing comes from elsewhere."""
    plain, hostile = Tags(), Tags()
    plain.feed(page(report(denial(), denial(row=1, action=Verb.KILL))))
    text = page(
        report(
            denial(HOSTILE, exe=HOSTILE, comm=HOSTILE[:15]),
            denial(HOSTILE, row=1, action=Verb.KILL),
        )
    )
    hostile.feed(text)

    assert plain.tags == hostile.tags
    assert plain.attributes == hostile.attributes
    assert not {"script", "img", "b", "link", "iframe", "object"} & hostile.tags
    assert not [name for name in hostile.attributes if name.startswith("on")]
    assert not re.search(r"https?:|src=|url\(|@import", text.replace("src=x onerror", ""))
    assert "default-src 'none'" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text
    assert text.startswith("<!doctype html>")
    assert text.count("<svg") == text.count("</svg>") >= 3


def test_the_page_has_no_more_than_there_is():
    """An empty report says so."""
    assert "Nothing would have been refused" in page(report())


def test_json_says_who_how_often_and_why():
    """By rule, and by who did it."""
    made = report(
        denial(at=5), denial(b"/b", at=2), denial(exe=b"/tmp/evil", at=9), notes=["careful"]
    )
    found = as_document(made, Fixes.of(PolicySet(()), made))

    (rule,) = found["rules"]
    first, second = rule["by"]
    assert (3, 3, ["careful"]) == (found["wouldDeny"], rule["wouldDeny"], found["notes"])
    assert ("/usr/bin/tee", 2) == (first["exe"], first["count"])
    assert first["first"] < first["last"]
    assert ["/a", "/b"] == [sample["on"] for sample in first["samples"]]
    assert ("/tmp/evil", "unusual") == (second["exe"], second["looks"])
    assert "where users write" in second["why"][0]
    assert {"ordinary": 0, "unclear": 2, "unusual": 1} == rule["looks"]


def test_a_timeline_stays_small():
    """Its steps grow with the time; nothing is lost."""
    line = Timeline()
    for hour in range(24):
        for _ in range(hour):
            line.add(hour * 3600 * SECOND)

    assert len(line.points()) <= Timeline.SLOTS
    assert sum(range(24)) == sum(count for _, count in line.points())
    assert line.step_ns >= 24 * 3600 * SECOND // Timeline.SLOTS


def test_a_difference_counts_what_only_one_would_do():
    """Refusals first; what both say alike is one number."""
    contrast = Contrast()
    deny, kill, log = denial(), denial(action=Verb.KILL), denial(action=Verb.LOG)
    for here, there in (
        (deny, None),
        (deny, None),
        (None, kill),
        (deny, deny),
        (kill, deny),
        (None, log),
    ):
        contrast.observe(here, there)

    found = contrast.as_document()
    assert 1 == found["alike"]
    assert {"wouldDeny": 2, "wouldKill": 0, "wouldLog": 0, "killsWhereOtherDenies": 1} == found[
        "onlyHere"
    ]
    assert {"wouldDeny": 0, "wouldKill": 1, "wouldLog": 1, "killsWhereOtherDenies": 0} == found[
        "onlyThere"
    ]
    assert ("deny", "nothing", 2) == (
        found["pairs"][0]["here"]["verdict"],
        found["pairs"][0]["there"]["verdict"],
        found["pairs"][0]["count"],
    )


# ---- The command ----------------------------------------------------------------------------------

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: NAME}
spec:
  rules:
    - {name: first, file: read, match: {path: /secret/**}, action: deny}
    - {name: second, file: read, match: {path: /OTHER/**}, action: kill}
"""


@pytest.fixture
def journal(tmp_path):
    """Return a recording of some reads."""
    tape = Tape()
    line = tape.begin(How.FOUND, 0, Identity(exe=b"/sbin/init"))
    for path in (b"/secret/a", b"/secret/b", b"/one/a", b"/two/a"):
        tape.access(line, Identity(exe=b"/bin/cat"), Access((Op.READ,), {Dim.PATH: path}))
    return tape.write(tmp_path / "journal", operations=["READ"])


def policy(path, name, other):
    file = path / f"{name}.yaml"
    file.write_text(POLICY.replace("NAME", name).replace("OTHER", other))
    return str(file)


def test_a_journal_is_decided_without_root(journal, tmp_path, capsys):
    """Sums, differences and the page; what was not recorded is said."""
    new, old = policy(tmp_path, "new", "one"), policy(tmp_path, "old", "two")
    html_file = tmp_path / "report.html"

    code = main(
        [
            "dry-run",
            "--replay",
            str(journal),
            new,
            "--against",
            old,
            "--json",
            "--html",
            str(html_file),
        ]
    )

    assert 0 == code
    found = document("dry-run", capsys.readouterr().out)
    assert (4, 2, 1) == (found["operations"], found["wouldDeny"], found["wouldKill"])
    assert 2 == found["difference"]["alike"]
    assert 1 == found["difference"]["onlyHere"]["wouldKill"]
    assert 1 == found["difference"]["onlyThere"]["wouldKill"]
    assert any("another machine" in note for note in found["notes"])
    assert "/secret/a" in html_file.read_text()
    assert 0o600 == html_file.stat().st_mode & 0o777


def test_the_terminal_shows_who_and_why(journal, tmp_path, capsys):
    """In words."""
    assert 0 == main(["dry-run", "--replay", str(journal), policy(tmp_path, "new", "one")])

    shown = capsys.readouterr().out
    assert "2 operations would have been denied, 1 process killed, of 4" in shown
    assert shown.startswith("Would break nothing that looks ordinary; unclear: 3.\n\nnew/first: ")
    assert "  2 by /bin/cat: unclear\n" in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if str(tmp_path) not in line)


def test_each_finding_has_the_rule_that_would_allow_it(journal, tmp_path, capsys):
    """Every sample once, as `explain` proposes it."""
    assert 0 == main(["dry-run", "--replay", str(journal), policy(tmp_path, "new", "one")])

    shown = capsys.readouterr().out
    assert 3 == shown.count("action: allow")
    assert "      - name: allow-cat\n        file: read\n        match:\n" in shown
    assert "          path: /secret/b\n" in shown


def test_the_fixed_policies_refuse_nothing_more(journal, tmp_path, capsys):
    """What is written is the policies in place of those that were tried, and stands the same trial."""
    tried, fixed = policy(tmp_path, "new", "one"), tmp_path / "fixed.yaml"

    assert 0 == main(["dry-run", "--replay", str(journal), tried, "--write-fixes", str(fixed)])
    assert f"{fixed} has the policies with 3 changes: review it" in capsys.readouterr().err
    assert 0 == main(["dry-run", "--replay", str(journal), str(fixed)])

    assert capsys.readouterr().out.startswith("Would refuse nothing of what happened.\n")
    (written,) = load_policies([fixed]).policies
    assert (Mode.ENFORCE, 5) == (written.mode, len(written.rules))
    assert 0o600 == fixed.stat().st_mode & 0o777


def test_no_file_is_overwritten_with_fixes(journal, tmp_path, capsys):
    """Least of all the policy itself; and nothing is left of a run that failed."""
    tried, fixed = policy(tmp_path, "new", "one"), tmp_path / "fixed.yaml"

    assert 2 == main(["dry-run", "--replay", str(journal), tried, "--write-fixes", tried])
    assert "exists: name a new file" in capsys.readouterr().err
    assert 2 == main(["dry-run", "--replay", tried, tried, "--write-fixes", str(fixed)])
    assert not fixed.exists()


def test_what_looks_unusual_is_not_allowed_by_itself():
    """Somebody must look first."""
    text = POLICY.replace("NAME", "p").replace("first", "no-writes").replace("read", "write")
    policies = load_text(text.replace("/secret/**", "/a"), "p.yaml")
    fine, evil = denial(), denial(exe=b"/tmp/evil")

    made = report(fine, evil)
    fixes = Fixes.of(policies, made)

    ((_, place),) = fixes.by_doer
    assert "/usr/bin/tee" == made.who[0][place].doer.exe
    assert "evil" not in fixes.text
    assert 1 == fixes.number


def test_nothing_is_proposed_twice():
    """What one change lets go on needs no other, whoever else does it."""
    text = POLICY.replace("NAME", "p").replace("first", "no-writes").replace("read", "write")
    policies = load_text(text.replace("/secret/**", "/a"), "p.yaml")
    made = report(denial(uid=0), denial(uid=7), denial(exe=b"/usr/bin/cp"))

    fixes = Fixes.of(policies, made)

    assert 3 == len(fixes.by_doer)
    assert 2 == fixes.number
    assert "allow-tee-2" not in fixes.text


def test_proposing_ends(capsys):
    """With many rules each operation takes long: the frequent come first, what is left out is said."""
    text = POLICY.replace("NAME", "p").replace("first", "no-writes").replace("read", "write")
    policies = load_text(text.replace("/secret/**", "/a/**"), "p.yaml")
    made = report(denial(b"/a/x", exe=b"/usr/bin/cp"), denial(b"/a/y"), denial(b"/a/z"))

    fixes = Fixes.of(policies, made, work=1)
    show(made, fixes)

    assert (1, 2) == (fixes.number, fixes.left_out)
    assert "allow-tee" in fixes.text
    assert "note: for 2 operations nothing was proposed" in capsys.readouterr().out
    assert 2 == as_document(made, fixes)["fixesLeftOut"]


@pytest.mark.parametrize(
    ("units", "says"),
    [
        ([], "Would refuse nothing of what happened"),
        (["a"], "Would break a.service: 1 denial; nothing else ordinary"),
        (
            ["a", "a", "b"],
            "Would break a.service: 2 denials; b.service: 1 denial; nothing else ordinary",
        ),
        (
            list("abcddee"),
            (
                "Would break d.service: 2 denials; e.service: 2 denials; a.service: 1 denial; "
                "2 more: 2 refusals; nothing else ordinary"
            ),
        ),
        (
            ["a", ""],
            "Would break a.service: 1 denial; nothing else ordinary; unclear: 1",
        ),
        (["", ""], "Would break nothing that looks ordinary; unclear: 2"),
    ],
)
def test_the_verdict(units, says):
    """What breaks, by unit, the most frequent first; what else there is, as a number."""
    records = [
        attrs.evolve(
            denial(exe=b"/usr/bin/passwd" if unit else b"/usr/bin/tee"),
            cgroup=f"/system.slice/{unit}.service" if unit else None,
        )
        for unit in units
    ]

    assert says == verdict(report(*records))


def test_the_verdict_names_what_has_no_unit():
    """Kills are counted apart."""
    made = report(denial(exe=b"/usr/bin/passwd", action=Verb.KILL), denial(exe=b"/usr/bin/passwd"))

    assert verdict(made).startswith("Would break /usr/bin/passwd: 1 denial and 1 kill; ")


def test_rules_on_what_was_not_recorded_are_named(journal, tmp_path, capsys):
    """Silence of such a rule says nothing."""
    file = tmp_path / "net.yaml"
    file.write_text(
        POLICY.partition("    - ")[0].replace("NAME", "net")
        + "    - {name: out, network: connect, action: deny}\n"
    )

    assert 0 == main(["dry-run", "--replay", str(journal), str(file)])
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "operations that were not recorded: network.connect" in shown


WITHIN = """\
    - {name: set, network: connect, match: {port: 22}, mark: seen}
    - {name: ask, file: read, match: {path: /two/a, within: {mark: seen, last: 5s}}, action: deny}
"""


def test_what_a_replay_cannot_decide_is_refused(journal, tmp_path, capsys):
    """Marks of what was not recorded; a journal that is none. In a sentence, not as a mistake of ours."""
    file = tmp_path / "marks.yaml"
    file.write_text(POLICY.partition("    - ")[0].replace("NAME", "marks") + WITHIN)

    assert 2 == main(["dry-run", "--replay", str(journal), str(file)])
    said = capsys.readouterr().err
    assert "asks about the mark marks/seen" in said
    assert "at operations that were not recorded (network.connect)" in said
    assert 2 == main(["dry-run", "--replay", str(file), policy(tmp_path, "p", "x")])
    assert "is not a recording" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--against", "x.yaml", "y.yaml"], "give --replay"),
        (["--replay", "x", "--for", "5s", "y.yaml"], "a recording has its own length"),
        (["--replay", "/nonexistent", "POLICY"], "No such file"),
    ],
)
def test_wrong_usage_is_a_sentence(tmp_path, arguments, says, capsys):
    given = [policy(tmp_path, "p", "x") if word == "POLICY" else word for word in arguments]

    assert 2 == main(["dry-run", *given])
    assert says in capsys.readouterr().err


def test_a_recording_that_cannot_begin_leaves_nothing(tmp_path, capsys, monkeypatch):
    """The next attempt may have the same name; a file that was there stays."""

    def refuse(*_args, **_options):
        raise UnsupportedError("no LSM programs here")

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("enforcer.kernel.session.Session.open", refuse)
    target, there = tmp_path / "journal", tmp_path / "there"
    there.write_text("precious")

    assert 3 == main(["record", str(target)])
    assert "no LSM programs here" in capsys.readouterr().err
    assert not target.exists()
    assert 2 == main(["record", str(there)])
    assert "precious" == there.read_text()


@pytest.mark.parametrize("lost", [0, 3])
def test_a_recording_is_told_in_words_and_as_a_document(lost, tmp_path, capsys, monkeypatch):
    """With the same numbers."""
    done = Recorded(61.0, 1200, 7, lost, lost, 4096, "it was told to")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(
        "enforcer.kernel.session.Session.open", lambda *_, **__: contextlib.nullcontext()
    )
    monkeypatch.setattr(
        "enforcer.workbench.replay.recorder.Recorder",
        lambda *_: SimpleNamespace(run=lambda *_, **__: done),
    )

    assert 0 == main(["record", "--json", str(tmp_path / "a")])
    found = document("recording", capsys.readouterr().out)
    assert 0 == main(["record", str(tmp_path / "b")])
    said = capsys.readouterr().out

    assert (str(tmp_path / "a"), 1200, 4096) == (
        found["journal"],
        found["operations"],
        found["bytes"],
    )
    assert (lost, lost, "it was told to") == (
        found["lostOperations"],
        found["lostStarts"],
        found["reason"],
    )
    assert said.startswith("1,200 records of operations in 1 m 01 s, 4.0 KiB; ended because it was")
    assert ("were lost" in said) is bool(lost)


def test_recording_needs_root_and_says_what_it_takes(tmp_path, capsys, monkeypatch):
    """Usage errors come before anything is made."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    target = tmp_path / "journal"

    assert 2 == main(["record", str(target)])
    assert "needs root" in capsys.readouterr().err
    for wrong in (["--events", "files"], ["--syscalls", "nonsense"], ["--max-size", "5"]):
        with pytest.raises(SystemExit):
            main(["record", *wrong, str(target)])
    assert not target.exists()


def test_a_page_is_there_only_with_a_report(journal, tmp_path, capsys):
    """Where there is none, nothing new stays, and what was there stays as it was."""
    wrong, fine = tmp_path / "wrong.yaml", policy(tmp_path, "new", "one")
    wrong.write_text("kind: [")
    new, old, link = (tmp_path / f"{name}.html" for name in ("new", "old", "link"))
    old.write_text("an earlier one")
    old.chmod(0o644)
    link.symlink_to(new)
    for source, code in ((str(wrong), 1), (fine, 2)):
        for place in (new, old, link):
            words = ["--replay", str(journal if code == 1 else tmp_path / "none"), "--html", place]
            assert code == main(["dry-run", *map(str, words), source])
            assert not new.exists()
            assert "an earlier one" == old.read_text()

    capsys.readouterr()
    assert 0 == main(["dry-run", "--replay", str(journal), "--html", str(old), fine])
    assert old.read_text().startswith("<!doctype html>")
    assert 0o644 == old.stat().st_mode & 0o777


def test_a_report_is_shown_where_its_files_cannot_be_written(journal, tmp_path, capsys):
    """A full disk costs the files; no half of the rules is left in the place of all."""
    tried, fixed = policy(tmp_path, "new", "one"), tmp_path / "fixed.yaml"
    words = ["dry-run", "--replay", str(journal), tried]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    page = main([*words, "--html", "/dev/full"])
    shown_without_page = capsys.readouterr()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        fixes = main([*words, "--write-fixes", str(fixed)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    shown_without_fixes = capsys.readouterr()

    assert (2, 2) == (page, fixes)
    assert "2 operations would have been denied" in shown_without_page.out
    assert "2 operations would have been denied" in shown_without_fixes.out
    assert "cannot write /dev/full: No space left on device" in shown_without_page.err
    assert f"cannot write {fixed}: File too large" in " ".join(shown_without_fixes.err.split())
    assert not fixed.exists()
