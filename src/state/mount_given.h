/* SPDX-License-Identifier: GPL-2.0-only */
/* What options give in place of mounts that cpt can't make anew, on the stage. Those have outside plans. */
#pragma once
#include "state/mount_stage.h"

/* The checking: mounts of the host's that it has not, or that options name, become rows of table `outside`. */
int mounts_find_lacking(struct restore *r, struct err *e);
/* Mounts that are dropped leave table `mount`. */
int mounts_drop(struct restore *r, struct err *e);

/* In cpt's own mount namespace, */
int mounts_given_open(struct restore *r, struct err *e);
/* and on the stage, before any is cloned. */
int mounts_given_put(struct restore *r, struct stage *stage, struct err *e);
/* A new mount, nowhere yet, of what comes in place of @row. */
int mount_given_clone(struct restore *r, const struct mount_row *row, struct err *e);
/* A peer of that, if @row was of the host's; one that is to be a slave leaves the group then. */
int mount_given_join(struct restore *r, const struct mount_row *row, struct err *e);
/* @row can't be a peer or a slave of what it was: that is told when the tasks run. */
void mount_note_alone(struct restore *r, const struct mount_row *row);
