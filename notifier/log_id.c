/* log_id.c - see log_id.h. */
#include <inttypes.h>
#include <stdio.h>

#include "notifier/log_id.h"

bool log_id_parse(struct span text, struct log_id *id)
{
    struct log_id found;
    struct span epoch;

    if (!span_cut(&text, '-', &epoch) || !text.ptr ||
        !span_to_u64(epoch, UINT64_MAX, &found.epoch) ||
        !span_to_u64(text, UINT64_MAX, &found.offset))
        return false;
    *id = found;
    return true;
}

struct span log_id_text(char room[LOG_ID_MAX], struct log_id id)
{
    int len = id.epoch == 0 ? 0
                            : snprintf(room, LOG_ID_MAX, "%" PRIu64 "-%" PRIu64,
                                       id.epoch, id.offset);

    return (struct span){room, (size_t)len};
}
