/*
 * log.h - one JSON object a line on stderr.
 *
 * Written whole by one write(2).  When stderr is a pipe that is full, lines
 * are dropped and counted rather than holding the loop; for the same reason
 * the texts of a line that is longer than PIPE_BUF are cut.
 */
#pragma once

#include <stdint.h>

#include "common/span.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *key;
    struct span text; /* ptr NULL: null, unless it is a number */
    int64_t number;
    bool is_number;
};

#define LOG_TEXT(k, s) ((struct log_field){.key = (k), .text = (s)})
#define LOG_STR(k, s) LOG_TEXT(k, span_str(s))
#define LOG_NUMBER(k, n) \
    ((struct log_field){.key = (k), .number = (n), .is_number = true})

/* Who speaks: copied; worker -1 is the master. */
void log_setup(enum log_level level, const char *service, const char *node,
               int worker);
bool log_enabled(enum log_level level);
/* The level a name stands for; false when none. */
bool log_level_parse(struct span name, enum log_level *level);

/* log_write(LOG_WARN, "redis away", LOG_STR("reason", r), …) */
#define log_write(level, msg, ...)                                         \
    log_fields(level, msg, (const struct log_field[]){{0}, ##__VA_ARGS__}, \
               sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) /    \
                   sizeof(struct log_field))
/* fields[0] is skipped (see the macro). */
void log_fields(enum log_level level, const char *msg,
                const struct log_field *fields, size_t count);
uint64_t log_dropped(void);
