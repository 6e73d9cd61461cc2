# SPDX-License-Identifier: MIT
"""
No spelling is a way around a rule, where directories find a file by several.

ext4 with directories that fold case, and vfat with its short names, on disks of their own. Each attempt is made
without an engine, where it works, and with one.
"""

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attempter
import pytest
import spelling_attempts
from engine import Engine, running

_SCRIPT = spelling_attempts.__file__
_BASE = Path("/srv/spelling")
_ERROR = errno.EDOM
_BOX = "/bin/busybox"
_SECRET, _OTHER = b"the secret", b"something else"
_FILES = {
    "vault/Secret.key": _SECRET,
    "vault/secret long name.txt": _SECRET,
    "vault/kelvin.txt": _SECRET,
    "vault/stra\N{LATIN SMALL LETTER SHARP S}e.txt": _SECRET,
    "vault/plain.txt": _OTHER,
    "vault/another long name.txt": _OTHER,
    "vault/Config": _OTHER,
    "Tree/deep/file": _SECRET,
    "open/notes.txt": _OTHER,
    "open/another long name.txt": _OTHER,
}
_PROGRAMS = ("vault/Tool", "vault/Reader", "vault/Trusted", "open/Tool")
_POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: spelling}
spec:
  rules:
  - name: permitted
    file: read
    match: {path: [{tree-permitted}]}
    action: allow
  - name: content
    file: read
    match: {path: [{secrets}]}
    action: {deny: {errno: EDOM}}
  - name: tree
    file: read
    match: {path: [{tree}]}
    action: {deny: {errno: EDOM}}
  - name: config
    file: write
    match: {path: [{config}]}
    action: {deny: {errno: EDOM}}
  - name: new
    file: create
    match: {path: [{new}]}
    action: {deny: {errno: EDOM}}
  - name: tool
    exec: {}
    match: {path: [{tool}]}
    action: {deny: {errno: EDOM}}
  - name: not-by-reader
    file: read
    match: {path: /srv/spelling/target, process: {binary: [{reader}]}}
    action: {deny: {errno: EDOM}}
  - name: by-trusted-only
    file: read
    match: {path: /srv/spelling/own, notProcess: {binary: [{trusted}]}}
    action: {deny: {errno: EDOM}}
