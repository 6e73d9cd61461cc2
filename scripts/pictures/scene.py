# SPDX-License-Identifier: MIT
"""
What the pictures of the README show, as a run: in the guest, where ``make.py`` starts it under systemd.

Copies of bash stand in for nginx, PHP, a vault and others, and do what such services do on a day when somebody has got
into one of them. sshd is the real one. Leaves ``dashboard.svg`` and ``dry-run.html`` in the folder that is named.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENFORCER = ROOT / ".venv/bin/enforcer"
POLICIES = Path("/etc/enforcer/policies")
SHIPPED = ("web-root", "service-tools", "cloud-metadata", "secrets", "trusted-exec", "ssh-keys")
AUDITED = "ssh-keys"
DRY_RUN = 100  # seconds
HISTORY = 330  # seconds: what the dashboard shows, and a little more
TRIES = 12  # at a daemon that has no time for a picture just now
SIZE = "120x34"
NOW = datetime(2026, 11, 27, 14, tzinfo=UTC)

SSHD = """\
Port 22
ListenAddress 127.0.0.1
HostKey /etc/ssh/scene_key
AuthorizedKeysFile /etc/ssh/scene_user.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
"""
LOGS = """\
/var/log/nginx/access.log {
    rotate 3
    create
}
"""

# Where a copy of bash lies, by role.
ACTORS = {
    "nginx": "/usr/sbin/nginx",
    "php-fpm": "/usr/sbin/php-fpm8.2",
    "vault": "/usr/bin/vault",
    "backup": "/usr/local/bin/backup",
    "deploy": "/usr/local/bin/deploy",
    "miner": "/tmp/.cache/kdevtmpfsi",  # noqa: S108 (where such programs lie)
}
FILES = {
    "/var/www/shop/index.php": "<?php",
    "/var/www/shop/logo.svg": "<svg/>",
    "/srv/vault/secret": "the launch code is 0000",
    "/srv/app/releases/version": "1",
    "/var/log/nginx/access.log": "192.0.2.7 GET /\n",
    "/etc/ssh/scene.conf": SSHD,
    "/etc/scene-logs.conf": LOGS,
    "/home/deploy/.ssh/authorized_keys": "",
}


def run(*command: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run(command, check=True, **more)


def furnish() -> None:
    """Give the machine a name, a time, files, and programs with the names of services."""
    socket.sethostname("web-3")
    time.clock_settime(time.CLOCK_REALTIME, NOW.timestamp())
    for path, text in FILES.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    for path in ACTORS.values():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/bash", path)
    shutil.copy(HERE / "actors.sh", "/usr/local/lib/actors.sh")
    for name in ("key", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"/etc/ssh/scene_{name}")
    Path("/run/sshd").mkdir(exist_ok=True)
    POLICIES.mkdir(parents=True, exist_ok=True)


def service(unit: str, *command: str) -> None:
    # The daemon comes first, since an emulated machine is slow.
    run("systemd-run", "--quiet", "--nice=19", f"--unit={unit}", "--collect", *command)


@contextlib.contextmanager
def acting(*roles: str) -> Iterator[None]:
    """Let services do their work, each as a unit of systemd."""
    for role in roles:
        service(role, ACTORS[role], "/usr/local/lib/actors.sh", role)
    try:
        yield
    finally:
        run("systemctl", "stop", *roles)


def log_in() -> None:
    """Log in at sshd, which runs as a service."""
    options = ("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-i", "/etc/ssh/scene_user")
    run("ssh", "-F", "none", "-q", *options, "root@127.0.0.1", "true", stdin=subprocess.DEVNULL)


def dry_run(page: Path) -> None:
    """Try a first draft of a policy, and what it forgets."""
    draft = POLICIES / "draft.yaml"
    shutil.copy(HERE / draft.name, draft)
    tried = subprocess.Popen(
        [ENFORCER, "dry-run", f"--for={DRY_RUN}s", "--html", page, draft.name],
        cwd=POLICIES,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in tried.stderr:
        print(line, end="", flush=True)
        if "nothing is refused" in line:
            break
    service("sshd", "/usr/sbin/sshd", "-D", "-f", "/etc/ssh/scene.conf")
    with acting("php-fpm"):
        while tried.poll() is None:
            log_in()
            service("log-rotation", "/usr/sbin/logrotate", "--force", "/etc/scene-logs.conf")
            time.sleep(8)
    draft.unlink()
    if tried.returncode:
        sys.exit(f"scene: the dry run ended with {tried.returncode}")


def watch(picture: Path) -> None:
    """Enforce, for as long as the dashboard remembers, and take a picture of it."""
    for name in SHIPPED:
        text = (ROOT / "policies" / f"{name}.yaml").read_text()
        mode = "spec:\n  mode: audit\n" if name == AUDITED else "spec:\n"
        (POLICIES / f"{name}.yaml").write_text(text.replace("spec:\n", mode, 1))
    for path in (HERE / "policies").iterdir():
        shutil.copy(path, POLICIES)
    daemon = subprocess.Popen(
        [ENFORCER, "start", "--quiet", POLICIES], stdout=subprocess.PIPE, text=True
    )
    print(daemon.stdout.readline(), end="", flush=True)
    try:
        with acting("nginx", "php-fpm", "vault", "backup", "deploy"):
            time.sleep(HISTORY)
            look(picture)
    finally:
        daemon.terminate()
        daemon.communicate()


def look(picture: Path) -> None:
    """Let the dashboard draw a picture of now."""
    for _ in range(TRIES):
        drawn = subprocess.run(
            [ENFORCER, "dashboard", "--svg", picture, "--size", SIZE], check=False
        )
        if drawn.returncode == 0:
            return
    sys.exit("scene: the daemon does not answer: the machine is too slow")


def main() -> None:
    into = Path(sys.argv[1])
    furnish()
    for name, act in {"dry-run.html": dry_run, "dashboard.svg": watch}.items():
        if name in (sys.argv[2:] or name):
            act(into / name)


if __name__ == "__main__":
    main()
