/*
 * server_kit.h - a server on a loop, and clients that are plain sockets.
 *
 * Its routes: GET /now; GET /later/{name} waits in held until the test answers
 * it; GET /release answers the first of those; POST /echo; GET /bytes/{n}, so
 * many; GET /stream begins and waits in held; and what tests add.
 */
#pragma once

#include "common/buf.h"
#include "common/metrics.h"
#include "common/request.h"
#include "common/server.h"
#include "tests/test.h"

#define KIT_CLIENTS 80
#define KIT_HELD 64

struct kit {
    uv_loop_t uv;
    struct stream_loop *loop;
    struct metrics *metrics;
    struct router *router;
    struct server *server;
    struct server_options options; /* changed before kit_start() */
    int port, closed, drained;
    int clients[KIT_CLIENTS]; /* -1: none */
    struct buf got[KIT_CLIENTS];
    bool ended[KIT_CLIENTS], reset[KIT_CLIENTS];
    struct request *held[KIT_HELD]; /* in the order they came */
    size_t held_count;
    void (*look)(struct request *req); /* at GET /now */
};

int kit_setup(void **state);
int kit_teardown(void **state); /* everything must go */

/* routes may be NULL. */
void kit_start(struct kit *kit, const struct route *routes);

/* A client connects; its number. */
int kit_client(struct kit *kit);
void kit_send(struct kit *kit, int client, const char *text);
void kit_shut(struct kit *kit, int client); /* it will send no more */
void kit_leave(struct kit *kit, int client);
void kit_reset(struct kit *kit, int client); /* leaves by a reset */

/* One turn: the loop, and all that clients have been sent. */
void kit_turn(struct kit *kit);
/* Only the loop. */
void kit_turn_loop(struct kit *kit);

/* So that the kernel tells of what comes next in the order of its coming. */
void kit_rest(struct kit *kit);

/* Turn until the condition holds; a wait without end fails. */
#define UNTIL(kit, condition)                                         \
    do {                                                              \
        for (int n_ = 0; !(condition); n_++) {                        \
            if (n_ >= 20000)                                          \
                fail_msg("%s does not come true, got %s", #condition, \
                         kit_got(kit, 0));                            \
            kit_turn(kit);                                            \
        }                                                             \
    } while (0)

/* What the client has got so far, as a string. */
const char *kit_got(struct kit *kit, int client);
bool kit_has(struct kit *kit, int client, const char *text);
/* How often text stands in it. */
size_t kit_count(struct kit *kit, int client, const char *text);
void kit_forget(struct kit *kit, int client);

/*
 * One exchange on a connection of its own, "GET target" and header lines (and,
 * behind an empty line, a body); what came, until the next of these.
 */
const char *kit_ask(struct kit *kit, const char *target, const char *headers);
/* Its two halves: the client, and what it has got in the end. */
int kit_ask_begin(struct kit *kit, const char *target, const char *headers);
const char *kit_ask_end(struct kit *kit, int client);

/* Send and wait for a 200 with body "now": all before it has been answered. */
void kit_sync(struct kit *kit, int client);
/* 200 with body text to the request held as number i. */
void kit_answer(struct kit *kit, size_t i, const char *text);
