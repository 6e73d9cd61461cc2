# SPDX-License-Identifier: MIT
"""Broken policies: each gives an error in its place, says what is wrong, and loads nothing."""

from __future__ import annotations

import pytest
from policy_text import FILE, HEAD, errors

from enforcer.errors import PolicyErrors
from enforcer.policy.text.problems import Problems
from enforcer.span import Span

# Rules stand in line 6 from column 5: after HEAD (lines 1 to 3), "spec:" and "  rules:".
# (rule, column of the error, words of its message)
RULES = [
    # events
    ("{}", 5, "a rule has no event"),
    ("{action: deny}", 5, "a rule has no event"),
    ("[exec]", 5, "a rule must be a mapping, not a list"),
    ("exec", 5, "a rule must be a mapping, not the text 'exec'"),
    ("{exec: {}, file: read, action: deny}", 16, "a rule has exec and file"),
    ("{exec: /bin/sh, action: deny}", 12, "under match, as path"),
    ("{exec: false, action: deny}", 12, "exec must be empty"),
    ("{exec: {path: /x}, action: deny}", 12, "exec must be empty"),
    ("{file: , action: deny}", 12, "nothing is not an operation of file"),
    ("{file: raed, action: deny}", 12, "did you mean 'read'?"),
    ("{file: [], action: deny}", 12, "empty list of operations"),
    ("{file: [read, read], action: deny}", 19, "operation read is given twice"),
    ("{file: [[read]], action: deny}", 13, "a list is not an operation of file"),
    ("{file: {}, action: deny}", 12, "file has no operations"),
    ("{file: {operations: [read], stric: true}, action: deny}", 33, "did you mean 'strict'?"),
    ("{file: {operations: read, strict: 1}, action: deny}", 39, "strict must be true or false"),
    ("{file: umount, action: deny}", 12, "operation 'umount' is not supported by this version"),
    ("{file: exec, action: deny}", 12, "running a program is the event exec"),
    ("{network: conect, action: deny}", 15, "did you mean 'connect'?"),
    ("{network: {operations: bind, strict: true}, action: deny}", 34, "'strict' is not a key of network"),
    ("{syscall: {}, action: deny}", 15, "one of name, list and class"),
    ("{syscall: , action: deny}", 15, "is not a system call"),
    ("{syscall: [], action: deny}", 15, "an empty list"),
    ("{syscall: [keyctl, keyctl], action: deny}", 24, "given twice"),
    ("{syscall: {name: [keyctl]}, action: deny}", 22, "write list for several"),
    ("{syscall: {class: keys}, action: deny}", 23, "must be one of clock, debug"),
    ("{syscall: {name: keyctl, class: keyring}, action: deny}", 15, "one of name, list and class"),
    ("{syscall: {name: execve, nr: 59}, action: deny}", 30, "'nr' is not a key of syscall"),
    ("{syscall: opennat, action: kill}", 15, "did you mean 'openat'?"),
    ("{kretprobe: x, action: kill}", 6, "write kprobe: {function: NAME, at: return}"),
    ("{raw_tracepoint: x, action: kill}", 6, "write tracepoint: {event: NAME, raw: true}"),
    ("{tracepoint: x, action: kill}", 18, "CATEGORY/EVENT, not the text 'x'"),
    ("{tracepoint: {event: x}, action: kill}", 18, "needs category and event"),
    ("{lsm: [], action: kill}", 11, "an empty list"),
    ("{lsm: a b, action: kill}", 11, "is not a name of the kernel's"),
    ("{lsm: {hok: x}, action: kill}", 12, "did you mean 'hook'?"),
    ("{kprobe: {function: x, at: end}, action: kill}", 32, "at must be one of entry, return"),
    ("{kprobe: __x64_sys_keyctl, action: kill}", 14, "write syscall: keyctl"),
    ("{memory: x, action: kill}", 14, "is not an operation of memory"),
    ("{process: capability, action: kill}", 6, "needs the capabilities by name"),
    ("{process: signal, match: {signal: SIGKIL}, action: kill}", 39, "did you mean 'kill'?"),
    ("{mount: {}, action: kill}", 13, "mount has no operations: name some, or any"),
    ("{mount: umount, action: kill}", 13, "write unmount, of the event mount"),
    ("{mount: mount, match: {mountFlags: suid}, action: deny}", 40, "did you mean 'nosuid'?"),
    ("{mount: mount, match: {mountFlags: x}, action: deny}", 40, "known are ro, nosuid, nodev"),
    ("{mount: move, match: {fsType: tmpfs}, action: deny}", 27, "fsType does not exist for mount move"),
    ("{mount: mount, match: {fsType: fuse.sshfs}, action: deny}", 36, "write fuse"),
    ("{mount: mount, match: {fsType: [tmpfs, fuse.*]}, action: deny}", 44, "the caller's own word: write fuse"),
    ("{mount: mount, match: {fsType: {notIn: [fuse.x]}}, action: deny}", 45, "write fuse"),
    ("{mount: mount, match: {fsType: {suffix: .sshfs}}, action: deny}", 45, "write what stands in front"),
    ("{mount: mount, match: {fsType: 'fuse[.]*'}, action: deny}", 36, "the caller's own word"),
    ("{mount: any, match: {path: /srv}, guard: true, action: deny}", 39, "guard is for rules"),
    ("{exec: {}, action: kill, rateLimit: 5}", 41, "rateLimit must be records in a time"),
    ("{exec: {}, action: kill, rateLimit: 0/m}", 41, "rateLimit must be records in a time"),
    ("{exec: {}, action: kill, rateLimit: {records: 5}}", 41, "needs records and per"),
    ("{exec: {}, action: kill, rateLimit: {records: 0, per: 1m}}", 42, "from 1 to 1000000"),
    ("{exec: {}, action: kill, mark: 'x y'}", 36, "is not a name for a mark"),
    ("{exec: {}, action: kill, mark: {of: tree}}", 36, "a mark needs a name"),
    ("{exec: {}, action: kill, mark: {name: x, of: me}}", 50, "of must be one of process, tree"),
    ("{exec: {}, mark: x, message: seen}", 25, "decides and records nothing"),
    ("{exec: {}, mark: x, rateLimit: 1/s}", 25, "decides and records nothing"),
    ("{exec: {}, mark: x, onError: deny}", 34, "one of mark, allow"),
    ("{exec: {}, action: log, onError: mark}", 38, "one of deny, allow, log"),
    ("{exec: {}, within: {mark: x, last: 1s}, action: log}", 16, "under match"),
    # other keys of rules
    ("{exec: {}}", 5, "a rule needs an action"),
    ("{exec: {}, aktion: deny, action: deny}", 16, "did you mean 'action'?"),
    ("{exec: {}, action: deny, name: [a]}", 36, "the name of a rule must be text"),
    ("{exec: {}, action: deny, name: 'a b'}", 36, "is not a name for a rule"),
    ("{exec: {}, action: deny, message: '{pid'}", 39, "a single { in the message"),
    ("{exec: {}, action: deny, message: '{pod}'}", 39, "unknown placeholder {pod}"),
    ("{exec: {}, action: deny, message: }", 39, "message must be text, not nothing"),
    ('{exec: {}, action: deny, message: "a\\nb"}', 39, "one line of printable text"),
    ("{exec: {}, action: deny, severity: urgent}", 40, "severity must be one of low, medium"),
    ("{exec: {}, action: deny, tags: ['a b']}", 37, "a tag must be up to"),
    ("{exec: {}, action: deny, onError: kill}", 39, "onError must be one of deny, allow, log"),
    ("{exec: {}, action: deny, guard: maybe}", 37, "guard must be true or false"),
    ("{exec: {}, action: deny, guard: true}", 30, "guard is for rules on exec, file and network"),
    ("{kernel: module, match: {path: /a}, guard: true, action: deny}", 41, "guard is for rules"),
    ("{exec: {}, action: deny, loader: maybe}", 38, "loader must be true or false"),
    ("{exec: {}, action: log, loader: false}", 29, "loader is for rules on exec that deny or kill"),
    ("{file: read, action: deny, loader: false}", 32, "loader is for rules on exec"),
    ("{exec: {}, mark: x, loader: false}", 25, "decides and records nothing"),
    ("{exec: {}, action: deny, strict: true}", 30, "strict is about descriptors"),
    ("{file: unlink, action: deny, strict: true}", 34, "strict is about descriptors"),
    ("{file: {operations: read, strict: true}, action: deny, strict: true}", 60, "given twice"),
    # actions
    ("{exec: {}, action: }", 24, "action must be one of allow, log, deny, kill, not nothing"),
    ("{exec: {}, action: block}", 24, "did you mean 'deny'?"),
    ("{exec: {}, action: [deny]}", 24, "not a list"),
    ("{exec: {}, action: {}}", 24, "a mapping with one verb"),
    ("{exec: {}, action: {deny: , kill: }}", 24, "a mapping with one verb"),
    ("{exec: {}, action: {deny: EACCES}}", 31, "must be a mapping"),
    ("{exec: {}, action: {deny: {errno: EFOO}}}", 39, "errno must be the name of an error"),
    ("{exec: {}, action: {deny: {errno: 0}}}", 39, "errno must be the name of an error"),
    ("{exec: {}, action: {deny: {errno: true}}}", 39, "errno must be the name of an error"),
    ("{exec: {}, action: {deny: {signal: KILL}}}", 32, "'signal' is not an option of deny"),
    ("{exec: {}, action: {allow: {errno: EPERM}}}", 33, "allow has no options: leave errno out"),
    ("{exec: {}, action: {kill: {signal: SIGCHLD}}}", 40, "does not end a process"),
    ("{exec: {}, action: {kill: {signal: 99}}}", 40, "signal must be a name like SIGKILL"),
    ("{exec: {}, action: {type: deny}}", 25, "action must be one of allow, log, deny, kill"),
    # match
    ("{exec: {}, action: deny, match: /bin/sh}", 37, "match must be a mapping"),
    ("{exec: {}, action: deny, match: {paht: /x}}", 38, "did you mean 'path'?"),
    ("{exec: {}, action: deny, match: {port: 80}}", 38, "port does not exist for exec"),
    ("{exec: {}, action: deny, match: {uid: 0}}", 38, "put it under process"),
    ("{file: read, action: deny, match: {script: true}}", 40, "put script under process"),
    ("{file: [read, chmod], action: deny, match: {mode: 0}}", 49, "mode does not exist for file read"),
    ("{network: any, action: deny, match: {port: 0}}", 42, "port does not exist for network any"),
    ("{exec: {}, action: deny, match: {within: 5s}}", 46, "within must be a mapping"),
    ("{exec: {}, action: deny, match: {within: {mark: x}}}", 46, "within needs last"),
    ("{exec: {}, action: deny, match: {within: {mark: x, last: 5}}}", 62, "last must be a time such as"),
    ("{exec: {}, action: deny, match: {within: {mark: x, last: 31d}}}", 62, "of 30d at most"),
    ("{exec: {}, action: deny, match: {within: {mark: x, last: 5s}}}", 46, "no rule of this policy sets"),
    ("{exec: {}, action: deny, match: {notWithin: {mark: x, last: 5s}}}", 49, "POLICY/x"),
    ("{exec: {}, action: deny, match: {within: {mark: A/x, last: 5s}}}", 53, "is not the name of a policy"),
    ("{exec: {}, action: deny, match: {process: {within: {mark: x, last: 5s}}}}", 48, "under match"),
    ("{exec: {}, action: deny, match: {namespace: x}}", 38, "'namespace' is not supported"),
    ("{exec: {}, action: deny, match: {process: /bin/sh}}", 47, "process takes fields"),
    ("{exec: {}, action: deny, match: {process: {}}}", 47, "not an empty mapping"),
    ("{exec: {}, action: deny, match: {process: {pod: x}}}", 53, "pod takes name, namespace, labels, not the text 'x'"),
    ("{exec: {}, action: deny, match: {process: {pod: {}}}}", 53, "pod takes name, namespace, labels"),
    ("{exec: {}, action: deny, match: {process: {pod: {uid: x}}}}", 54, "'uid' is not a field of pod"),
    ("{exec: {}, action: deny, match: {process: {pods: x}}}", 48, "write container: {id"),
    ("{exec: {}, action: deny, match: {parent: {pod: {name: x}}}}", 47, "about the process itself"),
    ("{exec: {}, action: deny, match: {notAncestors: {container: {id: x}}}}", 53, "about the process itself"),
    ("{exec: {}, action: deny, match: {lineage: {pod: {name: x}}}}", 48, "about the process itself"),
    ("{exec: {}, action: deny, match: {lineage: {}}}", 47, "lineage takes fields such as binary"),
    ("{exec: {}, action: deny, match: {linage: {uid: 1}}}", 38, "did you mean 'lineage'?"),
    ("{exec: {}, action: deny, match: {process: {pod: {labels: x}}}}", 62, "labels must be a mapping"),
    ("{exec: {}, action: deny, match: {process: {pod: {labels: {}}}}}", 62, "labels is an empty mapping"),
    ("{exec: {}, action: deny, match: {process: {pod: {labels: {a: [b]}}}}}", 66, "a must be text"),
    ("{exec: {}, action: deny, match: {process: {pod: {labels: {matchLabels: {a: '['}}}}}}", 80, "["),
    ("{exec: {}, action: deny, match: {parent: {binry: /x}}}", 47, "did you mean 'binary'?"),
    ("{exec: {}, action: deny, match: {ancestors: {port: 1}}}", 50, "'port' is not a field of ancestors"),
    ("{exec: {}, action: deny, match: {fileless: yes}}", 48, "true or false, not the text 'yes'"),
    ("{exec: {}, action: deny, match: {memfd: true, fileless: false}}", 51, "a memfd is always fileless"),
    # paths and other text
    ("{exec: {}, action: deny, match: {path: bin/sh}}", 44, "must be absolute"),
    ("{exec: {}, action: deny, match: {path: '*/sh'}}", 44, "must be absolute"),
    ("{exec: {}, action: deny, match: {path: {equal: a}}}", 52, "must be absolute"),
    ("{exec: {}, action: deny, match: {path: {prefix: a}}}", 53, "must be absolute"),
    ("{exec: {}, action: deny, match: {path: ''}}", 44, "the path is empty"),
    ("{exec: {}, action: deny, match: {path: }}", 44, "path must be text, not nothing"),
    ("{exec: {}, action: deny, match: {path: []}}", 44, "an empty list"),
    ("{exec: {}, action: deny, match: {path: {}}}", 44, "path has no operator"),
    ("{exec: {}, action: deny, match: {path: [[/a]]}}", 45, "path must be text, not a list"),
    ("{exec: {}, action: deny, match: {path: /a//b}}", 44, "an empty component"),
    ("{exec: {}, action: deny, match: {path: /a/../b}}", 44, "a component '..'"),
    ("{exec: {}, action: deny, match: {path: /a/./*}}", 44, "a component '.'"),
    ("{exec: {}, action: deny, match: {path: {equal: /a/}}}", 52, "ends in /"),
    ("{exec: {}, action: deny, match: {path: {suffix: a/}}}", 53, "ends in /"),
    ("{exec: {}, action: deny, match: {path: '/[a'}}", 44, "is not closed"),
    ("{exec: {}, action: deny, match: {path: '/[]'}}", 44, "is not closed"),
    ("{exec: {}, action: deny, match: {path: '/[z-a]'}}", 44, "range z-a backwards"),
    ("{exec: {}, action: deny, match: {path: '/[ä]'}}", 44, "a character of several bytes"),
    ("{exec: {}, action: deny, match: {path: '/[/]'}}", 44, "a class cannot match"),
    ("{exec: {}, action: deny, match: {path: '/srv/[[:digit:]]*'}}", 44, "write [0-9]"),
    ("{exec: {}, action: deny, match: {path: '/srv/[![:alpha:]_]'}}", 44, "write [a-zA-Z]"),
    ("{exec: {}, action: deny, match: {path: '/srv/[a[:space:]]'}}", 44, "[:space:]"),
    ("{exec: {}, action: deny, match: {path: '/srv/[[.hyphen.]]'}}", 44, "the character itself"),
    ("{exec: {}, action: deny, match: {path: '/srv/[[=a=]]'}}", 44, "the characters themselves"),
    ("{exec: {}, action: deny, match: {path: '/srv/[[:]'}}", 44, "a literal [ as"),
    ("{exec: {}, action: deny, match: {path: '/a\\'}}", 44, "ends in a backslash"),
    ("{exec: {}, action: deny, match: {path: '/a\\/b*'}}", 44, "the backslash before /"),
    ("{exec: {}, action: deny, match: {path: '/\\.\\./b*'}}", 44, "a component '..'"),
    ("{exec: {}, action: deny, match: {path: '/{a,b}'}}", 44, "a list of globs"),
    ("{exec: {}, action: deny, match: {path: /etc/**foo}}", 44, "whole components: write /etc/**/*foo"),
    ("{exec: {}, action: deny, match: {path: /a**/b}}", 44, "write /a*/**/b"),
    ("{exec: {}, action: deny, match: {path: /a**}}", 44, "write [/a*, /a*/**]"),
    ("{exec: {}, action: deny, match: {path: /a/***}}", 44, "write /a/**"),
    ("{exec: {}, action: deny, match: {path: /a**b**c}}", 44, "as in /a/**/*.b"),
    (f"{{exec: {{}}, action: deny, match: {{path: /{'a' * 256}}}}}", 44, "longer than 255 bytes"),
    (f"{{exec: {{}}, action: deny, match: {{path: {'/aa' * 1400}}}}}", 44, "the limit is 4096"),
    (f"{{exec: {{}}, action: deny, match: {{process: {{binary: {'/aa' * 90}}}}}}}", 56, "the limit is 256"),
    ("{exec: {}, action: deny, match: {path: {equals: /a}}}", 45, "did you mean 'equal'?"),
    ("{exec: {}, action: deny, match: {path: {equal: [/a]}}}", 52, "takes a single value: use in"),
    ("{exec: {}, action: deny, match: {path: {in: /a}}}", 49, "takes a list: use equal"),
    ("{exec: {}, action: deny, match: {path: {in: {a: b}}}}", 49, "not a mapping"),
    ("{network: bind, action: deny, match: {abstract: {range: 1-2}}}", 54, "'range' is not an operator of abstract"),
    ("{network: bind, action: deny, match: {path: /a, port: 1}}", 59, "path and port cannot hold together"),
    ("{network: bind, action: deny, match: {path: /a, abstract: b}}", 63, "cannot hold together"),
    ("{network: bind, action: deny, match: {port: 1, family: unix}}", 60, "have no port"),
    # numbers
    ("{network: bind, action: deny, match: {port: http}}", 49, "port 'http' is not a port number"),
    ("{network: bind, action: deny, match: {port: 010}}", 49, "port '010' is not a port number"),
    ("{network: bind, action: deny, match: {port: 1:20}}", 49, "port '1:20' is not a port number"),
    ("{network: bind, action: deny, match: {port: -1}}", 49, "is not a port number"),
    ("{network: bind, action: deny, match: {port: 65536}}", 49, "above 65535"),
    ("{network: bind, action: deny, match: {port: 9-1}}", 49, "backwards"),
    ("{network: bind, action: deny, match: {port: {range: 5}}}", 57, "not a range"),
    ("{network: bind, action: deny, match: {port: true}}", 49, "not the boolean true"),
    ("{network: socket, action: deny, match: {family: inet7}}", 53, "did you mean 'inet'?"),
    ("{network: socket, action: deny, match: {type: 524289}}", 51, "above 15"),
    ("{network: socket, action: deny, match: {type: {mask: 0}}}", 58, "has no bits"),
    ("{network: socket, action: deny, match: {type: {mask: 1=2}}}", 58, "bits outside the mask"),
    ("{file: chmod, action: deny, match: {mode: 0888}}", 47, "is not octal"),
    ("{file: chmod, action: deny, match: {mode: u+s}}", 47, "is not octal"),
    ("{file: chmod, action: deny, match: {mode: 17777}}", 47, "above 0o7777"),
    ("{network: bind, action: deny, match: {address: 10}}", 52, "is not an address"),
    ("{network: bind, action: deny, match: {address: localhost}}", 52, "names are not looked up"),
    ("{network: bind, action: deny, match: {address: 10.0.0.1/8}}", 52, "write 10.0.0.0/8"),
    ("{network: bind, action: deny, match: {address: {equal: 10.0.0.0/8}}}", 60, "is a network"),
    ("{network: bind, action: deny, match: {address: 'fe80::1%eth0'}}", 52, "names an interface"),
    ("{network: bind, action: deny, match: {address: 10.0.0.9-10.0.0.1}}", 52, "backwards"),
    ("{network: bind, action: deny, match: {address: '10.0.0.9-::1'}}", 52, "mixes IPv4 and IPv6"),
    # names
    ("{exec: {}, action: deny, match: {process: {uid: bob}}}", 53, "there is no user 'bob'"),
    ("{exec: {}, action: deny, match: {process: {gid: x}}}", 53, "there is no group 'x'"),
    ("{exec: {}, action: deny, match: {process: {uid: 4294967295}}}", 53, "above 4294967294"),
    ("{exec: {}, action: deny, match: {process: {capabilities: CAP_SYS_ADMN}}}", 62, "did you mean 'CAP_SYS_ADMIN'?"),
    ("{exec: {}, action: deny, match: {process: {capabilities: {some: KILL}}}}", 63, "not an operator of capabilities"),
    ("{exec: {}, action: deny, match: {process: {unit: nginx}}}", 54, "not a systemd unit"),
    ("{exec: {}, action: deny, match: {process: {unit: '*.service'}}}", 54, "not a systemd unit"),
    ("{exec: {}, action: deny, match: {process: {cgroup: a}}}", 56, "must be absolute"),
    # arguments
    ("{exec: {}, action: kill, match: {args: -e}}", 44, "args must be a list"),
    ("{exec: {}, action: kill, match: {args: []}}", 44, "args is an empty list"),
    ("{exec: {}, action: kill, match: {args: [-e]}}", 45, "an item of args must be a mapping"),
    ("{exec: {}, action: kill, match: {args: [{equal: a}]}}", 45, "needs an index"),
    ("{exec: {}, action: kill, match: {args: [{index: 0}]}}", 45, "has no operator"),
    ("{exec: {}, action: kill, match: {args: [{index: 16, equal: a}]}}", 53, "from 0 to 15"),
    ("{exec: {}, action: kill, match: {args: [{index: -1, equal: a}]}}", 53, "from 0 to 15"),
    ("{exec: {}, action: kill, match: {args: [{index: 0, equl: a}]}}", 56, "did you mean 'equal'?"),
    ("{exec: {}, action: kill, match: {args: [{index: 0, mask: 1}]}}", 56, "'mask' is not an operator of args"),
    ("{exec: {}, action: kill, match: {args: [{index: 0, operator: Equal}]}}", 45, "go together"),
    ("{exec: {}, action: kill, match: {args: [{index: 0, operator: Equl, values: a}]}}", 66, "did you mean 'Equal'?"),
    ("{exec: {}, action: kill, match: {args: [{index: 0, match: a}]}}", 63, "match of an argument must be"),
    ("{exec: {}, action: kill, match: {args: [{index: 0, match: {litral: a}}]}}", 64, "did you mean 'literal'?"),
    ("{exec: {}, action: kill, match: {args: [{index: 0, type: Int, equal: a}]}}", 62, "must have the type String"),
    ("{exec: {}, action: kill, match: {args: [{index: 0, type: [x], equal: a}]}}", 62, "type must be a word"),
    ("{exec: {}, action: deny, match: {args: [{index: 0, equal: a}]}}", 63, "use kill"),
    ("{exec: {}, action: kill, match: {args: [{index: 0, equal: a}], fileCapabilities: true}}", 63, "cannot hold together"),
    ("{exec: {}, action: kill, match: {args: [{index: 0, equal: a}], script: true}}", 68, "name the interpreter as path"),
    ("{exec: {}, action: deny, match: {script: true, fileCapabilities: true}}", 38, "cannot hold together"),
    ("{exec: {}, action: deny, match: {script: true, fileCapabilities: false}}", 38, "cannot hold together"),
    ("{syscall: ioctl, action: deny, match: {args: [{index: 3, equal: 1}]}}", 51, "has no argument 3"),
    ("{syscall: ioctl, action: deny, match: {args: [{index: any, equal: 1}]}}", 51, "no index any"),
    ("{syscall: ioctl, action: deny, match: {args: [{index: 1, prefix: a}]}}", 62, "not with prefix"),
    ("{syscall: ioctl, action: deny, match: {args: [{index: 1, equal: a}]}}", 69, "is not a number"),
    ("{syscall: ioctl, action: deny, match: {args: [{index: 1, equal: 4294967296}]}}", 69, "not a number of 32 bits"),
    ("{syscall: ioctl, action: deny, match: {args: [{index: 1, equal: -1}]}}", 69, "not a number of 32 bits"),
    ("{syscall: ioctl, action: deny, match: {args: [{index: 1, range: 5-3}]}}", 69, "backwards"),
    ("{syscall: ioctl, action: deny, match: {args: [{index: 1, range: 5}]}}", 69, "is not a range"),
    ("{syscall: ioctl, action: deny, match: {args: [{index: 1, mask: 0}]}}", 68, "the mask has no bits"),
    ("{syscall: ioctl, action: deny, match: {args: [{index: 1, mask: 1=2}]}}", 68, "outside the mask"),
    ("{syscall: ioctl, action: deny, match: {args: [{index: 1, type: String, equal: 1}]}}", 68, "as a number, not as"),
    ("{syscall: [ioctl, swapoff], action: deny, match: {args: [{index: 0, equal: 1}]}}", 62, "not the same"),
    ("{syscall: setuid, action: deny, match: {args: [{index: 0, type: Path, equal: 0}]}}", 69, "must have the type Int or UInt"),
    ("{syscall: umount2, action: deny, match: {args: [{index: 1, equal: 1}]}}", 64, "'equal' is not an operator of unmountFlags"),
    ("{syscall: execve, action: deny, match: {args: [{index: 1, equal: /a}]}}", 52, "argument 1 of execve is not supported"),
    ("{syscall: execve, action: deny, match: {args: [{index: any, equal: /a}]}}", 52, "any argument of execve"),
    ("{syscall: connect, action: deny, match: {args: [{index: 1, equal: /a}]}}", 53, "none of its arguments"),
    ("{syscall: execve, action: deny, match: {args: [{index: 0, equal: sh}]}}", 70, "must be absolute"),
]  # fmt: skip

