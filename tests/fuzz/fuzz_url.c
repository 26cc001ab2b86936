/* fuzz_url.c - any bytes: refused, or a spelling that stays as it is. */
#include <stdlib.h>

#include "shortener/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_printable(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] == 0x7f || s.ptr[i] == '\\')
            return false;
    return true;
}

/* The first line is a host of our own, the rest the target. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span target = {(const char *)data, size};
    struct span own;
    struct span out;
    struct span again;
    struct arena arena;

    if (size == 0 || !span_cut(&target, '\n', &own) || !target.ptr)
        return 0;
    arena_init(&arena, MEM_REQUEST, 0);
    url_authority(target);
    if (url_normalise(&arena, target, &own, 1, &out) == URL_OK &&
        (out.len > URL_MAX || !is_printable(out) ||
         url_normalise(&arena, out, &own, 1, &again) != URL_OK ||
         !span_eq(out, again)))
        abort();
    arena_deinit(&arena);
    return 0;
}
