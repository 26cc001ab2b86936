/*
 * erasure.h - users that are deleted: what is left of them goes.
 *
 * DELETE of a user notes it in its partition and is answered; from then on
 * every worker looks at a partition after the other, takes who is noted there
 * for a while, and goes through the rooms that it is and was in, a piece of a
 * log at a time.  Each step may be done twice.
 */
#pragma once

struct chat;
struct erasure;

struct erasure *erasure_create(struct chat *chat);
/* Redis calls no more. */
void erasure_destroy(struct erasure *erasure);
