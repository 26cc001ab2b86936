/*
 * clicks.h - counts of redirects, on their way to Redis.
 *
 *   clicks_count() -> cell (code, minute) -> batch (partition) -> clicks.lua
 *
 * Every --flush-every the cells of a partition leave as one batch, numbered by
 * this worker in that partition; the script remembers the last number, so that
 * a batch sent again counts once.  A batch that fails is sent again until it
 * is answered; new clicks meanwhile gather in new cells, at most
 * CLICKS_MAX_CELLS, past which clicks are dropped and counted as such.
 */
#pragma once

#include "common/app.h"
#include "common/hash.h"
#include "common/list.h"

#define CLICKS_MAX_CELLS 65536
#define CLICKS_MAX_BATCH 256    /* cells of one script call */
#define CLICKS_MAX_VISITORS 512 /* new ones of a cell; then it is flushed */

struct clicks;

struct click_cell {
    struct list node;
    struct click_cell **slot; /* who points here, or NULL */
    uint64_t first_visitor;   /* 0: none */
    uint64_t *visitors;       /* the others: open addressing, 0 is empty */
    uint32_t visitor_count, visitor_room;
    uint32_t minute; /* since 1970 */
    uint32_t humans, bots;
    uint8_t code_len;
    char code[];
};

struct clicks *clicks_create(struct app *app, uint64_t flush_ms);

/* The key of visitors' hashes; until then nobody is unique. */
void clicks_set_secret(struct clicks *clicks, const unsigned char *secret);

/*
 * Who this is, today: never 0; says nothing about yesterday's.  agent is any
 * hash of the User-Agent.
 */
uint64_t clicks_visitor(struct clicks *clicks, struct span address,
                        uint64_t agent, int64_t now_ms);

/*
 * One redirect of code, by visitor, or by a bot.  *slot (of a cached entry, or
 * NULL) remembers the cell for the next one.
 */
void clicks_count(struct clicks *clicks, struct span code,
                  struct click_cell **slot, uint64_t visitor, bool bot,
                  int64_t now_ms);

/* The holder of the cell's slot goes away; the cell stays till its flush. */
void clicks_detach(struct click_cell *cell);

/* Send everything now, then run done; gives up when Redis does not answer. */
void clicks_drain(struct clicks *clicks, void (*done)(void *arg), void *arg);
void clicks_destroy(struct clicks *clicks);
