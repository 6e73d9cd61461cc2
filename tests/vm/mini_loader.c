// SPDX-License-Identifier: MIT
/* A loader as others are: maps each file that it is given, then says that it got so far. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);

		if (fd < 0 ||
		    mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
			return 127;
	}
	return open(getenv("MARK"), O_CREAT | O_WRONLY, 0600) >= 0 ? 0 : 201;
}
