// SPDX-License-Identifier: GPL-2.0-only
/*
 * Catalogs that somebody wrote who is not cpt. The input is a list of changes
 * to the rows of a small container (more rows, other numbers, texts, bytes);
 * these are written to a catalog, loaded and checked as
 * `cpt restore --dry-run` does. Most are refused: none may do any harm.
 */
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "engine/restore.h"
#include "store/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define ID "0123456789ab"

static struct catalog *catalog;

/* ---- input ------------------------------------------------------------------- */

struct input {
	const uint8_t *p, *end;
};

static uint8_t byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static const uint8_t *bytes(struct input *in, size_t *len)
{
	const uint8_t *p = in->p;

	*len = min(*len, (size_t)(in->end - in->p));
	in->p += *len;
	return p;
}

/* ---- rows --------------------------------------------------------------------- */

static const char *const texts[] = {
	"", ".", "..", "/", "/tmp", "a", "a/b", "../x", "/etc/passwd", "tmpfs", "proc", "overlay", "ext4", "ipc", "uts", "mnt",
	"pid", "net", "regular", "pipe", "eventfd", "file", "memfd", "[stack]", "[vdso]", "[heap]", "/dev/null", "100",
};

static int64_t *number_at(void *row, const struct column *c)
{
	return (int64_t *)(void *)((char *)row + c->offset);
}

static void set_text(struct image *img, void *row, const struct column *c, const char *text)
{
	*(char **)(void *)((char *)row + c->offset) = image_strdup(img, text);
}

/* What a row has that nobody said anything about: the number of its thing wherever it is allowed. */
static void set_default(struct image *img, void *row, const struct column *c, int64_t thing)
{
	if (c->type == COLUMN_INT)
		*number_at(row, c) = c->max > 1 ? max(min(thing, c->max), c->min) : max(0, c->min);
	else if (c->type == COLUMN_TEXT)
		set_text(img, row, c, texts[thing % 6]);
}

static void *add_row(struct image *img, const struct table *t, int64_t thing)
{
	void *row = image_add(img, t);

	for (size_t i = 0; i < t->nr_columns; i++)
		set_default(img, row, &t->columns[i], thing);
	return row;
}

static void set_number(void *row, const struct table *t, const char *column, int64_t value)
{
	for (size_t i = 0; i < t->nr_columns; i++)
		if (strcmp(t->columns[i].name, column) == 0)
			*number_at(row, &t->columns[i]) = value;
}

/* Two processes, three threads, nothing else. */
static void add_container(struct image *img)
{
	const struct table *process = image_table(img, "process"), *thread = image_table(img, "thread");
	const struct table *pid = image_table(img, "pid");

	for (int64_t i = 1; i <= 3; i++) {
		void *row;

		if (i < 3) {
			row = add_row(img, process, i);
			set_number(row, process, "parent", i == 1 ? COLUMN_NULL : 1);
			set_number(row, process, "pgrp", 1);
			set_number(row, process, "session", 1);
			set_number(row, process, "pid_ns", COLUMN_NULL);
			set_number(row, process, "ipc_ns", COLUMN_NULL);
			set_number(row, process, "uts_ns", COLUMN_NULL);
			set_number(row, process, "mount_ns", COLUMN_NULL);
		}
		row = add_row(img, thread, i);
		set_number(row, thread, "process", i < 3 ? i : 1);
		row = add_row(img, pid, i);
		set_number(row, pid, "level", 0);
		set_number(row, pid, "pid", 4000000 + i);
	}
}

static int64_t odd_number(struct input *in, const struct column *c)
{
	uint8_t how = byte(in);
	uint64_t raw = 0;

	switch (how) {
	case 16:	return COLUMN_NULL;
	case 17:	return c->min;
	case 18:	return c->max;
	case 19:	return c->min - (c->min > INT64_MIN + 1);
	case 20:	return c->max + (c->max < INT64_MAX);
	case 21:	return (int64_t)1 << (byte(in) % 63);
	case 22:	return c->max - byte(in);
	case 23:	return (int64_t)byte(in) << 12;
	}
	if (how < 16)
		return how;
	for (int i = 0; i < 8; i++)
		raw = raw << 8 | byte(in);
	return c->min < c->max ? (int64_t)((uint64_t)c->min + raw % ((uint64_t)c->max - (uint64_t)c->min)) : (int64_t)raw;
}

