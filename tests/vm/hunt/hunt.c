// SPDX-License-Identifier: MIT
/* What all searchers have in common: see hunt.h. */
#define _GNU_SOURCE
#include "hunt.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_LENGTH 4096
#define MAX_KINDS 256
#define TEXT 480
#define BEING_WRITTEN 1 /* no code of a finding */

struct step {
	uint16_t kind;
	uint16_t dice[HUNT_DICE];
};

static struct sequence {
	uint32_t role;
	uint32_t length;
	struct step steps[MAX_LENGTH];
} sequence;

struct count {
	uint64_t tried, idle, succeeded, refused;
};

/* Shared with the processes of sequences. */
static struct shared {
	uint32_t witnesses[HUNT_WITNESSES]; /* first: HUNT_WITNESS_FD */
	uint32_t code;			    /* of the finding; 0 for none */
	uint32_t begun;			    /* steps of this sequence */
	char text[TEXT];
	struct count counts[MAX_KINDS];
} *shared;

static struct {
	uint64_t seed, first, sequences, seconds, length;
	const char *hit;
	bool verbose;
} options = { .sequences = UINT64_MAX, .seconds = UINT32_MAX };

static struct {
	uint64_t sequences, steps, crashed, hung, findings;
} totals;

static const struct hunt *hunt;
static bool in_sequence; /* and not in the process that makes them */
bool hunt_is_control;
volatile uint32_t *hunt_witness;

static void usage(const char *why)
{
	fprintf(stderr, "hunt: %s\n", why);
	exit(HUNT_USAGE);
}

/* ---- What a sequence says ----------------------------------------------------------------------------------- */

static void find(enum hunt_code code, const char *format, va_list arguments)
{
	uint32_t none = 0;

	if (__atomic_compare_exchange_n(&shared->code, &none, BEING_WRITTEN, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		vsnprintf(shared->text, sizeof(shared->text), format, arguments);
		__atomic_store_n(&shared->code, code, __ATOMIC_SEQ_CST);
	}
	if (in_sequence)
		_exit(code);
}

void hunt_forbidden(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	find(HUNT_FORBIDDEN, format, arguments);
	va_end(arguments);
}

void hunt_refused(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	find(HUNT_REFUSED, format, arguments);
	va_end(arguments);
}

void hunt_broken(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	find(HUNT_BROKEN, format, arguments);
	va_end(arguments);
}

void hunt_say(const char *format, ...)
{
	va_list arguments;

	if (!options.verbose)
		return;
	va_start(arguments, format);
	dprintf(2, "        ");
	vdprintf(2, format, arguments);
	dprintf(2, "\n");
	va_end(arguments);
}

/* ---- Sequences ---------------------------------------------------------------------------------------------- */

/* SplitMix64: every seed is as good as another, neighbours included. */
uint64_t hunt_random(uint64_t *state)
{
	uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ (mixed >> 31);
}

static uint16_t die(uint64_t *state)
{
	return (hunt_random(state) >> 20) % HUNT_SIDES;
}

static unsigned int weight(size_t kind)
{
	return hunt->steps[kind].weight ?: 1;
}

static uint16_t choose(uint64_t *state)
{
	unsigned int all = 0;

	for (size_t kind = 0; kind < hunt->count; kind++)
		all += weight(kind);
	unsigned int left = (hunt_random(state) >> 20) % all;
	uint16_t kind = 0;

	for (; left >= weight(kind); kind++)
		left -= weight(kind);
	return kind;
}

static void imagine(uint64_t number)
{
	uint64_t state = options.seed;
	uint64_t own = hunt_random(&state) ^ (number * UINT64_C(0xd1342543de82ef95));

	sequence.role = die(&own);
	/* Short ones, too: what has run into a wall goes no further however long it is. */
	sequence.length = 1 + die(&own) % options.length;
	for (uint32_t at = 0; at < sequence.length; at++) {
		struct step *step = &sequence.steps[at];

		step->kind = choose(&own);
		for (int i = 0; i < HUNT_DICE; i++)
			step->dice[i] = die(&own);
	}
}

static void print_step(FILE *file, const struct step *step)
{
	fputs(hunt->steps[step->kind].name, file);
	for (int i = 0; i < HUNT_DICE; i++)
		fprintf(file, " %u", step->dice[i]);
	fputc('\n', file);
}

/* As far as it came: later steps have no part in what was found. */
static void print_sequence(FILE *file)
{
	fprintf(file, "as %u\n", sequence.role);
	for (uint32_t at = 0; at < sequence.length && at < shared->begun; at++)
		print_step(file, &sequence.steps[at]);
}

static void read_step(const char *name, const unsigned int *dice, int has)
{
	struct step *step = &sequence.steps[sequence.length];

	if (!strcmp(name, "as") && has >= 1) {
		sequence.role = dice[0];
		return;
	}
	if (sequence.length++ == MAX_LENGTH)
		usage("the sequence has too many steps");
	if (has != HUNT_DICE)
		usage("a step has no four dice");
	for (step->kind = 0; step->kind < hunt->count; step->kind++)
		if (!strcmp(hunt->steps[step->kind].name, name))
			break;
	if (step->kind == hunt->count)
		usage("no step has this name");
	for (int i = 0; i < HUNT_DICE; i++) {
		if (dice[i] >= HUNT_SIDES)
			usage("a die is too large");
		step->dice[i] = dice[i];
	}
}

static void read_sequence(const char *path)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
	char line[256];

	if (!file)
		usage("the sequence cannot be read");
	while (fgets(line, sizeof(line), file)) {
		unsigned int dice[HUNT_DICE];
		char name[64];
		int has = sscanf(line, "%63s %u %u %u %u", name, &dice[0], &dice[1], &dice[2],
				 &dice[3]);

		if (has > 0 && name[0] != '#')
			read_step(name, dice, has - 1);
	}
	if (file != stdin)
		fclose(file);
}

