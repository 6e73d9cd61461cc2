#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Show the four things that enforcer does, each with what really happened beside the record of it.
# Exit code 0 if all of them behaved as written. Needs root, and a kernel that enforces.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
policies=policies/quickstart
place=/var/lib/enforcer-demo # the policies name it
enforcer=$here/.venv/bin/enforcer
[[ -x $enforcer ]] || enforcer=$(command -v enforcer) || {
	echo "demo: enforcer is not built: run make build" >&2
	exit 2
}
[[ $EUID == 0 ]] || {
	echo "demo: needs root: run it with sudo" >&2
	exit 2
}

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[1;31m' plain=$'\e[0m'
else
	bold='' dim='' green='' red='' plain=''
fi

work=$(mktemp -d)
log=$work/records.logfmt
daemon=
failures=0

stop_daemon() {
	[[ -n $daemon ]] || return 0
	kill -TERM "$daemon" 2>/dev/null || true
	wait "$daemon" || true
	daemon=
}

clean() {
	stop_daemon
	rm -rf "$place" "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

# ---- What the policies are about: a vault with a secret, a download that would leave a mark ------

rm -rf "$place"
mkdir -p "$place/vault" "$place/downloads"
echo 'the launch code is 0000' >"$place/vault/secret"
cat >"$place/downloads/miner" <<-SCRIPT
	#!/bin/sh
	echo mining >$place/miner-ran
SCRIPT
chmod +x "$place/downloads/miner"
overwrite="echo 'the launch code is 1234' >$place/vault/secret"
before=$(sha256sum <"$place/vault/secret")

# ---- Words ---------------------------------------------------------------------------------------

heading() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
line() { printf '  %-10s %s\n' "$1" "$2"; }
verdict() { # good? sentence
	if [[ $1 == yes ]]; then
		line verdict "${green}as written:${plain} $2"
	else
		line verdict "${red}NOT AS WRITTEN:${plain} expected: $2"
		failures=$((failures + 1))
	fi
}

# attempt COMMAND…: run it; sets pid, code, output.
attempt() {
	code=0
	"$@" >"$work/output" 2>&1 &
	pid=$!
	# The shell's own remark on a killed job ("Killed …") says nothing that is not said below.
	{ wait "$pid" || code=$?; } 2>/dev/null
	output=$(head -c 200 "$work/output" | tr '\n' ' ')
}

# await_record POLICY: wait until the record of process $pid has been written; sets record.
await_record() {
	record=
	local tries
	for ((tries = 0; tries < 100; tries++)); do
		record=$(grep -F " pid=$pid " "$log" | grep -F -m 1 " policy=\"$1\" ") && return 0
		sleep 0.1
	done
	record='(none)'
}

has() { [[ $record == *" $1 "* ]]; }
yes_if() { if "$@"; then echo yes; else echo no; fi; }

# ---- Start ---------------------------------------------------------------------------------------

heading 'enforcer: four processes meet four policies'
line command "enforcer start $policies --json-log … --logfmt-log …"

# Policies that others could change are refused, and a clone may be anybody's: root's copy is not.
mkdir "$work/policies"
install -m 644 "$policies"/*.yaml "$work/policies"
"$enforcer" start "$work/policies" --no-pins --quiet --socket "$work/enforcer.sock" \
	--json-log "$work/records.json" --logfmt-log "$log" >"$work/daemon" 2>&1 &
daemon=$!
for ((tries = 0; tries < 3000; tries++)); do
	grep -q '^enforcer: active: ' "$work/daemon" && break
	if ! kill -0 "$daemon" 2>/dev/null; then
		code=0
		wait "$daemon" || code=$?
		daemon=
		cat "$work/daemon" >&2
		echo "demo: enforcer did not start" >&2
		exit "$((code ? code : 4))"
	fi
	sleep 0.1
done
grep -q '^enforcer: active: ' "$work/daemon" || {
	echo "demo: enforcer is not in force after five minutes" >&2
	exit 4
}
line happened "$(grep -m 1 '^enforcer: active: ' "$work/daemon")"

# ---- The four ------------------------------------------------------------------------------------

heading '1  allow, with a record: a bash is started'
line policy 1-allow.yaml
line command "sh -c 'exec /bin/bash -c \"echo hello from bash\"'"
attempt sh -c 'exec /bin/bash -c "echo hello from bash"'
await_record quickstart-allow
line happened "exit code $code, output: $output"
line record "$dim$record$plain"
check() { [[ $code == 0 && $output == 'hello from bash ' ]] && has action=allow && has syscall=execve; }
verdict "$(yes_if check)" 'bash ran, and it is on record'

heading '2  log: the secret is read'
line policy 2-log.yaml
line command "cat $place/vault/secret"
attempt cat "$place/vault/secret"
await_record quickstart-log
line happened "exit code $code, output: $output"
line record "$dim$record$plain"
check() { [[ $code == 0 && $output == 'the launch code is 0000 ' ]] && has action=log; }
verdict "$(yes_if check)" 'it was read, and it is on record'

heading '3  deny: the secret is to be overwritten, by root'
line policy 3-deny.yaml
line command "$overwrite"
attempt sh -c "$overwrite"
await_record quickstart-deny
after=$(sha256sum <"$place/vault/secret")
[[ $after == "$before" ]] && state=unchanged || state=CHANGED
line happened "exit code $code, output: $output"
line happened "the file is $state"
line record "$dim$record$plain"
check() { [[ $code != 0 && $after == "$before" ]] && has action=deny && has prevented=true; }
verdict "$(yes_if check)" 'the write failed, the file is unchanged, and it is on record'

heading '4  kill: a download is run'
line policy 4-kill.yaml
line command "$place/downloads/miner"
attempt "$place/downloads/miner"
await_record quickstart-kill
[[ -e $place/miner-ran ]] && state='the program RAN' || state='the program did not run'
line happened "exit code $code$([[ $code == 137 ]] && echo ' (killed by SIGKILL)'), $state"
line record "$dim$record$plain"
check() { [[ $code == 137 && ! -e $place/miner-ran ]] && has action=kill && has prevented=true; }
verdict "$(yes_if check)" 'no instruction of it ran, its process is dead, and it is on record'

# ---- Afterwards: without the policies the same things work ---------------------------------------

heading 'and without enforcer, the same two attempts again'
code=0
"$enforcer" stop --socket "$work/enforcer.sock" >"$work/stop" 2>&1 || code=$?
line command "enforcer stop"
line happened "$(<"$work/stop")"
stopped=$code
code=0
wait "$daemon" || code=$?
daemon=
line happened "$(tail -n 1 "$work/daemon") (exit code $code)"
[[ $code == 0 && $stopped == 0 ]] || failures=$((failures + 1))
attempt sh -c "$overwrite"
written=$code
line command "$overwrite"
line happened "exit code $code, output: $output"
line command "$place/downloads/miner"
attempt "$place/downloads/miner"
[[ -e $place/miner-ran ]] && state='the program ran' || state='the program did NOT run'
line happened "exit code $code, $state"
check() { [[ $written == 0 && $code == 0 && -e $place/miner-ran && $(<"$place/vault/secret") == *1234 ]]; }
verdict "$(yes_if check)" 'the write succeeds and the program runs: it was the policies'

heading "$( ((failures == 0)) && echo 'All four behaved as written.' || echo "$failures of these did not behave as written.")"
((failures == 0))
