/* SPDX-License-Identifier: MIT */
/* The kernel's types, without those that an object does not ask about. */
#ifndef ENFORCER_TYPES_H
#define ENFORCER_TYPES_H

/*
 * Write to *fd* the kernel's types (BTF) that *obj* reads by their names, and those that these consist of. All keep
 * their numbers, since programs name some of them to the kernel by these.
 * Returns: 0, or a negative error: the kernel has no types, *obj* has none, or there is no memory.
 */
static int enf_types_write(const struct bpf_object *obj, int fd);

/*
 * Write the names of the functions on which LSM programs can be put to *text*, of *room* bytes, each with a 0 behind it.
 * Returns: how many bytes they are, or a negative error: the kernel has no types, or there is no room.
 */
static long enf_types_lsm(char *text, size_t room);

#endif