/* ---- One sequence in its process ---------------------------------------------------------------------------- */

static void make_step(const struct step *step)
{
	const struct hunt_step *kind = &hunt->steps[step->kind];
	struct count *count = &shared->counts[step->kind];
	uint32_t dice[HUNT_DICE];

	for (int i = 0; i < HUNT_DICE; i++)
		dice[i] = step->dice[i];
	if (options.verbose)
		print_step(stderr, step);
	count->tried++;
	shared->begun++;
	long result = kind->run(dice);

	if (result == HUNT_IDLE)
		count->idle++;
	else if (result >= 0)
		count->succeeded++;
	else if (hunt->refusal && result == -hunt->refusal)
		count->refused++;
	if (options.verbose)
		dprintf(2, "        = %s\n",
			result == HUNT_IDLE ? "idle"
			: result < 0	    ? strerrorname_np((int)-result) ?: "?"
					    : "done");
}

static void perform(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	in_sequence = true;
	if (hunt->begin)
		hunt->begin(sequence.role);
	for (uint32_t at = 0; at < sequence.length && !shared->code; at++) {
		make_step(&sequence.steps[at]);
		if (hunt->look)
			hunt->look();
	}
	_exit(HUNT_OK);
}

static void reap(pid_t child)
{
	const struct timespec patience = { hunt->patience ?: 10, 0 };
	struct timespec until, now;
	sigset_t ends;
	bool hung = false;
	int status;

	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += patience.tv_sec;
	while (waitpid(child, &status, WNOHANG) != child) {
		sigtimedwait(&ends, NULL, &patience);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > until.tv_sec) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			hung = true;
			break;
		}
	}
	totals.hung += hung;
	totals.crashed += !hung && WIFSIGNALED(status);
	/* What it left, if no namespace of its own has ended it. */
	kill(-child, SIGKILL);
	while (waitpid(-1, &status, WNOHANG) > 0)
		;
}

/* Make the sequence, and return the code of what was found. */
static uint32_t make(void)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, size, tls;
	} how = { .flags = hunt->namespaces, .exit_signal = SIGCHLD };

	memset(shared->witnesses, 0, sizeof(shared->witnesses));
	shared->code = shared->begun = 0;
	fflush(NULL);
	pid_t child;

	/* Namespaces end a little after their last process does. */
	for (int tries = 0; (child = syscall(SYS_clone3, &how, sizeof(how))) < 0; tries++) {
		if (tries == 500)
			usage(strerror(errno));
		usleep(10000);
	}
	if (!child)
		perform();
	reap(child);
	if (hunt->finish)
		hunt->finish();
	totals.sequences++;
	totals.steps += shared->begun;
	if (shared->code && hunt->restore)
		hunt->restore();
	return shared->code;
}

/* ---- A run -------------------------------------------------------------------------------------------------- */

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

static void share(void)
{
	int fd = memfd_create("hunt", 0);

	if (fd < 0 || ftruncate(fd, sizeof(*shared)) ||
	    dup2(fd, HUNT_WITNESS_FD) != HUNT_WITNESS_FD)
		usage("no memory to share");
	close(fd);
	shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, HUNT_WITNESS_FD, 0);
	if (shared == MAP_FAILED)
		usage("no memory to share");
	hunt_witness = shared->witnesses;
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
