/* input.h - what a client may say of a link, checked and made ready. */
#pragma once

#include "common/request.h"

#define INPUT_MAX_FIELDS 6

/* Everything lives in the request's arena. */
struct input {
    struct span url;    /* normalised; ptr NULL: not said */
    struct span digest; /* of that URL, for sh:reuse */
    struct span code;   /* ptr NULL: not said */
    struct span title;  /* "" for none */
    struct span tags;   /* a JSON array, "" for none */
    int redirect;
    bool forward_query, reuse;
    int64_t expires_ms; /* 0: never */
    /* Which were said, null included. */
    bool has_title, has_tags, has_redirect, has_forward_query, has_expiry;
};

/* Where this service is found, besides the Host that a request came by. */
#define INPUT_OWN_HOSTS 5

/*
 * The body of a create or (patch) of a change; false: answered.  own: hosts
 * with their ports that no target may have.
 */
bool input_read(struct request *req, const struct span own[INPUT_OWN_HOSTS],
                int64_t now_ms, bool patch, struct input *input);

/*
 * By what sh:reuse knows a URL: short, because two URLs with one digest only
 * take turns at being found; whoever finds a link compares the URL.
 */
struct span input_digest(struct arena *arena, struct span url);

/* The tags of a JSON array that we wrote; at most max, how many. */
size_t input_split_tags(struct arena *arena, struct span json,
                        struct span *tags, size_t max);
