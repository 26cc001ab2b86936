/*
 * shortener.h - what the files of the shortener share.
 *
 *   resolve.c  GET /{code}: from the cache, else one read of Redis
 *   clicks.c   counts of redirects, folded and flushed
 *   create.c read.c update.c delete.c list.c stats.c preview.c
 *              the other routes
 *   code.c ids.c    ids from leased blocks, permuted to codes
 *   cache.c         ready-to-send answers by code
 *   link.c record.c a link as clients see it, and as Redis keeps it
 */
#pragma once

#include "common/app.h"
#include "common/clock.h"
#include "common/hash.h"
#include "shortener/cache.h"
#include "shortener/clicks.h"
#include "shortener/code.h"
#include "shortener/ids.h"
#include "shortener/input.h"
#include "shortener/link.h"
#include "shortener/now.h"

#define SHORTENER_PREFIX "sh"
#define OWN_HOST_MAX 300

struct shortener_config {
    int64_t cache_bytes;
    int64_t stale_for_ms;
    int64_t flush_ms;
    bool single_flight;
};

struct shortener {
    struct app *app;
    struct redis *redis;
    const struct shortener_config *config;
    struct cache *cache;
    struct clicks *clicks;
    struct ids *ids;
    struct agents *agents;
    struct now *now;
    uint64_t *created, *skipped_codes; /* metric cells */
    uint64_t *stale, *hits, *misses;
    struct hash_key code_key;
    bool has_code_key;
    struct span own[INPUT_OWN_HOSTS]; /* of whole lifetime */
    char own_text[INPUT_OWN_HOSTS][OWN_HOST_MAX];
};

/* life.c, for main.c's table. */
void *shortener_open(struct app *app);
void shortener_on_secrets(void *state);
void shortener_on_invalidate(void *state, struct span key);
void shortener_on_epoch(void *state, bool live);
void shortener_health(void *state, struct json_writer *w);
void shortener_drain(void *state, void (*done)(void *arg), void *arg);
void shortener_close(void *state);

/* Does the token's scope cover {code}?  false: answered. */
bool link_check_scope(struct request *req, struct span scope);

/*
 * Read the caller's link {code} and use it (borrowed until use returns), or
 * answer 404: no link, deleted, or another's.
 */
typedef void (*link_use)(struct request *req, const struct link *link,
                         struct shortener *app);
void link_load(struct request *req, struct shortener *app, link_use use);

/* Handlers; arg is the struct shortener. */
void create_link(struct request *req, void *arg);
void read_link(struct request *req, void *arg);
void update_link(struct request *req, void *arg);
void delete_link(struct request *req, void *arg);
void list_links(struct request *req, void *arg);
void read_stats(struct request *req, void *arg);
void resolve(struct request *req, void *arg);
void preview(struct request *req, void *arg);
