/*
 * reseal.h - texts that are in the open, or sealed with a key that is not the
 * current one any more, are sealed with the current one, in the background.
 *
 *   rooms of a partition --> parts of one's log, from its oldest entry on -->
 *   a new log, which takes the old one's place with the last part
 *
 * A part is one script, which does nothing if anything came between; how far it
 * has come is in the room.  So any worker may go on where another ended,
 * several may be at it, and nobody who reads or writes has to wait.
 */
#pragma once

struct chat;
struct reseal;

/* With keys only: chat->bodies. */
struct reseal *reseal_create(struct chat *chat);
void reseal_destroy(struct reseal *reseal); /* NULL: nothing */
