/* SPDX-License-Identifier: MIT */
/*
 * Records to lines without Python. Python writes the first record of a shape and says which parts of
 * the line are what the record holds in some field; further records of that shape differ in these
 * fields only, and their lines are put together here.
 */
#ifndef ENFORCER_LANE_H
#define ENFORCER_LANE_H

#define ENF_LANE_FIELDS 16	/* fields that may vary, of one operation */
#define ENF_LANE_TEMPLATES 1024 /* shapes that are remembered */
#define ENF_LANE_SEEN 4096	/* shapes that are known to have come once */

enum enf_form {			      /* how a field is written */
		ENF_FORM_END = 0,     /* the text ends here */
		ENF_FORM_DEC = 1,     /* number, decimal */
		ENF_FORM_SIGNED = 2,  /* number of 64 bits with a sign */
		ENF_FORM_HEX = 3,     /* number, hexadecimal without prefix */
		ENF_FORM_TIME = 4,    /* CLOCK_BOOTTIME as wall clock time in UTC, microseconds */
		ENF_FORM_ADDRESS = 5, /* IPv6, or IPv4 if it is mapped */
		ENF_FORM_PATH = 6,    /* within a JSON string */
		ENF_FORM_NAME = 7,
		_ENF_FORM_MAX = 8,
};

enum enf_lane_end { /* why enf_lane_run() returned */
		    ENF_LANE_DONE = 0,
		    ENF_LANE_FULL = 1,	/* take the lines and call again */
		    ENF_LANE_PLAIN = 2, /* the next record is for Python */
		    ENF_LANE_LEARN = 3, /* so is this, and its shape has come before */
		    ENF_LANE_STALE = 4, /* so is this, and its template must be looked at again */
		    _ENF_LANE_END_MAX = 5,
};

struct enf_lane;

/* A number in the head of a record; 16 bytes are an address, high half first. */
struct enf_lane_field {
	unsigned short offset;
	unsigned char width;
	unsigned char fixed; /* part of the shape, and written all the same */
};

/* Constant text up to *until*, then a field. */
struct enf_lane_piece {
	unsigned int until;
	unsigned char form;
	unsigned char field; /* of numbers */
	unsigned short most; /* characters of path or name, 0: any; longer ones are Python's */
};

struct enf_lane_run {
	unsigned long long at;	  /* in, out: where in the batch */
	unsigned long long used;  /* out: bytes of lines */
	unsigned long long lines; /* out */
	unsigned int template_id; /* out: the one that is stale */
	unsigned int _pad;
};

static struct enf_lane *enf_lane_new(size_t room, unsigned long long seed);
static void enf_lane_free(struct enf_lane *lane);

/*
 * Say which fields of records of *kind* and *op* vary; path and name always do, except that a name
 * that is a list (argc is not 0) is part of the shape.
 */
static int enf_lane_vary(struct enf_lane *lane, unsigned int kind, unsigned int op,
			 const struct enf_lane_field *fields, unsigned int n);

/*
 * Learn the shape of *record*: its line is *text* with *pieces* in it, until the clock shows *until*.
 * Without pieces nothing is written, and Python is not asked to learn it again so soon.
 * Returns: the id of the template; -EBUSY if the counts must be taken first; or another error.
 */
static long enf_lane_learn(struct enf_lane *lane, const void *record, size_t length,
			   const char *text, size_t text_length,
			   const struct enf_lane_piece *pieces, unsigned int n,
			   unsigned long long until);
static void enf_lane_extend(struct enf_lane *lane, unsigned int id, unsigned long long until);
static void enf_lane_forget(struct enf_lane *lane);

/* Write the line of *record* by template *id* to *out*. Returns its length or a negative error. */
static long enf_lane_write(struct enf_lane *lane, unsigned int id, const void *record,
			   size_t length, long long offset, char *out, size_t room);

/*
 * Write the lines of the records in *batch* (as enf_ring_drain() makes it), in order, up to the first
 * that cannot be written here. *now* is the clock of templates, *offset* from CLOCK_BOOTTIME to the
 * wall clock. Returns: enum enf_lane_end, or a negative error if the batch is none.
 */
static int enf_lane_run(struct enf_lane *lane, const void *batch, size_t size,
			unsigned long long now, long long offset, struct enf_lane_run *run);
static const char *enf_lane_lines(const struct enf_lane *lane);

/* Take up to *n* counts of lines by template, of those that wrote any since. Returns how many. */
static unsigned int enf_lane_counts(struct enf_lane *lane, unsigned int *ids,
				    unsigned long long *counts, unsigned int n);

#endif
