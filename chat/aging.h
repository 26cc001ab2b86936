/*
 * aging.h - rooms that keep entries for a time: the old ones go.
 *
 * Every worker looks at a partition after the other, a few a second; a call
 * takes a bounded number of entries, and twice does no harm.
 */
#pragma once

struct aging;
struct chat;

struct aging *aging_create(struct chat *chat);
/* Redis calls no more. */
void aging_destroy(struct aging *aging);
