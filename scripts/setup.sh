#!/bin/bash
# SPDX-License-Identifier: MIT
#
# setup.sh             install what building and testing need and this machine lacks
# setup.sh --python    print the Python interpreter that the project is built with
#
# Asks for what is needed (a program, a library), not for packages, so a newer compiler or a
# Python from elsewhere is as good as the distribution's.  For Debian 13 and its relatives.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin:/usr/libexec

have() { command -v "$1" >/dev/null 2>&1; }

suits() { # interpreter: is it new enough, with its headers and with venv?
	"$1" - 2>/dev/null <<-'PYTHON'
		import ensurepip, os, sys, sysconfig, venv
		header = os.path.join(sysconfig.get_path("include"), "Python.h")
		sys.exit(not (sys.version_info >= (3, 11) and os.path.exists(header)))
	PYTHON
}

# The distribution's first: it is built with profiles and at link time, which others often are not, and
# the tests in the emulated machine then take a third less.
DISTRIBUTED=/usr/bin/python3

find_python() {
	local python
	for python in ${PYTHON:+"$PYTHON"} "$DISTRIBUTED" python3 python3.1{4,3,2,1}; do
		if suits "$python"; then
			"$python" -c 'import sys; print(sys.executable)'
			return
		fi
	done
	return 1
}

have_python() { # another will do where the distribution's is too old, or cannot be completed
	suits "${PYTHON:-$DISTRIBUTED}" && return
	have apt-get && ((EUID == 0)) && [[ -z ${PYTHON-} ]] &&
		"$DISTRIBUTED" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return 1
	find_python >/dev/null
}

have_clang() {
	local clang version
	for clang in clang clang-{25..15}; do
		version=$("$clang" -dumpversion 2>/dev/null) && ((${version%%.*} >= 15)) && return
	done
	return 1
}

missing=()
need() { # package...: missing unless the last command succeeded
	local result=$?
	((result == 0)) || missing+=("$@")
}

look_for_what_is_missing() {
	set +e
	# to build
	have make; need make
	have_clang; need clang-19 llvm-19
	have bpftool; need bpftool
	have gcc && [[ -e /usr/include/stdio.h ]]; need gcc libc6-dev
	have pkg-config; need pkgconf
	pkg-config --atleast-version=1.3 libbpf 2>/dev/null; need libbpf-dev
	[[ -e /usr/include/libelf.h ]]; need libelf-dev
	[[ -e /usr/include/zlib.h ]]; need zlib1g-dev
	[[ -e /etc/ssl/certs/ca-certificates.crt ]]; need ca-certificates
	have_python; need python3 python3-dev python3-venv
	# to check
	have clang-format-19 || have clang-format; need clang-format-19
	# to boot kernels
	have qemu-system-x86_64; need qemu-system-x86
	[[ -x /bin/busybox ]] && ! head -c 4096 /bin/busybox | grep -q ld-linux; need busybox-static
	have virtiofsd || [[ -x /usr/lib/qemu/virtiofsd ]]; need virtiofsd
	have depmod; need kmod
	have zstd; need zstd
	have mkfs.ext4; need e2fsprogs
	have setpriv; need util-linux
	[[ -x /usr/lib/systemd/systemd ]]; need systemd
	compgen -G '/usr/share/keyrings/debian-archive-keyring.*' >/dev/null; need debian-archive-keyring
	# to test
	have ip; need iproute2
	have logrotate; need logrotate
	have dpkg-shlibdeps; need dpkg-dev
	have setcap; need libcap2-bin
	have setfattr; need attr
	have nc; need netcat-openbsd
	have mkfs.vfat; need dosfstools
	have ssh; need openssh-client
	[[ -x /usr/sbin/sshd ]]; need openssh-server
	have zsh; need zsh
	have fish; need fish
	set -e
}

install() {
	if ! have apt-get; then
		echo "setup: this system has no apt-get; install what these Debian packages hold: $*" >&2
		exit 1
	fi
	if ((EUID != 0)); then
		echo "setup: not root, and these packages are missing; as root: apt-get install $*" >&2
		exit 1
	fi
	echo "setup: installing $*"
	export DEBIAN_FRONTEND=noninteractive
	local apt=(apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120)
	"${apt[@]}" update </dev/null
	"${apt[@]}" install -y --no-install-recommends "$@" </dev/null
}

case ${1-} in
--python)
	find_python || {
		echo "setup: no Python 3.11 or newer with headers and venv: run scripts/setup.sh" >&2
		exit 1
	}
	;;
'')
	look_for_what_is_missing
	if ((${#missing[@]})); then
		install "${missing[@]}"
		missing=()
		look_for_what_is_missing
		if ((${#missing[@]})); then
			echo "setup: still missing after the installation: ${missing[*]}" >&2
			exit 1
		fi
	fi
	;;
*)
	echo "usage: scripts/setup.sh [--python]" >&2
	exit 2
	;;
esac
