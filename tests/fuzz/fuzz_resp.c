/* fuzz_resp.c - replies of Redis, whole and byte by byte. */
#include <stdlib.h>

#include "common/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes of its strings, and of those that it holds; looked at. */
static size_t weigh(const struct redisReply *reply)
{
    size_t sum = reply->str ? strlen(reply->str) : 0;

    for (size_t i = 0; i < reply->elements; i++)
        sum += reply->element[i]->str ? strlen(reply->element[i]->str) : 1;
    return sum;
}

/* Replies and what is in them, as one number. */
static size_t read_replies(struct span bytes, size_t step)
{
    struct resp_reader *reader = resp_reader_create();
    size_t count = 0;

    while (bytes.len) {
        size_t len = bytes.len < step ? bytes.len : step;
        struct redisReply *reply = NULL;
        int err = resp_reader_feed(reader, (struct span){bytes.ptr, len});
        while (err == 0 && (err = resp_reader_next(reader, &reply)) == 0 &&
               reply)
            count += 1 + weigh(reply);
        if (err < 0)
            break;
        bytes = span_skip(bytes, len);
    }
    resp_reader_destroy(reader);
    return count;
}

/* hiredis makes room for as many elements as an array claims; Redis is trusted
   not to lie, so claims past four digits are not of interest here. */
static bool claims_much(struct span bytes)
{
    size_t digits = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        digits = bytes.ptr[i] >= '0' && bytes.ptr[i] <= '9' ? digits + 1 : 0;
        if (digits > 4)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {(const char *)data, size};

    if (claims_much(bytes))
        return 0;
    if (read_replies(bytes, size) != read_replies(bytes, 1))
        abort();
    return 0;
}
