// SPDX-License-Identifier: MIT
/*
 * parent PROGRAM [ARGUMENT...]: runs PROGRAM as a child and ends as it does.
 *
 * Rules name copies of this by `parent`, where one program does the deeds of many rules: an
 * emulated machine translates each copy of a program anew, and of this there is little.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int status;
	pid_t child = argc > 1 ? fork() : -1;

	if (!child) {
		execv(argv[1], argv + 1);
		perror(argv[1]);
		_exit(126);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("parent");
		return 125;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 125;
}
