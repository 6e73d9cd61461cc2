// SPDX-License-Identifier: GPL-2.0-only
/* LSM programs that do nothing: what being asked costs at least. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define EMPTY(hook)                                                                                \
	SEC("lsm/" #hook)                                                                          \
	int empty_##hook(void *context)                                                            \
	{                                                                                          \
		return 0;                                                                          \
	}

EMPTY(file_open)
EMPTY(file_permission)
EMPTY(inode_getattr)
EMPTY(bprm_check_security)
EMPTY(mmap_file)
EMPTY(path_unlink)
EMPTY(path_mknod)
EMPTY(socket_connect)
