#!/bin/busybox sh
# SPDX-License-Identifier: MIT
#
# First script of the guest, run by the kernel from the initial RAM file system.
# Puts a tmpfs overlay on the host's root, mounted read-only, and changes into it.
# /settings defines: share (9p or virtiofs), overlay_size, queue (a directory, or empty).
/bin/busybox --install -s /bin
export PATH=/bin

die() {
	echo "vm: guest: $*" >/dev/console
	poweroff -f
}

mount_share() { # tag, directory, ro|rw
	if [ "$share" = 9p ]; then
		cache=none
		[ "$3" = rw ] || cache=loose
		mount -t 9p -o "trans=virtio,version=9p2000.L,msize=1048576,$3,cache=$cache" "$1" "$2"
	else
		mount -t virtiofs -o "$3" "$1" "$2"
	fi || die "cannot mount the share $1 ($share)"
}

mount -t devtmpfs dev /dev || die "no devtmpfs"
mount -t proc proc /proc
mount -t sysfs sys /sys
. /settings
while read -r module; do
	insmod "/modules/$module.ko" 2>/dev/console
done </modules/order

mkdir -p /lower /rw /new
mount_share root /lower ro
mount -t tmpfs -o "size=$overlay_size,mode=755" rw /rw || die "no tmpfs"
mkdir /rw/upper /rw/work
# redirect_dir: directories of the lower layer can be renamed, as on any file system
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work,redirect_dir=on \
	overlay /new || die "no overlay"
# The overlay has mounts of its own of its layers. These would be names in the guest's mount
# namespace for files behind its root, which no ordinary machine has.
umount -l /rw
umount -l /lower
for directory in proc sys dev; do
	mount --move "/$directory" "/new/$directory"
done
mount -t tmpfs -o mode=755 run /new/run
mkdir -p /new/run/vm /new/run/lock
mount_share exchange /new/run/vm rw
if [ "$queue" ]; then
	mkdir -p "/new$queue"
	mount_share queue "/new$queue" rw
fi
exec switch_root /new /run/vm/.lab/stage2
die "no switch_root"
