/*
 * fuzz_ws.c - any frames: read whole, in pieces and byte by byte they are the
 * same messages, and masked they are the same to a server.
 *
 * The first byte is the size of the pieces.
 */
#include <stdlib.h>

#include "tests/common/ws_kit.h"

#define MAX_MESSAGE 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool read_frames(bool is_client, struct span frames, size_t step,
                        struct buf *log)
{
    struct ws_kit kit = {.is_client = is_client,
                         .max_message = MAX_MESSAGE,
                         .first = step,
                         .step = step};

    buf_init(log, MEM_APP);
    return ws_kit_read(&kit, frames, log);
}

static void check_same(bool is_client, struct span frames, size_t step,
                       struct span wanted, bool is_partial)
{
    struct buf log;

    check(read_frames(is_client, frames, step, &log) == is_partial);
    check(span_eq(buf_span(&log), wanted));
    buf_deinit(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf masked = {.tag = MEM_APP};
    struct buf log;

    if (size == 0)
        return 0;
    size_t step = data[0] ? data[0] : 1;
    struct span frames = {(const char *)data + 1, size - 1};
    ws_kit_mask(&masked, frames, 0x9c01f7a5);
    bool is_partial = read_frames(true, frames, SIZE_MAX, &log);
    struct span wanted = buf_span(&log);
    check_same(true, frames, step, wanted, is_partial);
    check_same(true, frames, 1, wanted, is_partial);
    check_same(false, buf_span(&masked), SIZE_MAX, wanted, is_partial);
    check_same(false, buf_span(&masked), step, wanted, is_partial);
    check_same(false, buf_span(&masked), 1, wanted, is_partial);
    buf_deinit(&log);
    buf_deinit(&masked);
    return 0;
}