static void change_text(struct image *img, struct input *in, void *row, const struct column *c)
{
	size_t len = byte(in);
	char text[256] = "";

	if (len < ARRAY_SIZE(texts)) {
		set_text(img, row, c, texts[len]);
	} else if (len == 255) {
		*(char **)(void *)((char *)row + c->offset) = NULL;
	} else {
		const uint8_t *p = bytes(in, &len);

		memcpy(text, p, len);
		set_text(img, row, c, text);
	}
}

static void change_blob(struct image *img, struct input *in, void *row, const struct column *c)
{
	size_t len = byte(in), times = byte(in) % 32 + 1;
	const uint8_t *p = bytes(in, &len);
	_cleanup_free_ char *all = xcalloc(times, len + 1);

	for (size_t i = 0; i < times; i++)
		memcpy(all + i * len, p, len);
	*(struct blob *)(void *)((char *)row + c->offset) = image_blob(img, all, times * len);
}

static void change(struct image *img, struct input *in)
{
	size_t nr_tables, nr;
	const struct table *const *tables = kind_tables(&nr_tables);
	const struct table *t = tables[byte(in) % nr_tables];
	uint8_t what = byte(in);
	char *rows = image_rows(img, t, &nr);
	const struct column *c;

	if (!nr || what % 4 == 0) {
		add_row(img, t, what / 4 % 8);
		return;
	}
	rows += what / 4 % nr * t->row_size;
	c = &t->columns[byte(in) % t->nr_columns];
	if (c->type == COLUMN_INT)
		*number_at(rows, c) = odd_number(in, c);
	else if (c->type == COLUMN_TEXT)
		change_text(img, in, rows, c);
	else
		change_blob(img, in, rows, c);
}

/* ---- what is tested ----------------------------------------------------------------- */

static int write_snapshot(struct image *img, struct err *e)
{
	struct snapshot_row s = {
		.id = (char *)ID, .cgroup = (char *)"/fuzz", .thin_id = 1, .hostname = (char *)"h", .kernel = (char *)"k",
	};

	return catalog_begin(catalog, e) ?: catalog_add_snapshot(catalog, &s, img, e);
}

static void load_and_check(void)
{
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);
	_cleanup_image_ struct image *img = image_new(tables, nr);
	struct restore r = { .img = img, .cgroup = "/fuzz", .cgroup_fd = -1 };
	struct err e = ERR_INIT;

	if (catalog_load_image(catalog, ID, img, &e) == 0)
		restore_plan(&r, &e);
	restore_clear(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);
	_cleanup_image_ struct image *img = image_new(tables, nr);
	struct err e = ERR_INIT;

	add_container(img);
	while (in.p < in.end)
		change(img, &in);
	/* What the schema itself refuses is in no catalog. */
	if (write_snapshot(img, &e) < 0 || catalog_commit(catalog, &e) < 0) {
		catalog_rollback(catalog);
		return -1;
	}
	load_and_check();
	catalog_remove_snapshot(catalog, ID, &e);
	return 0;
}

static char made[64];

static void remove_file(void)
{
	static const char *const names[] = { "/catalog", "/catalog-wal", "/catalog-shm", "" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[80];

		snprintf(path, sizeof(path), "%s%s", made, names[i]);
		remove(path);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct volume_row volume = { .thin_id = 1, .role = VOLUME_SNAPSHOT, .origin = COLUMN_NULL, .bytes = 1 << 30 };
	struct err e = ERR_INIT;
	char dir[] = "/dev/shm/cpt-fuzz.XXXXXX", path[64];

	(void)argc, (void)argv;
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/catalog", dir);
	atexit(remove_file);
	snprintf(made, sizeof(made), "%s", dir);
	if (catalog_open(&catalog, path, true, &e) < 0 || catalog_add_volume(catalog, &volume, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		abort();
	}
	return 0;
}
