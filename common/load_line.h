/*
 * load_line.h - connections of a load test that is more than requests: held
 * idle and weighed, over TLS or not, upgraded to WebSockets.
 */
#pragma once

#include <openssl/types.h>

#include "common/load_internal.h"

/* A connection that waits for each answer. */
struct load_line {
    int fd;
    SSL *ssl; /* NULL: plain */
};

/* NULL: plain.  Freed by SSL_CTX_free(). */
SSL_CTX *load_line_tls(bool tls);
/* 0 or UV_E*; context NULL: plain. */
int load_line_open(const struct load *load, SSL_CTX *context,
                   struct load_line *line);
bool load_line_put(const struct load_line *line, struct span bytes);
/* Read until mark was seen, at most size bytes of room; false: it does not
   come. */
bool load_line_await(const struct load_line *line, const char *mark, char *room,
                     size_t size);
/*
 * Its fd, that the server goes on to hold; the client's own TLS state is
 * dropped without a word.
 */
int load_line_leave(struct load_line *line);
void load_line_close(struct load_line *line);

/* Those of fds, but for -1, that the server has closed. */
size_t load_count_gone(const int *fds, size_t count);

/* GET /v1/ws; token NULL: none. */
void load_append_upgrade(const struct load *load, struct buf *out,
                         const char *token, const char *subprotocol);

/*
 * Tell the kernel to acknowledge now, rather than by a timer on whatever core
 * that may be: a server whose core has none of these timers looks a third
 * cheaper, which is nobody's doing.
 */
void load_acknowledge(int fd);
