# SPDX-License-Identifier: MIT
"""Candidate policies, by name, about the work of ``replaying.py``."""

from __future__ import annotations

__all__ = ["MARKED", "ONLY_MARK", "POLICIES", "WORKER"]

WORKER = "/srv/replay/worker"  # the shell that does it
MARKED = "/srv/replay/marked"
_HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\n"

_FILES = """\
metadata: {name: files}
spec:
  rules:
    - name: dpkg-keeps-its-books
      file: [write, create, unlink, rename]
      match: {path: /var/lib/dpkg/**, process: {binary: /usr/bin/dpkg}, ancestors: {binary: WORKER}}
      action: allow
    - name: system
      file: [write, create, unlink, rename, chmod, chown]
      match: {path: [/usr/**, /etc/**, /var/**, /opt/**], ancestors: {binary: WORKER}}
      action: deny
      guard: false
    - name: passwords
      file: read
      match: {path: [/etc/shadow, /etc/passwd], parent: {binary: WORKER}}
      action: kill
      guard: false
    - name: headers
      file: read
      match: {path: {glob: "/usr/**/std*.h"}, notParent: {binary: WORKER}, ancestors: {binary: WORKER}}
      action: log
    - name: seen-in-the-namespace
      file: [write, create, read]
      match: {path: /mnt/in/**, ancestors: {binary: WORKER}}
      action: deny
      guard: false
"""

_PROGRAMS = """\
metadata: {name: programs}
spec:
  rules:
    - name: compiler-passes
      exec: {}
      match: {path: {suffix: /cc1}, ancestors: {binary: WORKER}}
      action: log
    - name: scripts-of-packages
      exec: {}
      match: {path: "/var/lib/dpkg/**", ancestors: {binary: /usr/bin/dpkg}}
      action: deny
      guard: false
    - name: by-the-last-word
      exec: {}
      match: {args: [{index: any, glob: "the-end-*"}], ancestors: {binary: WORKER}}
      action: kill
    - name: shells
      exec: {}
      match:
        args: [{index: 1, equal: "-c"}]
        ancestors: {binary: WORKER}
      action: kill
    - name: from-scripts
      exec: {}
      match: {process: {script: true}, ancestors: {binary: WORKER}}
      action: deny
"""

_PEOPLE = """\
metadata: {name: people}
spec:
  selector: {cgroup: /replay.slice/work.service}
  default: {exec: log}
  rules:
    - name: becomes-somebody
      process: setuid
      match: {newUid: 1-65533}
      action: deny
    - name: owner
      process: capability
      match: {capability: [chown, fowner]}
      action: deny
    - name: somebody-reads
      file: read
      match: {path: /etc/**, process: {euid: 4321}}
      action: deny
      guard: false
    - name: grandchildren
      exec: {}
      match: {ancestors: {euid: 4321}}
      action: kill
    - name: signals
      process: signal
      action: deny
    - name: discard
      network: connect
      match: {address: 127.0.0.0/8, port: 9}
      action: kill
"""

_CONTEXT = """\
metadata: {name: before}
spec:
  rules:
    - {name: a-read, file: read, match: {path: MARKED/names}, mark: named}
    - {name: a-connection, network: connect, match: {address: 127.0.0.1, port: 9},
       mark: {name: connected, of: tree}}
    - {name: a-shelf, file: [write, create], match: {path: MARKED/shelf}, action: log,
       mark: {name: shelf, of: container}}
    - {name: a-compilation, exec: {}, match: {path: {suffix: /cc1}}, mark: {name: compiled, of: host}}
    - {name: a-clock, file: [write, create], match: {path: MARKED/clock}, mark: {name: clock, of: host}}
    - {name: a-view, file: [write, create], match: {path: /mnt/in/**}, mark: {name: viewed, of: tree}}
    - {name: of-process, file: read, match: {path: MARKED/process, within: {mark: named, last: 1h}},
       action: deny}
    - {name: of-tree, file: read, match: {path: MARKED/tree, within: {mark: connected, last: 1h}},
       action: deny}
    - name: of-container
      file: read
      match: {path: MARKED/container, within: {mark: shelf, last: 1h}}
      action: deny
    - {name: of-host, file: read, match: {path: MARKED/host, within: {mark: compiled, last: 1h}},
       action: kill}
    - {name: in-time, file: read, match: {path: MARKED/late, within: {mark: clock, last: 20s}},
       action: deny}
    - {name: not-in-time, file: read, match: {path: MARKED/late, notWithin: {mark: clock, last: 20s}},
       action: log}
    - {name: of-a-view, file: read, match: {path: MARKED/view, within: {mark: viewed, last: 1h}},
       action: deny}
    - name: by-arguments
      exec: {}
      match: {args: [{index: 1, equal: marked}], within: {mark: connected, last: 1h}}
      action: kill
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: prod}
spec:
  selector: {pod: {namespace: prod}}
  rules:
    - {name: secret, file: read, match: {path: /data/secret}, action: deny}
    - {name: lenient, file: read, match: {path: /data/lenient}, action: deny, onError: allow}
    - {name: own, file: read, match: {path: /data/own, notProcess: {binary: /bin/app}}, action: deny}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: names}
spec:
  rules:
    - name: main
      file: read
      match: {path: /data/main, process: {container: {name: main, runtime: [containerd, docker]}}}
      action: deny
    - name: image
      file: read
      match: {path: /data/image, process: {container: {image: {notGlob: "registry.example/*"}}}}
      action: kill
    - name: canary
      file: read
      match: {path: /data/label, process: {pod: {labels: {matchLabels: {canary: "no"}}}}}
      action: log
"""

# Rules of ``context`` that decide nothing.
ONLY_MARK = {"a-read", "a-connection", "a-compilation", "a-clock", "a-view"}

POLICIES = {
    name: _HEAD + text.replace("WORKER", WORKER).replace("MARKED", MARKED)
    for name, text in {
        "files": _FILES,
        "programs": _PROGRAMS,
        "people": _PEOPLE,
        "context": _CONTEXT,
    }.items()
}
