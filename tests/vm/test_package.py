# SPDX-License-Identifier: MIT
"""
The Debian package under a real dpkg and systemd: installed, upgraded under attack, removed, purged.

``tests/vm/packaged.py`` makes two versions of it and fetches what they depend on: ``make test-package``.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import packaged
import pytest
from daemon import leftovers
from patience import scaled

_LIMIT = (
    900.0  # a package is compiled when it is configured, which takes an emulated machine minutes
)
_UNIT = "enforcer.service"
_SECRET = Path("/srv/vault/secret")
_CONFIG = Path("/etc/enforcer/enforcer.yaml")
_POLICY = Path("/etc/enforcer/policies/vault.yaml")
_TEXT = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: vault}}
spec: {{rules: [{{name: nobody-reads, file: read, match: {{path: {_SECRET}}}, action: deny}}]}}
"""

pytestmark = [
    pytest.mark.skipif(
        not Path("/run/systemd/system").is_dir(),
        reason="systemd is not process 1: start the guest with --systemd",
    ),
    pytest.mark.skipif(not packaged.made(), reason="no packages: make test-package"),
]


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, argv)),
        check=False,
        capture_output=True,
        text=True,
        timeout=scaled(_LIMIT),
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"},
    )


def done(*argv: str | Path) -> str:
    """Run what must succeed; return all that it printed."""
    ended = run(*argv)
    assert 0 == ended.returncode, (
        ended.stdout + ended.stderr + run("journalctl", "-u", _UNIT).stdout
    )
    return ended.stdout + ended.stderr


def shown(name: str) -> str:
    return done("systemctl", "show", "--value", "-p", name, _UNIT).strip()


def is_denied() -> bool:
    try:
        _SECRET.read_text()
    except PermissionError:
        return True
    return False


def installed() -> str:
    """The version that dpkg has installed, if any, whatever is wanted of it."""
    asked = run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "enforcer")
    status, _, version = asked.stdout.partition(" ")
    return version if status == "installed" else ""


@contextmanager
def attackers() -> Iterator[list[bool]]:
    """Read again and again, until the block ends; what came of each try."""
    found: list[bool] = []
    ends = threading.Event()

    def attack() -> None:
        while not ends.is_set():
            found.append(is_denied())
            time.sleep(0.01)

    thread = threading.Thread(target=attack)
    thread.start()
    try:
        yield found
    finally:
        ends.set()
        thread.join()


@pytest.fixture(scope="module")
def first() -> str:
    """Install what it depends on, and the first version; what that printed."""
    _SECRET.parent.mkdir(parents=True)
    _SECRET.write_text("secret")
    done("dpkg", "-i", *packaged.dependencies())
    return done("dpkg", "-i", packaged.version(1))


def test_it_starts_and_enforces_nothing(first: str) -> None:
    """The folder of policies is empty; the service says so."""
    assert "active" == shown("ActiveState")
    assert shown("StatusText").startswith("active: no policies, so nothing is enforced")
    assert 0 == run("systemctl", "reload", _UNIT).returncode
    assert not is_denied()
    assert "enabled" == done("systemctl", "is-enabled", _UNIT).strip()
    assert 0o600 == _CONFIG.stat().st_mode & 0o777
    assert "" == run("dpkg", "-V", "enforcer").stdout


def test_an_upgrade_leaves_no_gap(first: str) -> None:
    """Whoever reads all the while is refused all the while; another daemon runs afterwards."""
    _POLICY.write_text(_TEXT)
    _POLICY.chmod(0o600)
    done("systemctl", "reload", _UNIT)
    done("enforcer", "confirm")
    assert is_denied()
    before = shown("MainPID")

    with attackers() as tried:
        told = done("dpkg", "-i", packaged.version(2))

    assert packaged.number(2) == installed()
    assert {True} == set(tried)
    assert len(tried) > 20
    assert "active" == shown("ActiveState"), told
    assert before != shown("MainPID")
    assert is_denied()


def test_an_emptied_folder_lifts_nothing(first: str) -> None:
    """Neither a reload nor the next daemon takes it for an order."""
    away = _POLICY.with_suffix(".away")
    _POLICY.rename(away)
    try:
        reloaded = run("systemctl", "reload", _UNIT)
        after_reload = is_denied()
        done("systemctl", "kill", "--signal=KILL", "--kill-whom=main", _UNIT)
        started = run("systemctl", "start", _UNIT)
        after_death = is_denied()
    finally:
        away.rename(_POLICY)
    done("systemctl", "start", _UNIT)

    assert 0 != reloaded.returncode
    assert 0 != started.returncode
    assert "the directory has no policy" in done("journalctl", "-u", _UNIT)
    assert (True, True, True) == (after_reload, after_death, is_denied())


def test_what_outlives_the_daemon_keeps_the_package(first: str) -> None:
    """Enforcement that stays is not left without the program that could end it."""
    text = _CONFIG.read_text()
    _CONFIG.write_text(text.replace("#persist: false", "persist: true"))
    assert _CONFIG.read_text() != text
    done("systemctl", "restart", _UNIT)

    refused = run("dpkg", "-r", "enforcer")
    kept = installed(), is_denied(), shown("ActiveState")
    _CONFIG.write_text(text)
    done("systemctl", "restart", _UNIT)

    assert 0 != refused.returncode
    assert "enforcement is still active, so the package is not removed" in refused.stderr
    assert (packaged.number(2), True, "active") == kept
    assert is_denied()


def test_removal_ends_it_and_keeps_the_policies(first: str) -> None:
    done("dpkg", "-r", "enforcer")

    assert "" == installed()
    assert not is_denied()
    assert not any(leftovers().values())
    assert _POLICY.exists()
    assert _CONFIG.exists()
    assert not Path("/usr/bin/enforcer").exists()
    assert [] == list(Path("/usr/lib/python3/dist-packages/enforcer").rglob("*.py*"))


def test_what_was_removed_comes_back_with_its_policies(first: str) -> None:
    done("dpkg", "-i", packaged.version(2))

    assert "active" == shown("ActiveState")
    assert is_denied()


def test_purge_leaves_nothing(first: str) -> None:
    done("dpkg", "-P", "enforcer")

    assert not is_denied()
    assert not any(leftovers().values())
    for left in ("/etc/enforcer", "/var/log/enforcer", "/etc/logrotate.d/enforcer"):
        assert not Path(left).exists()
    assert 0 != run("systemctl", "cat", _UNIT).returncode
