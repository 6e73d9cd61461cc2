// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the core is called from hooks. The verifier would go through it once more for every program that
 * has it inside, and that is most of what a start takes; so hooks have these functions of a few
 * instructions instead, and user space puts the core, which it loads once, in their place: an extension
 * program of the kernel (BPF_PROG_TYPE_EXT), which the call then jumps to.
 *
 * It is there before a program is attached to its hook, and until after it is detached. Fail direction
 * where it is not all the same, because somebody took it away: the access is refused and counted, whatever
 * the policies say, since nobody is there to read them; a file that is only glanced at must be asked.
 *
 * Programs that the kernel lets nobody extend (around the end of functions, those that sleep, and types with
 * few programs) have the core inside.
 */
#include "act.h"
#include "fast.bpf.h"
#include "meet.h"

/* The result is not what the compiler could see here. */
#define ENF_STUB(argument, result)                                                                 \
	({                                                                                         \
		int _result = (result);                                                            \
		asm volatile("" : "+r"(_result) : "r"(argument) : "memory");                       \
		_result;                                                                           \
	})

__attribute__((noinline)) int enf_ask(struct enf_access *access)
{
	enf_count(ENF_STAT_NO_CORE);
	return ENF_STUB(access, -ENF_EPERM);
}

__attribute__((noinline)) int enf_ask_meet(struct enf_meet *meet, int how)
{
	enf_count(ENF_STAT_NO_CORE);
	asm volatile("" : : "r"(how));
	return ENF_STUB(meet, -ENF_EPERM);
}

__attribute__((noinline)) int enf_glance(const struct enf_key *key)
{
	return ENF_STUB(key, 0);
}
