/* url_internal.h - between url.c and url_host.c: what stands behind "//". */
#pragma once

#include "shortener/url.h"

#define URL_DEFAULT_PORT 0 /* none, or the scheme's own */
#define URL_HOST_MAX 253

struct url_host {
    struct span name; /* normalised; lives in the arena */
    uint16_t port;
};

/* text is all between "//" and the path. */
enum url_verdict url_read_host(struct arena *arena, struct span text,
                               bool https, struct url_host *host);

/* Would a request to a reach what listens at b? */
bool url_same_host(const struct url_host *a, const struct url_host *b);

/* 0 to 15, or -1. */
int url_hex_value(char c);

/* The byte that "%XX" at s stands for, or -1. */
int url_read_escape(struct span s);
