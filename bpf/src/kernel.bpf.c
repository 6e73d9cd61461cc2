// SPDX-License-Identifier: GPL-2.0-only
/* What changes or watches the kernel itself. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___kernel
#include "act.h"
#include "around.bpf.h"

static __always_inline int enf_kernel(__u8 op)
{
	struct enf_access a = {
		.op = { op },
		.n_ops = 1,
	};

	return enf_act(&a);
}

/* ---- What is loaded into it ---------------------------------------------------------------- */

static __always_inline __u8 enf_read_op(enum kernel_read_file_id id)
{
	if (id == bpf_core_enum_value(enum kernel_read_file_id, READING_FIRMWARE))
		return ENF_OP_FIRMWARE;
	if (id == bpf_core_enum_value(enum kernel_read_file_id, READING_MODULE))
		return ENF_OP_MODULE;
	if (bpf_core_enum_value_exists(enum kernel_read_file_id, READING_MODULE_COMPRESSED) &&
	    id == bpf_core_enum_value(enum kernel_read_file_id, READING_MODULE_COMPRESSED))
		return ENF_OP_MODULE;
	if (id == bpf_core_enum_value(enum kernel_read_file_id, READING_KEXEC_IMAGE) ||
	    id == bpf_core_enum_value(enum kernel_read_file_id, READING_KEXEC_INITRAMFS))
		return ENF_OP_KEXEC;
	return ENF_NO_OP;
}

SEC("lsm/kernel_read_file")
int BPF_PROG(enf_kernel_read_file, struct file *file, enum kernel_read_file_id id, _Bool contents,
	     int ret)
{
	__u8 op;

	if (ret)
		return ret;
	op = enf_read_op(id);
	if (op == ENF_NO_OP)
		return 0;
	return enf_act_file(file, op);
}

/* From memory: there is no file, and so no name that a rule could find good. */
SEC("lsm/kernel_load_data")
int BPF_PROG(enf_kernel_load_data, enum kernel_load_data_id id, _Bool contents, int ret)
{
	struct enf_access a = {
		.flags = ENF_OF_FILELESS,
		.n_ops = 1,
	};

	if (ret)
		return ret;
	if (id == bpf_core_enum_value(enum kernel_load_data_id, LOADING_FIRMWARE))
		a.op[0] = ENF_OP_FIRMWARE;
	else if (id == bpf_core_enum_value(enum kernel_load_data_id, LOADING_MODULE))
		a.op[0] = ENF_OP_MODULE;
	else if (id == bpf_core_enum_value(enum kernel_load_data_id, LOADING_KEXEC_IMAGE) ||
		 id == bpf_core_enum_value(enum kernel_load_data_id, LOADING_KEXEC_INITRAMFS))
		a.op[0] = ENF_OP_KEXEC;
	else
		return 0;
	return enf_act(&a);
}

/* A process did something for which the kernel would load a module, in that process's name. */
SEC("lsm/kernel_module_request")
int BPF_PROG(enf_kernel_module_request, const char *name, int ret)
{
	struct enf_access a = {
		.name = (__u64)name,
		.op = { ENF_OP_MODULE_REQUEST },
		.n_ops = 1,
	};

	return ret ? ret : enf_act(&a);
}

/* ---- What runs in it, or watches it --------------------------------------------------------- */

/*
 * The verdict of an earlier program lies elsewhere since the hook has one argument more. It can be left
 * unread: a program that refuses is the last that is called.
 */
SEC("lsm/bpf")
int BPF_PROG(enf_bpf, int cmd)
{
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_CODE),
		.code = cmd,
		.op = { ENF_OP_BPF },
		.n_ops = 1,
	};

	return enf_act(&a);
}

/*
 * Called for the system call, and once more for each privilege that the event asks. The type of the
 * call was the second argument before the first, a pointer, was dropped.
 */
SEC("lsm/perf_event_open")
int enf_perf_event_open(unsigned long long *ctx)
{
	__u64 type = ctx[0];

	if (type > 0xffff)
		type = ctx[1];
	if ((__u32)type != ENF_PERF_SECURITY_OPEN)
		return 0;
	return enf_kernel(ENF_OP_PERF);
}

/* Every io_uring is a file of its own kind; older kernels have no other hook where one is made. */
SEC("lsm/inode_init_security_anon")
int BPF_PROG(enf_inode_init_security_anon, struct inode *inode, const struct qstr *name,
	     const struct inode *context, int ret)
{
	if (ret)
		return ret;
	return enf_is_kind(name, "[io_uring]", sizeof("[io_uring]")) ? enf_kernel(ENF_OP_IO_URING)
								     : 0;
}
