/* fuzz_resp_command.c - clients' commands, whole and as they arrive. */
#include <stdlib.h>

#include "common/resp_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the whole bytes begin with, no part of them may say otherwise. */
static void check_parts(struct span bytes, int64_t whole)
{
    struct resp_command command;

    for (size_t len = 0; len < bytes.len; len++) {
        int64_t taken =
            resp_command_parse((struct span){bytes.ptr, len}, &command);
        if (taken > 0 && taken != whole)
            abort();
        if (taken > (int64_t)len || (taken < 0 && whole > 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {(const char *)data, size};
    struct resp_command command;

    while (bytes.len) {
        int64_t taken = resp_command_parse(bytes, &command);
        if (bytes.len < 256)
            check_parts(bytes, taken);
        if (taken == 0 && bytes.len > RESP_COMMAND_MAX)
            abort();
        if (taken <= 0)
            break;
        for (size_t i = 0; i < command.argc; i++)
            if (command.argv[i].ptr < bytes.ptr ||
                command.argv[i].ptr + command.argv[i].len > bytes.ptr + taken)
                abort();
        bytes = span_skip(bytes, (size_t)taken);
    }
    return 0;
}
