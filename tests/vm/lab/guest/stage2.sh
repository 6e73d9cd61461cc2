#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Process 1 of the guest once the host's files are the root: mounts what a running
# system has, then runs the command, or leaves that to systemd as process 1.
control=/run/vm/.lab
busybox=$(PATH=/usr/bin:/bin type -p busybox)
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root USER=root LOGNAME=root TERM=dumb LANG=C.UTF-8

mount_new() { # type, source, directory, options
	mkdir -p "$3" 2>/dev/null
	"$busybox" mount -t "$1" ${4:+-o "$4"} "$2" "$3" 2>/dev/null
}

# The modules lie where the kernel's package puts them: a bind mount would leave them the name
# that they have elsewhere, and rules on modules speak of this directory.
install_modules() { # index: files of depmod and links to the package's directories; place
	local packaged
	packaged=$(realpath "$1/kernel") && packaged=${packaged%/*}
	if [[ $packaged != "$2" ]]; then
		mkdir -p "${2%/*}"
		[[ ! -e $2 ]] || mv -T "$2" "$2.of-the-host"
		mv -T "$packaged" "$2"
	fi && find "$1" -maxdepth 1 -type f -exec cp -t "$2" {} +
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

# vm_modules, vm_scratch, vm_systemd and vm_clock may be empty
. "$control/settings"

# The clock was set by the machine's a moment ago. It differs only if the kernel measured its speed wrongly.
# The host says what time it is when it makes a file, also to a kernel that shows no clock of the machine's.
if [[ $vm_clock ]]; then
	before=$(date +%s)
	: >"$control/now"
	after=$(date +%s) now=$(stat -c %Y "$control/now")
	if ((before > now + 5 || after < now - 5)); then
		echo "vm: guest: the clock is wrong by $((after - now)) s" >/dev/console
		: >"$control/wrong-clock"
		sync -f "$control/wrong-clock" 2>/dev/null
		"$busybox" poweroff -f
	fi
fi
if [[ $vm_modules ]]; then
	install_modules "$vm_modules" "/usr/lib/modules/${vm_modules##*/}" ||
		echo "vm: guest: no modules" >/dev/console
fi
if [[ $vm_scratch ]]; then
	modprobe -q -a virtio_blk ext4
	mount_new ext4 /dev/vda "$vm_scratch" || echo "vm: guest: no scratch disk" >/dev/console
fi

[[ $vm_systemd ]] || exec "$control/run"

# What the host's systemd would do at boot is not a concern of the guest: no file systems of its
# fstab, no units that its administrator enabled, no first boot, nothing after an update.  tmp.mount
# would hide the host's /tmp, and the clean-up after 15 minutes would visit all of it, for which
# virtiofsd opens more files than it may; the other masked ones have no work here and take ten seconds.
: >/etc/fstab
touch /etc/.updated /var/.updated
[[ -s /etc/machine-id ]] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
rm -rf /etc/systemd/system
mkdir -p /etc/systemd/system /run/systemd/system
for unit in tmp.mount systemd-tmpfiles-clean.timer dev-hugepages.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
	systemd-{binfmt,modules-load,sysctl,random-seed,remount-fs}.service kmod-static-nodes.service \
	systemd-tmpfiles-setup-dev{,-early}.service proc-sys-fs-binfmt_misc.automount; do
	ln -s /dev/null "/etc/systemd/system/$unit"
done
cp "$control"/vm.* /run/systemd/system/
exec /usr/lib/systemd/systemd --unit=vm.target
