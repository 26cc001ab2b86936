/* log.c - see log.h. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

#define NAME_MAX_LEN 64

struct entry {
    enum log_level level;
    const char *msg;
    const struct log_field *fields;
    size_t count;
};

static struct {
    enum log_level level;
    int worker;
    char service[NAME_MAX_LEN], node[NAME_MAX_LEN];
    uint64_t dropped;
} self = {.level = LOG_INFO, .worker = -1};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level level, const char *service, const char *node,
               int worker)
{
    self.level = level;
    self.worker = worker;
    snprintf(self.service, sizeof(self.service), "%s", service);
    snprintf(self.node, sizeof(self.node), "%s", node);
}

bool log_enabled(enum log_level level)
{
    return level >= self.level;
}

bool log_level_parse(struct span name, enum log_level *level)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (!span_eq(name, span_str(level_names[i])))
            continue;
        *level = (enum log_level)i;
        return true;
    }
    return false;
}

uint64_t log_dropped(void)
{
    return self.dropped;
}

static void put_pair(struct json_writer *w, const char *key, struct span text)
{
    json_put_key(w, key);
    json_put_string(w, text);
}

static void put_head(struct json_writer *w, enum log_level level,
                     const char *msg)
{
    char ts[CLOCK_RFC3339_LEN + 1];

    clock_format_rfc3339(clock_wall_ms(), ts);
    put_pair(w, "ts", span_str(ts));
    put_pair(w, "level", span_str(level_names[level]));
    put_pair(w, "service", span_str(self.service));
    put_pair(w, "node", span_str(self.node));
    if (self.worker >= 0) {
        json_put_key(w, "worker");
        json_put_int(w, self.worker);
    }
    put_pair(w, "msg", span_str(msg));
}

/*
 * stderr may be shared, so it is asked instead of made non-blocking: a pipe
 * that says yes takes PIPE_BUF bytes at once.
 */
static void write_line(struct span line)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

    if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT) ||
        write(STDERR_FILENO, line.ptr, line.len) != (ssize_t)line.len)
        self.dropped++;
}

/* Of a text no more than its first most bytes. */
static void put_field(struct json_writer *w, const struct log_field *field,
                      size_t most)
{
    struct span text = field->text;

    text.len = text.len < most ? text.len : most;
    json_put_key(w, field->key);
    if (field->is_number)
        json_put_int(w, field->number);
    else if (text.ptr)
        json_put_string(w, text);
    else
        json_put_null(w);
}

static void make_line(struct buf *line, const struct entry *entry, size_t most)
{
    struct json_writer w = {.out = line};

    line->len = 0;
    json_put_open(&w, '{');
    put_head(&w, entry->level, entry->msg);
    for (size_t i = 1; i < entry->count; i++)
        put_field(&w, &entry->fields[i], most);
    json_put_close(&w, '}');
    buf_append_char(line, '\n');
}

void log_fields(enum log_level level, const char *msg,
                const struct log_field *fields, size_t count)
{
    const struct entry entry = {level, msg, fields, count};
    size_t most = PIPE_BUF;
    struct buf line;

    if (!log_enabled(level))
        return;
    buf_init(&line, MEM_APP);
    do
        make_line(&line, &entry, most);
    while (line.len > PIPE_BUF && (most /= 2) > 0);
    write_line(buf_span(&line));
    buf_deinit(&line);
}
