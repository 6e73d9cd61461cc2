// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the core is called from hooks. The verifier would go through it once more for every program that
 * has it inside, and that is most of what a start takes; so hooks have these functions of a few
 * instructions instead, and user space puts the core, which it loads once, in their place: an extension
 * program of the kernel (BPF_PROG_TYPE_EXT), which the call then jumps to.
 *
 * It is there before a program is attached to its hook, and until after it is detached. Fail direction
 * where it is not all the same, because somebody took it away: the access is refused and counted, whatever
 * the policies say, since nobody is there to read them; the prefilter excludes no file.
 *
 * With one exception. When nobody holds the engine any more (no daemon, and the names that kept it are gone,
 * by umount or rm), the kernel releases all that it is made of in any order, in workers that wait for each
 * other. Enforcement is over then, and what is left of it for a moment must not refuse what nothing forbids:
 * it permits. Who can bring that about could as well have released the hooks.
 *
 * Programs that the kernel lets nobody extend (around the end of functions, those that sleep, and types with
 * few programs) have the core inside.
 */
#include "act.h"
#include "fast.bpf.h"
#include "point_call.h"

/* The result is not what the compiler could see here. */
#define ENF_STUB(argument, result)                                                                 \
	({                                                                                         \
		int _result = (result);                                                            \
		asm volatile("" : "+r"(_result) : "r"(argument) : "memory");                       \
		_result;                                                                           \
	})

/*
 * Does a descriptor or a name still hold the engine? By two maps, since names go one after the other: that of
 * the first was made before those of the core, that of the last after them (kernel/pins.py). Who lists all maps
 * of the kernel holds each for a moment, one after the other; so both must be held at each of several looks.
 */
#define ENF_LOOKS_AT_HOLDERS 4

static __always_inline int enf_is_held(void)
{
	const struct bpf_map *first = (const struct bpf_map *)&images;
	const struct bpf_map *last = (const struct bpf_map *)&held;

	for (int i = 0; i < ENF_LOOKS_AT_HOLDERS; i++) {
		if (first->usercnt.counter <= 0 || last->usercnt.counter <= 0)
			return 0;
		asm volatile("" : : : "memory");
	}
	return 1;
}

static __always_inline int enf_without_core(void)
{
	if (!enf_is_held())
		return 0;
	enf_count(ENF_STAT_NO_CORE);
	return -ENF_EPERM;
}

__attribute__((noinline)) int enf_ask(struct enf_access *access)
{
	return ENF_STUB(access, enf_without_core());
}

__attribute__((noinline)) int enf_ask_point(struct enf_point_call *call, int how)
{
	asm volatile("" : : "r"(how));
	return ENF_STUB(call, enf_without_core());
}

__attribute__((noinline)) int enf_prefilter(const struct enf_key *key)
{
	return ENF_STUB(key, 0);
}
