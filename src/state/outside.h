/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has its other end outside of the container: pipes, unix sockets,
 * terminals, mounts. Tables `outside` and `outside_file`. A snapshot takes such a thing
 * if it was asked to (cpt snapshot --outside), without its other end, and gives
 * it a name; whoever restores says by that name what comes in its place.
 */
#pragma once
#include "state/file.h"

#define OUTSIDE_READS 1		/* what the container does with it */
#define OUTSIDE_WRITES 2

struct outside_row {
	int64_t outside;	/* numbered from 0 */
	char *name;		/* "pipe:12345" */
	char *kind;		/* what the name begins with: "pipe" (and fifos), "unix", "tty" or "mount" */
	int64_t access;		/* OUTSIDE_* */
	char *otherwise;	/* socket that a restore connects to if it is not told anything; NULL: it has to be */
	/* While saving only. */
	int64_t number;		/* tells it from others of its kind */
	bool refused;
	/* While restoring only: why it is one, though the snapshot says that it is of the host; or NULL. */
	char *lack;
};

struct outside_file_row {
	int64_t file;
	int64_t outside;
};
extern const struct table outside_table, outside_file_table;
extern const struct kind outside_kind;

/* ---- who it is --------------------------------------------------------- */

/*
 * Tasks outside of @l and other than cpt that have a descriptor which /proc
 * shows as @link and whose file has the inode number @ino on @dev: "task 77
 * (nginx)" for the first one found, with "and others" behind it if there are
 * more. False when there is none. Only for telling: it looks at every process.
 */
bool outside_has(struct live *l, const char *link, dev_t dev, ino_t ino, char *buf, size_t len);

/* ---- saving ------------------------------------------------------------ */

struct outside_thing {
	const char *kind;
	int64_t number;		/* what has the same one is the same thing */
	const char *where;	/* what its name has behind the kind: "/run/log.sock"; NULL: @number */
	const char *otherwise;	/* see struct outside_row */
	const char *reason;	/* why it can't simply be saved, */
	const char *advice;	/* and what can be done about that; NULL: nothing else than to ask for it */
	const char *object;	/* what has it if no descriptor does: "its controlling terminal" */
	int64_t access;		/* OUTSIDE_* of that */
};

/*
 * Descriptor @f of @p, or (NULL) @t->object, has its other end outside. True: it
 * was asked for and is noted, its state is to be saved as usual. False: it is
 * refused, once for all who have it.
 */
bool outside_save(struct save *s, const struct live_process *p, const struct open_file *f,
		  const struct outside_thing *t);
/* A name for @where that no thing has yet; the caller frees it. */
char *outside_name_new(const struct image *img, const char *kind, const char *where);
/* The row of a thing that outside_save() has noted, or NULL. */
const struct outside_row *outside_saved(const struct save *s, const char *kind, int64_t number);

/* ---- what options say -------------------------------------------------- */

enum outside_how {
	OUTSIDE_UNDECIDED,
	OUTSIDE_INHERIT,	/* a descriptor of cpt itself */
	OUTSIDE_REPLACE,	/* what is at a path */
	OUTSIDE_DROP,		/* the other end is gone */
};

struct outside_choice {
	enum outside_how how;
	char *name;		/* of one thing, or of several: see outside_match() */
	int fd;			/* OUTSIDE_INHERIT */
	char *path;		/* OUTSIDE_REPLACE: absolute, or @ and an abstract name */
};

/* "NAME=3", "NAME=/some/path" or "NAME", depending on @how. Without leave: that is freed by outside_choice_clear(). */
int outside_choice_parse(struct outside_choice *ret, enum outside_how how, const char *text, struct err *e);
void outside_choice_clear(struct outside_choice *c);

/*
 * How exactly @pattern means the thing of that kind and name. 0: not at all;
 * ascending: "all", its kind, glob(7), its name. A number may be in brackets,
 * as /proc/<pid>/fd shows it.
 */
int outside_match(const char *pattern, const char *kind, const char *name);
#define OUTSIDE_EXACTLY 4

/* ---- restoring --------------------------------------------------------- */

/* What is to come in place of one thing; from outside_kind.check on, one for each row of table outside. */
struct outside_plan {
	const struct outside_row *row;
	char *users;		/* "sh (descriptor 0 1), cat (descriptor 0)" */
	enum outside_how how;
	int fd;
	const char *path;
	char *note;		/* what could not be as it was, or NULL */
	char *missing;		/* what the container needs by its path and is not in it, a line each; or NULL */
};
/* Also when outside_kind.check failed: then some may be undecided. */
const struct outside_plan *outside_plans(const struct restore *r, size_t *ret_nr);
void outside_plans_clear(struct restore *r);

/* NULL: @file has no other end outside. */
const struct outside_plan *outside_plan_of(const struct restore *r, int64_t file);
/* Is it inherited or replaced? How it is open, and in which namespace it is found, is then up to who gave it. */
bool outside_is_given(const struct restore *r, int64_t file);
/* Can bytes that waited in pipe @file be put back? */
int outside_check_bytes(const struct restore *r, int64_t file, struct err *e);
/* Does what is given for the socket @file fit its type (SOCK_*)? */
int outside_check_socket(const struct restore *r, int64_t file, int type, struct err *e);
/* An open file as @f of what is given; but for a socket at a path, which is the caller's to connect to. */
int outside_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e);
/* The same of a terminal as a whole, for both ways; -1: it is dropped. */
int outside_open_whole(struct restore *r, int64_t outside, int *ret_fd, struct err *e);
/* Is a socket to be connected to, by outside_connect()? */
bool outside_is_path_of_socket(const struct restore *r, int64_t file);
int outside_connect(const struct restore *r, int64_t file, int fd, struct err *e);
/* "descriptor 3" or "/run/x" */
const char *outside_given_text(const struct outside_plan *p, char buf[static 32]);
/* Who uses @outside, from the rows of a snapshot; the caller frees it. */
char *outside_users(const struct image *img, int64_t outside);
