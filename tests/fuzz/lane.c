// SPDX-License-Identifier: MIT
/*
 * The fast lane on bytes that nobody would send: run under the sanitizers of the compiler.
 *
 *   lane [SEED [ROUNDS]]
 *
 * Also a target of libFuzzer, with -DLANE_LIBFUZZER: the input is what the dice would be.
 */
#include "_lane.c"

#include <stdio.h>

#define FUZZ_ROOM 8192
#define FUZZ_RECORDS 24
#define FUZZ_PIECES 12

static const unsigned char *fuzz_input;
static size_t fuzz_left;
static uint64_t fuzz_state = 1;
static unsigned long long fuzz_lines, fuzz_templates;

static uint64_t dice(uint64_t sides)
{
	uint64_t drawn = 0;

	if (fuzz_input) {
		for (int i = 0; i < 8 && fuzz_left; i++, fuzz_left--)
			drawn = drawn << 8 | *fuzz_input++;
		return drawn % sides;
	}
	fuzz_state ^= fuzz_state << 13;
	fuzz_state ^= fuzz_state >> 7;
	fuzz_state ^= fuzz_state << 17;
	return fuzz_state % sides;
}

static void fill(void *to, size_t length)
{
	char *at = to;

	while (length--)
		*at++ = dice(4) ? "/ab\x80\xff\n\"\\\xc3\xa9"[dice(10)] : (char)dice(256);
}

/* A record; mostly one whose lengths fit. Returns its length. */
static size_t make_record(char *to)
{
	struct enf_event event;
	size_t tail, length;

	fill(&event, sizeof(event));
	if (dice(8)) {
		memset(&event, 0, sizeof(event));
		event.time_ns = dice(3) ? dice(1ULL << 62) : dice(2) - 1;
		event.ino = dice(3);
		event.addr_lo = dice(2) ? 0xffff00000000 | dice(1ULL << 32) : dice(1 << 20);
		event.argc = dice(4) == 0;
	}
	event.kind = dice(4);
	event.op = dice(3);
	event.path_len = dice(3) ? dice(40) : dice(2000);
	event.exe_len = dice(3);
	event.name_len = dice(20);
	tail = event.path_len + event.exe_len + event.name_len;
	event.size = sizeof(event) + tail;
	length = event.size;
	if (!dice(8))
		event.size = dice(65536);
	if (!dice(8))
		length = dice(length + 1);
	memcpy(to, &event, length < sizeof(event) ? length : sizeof(event));
	if (length > sizeof(event))
		fill(to + sizeof(event), length - sizeof(event));
	return length;
}

/* Records, many of which come several times: else no shape would be met again. */
static size_t make_batch(char *to, unsigned int records)
{
	size_t used = 0, last = 0;

	while (records--) {
		char *record = to + used + 8;
		__u32 head[2] = { 0 };

		if (used && dice(4)) {
			memcpy(head, to + last, sizeof(head));
			memmove(record, to + last + 8, head[0]);
			if (head[0] >= sizeof(struct enf_event) && dice(2))
				((struct enf_event *)record)->time_ns += dice(1 << 30);
		} else {
			head[0] = make_record(record);
		}
		last = used;
		memcpy(to + used, head, sizeof(head));
		used += sizeof(head) + ((head[0] + 7) & ~7U);
	}
	return used;
}

/* What libasan would not see: a line that is longer than was said. */
static void learn(struct enf_lane *lane, const void *record, size_t length, uint64_t now)
{
	struct enf_lane_piece pieces[FUZZ_PIECES];
	unsigned int n = dice(FUZZ_PIECES + 1), until = 0;
	char text[256], line[FUZZ_ROOM];
	long id;

	fill(text, sizeof(text));
	for (unsigned int i = 0; i < n; i++) {
		until += dice(24);
		pieces[i] = (struct enf_lane_piece){
			.until = dice(50) ? until : (unsigned int)dice(1000),
			.form = i == n - 1 ? ENF_FORM_END : dice(_ENF_FORM_MAX + 1),
			.field = dice(7),
			.most = dice(3) ? 0 : dice(60),
		};
	}
	id = enf_lane_learn(lane, record, length, text, until < 256 ? until : dice(257), pieces, n,
			    now + dice(40));
	fuzz_templates += id >= 0;
	if (id >= 0 && enf_lane_write(lane, id, record, length, (long long)dice(1 << 20) - 1000,
				      line, sizeof(line)) > (long)sizeof(line))
		abort();
}

static void round_of(struct enf_lane *lane)
{
	/* On the heap and of the exact size, so that a read behind the end is seen. */
	static char made[FUZZ_RECORDS * 70000] __attribute__((aligned(8)));
	size_t size = make_batch(made, 1 + dice(FUZZ_RECORDS));
	struct enf_lane_run run = { .at = 0 };
	uint64_t now = dice(8);
	unsigned int ids[8];
	unsigned long long counts[8];
	char *batch;

	if (!dice(10))
		size = dice(size + 1);
	batch = malloc(size + !size);
	memcpy(batch, made, size);
	while (run.at < size) {
		int end = enf_lane_run(lane, batch, size, now, dice(3) ? 77 : INT64_MAX - dice(9),
				       &run);
		__u32 length;

		fuzz_lines += run.lines;
		if (run.used > FUZZ_ROOM || end < 0)
			break;
		if (end == ENF_LANE_FULL)
			continue;
		if (end == ENF_LANE_DONE)
			break;
		memcpy(&length, batch + run.at, sizeof(length));
		if (dice(3))
			learn(lane, batch + run.at + 8, length, now);
		else
			enf_lane_extend(lane, dice(2000), now + dice(9));
		run.at += 8 + ((length + 7) & ~7UL);
	}
	if (run.used > FUZZ_ROOM)
		abort();
	enf_lane_counts(lane, ids, counts, 8);
	free(batch);
}

static void plans(struct enf_lane *lane)
{
	struct enf_lane_field fields[ENF_LANE_FIELDS + 1];
	static const unsigned char widths[] = { 2, 4, 8, 16, 16, 8, 3 };

	for (unsigned int kind = 0; kind < 4; kind++) {
		for (unsigned int op = 0; op < 2; op++) {
			unsigned int n = dice(8);

			for (unsigned int i = 0; i < n; i++)
				fields[i] = (struct enf_lane_field){
					.offset = dice(20) ? 8 * dice(36) : dice(400),
					.width = widths[dice(dice(20) ? 6 : 7)],
					.fixed = !dice(4),
				};
			enf_lane_vary(lane, kind, op, fields, n);
		}
	}
}

static void play(unsigned int rounds)
{
	struct enf_lane *lane = enf_lane_new(FUZZ_ROOM, dice(~0ULL));

	if (!lane)
		return;
	plans(lane);
	while (rounds--) {
		if (!dice(200))
			plans(lane);
		if (!dice(500))
			enf_lane_forget(lane);
		round_of(lane);
	}
	enf_lane_free(lane);
}

#ifdef LANE_LIBFUZZER
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	fuzz_input = data;
	fuzz_left = size;
	play(4);
	return 0;
}
#else
int main(int argc, char **argv)
{
	fuzz_state = argc > 1 ? strtoull(argv[1], NULL, 10) | 1 : 1;
	play(argc > 2 ? strtoul(argv[2], NULL, 10) : 2000);
	printf("%llu lines by %llu templates\n", fuzz_lines, fuzz_templates);
	return 0;
}
#endif
