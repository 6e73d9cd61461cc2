/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs that a loader runs. `ld.so /bin/sh` is an exec of ld.so to the kernel; what runs is what ld.so
 * maps first. So whoever runs a loader is remembered until it has mapped something executable that is not
 * the loader itself: that is the program, and libraries come behind it, whatever LD_PRELOAD, --preload and
 * --audit say (glibc, dl_main() in elf/rtld.c; musl, __dls3() in ldso/dynlink.c).
 *
 * A loader is known by its name, the one that the file has where it lies. Links and bind mounts do not
 * change it. A copy by another name is a program like any other that maps code by itself.
 */
#ifndef ENFORCER_LOADER_BPF_H
#define ENFORCER_LOADER_BPF_H

#include "kernel.h"
#include "maps.bpf.h"
#include "read.bpf.h"

#define ENF_LOADER_NAME_MAX 64 /* looked at; the longest known has 27 bytes */

/*
 * The names: `ld`, then anything with `.so` in it (ld-linux-x86-64.so.2, ld-2.31.so, ld64.so.1,
 * ld-musl-x86_64.so.1, ld-uClibc.so.0); and libc.so, which is musl where ld-musl-* is a link to it.
 * What is called so and is none loses nothing: the first file that it maps is decided as a program is.
 */
static __always_inline int enf_has_loader_name(__u64 dentry)
{
	char name[ENF_LOADER_NAME_MAX + 8] = {};
	__u64 at = 0;

	enf_read(at, dentry + enf_offset(struct dentry, d_name.name));
	/* a name that cannot be read is none: the exec has just found the file by it */
	if (bpf_probe_read_kernel_str(name, ENF_LOADER_NAME_MAX, (const void *)at) <= 0)
		return 0;
	if (name[0] != 'l')
		return 0;
	if (name[1] == 'd') {
		for (int i = 2; i < ENF_LOADER_NAME_MAX; i++)
			if (name[i] == '.' && name[i + 1] == 's' && name[i + 2] == 'o')
				return 1;
		return 0;
	}
	return !__builtin_memcmp(name, "libc.so", sizeof("libc.so"));
}

#endif
