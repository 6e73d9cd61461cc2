#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Process 1 of the guest once the host's files are the root: mounts what a running
# system has, runs the command with its output on two virtual serial ports, leaves the
# exit code in the exchange directory, powers off.
control=/run/vm/.lab
busybox=$(PATH=/usr/bin:/bin type -p busybox)
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root USER=root LOGNAME=root TERM=dumb LANG=C.UTF-8

mount_new() { # type, source, directory, options
	mkdir -p "$3" 2>/dev/null
	"$busybox" mount -t "$1" ${4:+-o "$4"} "$2" "$3" 2>/dev/null
}

mount_new devpts devpts /dev/pts gid=5,mode=620,ptmxmode=666
mount_new tmpfs shm /dev/shm mode=1777
mount_new mqueue mqueue /dev/mqueue
mount_new securityfs securityfs /sys/kernel/security
mount_new bpf bpf /sys/fs/bpf mode=700
mount_new debugfs debugfs /sys/kernel/debug
mount_new tracefs tracefs /sys/kernel/tracing
mount_new cgroup2 cgroup2 /sys/fs/cgroup
for controller in cpu memory pids; do
	echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done 2>/dev/null
ln -sfn /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin
ln -sf fd/1 /dev/stdout
ln -sf fd/2 /dev/stderr
"$busybox" ip link set lo up 2>/dev/null
echo vm >/proc/sys/kernel/hostname

# vm_directory; vm_modules, vm_scratch and vm_one_output may be empty
. "$control/settings"
if [[ $vm_modules ]]; then
	mkdir -p "/usr/lib/modules/${vm_modules##*/}"
	"$busybox" mount -o bind "$vm_modules" "/usr/lib/modules/${vm_modules##*/}"
fi
if [[ $vm_scratch ]]; then
	modprobe -q -a virtio_blk ext4
	mount_new ext4 /dev/vda "$vm_scratch" || echo "vm: guest: no scratch disk" >/dev/console
fi

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
