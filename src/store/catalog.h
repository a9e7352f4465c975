/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The catalog: the only file that knows SQLite. Tables that belong to a
 * snapshot are stored and loaded through their struct table; the few nouns of
 * the store itself (volume, pin, snapshot) have functions of their own.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/image.h"

struct catalog;

enum volume_role { VOLUME_LIVE, VOLUME_SNAPSHOT };

/* One thin volume. A thin id that no row names is debris of an unfinished command. */
struct volume_row {
	int64_t thin_id;	/* 24 bits */
	enum volume_role role;
	int64_t origin;		/* thin id it was taken from, or COLUMN_NULL */
	int64_t bytes;		/* virtual size */
	int64_t created_ns;	/* CLOCK_REALTIME */
};

/* A cgroup bound to its live volume. */
struct pin_row {
	char *cgroup;		/* path below the cgroup2 mount, starting with '/' */
	int64_t thin_id;
	char *parent_snapshot;	/* what the volume's contents derive from: last snapshot taken or the restored one; NULL */
	char *boot_id;		/* pins do not outlive a boot */
	char *cut_short;	/* what is left to do by the next command if this one is killed (engine/cut_short.h); NULL */
};

struct snapshot_row {
	char *id;		/* 12 lower case hex digits */
	char *parent;		/* snapshot it is an increment of, or NULL */
	char *cgroup;
	int64_t thin_id;
	int64_t created_ns;
	char *hostname, *kernel;	/* uname at that time */
	int64_t tasks, threads;
	int64_t pages;		/* pages named by its runs */
	int64_t pages_written;	/* written for this snapshot */
	int64_t runs;
	int64_t frozen_ns, total_ns;
	int64_t catalog_bytes;	/* growth of the catalog by this snapshot */
};

/*
 * Open (and with @create make) the catalog file; migrates an older version in
 * one transaction, refuses a newer one. One writer at a time: the store's lock
 * is held by the caller. synchronous=FULL, foreign_keys=ON, trusted_schema=OFF.
 */
int catalog_open(struct catalog **ret, const char *path, bool create, struct err *e);
void catalog_close(struct catalog *c);
void catalog_closep(struct catalog **c);

int catalog_begin(struct catalog *c, struct err *e);	/* BEGIN IMMEDIATE */
int catalog_commit(struct catalog *c, struct err *e);	/* durable when it returns 0 */
void catalog_rollback(struct catalog *c);

/* settings of the store: a key/value table `setting` */
int catalog_set(struct catalog *c, const char *key, const char *value, struct err *e);
int catalog_get(struct catalog *c, const char *key, char **ret, struct err *e);	/* -ENOENT */

int catalog_add_volume(struct catalog *c, const struct volume_row *v, struct err *e);
int catalog_remove_volume(struct catalog *c, int64_t thin_id, struct err *e);
int catalog_each_volume(struct catalog *c, int (*fn)(const struct volume_row *, void *), void *arg, struct err *e);
/*
 * Reserve a thin id: unused by any row, wraps within 24 bits. It is noted as
 * unfinished until catalog_add_volume() takes it or catalog_release_thin_id()
 * gives it back. catalog_remove_volume() notes it anew, to be released once
 * the pool has forgotten it too. So no crash loses a thin id.
 */
int catalog_next_thin_id(struct catalog *c, int64_t *ret, struct err *e);
int catalog_release_thin_id(struct catalog *c, int64_t thin_id, struct err *e);
int catalog_each_unfinished(struct catalog *c, int (*fn)(int64_t thin_id, void *), void *arg, struct err *e);

int catalog_set_pin(struct catalog *c, const struct pin_row *p, struct err *e);	/* insert or replace */
int catalog_remove_pin(struct catalog *c, const char *cgroup, struct err *e);
/* Its `cut_short`. Survives the death of cpt, not that of the machine, which no pin does: it waits for no disk. */
int catalog_mark_pin(struct catalog *c, const char *cgroup, const char *cut_short, struct err *e);
int catalog_get_pin(struct catalog *c, const char *cgroup, struct pin_row *ret, struct err *e);	/* -ENOENT; free with pin_row_clear */
int catalog_each_pin(struct catalog *c, int (*fn)(const struct pin_row *, void *), void *arg, struct err *e);
void pin_row_clear(struct pin_row *p);

/* The snapshot row and every table of @img, inside the caller's transaction. */
int catalog_add_snapshot(struct catalog *c, struct snapshot_row *s, const struct image *img, struct err *e);
/* -ENOENT, or -ENOTUNIQ when more than one snapshot begins with @prefix (message lists some). */
int catalog_get_snapshot(struct catalog *c, const char *prefix, struct snapshot_row *ret, struct err *e);
void snapshot_row_clear(struct snapshot_row *s);
int catalog_each_snapshot(struct catalog *c, int (*fn)(const struct snapshot_row *, void *), void *arg, struct err *e);
int catalog_remove_snapshot(struct catalog *c, const char *id, struct err *e);	/* its rows go with it (ON DELETE CASCADE) */
/* All rows of snapshot @id for the tables @img was made with; a value outside its column's range is -EBADMSG naming table, row and column. */
int catalog_load_image(struct catalog *c, const char *id, struct image *img, struct err *e);
