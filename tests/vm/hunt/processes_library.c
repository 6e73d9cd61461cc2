// SPDX-License-Identifier: MIT
/* A library that tells the keeper that it came in: foreign, if the test wrote so over the end of its mark. */
#define _GNU_SOURCE
#include "processes.h"

#include <unistd.h>

static volatile const char mark[] = "this library is TRUSTED";

unsigned int la_version(unsigned int version);

/* So that it does as an auditor, too. */
unsigned int la_version(unsigned int version)
{
	return version;
}

static void __attribute__((constructor)) come_in(void)
{
	if (mark[sizeof(mark) - sizeof("TRUSTED")] == 'F')
		dup2(HUNT_WITNESS_FD, FOREIGN_FD);
}
