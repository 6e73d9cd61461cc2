# SPDX-License-Identifier: MIT
"""What the documentation prints is what comes out; here what needs no kernel that enforces."""

import subprocess
import sys

import pytest
from pages import places
from pages.blocks import (
    HOST,
    IN_CLUSTER,
    IN_CONTAINERS,
    IN_SERVICE,
    PAGES,
    PLACES,
    ROOT,
    blocks,
    commands,
)
from pages.likeness import differ, is_alike, merged
from pages.sessions import left_out, problems, runs_at

from enforcer.cli.exits import Exit
from enforcer.cli.main import main

# Blocks with commands that are not run. What brings the number down takes this along.
NOT_RUN = 10

_HERE = [page for page in PAGES if runs_at(page, HOST)]


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", _HERE, ids=name_of)
def test_the_page_prints_what_comes_out(page):
    """To renew a page: ``scripts/printed-pages.py --write PAGE``."""
    found = [line for outcome in places.run(page, HOST) for line in problems(outcome)]

    assert [] == found, "\n".join(found)


def test_few_blocks_are_not_run():
    """Each says why."""
    found = [block for page in PAGES for block in left_out(page)]
    missing = [
        block
        for block in found
        if block.marks["not run"] not in {IN_CLUSTER, IN_CONTAINERS, IN_SERVICE}
    ]

    assert [] == [str(block) for block in missing if not block.marks["not run"]]
    assert len(missing) <= NOT_RUN, [str(block) for block in missing]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_typed_is_in_blocks_that_are_run(page):
    """A block without a language looks the same to readers, and nobody would run it."""
    typed = [
        block
        for block in blocks(page)
        if not block.language and block.lines and block.lines[0].startswith(("# ", "$ "))
    ]

    assert [] == [str(block) for block in typed]


WHOLE = [
    pytest.param("\n".join(block.lines), id=str(block))
    for page in PAGES
    for block in blocks(page)
    if block.language == "yaml" and "kind: EnforcerPolicy" in block.lines
]


@pytest.mark.parametrize("text", WHOLE)
def test_a_policy_that_a_page_shows_is_one(text, tmp_path):
    """Parts of policies are not looked at, since much could stand around them."""
    file = tmp_path / "policy.yaml"
    file.write_text(text)

    assert Exit.OK == main(["check", "--quiet", str(file)])


def test_every_place_that_is_a_machine_can_be_booted():
    """Or what it is for would never be run."""
    assert PLACES.keys() - {HOST} == places.OPTIONS.keys()


@pytest.mark.parametrize(
    ("printed", "came", "alike"),
    [
        ("14:02:11 denied cat[4711] read /a", "09:11:59 denied cat[7] read /a", True),
        ("14:02:11 denied cat[4711] read /a", "14:02:11 denied cat[4711] read /b", False),
        ("stopped after 1 m 12 s: 1 killed", "stopped after 3.4 s: 1 killed", True),
        ("stopped after 1 m 12 s: 1 killed", "stopped after 1 m 12 s: 2 killed", False),
        ("ok: 1 policy, an image of 10.4 KiB", "ok: 1 policy, an image of 3 KiB", True),
        ("started in … s", "started in 0.23 s", True),
        ("a  b", "a     b", True),
        ("a\n…\nd", "a\nb\nc\nd", True),
        ("a\n…\nd", "a\nb\nc\ne", False),
        ("a\n…\nd", "a\nd\nc\nd", True),
        ("a\n…", "a", True),
        ("a\nb", "a", False),
        ("a", "a\nb", False),
        ("", "a", False),
        ("kernel 6.12.43", "kernel 7.3-rc1", True),
        ("kernel 6.12.43", "libbpf 6.12.43", False),
    ],
)
def test_only_what_differs_each_time_may_differ(printed, came, alike):
    """Times, process ids, sizes, versions; and what a page leaves out."""
    lines = printed.splitlines(), came.splitlines()

    assert alike is is_alike(*lines)
    assert alike is not bool(differ(*lines))
    assert is_alike(merged(*lines), lines[1])


