/* resp_command.c - see resp_command.h. */
#include <uv.h>

#include "common/resp_command.h"

#define NUMBER_MAX 10 /* digits of a count or a size */

/*
 * "<mark><number>\r\n" at *at, which moves behind it: 1; 0: not whole; UV_E*.
 */
static int64_t read_number(struct span bytes, size_t *at, char mark,
                           uint64_t most, uint64_t *number)
{
    const char *from = bytes.ptr + *at;
    const char *end = bytes.ptr + bytes.len;
    const char *next = from + 1;

    if (from == end)
        return 0;
    if (*from != mark)
        return UV_EPROTO;
    *number = 0;
    for (; next < end && *next >= '0' && *next <= '9'; next++) {
        *number = *number * 10 + (uint64_t)(*next - '0');
        if (next - from > NUMBER_MAX)
            return UV_EPROTO;
    }
    if (next == end)
        return 0;
    if (next == from + 1 || *number > most || *next != '\r')
        return UV_EPROTO;
    if (next + 1 == end)
        return 0;
    *at += (size_t)(next - from) + 2;
    return next[1] == '\n' ? 1 : UV_EPROTO;
}

static int64_t parse_array(struct span bytes, struct resp_command *command)
{
    uint64_t count = 0;
    size_t at = 0;
    int64_t got = read_number(bytes, &at, '*', RESP_COMMAND_ARGS, &count);

    for (uint64_t i = 0; i < count && got > 0; i++) {
        uint64_t size;
        got = read_number(bytes, &at, '$', RESP_COMMAND_ARG, &size);
        if (got <= 0)
            break;
        if (bytes.len - at < size + 2)
            return bytes.len - at > size && bytes.ptr[at + size] != '\r'
                       ? UV_EPROTO
                       : 0;
        if (bytes.ptr[at + size] != '\r' || bytes.ptr[at + size + 1] != '\n')
            return UV_EPROTO;
        command->argv[command->argc++] =
            (struct span){bytes.ptr + at, (size_t)size};
        at += (size_t)size + 2;
    }
    return got > 0 ? (int64_t)at : got;
}

static int64_t parse_line(struct span bytes, struct resp_command *command)
{
    size_t end = span_find(bytes, '\n');
    struct span word;

    if (end == bytes.len)
        return bytes.len > RESP_COMMAND_LINE ? UV_EPROTO : 0;
    struct span rest = span_trim((struct span){bytes.ptr, end});
    if (rest.len && rest.ptr[rest.len - 1] == '\r')
        rest.len--;
    if (end > RESP_COMMAND_LINE)
        return UV_EPROTO;
    while (span_cut(&rest, ' ', &word)) {
        if (word.len == 0)
            continue;
        if (command->argc == RESP_COMMAND_ARGS || word.len > RESP_COMMAND_ARG)
            return UV_EPROTO;
        command->argv[command->argc++] = word;
    }
    return (int64_t)end + 1;
}

int64_t resp_command_parse(struct span bytes, struct resp_command *command)
{
    command->argc = 0;
    if (bytes.len == 0)
        return 0;
    return bytes.ptr[0] == '*' ? parse_array(bytes, command)
                               : parse_line(bytes, command);
}
