# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the scripts of the Debian package and of the rpm have in common: they are made with these functions.

has_systemd() { [ -d /run/systemd/system ]; }

# The new daemon takes over from what the old one leaves in the kernel, so nothing passes in between:
# systemd starts it when the old one is killed. With a key that would need the passphrase.
replace() {
	if grep -q '^key:' /etc/enforcer/enforcer.yaml 2>/dev/null; then
		echo "enforcer: the old version goes on enforcing. To replace it:" >&2
		echo "enforcer: systemctl stop enforcer; enforcer unlock && systemctl start enforcer" >&2
		return
	fi
	systemctl kill --signal=KILL --kill-whom=main enforcer.service
	systemctl start enforcer.service ||
		echo "enforcer: the new version does not start, what was enforced stays: journalctl -u enforcer" >&2
}

# With persist, with a key, or after a crash, enforcement outlives the daemon. Without the program
# nobody could end it, so the package stays as long as it does.
end_enforcement() {
	if [ -n "$(find /sys/fs/bpf/enforcer -name 'link-*' -print -quit 2>/dev/null)" ] &&
		! enforcer stop --force; then
		echo "enforcer: enforcement is still active, so the package is not removed" >&2
		echo "enforcer: end it first: set persist to false, remove key, then restart and stop the service" >&2
		return 1
	fi
}