@pytest.mark.parametrize(
    ("printed", "came", "renewed"),
    [
        ("14:02:11 a\nold\nc", "15:00:00 a\nnew\nc", "14:02:11 a\nnew\nc"),
        ("a\n…\nz", "b\nc\nd\nz", "b\n…\nz"),
        ("a\n…", "a\nb\nc", "a\n…"),
        ("a\nb\n…\ny\nz", "a\nB\nc\nd\nY\nz", "a\nB\n…\nY\nz"),
    ],
)
def test_a_renewed_page_keeps_what_holds(printed, came, renewed):
    """So that a change of the documentation shows what has changed."""
    assert renewed.splitlines() == merged(printed.splitlines(), came.splitlines())


TEXT = """\
<!-- first: echo 1 >a
echo 2 >b -->
<!-- run: machine -->
```console
# one \\
  more
printed

also
$ two
```

text

<!-- file: /etc/x.yaml -->
```yaml
a: 1
```
"""


def test_a_page_is_taken_apart():
    """Marks in front of a block are its own; the place is that of the blocks behind it, too."""
    first, second = blocks(ROOT / "README.md", TEXT)

    assert {"first": "echo 1 >a\necho 2 >b", "run": "machine"} == first.marks
    assert ["one \\\n  more", "two"] == [command.text for command in commands(first)]
    assert [("printed", "", "also"), ()] == [command.printed for command in commands(first)]
    assert [5, 9] == [command.line for command in commands(first)]
    assert ("machine", "/etc/x.yaml") == (second.place, second.marks["file"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```console\n# rm -rf /\n```\n", "neither where it is run"),
        ("<!-- run: moon -->\n```console\n# a\n```\n", "no place to run at: moon"),
        ("<!-- first: true -->\n\ntext\n", "no block follows"),
        ("<!-- first: true -->\n", "no block follows"),
    ],
)
def test_what_a_page_does_not_say_is_an_error(text, message):
    """A mark would have no effect; and nothing is run on this machine that is not meant for it."""
    with pytest.raises(ValueError, match=message):
        blocks(ROOT / "README.md", text)


def test_a_session_writes_shows_waits_and_ends(tmp_path):
    """All that a block can ask for, on programs of the system."""
    page = tmp_path / "page.md"
    page.write_text(SESSION)

    outcomes = list(places.session(page, HOST, tmp_path).run())

    assert ["sleeps", "^C", "ends"] == list(outcomes[1].came)
    assert ("x: 1",) == outcomes[0].came
    assert ["-never", "+stays"] == problems(outcomes[2])[1:]
    assert ("later",) == outcomes[4].came
    assert ["ended with code 3:"] == problems(outcomes[5])[1:]
    assert [] == [each for n in (0, 1, 3, 4) for each in problems(outcomes[n])]


SESSION = """\
<!-- run: host -->
```console
# cat shown.yaml
x: 1

# trap 'echo ends; exit' INT; echo sleeps; while sleep 0.05; do :; done
sleeps
^C
ends
```

<!-- meanwhile -->
<!-- run: host -->
```console
# cat shown.yaml
x: 1
```

<!-- stays -->
<!-- run: host -->
```console
# echo stays; until test -e go; do sleep 0.05; done; echo later; sleep 60
never
```

<!-- run: host -->
```console
# touch go
```

<!-- goes on -->
<!-- run: host -->
```
later
```

<!-- run: host -->
```console
# exit 3
```
"""


def test_the_list_says_where_blocks_are_run():
    """The script that maintainers call, as a program."""
    done = subprocess.run(
        [sys.executable, "scripts/printed-pages.py"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert f"{len([b for p in PAGES for b in left_out(p)]):4} not run:" in done.stdout.splitlines()
