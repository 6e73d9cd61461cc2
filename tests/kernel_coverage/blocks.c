// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin of QEMU: which code of the guest's BPF programs has run. QEMU translates a block when it runs for the first
 * time, so a list of translations is a list of what has run, and costs nothing afterwards.
 *
 * qemu -plugin blocks.so,out=FILE leaves records of struct block in FILE.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- What QEMU offers (its docs/devel/tcg-plugins.rst); Debian ships no header for it. ---- */

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*qemu_plugin_udata_cb_t)(qemu_plugin_id_t id, void *userdata);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t idx);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

/* The oldest version of the interface that QEMU 9 and 10 take, with these functions in it. */
__attribute__((visibility("default"))) int qemu_plugin_version = 2;

/* ---- Blocks ------------------------------------------------------------------------------- */

/* Modules and JITed programs, on x86-64 without KASLR and with it (Documentation/arch/x86/x86_64/mm.rst). */
#define MODULES_FROM 0xffffffff80000000ULL
#define MODULES_TO 0xffffffffff000000ULL

struct block {
	uint64_t from, to;
	uint64_t when; /* nanoseconds of this machine's clock */
};

static FILE *out;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *last;
	struct timespec now;
	struct block b;

	(void)id;
	b.from = qemu_plugin_tb_vaddr(tb);
	if (!n || b.from < MODULES_FROM || b.from >= MODULES_TO)
		return;
	last = qemu_plugin_tb_get_insn(tb, n - 1);
	b.to = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last);
	clock_gettime(CLOCK_REALTIME, &now);
	b.when = now.tv_sec * 1000000000ULL + now.tv_nsec;
	fwrite(&b, sizeof(b), 1, out); /* stdio locks: several processors come here at once */
}

static void ends(qemu_plugin_id_t id, void *nothing)
{
	(void)id;
	(void)nothing;
	fflush(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
							       const void *info, int argc,
							       char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "we");
	if (!out) {
		fprintf(stderr, "blocks: out=FILE is missing, or cannot be made\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ends, NULL);
	return 0;
}
