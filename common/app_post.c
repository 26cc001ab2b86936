/*
 * app_post.c - what a master tells its new worker.
 *
 * Descriptors have fixed numbers; the rest is one environment variable.  It
 * counts only when it names our parent: one that was inherited further, or set
 * by hand, makes nobody a worker.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/app_internal.h"

#define NAME "APP_POST"
#define TEXT_MAX 96

enum {
    PARENT,
    SLOT,
    ROLLING,
    PLAIN,
    TLS,
    EXTRA,
    PORT,
    TLS_PORT,
    EXTRA_PORT,
    FIELDS
};

char **app_post_environment(const struct app_post *post)
{
    size_t n = 0;

    while (environ[n] != NULL)
        n++;

    /* One block: the pointers, then the text of the last. */
    char **env = mem_alloc(MEM_APP, (n + 2) * sizeof(char *) + TEXT_MAX);
    char *text = (char *)(env + n + 2);

    snprintf(text, TEXT_MAX, NAME "=%d,%d,%d,%d,%d,%d,%u,%u,%u", post->parent,
             post->slot, post->rolling, post->sockets.plain >= 0,
             post->sockets.tls >= 0, post->sockets.extra >= 0, post->port,
             post->tls_port, post->extra_port);
    memcpy(env, environ, n * sizeof(char *));
    env[n] = text;
    env[n + 1] = NULL;
    return env;
}

static bool parse(const char *text, uint64_t out[FIELDS])
{
    struct span rest = span_str(text);
    struct span piece;
    size_t n = 0;

    while (n < FIELDS && span_cut(&rest, ',', &piece))
        if (!span_to_u64(piece, INT32_MAX, &out[n++]))
            return false;
    return n == FIELDS && rest.ptr == NULL;
}

bool app_post_take(struct app_post *post)
{
    const char *text = getenv(NAME);
    uint64_t field[FIELDS];

    if (text == NULL || !parse(text, field) ||
        field[PARENT] != (uint64_t)getppid())
        return false;
    *post = (struct app_post){
        .slot = (int)field[SLOT],
        .parent = (int)field[PARENT],
        .metrics = APP_FD_METRICS,
        .ready = APP_FD_READY,
        .rolling = field[ROLLING] != 0,
        .sockets = {.plain = field[PLAIN] != 0 ? APP_FD_PLAIN : -1,
                    .tls = field[TLS] != 0 ? APP_FD_TLS : -1,
                    .extra = field[EXTRA] != 0 ? APP_FD_EXTRA : -1},
        .port = (uint16_t)field[PORT],
        .tls_port = (uint16_t)field[TLS_PORT],
        .extra_port = (uint16_t)field[EXTRA_PORT],
    };
    unsetenv(NAME);
    return true;
}