"""

_READ = {
    "fold": (
        "vault/SECRET.KEY",
        "vault/secret.key",
        "vault/KELVIN.txt",
        "vault/\N{KELVIN SIGN}elvin.txt",
        "vault/STRASSE.TXT",
        "vault/SECRET LONG NAME.TXT",
        "Tree/DEEP/FILE",
    ),
    "stick": (
        "VAULT/SECRET.KEY",
        "vault/secret.key",
        "vault/Secret.key.",
        "vault/secret long name.TXT",
        "vault/SECRET~1.TXT",
        "Vault/secret~1.txt",
        "TREE/deep/file",
    ),
}
_GO_ON = {
    "fold": ("vault/plain.txt", "vault/PLAIN.TXT", "vault/Another long name.txt", "open/notes.txt"),
    "stick": (
        "vault/plain.txt",
        "VAULT/PLAIN.TXT",
        "vault/Another long name.txt",
        "open/ANOTHE~1.TXT",
        "OPEN/NOTES.TXT",
    ),
}
_PLACES = tuple(_READ)


def _try(way: str, *arguments: str) -> tuple[int, bytes]:
    result = attempter.make(_SCRIPT, way, *arguments)
    return result.returncode, result.stdout


def _at(place: str, name: str) -> str:
    return str(_BASE / place / name)


def _everywhere(*names: str) -> str:
    return ", ".join(f'"{_at(place, name)}"' for place in _PLACES for name in names)


def _policy() -> str:
    values = {
        "secrets": _everywhere(*(name for name, text in _FILES.items() if text is _SECRET)),
        "tree-permitted": _everywhere("Tree/deep/permitted"),
        "tree": _everywhere("Tree/**"),
        "config": _everywhere("vault/Config"),
        "new": _everywhere("vault/New.txt", "vault/a long new name.txt"),
        "tool": _everywhere("vault/Tool"),
        "reader": _everywhere("vault/Reader"),
        "trusted": _everywhere("vault/Trusted"),
    }
    text = _POLICY
    for word, found in values.items():
        text = text.replace(f"{{{word}}}", found)
    return text


_CASEFOLD = Path("/sys/fs/ext4/features/casefold")


def _mount(place: str, images: Path) -> None:
    image, point = images / place, _BASE / place
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(48 << 20)
    how = ["mkfs.ext4", "-q", "-O", "casefold"] if place == "fold" else ["mkfs.vfat"]
    subprocess.run([*how, image], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(["mount", "-o", "loop", image, point], check=False)
    if done.returncode and place == "fold" and not _CASEFOLD.exists():
        pytest.skip("this kernel folds no case")
    assert 0 == done.returncode


def _fill(place: str) -> None:
    for folder in ("vault", "Tree", "open"):
        (_BASE / place / folder).mkdir()
        if place == "fold":
            subprocess.run(["chattr", "+F", _BASE / place / folder], check=True)
    for name, text in _FILES.items():
        path = Path(_at(place, name))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text)
    for name in _PROGRAMS:
        subprocess.run(["cp", _BOX, _at(place, name)], check=True)


@pytest.fixture(scope="module")
def controls(tmp_path_factory) -> dict[tuple[str, ...], tuple[int, bytes]]:
    """What the attempts do before there is an engine."""
    _BASE.mkdir(parents=True)
    for module in ("loop", "vfat"):
        subprocess.run(["modprobe", "-q", module], check=False)
    images = tmp_path_factory.mktemp("images")
    found: dict[tuple[str, ...], tuple[int, bytes]] = {}
    for place in _PLACES:
        _mount(place, images)
        _fill(place)
        for name in (*_READ[place], *_GO_ON[place]):
            found[place, name] = _try("read", _at(place, name))
        found[place, "run"] = _try("run", _at(place, "vault/TOOL"), "echo", "ran")
    plain = _BASE / "fold" / "case"  # a directory of the same file system that folds nothing
    plain.mkdir()
    (plain / "Secret.key").write_bytes(_SECRET)
    (plain / "secret.key").write_bytes(_OTHER)
    for name in ("target", "own"):
        (_BASE / name).write_bytes(_OTHER)
    return found


@pytest.fixture(scope="module")
def daemon(controls, tmp_path_factory) -> Iterator[Engine]:
    policy = _policy().replace('Secret.key"', f'Secret.key", "{_BASE}/fold/case/Secret.key"', 1)
    with running(policy, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.mark.parametrize(("place", "name"), [(p, n) for p in _PLACES for n in _READ[p]])
def test_another_spelling_reads_nothing(controls, daemon, place, name) -> None:
    """Without an engine it is the same file."""
    assert (0, _SECRET) == controls[place, name]

    assert (_ERROR, b"") == _try("read", _at(place, name))


@pytest.mark.parametrize("place", _PLACES)
def test_the_name_itself_reads_nothing(daemon, place) -> None:
    """As a rule says it."""
    for name, text in _FILES.items():
        if text is _SECRET:
            assert (_ERROR, b"") == _try("read", _at(place, name)), name


@pytest.mark.parametrize("place", _PLACES)
def test_other_files_of_the_file_system_go_on(controls, daemon, place) -> None:
    """Also by other spellings, and by short names where no rule could lead."""
    for name in _GO_ON[place]:
        assert (0, _OTHER) == controls[place, name], name

        assert (0, _OTHER) == _try("read", _at(place, name)), name


def test_a_directory_that_folds_nothing_has_two_files(daemon) -> None:
    """On the same file system: another case is another file, which no rule names."""
    assert (_ERROR, b"") == _try("read", f"{_BASE}/fold/case/Secret.key")
    assert (0, _OTHER) == _try("read", f"{_BASE}/fold/case/secret.key")


def test_a_short_name_of_a_file_that_no_rule_is_about_is_unknown_beside_one_that_is(daemon) -> None:
    """Which of the long names it stands for, the kernel side cannot see: the rule's onError decides."""
    assert (_ERROR, b"") == _try("read", _at("stick", "vault/ANOTHE~1.TXT"))

    record = daemon.wait_for(lambda e: "ANOTHE~1" in e.get("object", {}).get("path", ""))
    assert record["onError"]
    assert f"short {len(str(_BASE / 'stick'))}" == record["object"]["folded"]