# (whole text, line:column, words)
TEXTS = [
    ("", "1:1", "the file has no policy"),
    ("# nothing\n", "1:1", "the file has no policy"),
    ("---\n---\n", "1:1", "the file has no policy"),
    ("hello\n", "1:1", "a policy must be a mapping, not the text 'hello'"),
    ("- a\n", "1:1", "a policy must be a mapping, not a list"),
    ("a: 1\n", "1:1", "the document has no kind"),
    ("kind: EnforcerPolice\n", "1:7", "did you mean 'EnforcerPolicy'?"),
    ("kind: [EnforcerPolicy]\n", "1:7", "kind is not a list"),
    ("kind: TracingPolicy\n", "1:1", "the policy has no apiVersion: write apiVersion: cilium.io/v1alpha1"),
    ("kind: KubeArmorNetworkPolicy\n", "1:7", "kind KubeArmorNetworkPolicy is not supported by this version"),
    ("kind: EnforcerPolicy\n", "1:1", "no apiVersion"),
    ("kind: EnforcerPolicy\napiVersion: enforcer/v2\n", "2:13", "must be enforcer/v1"),
    ("kind: EnforcerPolicy\napiVersion: enforcer.dev/v2\n", "2:13", "must be enforcer/v1 or enforcer.dev/v1"),
    ("kind: ClusterEnforcerPolicy\napiVersion: enforcer/v1\n", "2:13", "must be enforcer.dev/v1"),
    ("kind: ClusterEnforcerPolicies\n", "1:7", "did you mean 'ClusterEnforcerPolicy'?"),
    ("kind: ClusterEnforcerPolicy\napiVersion: enforcer.dev/v1\nmetadata: {name: a, namespace: b}\nspec: {default: {exec: log}}\n", "3:21", "is for the whole host: leave namespace out, or write kind: EnforcerPolicy"),
    ("kind: TetragonPolicy\napiVersion: enforcer/v1\n", "2:13", "must be cilium.io/v1alpha1"),
    ("kind: EnforcerPolicy\napiVersion: enforcer/v1\n", "1:1", "has no metadata"),
    ("kind: EnforcerPolicy\napiVersion: enforcer/v1\nmetadata: x\n", "3:11", "must be a mapping"),
    ("kind: EnforcerPolicy\napiVersion: enforcer/v1\nmetadata: {}\n", "3:11", "has no name"),
    ("kind: EnforcerPolicy\nmetadata: {name: A}\n", "2:18", "lower-case letters"),
    ("kind: EnforcerPolicy\nmetadata: {name: [a]}\n", "2:18", "not a list"),
    ("kind: EnforcerPolicy\nmetadata: {nam: a}\n", "2:12", "did you mean 'name'?"),
    ("kind: EnforcerPolicy\nmetadata: {name: a, annotations: {b: c}}\n", "2:21", "is not supported by this version"),
    ("kind: EnforcerPolicy\nmetadata: {name: a, labels: [b]}\n", "2:29", "labels must be a mapping"),
    ("kind: EnforcerPolicy\nmetadata: {name: a, labels: {b: [c]}}\n", "2:33", "label 'b' must be text"),
    ("kind: EnforcerPolicy\nmetadata: {name: a, description: 5}\n", "2:34", "description must be text"),
    ("kind: EnforcerPolicy\nspecs: {}\n", "2:1", "did you mean 'spec'?"),
    (HEAD, "1:1", "the policy has no spec"),
    (f"{HEAD}spec:\n", "4:6", "spec must be a mapping, not nothing"),
    (f"{HEAD}spec: {{}}\n", "4:7", "neither rules nor a default"),
    (f"{HEAD}spec: {{ruls: []}}\n", "4:8", "did you mean 'rules'?"),
    (f"{HEAD}spec: {{rules: []}}\n", "4:15", "rules is an empty list"),
    (f"{HEAD}spec: {{rules: {{}}}}\n", "4:15", "rules must be a list"),
    (f"{HEAD}spec: {{kprobes: []}}\n", "4:8", "'kprobes' is not supported by this version"),
    (f"{HEAD}spec: {{podSelector: {{}}}}\n", "4:8", "'podSelector' is not supported by this version"),
    (f"{HEAD}spec: {{mode: off}}\n", "4:14", "mode must be one of enforce, audit, not the text 'off'"),
    (f"{HEAD}spec: {{mode: Audit}}\n", "4:14", "did you mean 'audit'?"),
    (f"{HEAD}spec: {{allowDegraded: yes}}\n", "4:23", "allowDegraded must be true or false"),
    (f"{HEAD}spec: {{recordAllowed: no}}\n", "4:23", "recordAllowed must be true or false"),
    (f"{HEAD}spec: {{selector: {{}}}}\n", "4:18", "selector takes fields"),
    (f"{HEAD}spec: {{selector: {{image: x}}}}\n", "4:19", "'image' is not supported by this version"),
    (f"{HEAD}spec: {{message: [a]}}\n", "4:17", "message must be text"),
    (f"{HEAD}spec: {{default: deny}}\n", "4:8", "needs its events"),
    (f"{HEAD}spec: {{default: {{}}}}\n", "4:17", "default is an empty mapping"),
    (f"{HEAD}spec: {{default: {{exce: deny}}}}\n", "4:18", "did you mean 'exec'?"),
    (f"{HEAD}spec: {{default: {{lsm: deny}}}}\n", "4:18", "'lsm' is not an event"),
    (f"{HEAD}spec: {{default: {{exec: dney}}}}\n", "4:24", "did you mean 'deny'?"),
    (f"{HEAD}spec: {{default: {{exec: deny, exec: log}}}}\n", "4:30", "given twice"),
    (f"{HEAD}spec: {{actions: x}}\n", "4:17", "actions must be a list"),
    (f"{HEAD}spec: {{actions: [x]}}\n", "4:18", "an item of actions must be a mapping"),
    (f"{HEAD}spec: {{actions: [{{action: deny}}]}}\n", "4:18", "an item of actions must have exactly one of"),
    (f"{HEAD}spec: {{actions: [{{exec: {{}}}}]}}\n", "4:18", "needs an action"),
    (f"{HEAD}spec: {{actions: [{{exec: {{}}, action: deny}}]}}\n", "4:19", "no rule is on exec"),
    (f"{HEAD}spec: {{actions: [{{exec: x, action: deny}}]}}\n", "4:25", "exec must be empty here"),
    (f"{HEAD}spec: {{actions: [{{exec: , action: log}}, {{exec: , action: log}}]}}\n", "4:42", "two actions here"),
    (f"{HEAD}spec: {{actions: [], திராட்சை: []}}\n", "4:21", "are the same list"),
    (f"{HEAD}spec:\n  rules:\n  - &a {{exec: , action: log}}\n  - *a\n", "7:5", "aliases are not supported"),
    (f"{HEAD}spec:\n  rules:\n  - exec: {{}}\n   action: log\n", "7:4", "not valid YAML"),
    (f"{HEAD}spec:\n  rules:\n  - exec: {{}}\n    exec: {{}}\n", "7:5", "given twice"),
    (
        (f"{HEAD}spec:\n  rules:\n  - {{name: a, exec: {{}}, action: log}}\n"
        "  - {name: a, exec: {}, action: log}\n"),
        "7:5",
        "rule 'a' has its name from line 6",
    ),
    (
        f"{HEAD}spec: {{default: {{exec: log}}}}\n---\n{HEAD}spec: {{default: {{exec: log}}}}\n",
        "6:1",
        "policy 'x' has its name from p.yaml:1:1",
    ),
]  # fmt: skip


