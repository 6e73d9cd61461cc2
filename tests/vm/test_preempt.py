# SPDX-License-Identifier: MIT
"""
A kernel that preempts tasks in the middle of a hook, and tasks that then wait long for their processor.

What such a task holds of the engine's working memory must not be missing for others: whoever found none would be refused.
"""

import os
import subprocess
import sys
from pathlib import Path

from daemon import kernel_counts
from engine import running
from patience import scaled

PLACE = Path("/srv/preempt")
READERS = 24
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
    for folder in ("open", "vault"):
        (PLACE / folder).mkdir(parents=True)
    (PLACE / "vault" / "f").write_text("secret")
    one = str(min(os.sched_getaffinity(0)))
    with running(POLICY, tmp_path):
        before = kernel_counts()
        nice = ("taskset", "-c", one, "nice", "-n", "19")
        readers = [
            subprocess.Popen(
                [*nice, sys.executable, "-ISc", READER, str(n)], stdout=subprocess.PIPE, text=True
            )
            for n in range(READERS)
        ]
        wakers = [
            subprocess.Popen(["taskset", "-c", one, sys.executable, "-ISc", WAKER])
            for _ in range(4)
        ]
        ended = [reader.communicate(timeout=scaled(600))[0].split() for reader in readers]
        assert [0] * 4 == [waker.wait(scaled(600)) for waker in wakers]
        now = kernel_counts()
    subprocess.run(["rm", "-rf", PLACE], check=True)

    tried, wrong, read = (sum(int(words[i]) for words in ended) for i in range(3))
    assert tried > READERS
    assert (0, 0) == (wrong, read), f"of {tried} tries"
    assert before["no_scratch"] == now["no_scratch"]
    assert now["decisions"] > before["decisions"]
