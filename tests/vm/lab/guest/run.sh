#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs the command with its output on two virtual serial ports, leaves the exit code in
# the exchange directory, powers off.  Process 1 of the guest, or a service of systemd's.
control=/run/vm/.lab
busybox=$(PATH=/usr/bin:/bin type -p busybox)
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root USER=root LOGNAME=root TERM=dumb LANG=C.UTF-8

# vm_directory; vm_one_output may be empty
. "$control/settings"

out='' err=''
for port in /sys/class/virtio-ports/vport*; do
	case $(<"$port/name") in
	out) out=/dev/${port##*/} ;;
	err) err=/dev/${port##*/} ;;
	esac
done
if [[ -z $out || -z $err ]]; then
	echo "vm: guest: no virtual serial ports" >/dev/console
	out=/dev/console err=/dev/console
fi
mkfifo -m 600 /run/.vm-out /run/.vm-err
cat /run/.vm-out >"$out" &
relays=($!)
cat /run/.vm-err >"$err" &
relays+=($!)
exec {err_holder}>/run/.vm-err # opened here so that its relay starts even if unused

: >"$control/started"
(
	exec {err_holder}>&-
	if [[ $vm_one_output ]]; then
		exec 2>&1
	else
		exec 2>/run/.vm-err
	fi
	cd "$vm_directory" || exit 125
	exec setsid -w bash "$control/command"
) </dev/null >/run/.vm-out
code=$?
exec {err_holder}>&-
: >"$control/ended"

# The relays end when nobody holds the pipes any more; a daemon left behind may hold them for
# ever, so wait five seconds at most.
for ((i = 0; i < 100; i++)); do
	kill -0 "${relays[@]}" 2>/dev/null || break
	sleep 0.05
done
echo "$code" >"$control/code"
sync -f "$control/code" 2>/dev/null
"$busybox" poweroff -f