def test_the_corpus_is_large():
    """A hundred ways to be wrong, at least, and no row twice."""
    rows = [rule for rule, *_ in RULES] + [text for text, *_ in TEXTS]
    assert len(rows) >= 200
    assert len(RULES) == len({rule for rule, *_ in RULES})


@pytest.mark.parametrize(("rule", "column", "words"), RULES)
def test_broken_rules(rule, column, words):
    """A wrong rule is reported in its line and column."""
    _assert_reported(f"{HEAD}spec:\n  rules:\n  - {rule}\n", f"6:{column}", words)


@pytest.mark.parametrize(("text", "place", "words"), TEXTS)
def test_broken_texts(text, place, words):
    """A wrong document is reported in its line and column."""
    _assert_reported(text, place, words)


def _assert_reported(text, place, words):
    found = errors(text)
    assert found, "it was loaded"
    assert any(e.startswith(f"{FILE}:{place}: ") and words in e for e in found), found


def test_all_errors_of_a_policy_come_together_in_order():
    """One run shows everything that is to be corrected."""
    found = errors(
        f"{HEAD}spec:\n  mode: off\n  rules:\n  - exec: x\n    action: dny\n"
        "    severity: none\n  - {file: raed, action: deny}\n  defualt: deny\n"
    )
    assert [5, 7, 8, 9, 10, 11] == [int(e.split(":")[1]) for e in found]