@pytest.mark.parametrize("place", _PLACES)
def test_another_spelling_changes_nothing(daemon, place) -> None:
    """Neither the content, nor the name that readers go by."""
    file = Path(_at(place, "vault/Config"))

    assert _ERROR == _try("overwrite", _at(place, "vault/CONFIG"))[0]
    assert _ERROR == _try("remove", _at(place, "vault/cONFIG"))[0]
    assert _ERROR == _try("rename", _at(place, "vault/config"), _at(place, "open/gone"))[0]
    assert _ERROR == _try("rename", _at(place, "open/notes.txt"), _at(place, "vault/CONFIG"))[0]
    assert _OTHER == file.read_bytes()
    assert (0, b"") == _try("overwrite", _at(place, "vault/PLAIN.TXT"))
    assert b"changed" == Path(_at(place, "vault/plain.txt")).read_bytes()
    Path(_at(place, "vault/plain.txt")).write_bytes(_OTHER)


@pytest.mark.parametrize("place", _PLACES)
def test_a_name_that_is_kept_is_kept_in_every_spelling(daemon, place) -> None:
    """Moved away, the file or the directory above would be read by another name."""
    assert _ERROR == _try("rename", _at(place, "vault/SECRET.KEY"), _at(place, "open/x"))[0]
    assert _ERROR == _try("rename", _at(place, "Tree/DEEP"), _at(place, "open/deep"))[0]
    assert not Path(_at(place, "open/x")).exists()
    if place == "fold":  # vfat has no links
        assert _ERROR == _try("link", _at(place, "vault/SECRET.KEY"), _at(place, "open/x"))[0]
    assert 0 == _try("rename", _at(place, "open/NOTES.TXT"), _at(place, "open/moved"))[0]
    assert 0 == _try("rename", _at(place, "open/MOVED"), _at(place, "open/notes.txt"))[0]


@pytest.mark.parametrize("place", _PLACES)
def test_nothing_is_made_by_another_spelling(daemon, place) -> None:
    """Who looks for the name that the rule has would find it."""
    for name in ("vault/NEW.TXT", "vault/A LONG new name.txt"):
        assert _ERROR == _try("make", _at(place, name))[0]
        assert not Path(_at(place, name)).exists()
    assert _ERROR == _try("rename", _at(place, "open/notes.txt"), _at(place, "vault/new.TXT"))[0]
    assert 0 == _try("make", _at(place, "vault/OTHER.TXT"))[0]


@pytest.mark.parametrize("place", _PLACES)
def test_a_program_does_not_run_by_another_spelling(controls, daemon, place) -> None:
    """Its neighbour does."""
    assert (0, b"ran\n") == controls[place, "run"]

    assert (_ERROR, b"") == _try("run", _at(place, "vault/TOOL"), "echo", "ran")
    assert (_ERROR, b"") == _try("run", _at(place, "vault/Tool"), "echo", "ran")
    assert (0, b"ran\n") == _try("run", _at(place, "open/TOOL"), "echo", "ran")


@pytest.mark.parametrize("place", _PLACES)
def test_what_a_program_is_called_favours_nobody(daemon, place) -> None:
    """It is one that a rule refuses by every spelling, and one that a rule trusts by its own alone."""
    for name in ("vault/Reader", "vault/READER"):
        assert b"" == _try("run", _at(place, name), "cat", f"{_BASE}/target")[1], name
    assert b"" == _try("run", _at(place, "vault/TRUSTED"), "cat", f"{_BASE}/own")[1]
    assert (0, _OTHER) == _try("run", _at(place, "vault/Trusted"), "cat", f"{_BASE}/own")
    assert (0, _OTHER) == _try("run", _at(place, "open/TOOL"), "cat", f"{_BASE}/target")
