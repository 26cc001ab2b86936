/*
 * config.h - a program's options: one table parses, checks and documents.
 *
 * Every option is a flag (--max-body 4096, --max-body=4096; a boolean stands
 * alone, or --no-x where its default is on) and an environment variable
 * (MAX_BODY); a flag wins.  "redis" reads REDIS_URL as well.
 */
#pragma once

#include <stdio.h>

#include "common/span.h"

enum config_kind {
    CONFIG_STRING,
    CONFIG_INTEGER,
    CONFIG_BYTES,    /* 64k, 1M, 2G; kept in bytes */
    CONFIG_DURATION, /* 250ms, 5s, 2m, 1h; a bare number is seconds; kept in
                        milliseconds */
    CONFIG_BOOLEAN,
};

struct config_option {
    const char *name; /* as in --name */
    enum config_kind kind;
    size_t offset; /* in the struct filled: const char *, int64_t or bool */
    const char *fallback; /* the default, spelled as a user would; or NULL */
    int64_t min, max;     /* of the kept value; strings: bytes */
    const char *help;     /* where on is the default: what --no-name does */
};

/*
 * Fill *out from the tables (ended by a NULL name), the environment and argv.
 * Strings stay borrowed from there.  0, or UV_EINVAL with one line in reason
 * that names the option and what it takes.
 */
int config_parse(const struct config_option *const tables[], void *const outs[],
                 size_t count, int argc, char **argv, char *reason,
                 size_t reason_size);

void config_help(FILE *to, const struct config_option *const tables[],
                 size_t count);
/* The same as a Markdown table, for a README. */
void config_help_markdown(FILE *to, const struct config_option *const tables[],
                          size_t count);
