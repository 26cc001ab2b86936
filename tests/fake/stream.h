/* stream.h - streams that take what the test lets them take. */
#pragma once

#include "common/buf.h"
#include "common/stream.h"

struct stream_loop {
    uv_loop_t *uv;
};

struct stream {
    struct buf got;
    size_t kept; /* not 0: its peer does not read */
    int writes, parts;
    int err; /* of its writes */
};
