#!/bin/bash
# SPDX-License-Identifier: MIT
#
# build-kernel.sh -o OUTDIR [-p SOURCE_PACKAGE] [-c FRAGMENT] [-w WORKDIR] [-j N] [-f]
#
# Build the laboratory's kernel from a Debian linux-source-X.Y package: everything built in, and what
# Debian's own kernels lack, the replacement of a function's result (BPF_KPROBE_OVERRIDE). It takes 10 to
# 16 minutes on two cores, and some 3 GiB below WORKDIR.
#   -o OUTDIR   where bzImage, config, System.map and build-info go
#   -p PKG      Debian package (default linux-source-6.12), an unpacked tree, or a linux-source-X.Y.tar.xz
#   -c FRAGMENT kconfig fragment (default lab.config beside this script)
#   -w WORKDIR  sources and objects (default OUTDIR/build)
#   -f          build even when OUTDIR is up to date
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
pkg=linux-source-6.12 out= frag=$here/lab.config work= jobs=$(nproc) force=0
while getopts o:p:c:w:j:f o; do case $o in
  o) out=$OPTARG;; p) pkg=$OPTARG;; c) frag=$OPTARG;; w) work=$OPTARG;; j) jobs=$OPTARG;; f) force=1;;
  *) exit 2;; esac; done
[[ -n $out ]] || { echo "build-kernel.sh: name the output folder with -o" >&2; exit 2; }
mkdir -p "$out"
frag=$(readlink -f "$frag")
work=${work:-$out/build}
mkdir -p "$work"; work=$(readlink -f "$work")

deps=(build-essential bc flex bison libssl-dev libelf-dev dwarves cpio kmod xz-utils lz4 zstd python3 rsync)
missing=(); for d in "${deps[@]}"; do dpkg -s "$d" >/dev/null 2>&1 || missing+=("$d"); done
((${#missing[@]} == 0)) || { apt-get update -qq; apt-get install -y --no-install-recommends "${missing[@]}"; }

# --- source
if [[ -f $pkg/Makefile ]]; then
  src=$(readlink -f "$pkg"); srcver=tree:$src; base=$(make -s -C "$src" kernelversion | cut -d. -f1,2)
else
  if [[ -f $pkg ]]; then tarball=$(readlink -f "$pkg"); srcver=file:$(sha256sum <"$tarball" | cut -c1-16)
  else
    dpkg -s "$pkg" >/dev/null 2>&1 || { apt-get update -qq; apt-get install -y --no-install-recommends "$pkg"; }
    tarball=/usr/src/$pkg.tar.xz; srcver=$(dpkg-query -W -f '${Version}' "$pkg")
  fi
  base=$(basename "$tarball" .tar.xz); base=${base#linux-source-}
  src=$work/src-$base
  if [[ "$(cat "$src/.srcver" 2>/dev/null)" != "$srcver" ]]; then
    rm -rf "$src.part" "$src"; mkdir -p "$src.part"
    tar -xf "$tarball" -C "$src.part" --strip-components=1
    echo "$srcver" >"$src.part/.srcver"; mv "$src.part" "$src"
  fi
fi
obj=$work/obj-$base
stamp="source=$srcver fragment=$(sha256sum <"$frag" | cut -c1-16)"
if ((!force)) && [[ -f $out/bzImage && "$(head -1 "$out/build-info" 2>/dev/null)" == "$stamp" ]]; then
  echo "$out is up to date ($stamp)"; exit 0
fi

# --- configure: everything off, then the fragment; report what did not take
mkdir -p "$obj" "$out"; out=$(readlink -f "$out")
export KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab
mk() { nice -n 10 make -s -C "$src" O="$obj" "$@"; }
mk allnoconfig KCONFIG_ALLCONFIG="$frag" >/dev/null
bad=0
while read -r line; do
  case $line in
    CONFIG_*=n) s=${line%=n}; ! grep -q "^$s=" "$obj/.config" || { echo "not honoured: $line"; bad=1; };;
    CONFIG_*=*) grep -qxF "$line" "$obj/.config" || { echo "not honoured: $line ($(grep "^${line%%=*}=" "$obj/.config" || echo absent))"; bad=1; };;
    "# CONFIG_"*" is not set") s=${line#\# }; s=${s% is not set}; ! grep -q "^$s=" "$obj/.config" || { echo "not honoured: $line"; bad=1; };;
  esac
done <"$frag"
((bad == 0)) || echo "(lines above: absent in this kernel version or dependencies unmet)"
must=(FUNCTION_ERROR_INJECTION BPF_KPROBE_OVERRIDE BPF_LSM DEBUG_INFO_BTF FPROBE KPROBE_EVENTS UPROBE_EVENTS
      FTRACE_SYSCALLS CGROUP_BPF OVERLAY_FS NET_9P_VIRTIO 9P_FS VIRTIO_FS IA32_EMULATION SECURITY_APPARMOR SECURITY_LANDLOCK)
for m in "${must[@]}"; do grep -q "^CONFIG_$m=y" "$obj/.config" || { echo "FATAL: CONFIG_$m missing"; exit 1; }; done
[[ -n ${CONFIG_ONLY:-} ]] && exit 0

# --- build
t0=$(date +%s)
mk -j"$jobs" bzImage modules
t1=$(date +%s)
cp "$obj/System.map" "$out/"
cp "$obj/.config" "$out/config"
{ echo "$stamp"; echo "release=$(cat "$obj/include/config/kernel.release") seconds=$((t1-t0)) jobs=$jobs gcc=$(gcc -dumpfullversion) pahole=$(pahole --version)"; } >"$out/build-info"
cp "$obj/arch/x86/boot/bzImage" "$out/.bzImage" && mv "$out/.bzImage" "$out/bzImage" # last: then all is there
cat "$out/build-info"
