/*
 * link.h - a link as Redis keeps it and as clients see it.
 *
 * Keys (see README.md for bytes and expiry); NNN is the partition of the code,
 * or of the owner's subject for what belongs to the owner:
 *
 *   sh:link:{pNNN}:code   string: the link's record (record.h)
 *   sh:own:{pNNN}:sub     sorted set of codes by creation time
 *   sh:tag:{pNNN}:n:sub:tag  likewise, of one tag; n is the length of sub
 *   sh:reuse:{pNNN}:sub   hash: digest of a normalised URL -> its codes
 */
#pragma once

#include "common/arena.h"
#include "common/buf.h"
#include "common/redis.h"
#include "common/request.h"

#define LINK_URL_MAX 8192
#define LINK_TITLE_MAX 256
#define LINK_TAGS_MAX 16
#define LINK_TAG_MAX 64
#define LINK_TTL_MAX (INT64_C(10) * 366 * 86400) /* seconds */
#define LINK_TOMBSTONE_MS (INT64_C(30) * 86400 * 1000)
#define LINK_KEY_MAX 512

enum link_state {
    LINK_LIVE,
    LINK_EXPIRED,
    LINK_DELETED,
    LINK_UNKNOWN,
};

/* Spans are borrowed from the record that was read. */
struct link {
    struct span code, url, owner, title;
    struct span operation; /* by which a repeated create is known */
    struct span tags;      /* a JSON array of strings, "" for none */
    int redirect;
    bool forward_query;
    bool alias;         /* the code was chosen */
    int64_t created_us; /* Redis's wall clock, as all four */
    int64_t updated_us;
    int64_t expires_ms; /* 0: never */
    int64_t deleted_us; /* 0: not */
};

/* "sh:<type>:{pNNN}:<id>", where NNN is the partition of together. */
struct span link_key(struct arena *arena, const char *type,
                     struct span together, struct span id);

struct span link_tag_key(struct arena *arena, struct span owner,
                         struct span tag);

/* Read the record in a reply; false: there is no link. */
bool link_read(const struct redisReply *reply, struct span code,
               struct link *link);

/* The moment from which Redis may forget the key; 0: never. */
int64_t link_key_end_ms(const struct link *link);

enum link_state link_state_at(const struct link *link, int64_t now_ms);

/* LINK of the contract; base is what short_url begins with. */
void link_write_json(struct json_writer *w, const struct link *link,
                     struct span base);

/* --public-url, else the scheme and host that the request came by. */
struct span link_base(struct request *req, const char *public_url);

/* The same as a text in the request's arena. */
struct span link_json(struct request *req, const struct link *link,
                      const char *public_url);

/* 404 or 410 for a link that cannot be followed. */
void link_refuse(struct request *req, enum link_state state);

/* The text of a string reply; ptr NULL when it is none. */
struct span link_text(const struct redisReply *reply);

/* For a script: the caller's subject, "" where scope admin may do it all. */
struct span link_owner_filter(const struct request *req);

/* May the caller see and change it?  (Else it is 404, as if not there.) */
bool link_is_callers(const struct request *req, const struct link *link);
