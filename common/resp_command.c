/* resp_command.c - see resp_command.h. */
#include <uv.h>

#include "common/resp_command.h"

#define NUMBER_MAX 10 /* digits of a count or a size */

/* A line that ends in CR LF, from at on: its length without; or 0, or UV_E*. */
static int64_t line_at(struct span bytes, size_t at, size_t most)
{
    struct span rest = span_skip(bytes, at);
    size_t end = span_find(rest, '\n');

    if (end == rest.len)
        return rest.len > most ? UV_EPROTO : 0;
    if (end == 0 || rest.ptr[end - 1] != '\r' || end - 1 > most)
        return UV_EPROTO;
    return (int64_t)end - 1;
}

/*
 * "<mark><number>\r\n" at *at, which moves behind it: 1; 0: not whole; UV_E*.
 */
static int64_t read_number(struct span bytes, size_t *at, char mark,
                           uint64_t most, uint64_t *number)
{
    if (*at == bytes.len)
        return 0;
    if (bytes.ptr[*at] != mark)
        return UV_EPROTO;
    int64_t len = line_at(bytes, *at, NUMBER_MAX + 1);
    if (len <= 0)
        return len;
    struct span text = {bytes.ptr + *at + 1, (size_t)len - 1};
    if (!span_to_u64(text, most, number))
        return UV_EPROTO;
    *at += (size_t)len + 2;
    return 1;
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
