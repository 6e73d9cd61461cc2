// SPDX-License-Identifier: MIT
/* A library that leaves the name of whoever loads it. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
__attribute__((constructor)) static void run(void)
{
	char name[16] = "", path[64];

	prctl(PR_GET_NAME, name);
	snprintf(path, sizeof(path), "/run/planted.%s", name);
	open(path, O_CREAT | O_WRONLY, 0600);
}