@pytest.mark.parametrize(
    "event",
    ["fil: read", "file: raed", "lsm: {hok: x}", "syscall: opennat", "uprobe: x", "exec: /x", ""],
)
def test_errors_below_an_unknown_event_come_with_it(event):
    """Whatever event is meant, the rest of the rule is read: nobody has to correct and ask again."""
    found = errors(
        f"{HEAD}spec:\n  rules:\n  - name: x\n    {event}\n    match:\n      paht: /x\n"
        "      path: relative\n      script: maybe\n      uid: 5\n      port: 99999\n"
        "      args: x\n      process: {binry: /x}\n      within: {mark: m}\n"
        "    onError: never\n    guard: 1\n    action: dney\n"
    )
    lines = {int(e.split(":")[1]) for e in found}

    assert {9, 10, 11, 12, 13, 15, 16, 17, 18, 19} <= lines
    assert 14 not in lines, "what args are depends on the event"
    assert lines & {6, 7}


def test_endless_errors_are_cut_with_a_count():
    """A broken list of thousands does not scroll everything away, and says how many there are."""
    found = errors(f"{HEAD}spec: {{rules: [{'1, ' * 1000}]}}\n")
    assert 101 == len(found)
    assert "900 more errors" in found[-1]


def test_what_follows_from_an_error_is_told_if_nothing_else_is():
    """So that no policy is accepted because something was only thought to be reported elsewhere."""
    problems = Problems()
    problems.add_consequence("there is no rule", Span(FILE, 1, 1))
    with pytest.raises(PolicyErrors, match="there is no rule"):
        problems.check()

    problems.add("'ruel' is not a key", Span(FILE, 2, 1))
    with pytest.raises(PolicyErrors) as caught:
        problems.check()

    assert [f"{FILE}:2:1: 'ruel' is not a key"] == [str(error) for error in caught.value.errors]
