/*
 * settings.h - how topics are kept: --topics FILE, JSON
 *
 *   [{"pattern": "orders/{id}", "mode": "log", "max_count": 1000,
 *     "max_age_s": 86400}, …]
 *
 * of which the first whose pattern matches a topic counts.
 */
#pragma once

#include "notifier/selector.h"

#define SETTINGS_MAX 256 /* of a file */

struct topic_setting {
    struct selector *selector; /* NULL: "*" */
    bool is_state;             /* only the newest update is kept */
    uint32_t max_count;        /* entries of the log, about */
    uint64_t max_age_ms;
};

struct settings;

/* path NULL: none, what is said above counts for all.  NULL: reason says why.
 */
struct settings *settings_load(const char *path, char *reason,
                               size_t reason_size);
void settings_destroy(struct settings *settings);

/* Never NULL; lives as long as settings. */
const struct topic_setting *settings_of(const struct settings *settings,
                                        struct span topic);
