/*
 * wslay_kit.h - a second implementation of RFC 6455: libwslay, if installed.
 *
 * Nothing of wslay's is needed to compile what includes this.
 */
#pragma once

#include "common/buf.h"

bool wslay_kit_is_there(void);

/* What wslay reads from bytes, logged as ws_kit_read() does. */
void wslay_kit_read(bool is_client, size_t max_message, struct span bytes,
                    struct buf *log);

/* A frame as wslay writes it; a client's is masked with key. */
void wslay_kit_write(struct buf *out, bool is_client, bool is_last,
                     unsigned opcode, struct span bytes, uint32_t key);
