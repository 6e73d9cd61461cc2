// SPDX-License-Identifier: MIT
/* What all searchers have in common: see hunt.h. */
#define _GNU_SOURCE
#include "hunt_parts.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

struct options options = { .sequences = UINT64_MAX, .seconds = UINT32_MAX };
struct totals totals;
const struct hunt *hunt;
bool hunt_is_control;

void usage(const char *why)
{
	fprintf(stderr, "hunt: %s\n", why);
	exit(HUNT_USAGE);
}

static void print_text(const char *text)
{
	putchar('"');
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			printf("\\u%04x", (unsigned char)*text);
		else
			putchar(*text);
	putchar('"');
}

static void report(uint32_t code, uint64_t number)
{
	printf("{\"seed\": %lu, \"next\": %lu, \"sequences\": %lu, \"steps\": %lu, \"crashed\": "
	       "%lu, \"hung\": %lu, "
	       "\"findings\": %lu, \"code\": %u, \"finding\": ",
	       options.seed, number, totals.sequences, totals.steps, totals.crashed, totals.hung,
	       totals.findings, code);
	print_text(code ? shared->text : "");
	printf(", \"kinds\": {");
	for (size_t i = 0; i < hunt->count; i++) {
		const struct count *count = &shared->counts[i];

		printf("%s\"%s\": {\"tried\": %lu, \"idle\": %lu, \"succeeded\": %lu, \"refused\": "
		       "%lu}",
		       i ? ", " : "", hunt->steps[i].name, count->tried, count->idle,
		       count->succeeded, count->refused);
	}
	puts("}}");
	fflush(stdout);
}

static void keep_hit(uint64_t number)
{
	FILE *file = options.hit ? fopen(options.hit, "w") : NULL;

	if (!file)
		return;
	fprintf(file, "# %s\n# seed %lu, sequence %lu\n", shared->text, options.seed, number);
	print_sequence(file);
	fclose(file);
}

static int search(void)
{
	uint64_t number = options.first;
	uint32_t code = 0;
	struct timespec until, now;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)options.seconds;
	while (number - options.first < options.sequences) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > until.tv_sec ||
		    (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec))
			break;
		imagine(number);
		code = make();
		number++;
		if (!code)
			continue;
		totals.findings++;
		keep_hit(number - 1);
		if (!hunt_is_control || code == HUNT_BROKEN)
			break;
	}
	report(code, number);
	return hunt_is_control && code != HUNT_BROKEN ? HUNT_OK : (int)code;
}

static int replay(const char *path)
{
	read_sequence(path);
	uint32_t code = make();

	totals.findings += !!code;
	report(code, 0);
	return (int)code;
}

int hunt_main(const struct hunt *searcher, int argc, char **argv)
{
	static const struct option known[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "first", required_argument, NULL, 'f' },
		{ "sequences", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 't' },
		{ "length", required_argument, NULL, 'l' },
		{ "hit", required_argument, NULL, 'h' },
		{ "replay", required_argument, NULL, 'r' },
		{ "control", no_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ 0 },
	};
	const char *steps = NULL;
	sigset_t ends;

	hunt = searcher;
	options.length = hunt->length ?: 24;
	for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		uint64_t number = optarg ? strtoull(optarg, NULL, 10) : 0;

		switch (option) {
		case 's':
			options.seed = number;
			break;
		case 'f':
			options.first = number;
			break;
		case 'n':
			options.sequences = number;
			break;
		case 't':
			options.seconds = number;
			break;
		case 'l':
			options.length = number;
			break;
		case 'h':
			options.hit = optarg;
			break;
		case 'r':
			steps = optarg;
			break;
		case 'c':
			hunt_is_control = true;
			break;
		case 'v':
			options.verbose = true;
			break;
		default:
			usage("see hunt.c for the options");
		}
	}
	if (!options.length || options.length > MAX_LENGTH || hunt->count > MAX_KINDS)
		usage("too long");
	share();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	if (hunt->prepare)
		hunt->prepare(argc - optind, argv + optind);
	return steps ? replay(steps) : search();
}
