// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ids of all thin volumes that a pool has, ascending, from its metadata as last
 * committed: what a pool can't be asked for. They are the keys of a B-tree
 * of details; one that has grown beyond its root is more than tests make.
 * Formats: drivers/md/dm-thin-metadata.c (struct thin_disk_superblock) and
 * drivers/md/persistent-data/dm-btree-internal.h (struct node_header).
 *
 *	thin_ids METADATA
 */
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#define BLOCK 4096
#define MAGIC 27022010
#define LEAF 2

struct superblock {
	uint32_t csum, flags;
	uint64_t block;
	uint8_t uuid[16];
	uint64_t magic;
	uint32_t version, time;
	uint64_t transaction, held_root;
	uint8_t data_space_map[128], metadata_space_map[128];
	uint64_t mappings_root, details_root;
};
struct node {
	uint32_t csum, flags;
	uint64_t block;
	uint32_t nr_entries, max_entries, value_size, padding;
	uint64_t keys[(BLOCK - 32) / 8];
};
union block {
	struct superblock super;
	struct node node;
	char bytes[BLOCK];
};
_Static_assert(offsetof(struct superblock, details_root) == 328, "as the kernel packs it");
_Static_assert(sizeof(union block) == BLOCK, "a block");

static void read_block(int fd, uint64_t at, union block *ret)
{
	if (pread(fd, ret, BLOCK, (off_t)(at * BLOCK)) != BLOCK)
		err(1, "read block %ju", (uintmax_t)at);
	if (le64toh(ret->node.block) != at)	/* at the same place in both */
		errx(1, "block %ju says that it is block %ju", (uintmax_t)at, (uintmax_t)le64toh(ret->node.block));
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	union block b;

	if (fd < 0)
		err(1, "%s", argc == 2 ? argv[1] : "usage: thin_ids METADATA");
	read_block(fd, 0, &b);
	if (le64toh(b.super.magic) != MAGIC)
		errx(1, "%s is no metadata of a thin pool", argv[1]);
	read_block(fd, le64toh(b.super.details_root), &b);
	if (le32toh(b.node.flags) != LEAF)
		errx(1, "there are more volumes than one block has room for");
	for (uint32_t i = 0; i < le32toh(b.node.nr_entries) && i < sizeof(b.node.keys) / sizeof(b.node.keys[0]); i++)
		printf("%ju\n", (uintmax_t)le64toh(b.node.keys[i]));
	return 0;
}
