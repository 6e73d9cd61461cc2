# SPDX-License-Identifier: MIT
"""
A kernel that preempts tasks in the middle of a hook, and tasks that then wait long for their processor.

What such a task holds of the engine's working memory must not be missing for others: whoever found none would be refused.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
from daemon import ask, kernel_counts
from engine import running
from patience import scaled

from enforcer.kernel import host

PLACE = Path("/srv/preempt")
READERS, WAKERS = 24, 4
SECONDS = 15
POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: vault}}
spec:
  rules:
    - {{name: vault, file: read, match: {{path: {PLACE}/vault/**}}, action: deny, rateLimit: 1/m}}
"""
# A name that is new each time is decided the long way. Prints how often something was refused or read.
READER = f"""
import os, sys, time
own, end = f"{PLACE}/open/{{sys.argv[1]}}-", time.monotonic() + {SECONDS}
wrong = read = n = 0
while time.monotonic() < end:
    n += 1
    try:
        os.close(os.open(own + str(n), os.O_RDWR | os.O_CREAT))
    except PermissionError:
        wrong += 1
        continue
    os.unlink(own + str(n))
    try:
        os.close(os.open("{PLACE}/vault/f", os.O_RDONLY))
        read += 1
    except PermissionError:
        pass
print(n, wrong, read)
"""
# Wakes up all the time, and so takes the processor from whoever is nicer.
WAKER = f"""
import time
end = time.monotonic() + {SECONDS}
while time.monotonic() < end:
    time.sleep(0.0002)
"""


def test_nobody_is_refused_for_want_of_memory(preemption, tmp_path):
    if host.gives_up_labels():
        _is_refused_unless_less_is_allowed(tmp_path)
        return
    found = _contended(POLICY, tmp_path)

    assert READERS + WAKERS == found.ended_well
    assert found.tried > READERS
    assert (0, 0) == (found.wrong, found.read), f"of {found.tried} tries"
    assert 0 == found.counted("no_scratch")
    assert 0 < found.counted("decisions")


def _is_refused_unless_less_is_allowed(tmp_path):
    """Linux before 6.2 knows nobody at times: what is forbidden fails all the same, and each doubt is counted."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    refused = ask("start", str(policy))
    problem = json.loads(ask("doctor", "--json").stdout)["problems"][0]["what"]

    assert (1, True) == (refused.returncode, problem in refused.stderr)
    assert "refused in doubt" in problem
    allowed = POLICY.replace("spec:", "spec:\n  allowDegraded: true")
    found = _contended(allowed, tmp_path)
    assert 0 == found.read
    assert found.wrong <= found.counted("no_task")


@attrs.frozen
class Contention:
    """
    What became of programs that preempted each other in the middle of decisions.

    Attributes:
        ended_well: programs; one that is refused its own files in doubt does not.
        tried: files that were made or not.
        wrong: files and programs that nothing forbids, refused.
        read: files that are forbidden, read.
        before: the kernel's counts.
        after: likewise.
    """

    ended_well: int
    tried: int
    wrong: int
    read: int
    before: dict[str, int]
    after: dict[str, int]

    def counted(self, what):
        return self.after[what] - self.before[what]


def _contended(policy, tmp_path):
    for folder in ("open", "vault"):
        (PLACE / folder).mkdir(parents=True, exist_ok=True)
    (PLACE / "vault" / "f").write_text("secret")
    own = ("taskset", "-c", str(min(os.sched_getaffinity(0))))
    python = (sys.executable, "-ISc")
    with running(policy, tmp_path):
        before = kernel_counts()
        readers = [
            _begun([*own, "nice", "-n", "19", *python, READER, str(n)], stdout=subprocess.PIPE)
            for n in range(READERS)
        ]
        begun = [*readers, *(_begun([*own, *python, WAKER]) for _ in range(WAKERS))]
        said = [reader.communicate(timeout=scaled(600))[0].split() for reader in readers if reader]
        codes = [process.wait(scaled(600)) for process in begun if process]
        after = kernel_counts()
    subprocess.run(["rm", "-rf", PLACE], check=True)
    tried, wrong, read = (sum(int(words[i]) for words in said if words) for i in range(3))
    return Contention(codes.count(0), tried, wrong + begun.count(None), read, before, after)


def _begun(command, **options):
    """None for a program that was refused: the first are at it while the others begin."""
    try:
        return subprocess.Popen(command, text=True, **options)
    except PermissionError:
        return None
