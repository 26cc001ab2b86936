/* json_write.c - see json.h: the writer. */
#include <math.h>
#include <stdio.h>

#include "common/json.h"

static void begin_value(struct json_writer *w)
{
    if (w->comma)
        buf_append_char(w->out, ',');
    w->comma = true;
}

void json_put_open(struct json_writer *w, char bracket)
{
    begin_value(w);
    buf_append_char(w->out, bracket);
    w->comma = false;
}

void json_put_close(struct json_writer *w, char bracket)
{
    buf_append_char(w->out, bracket == '{' || bracket == '}' ? '}' : ']');
    w->comma = true;
}

static void put_escape(struct buf *out, char c)
{
    switch (c) {
    case '"':
        buf_append(out, SPAN("\\\""));
        break;
    case '\\':
        buf_append(out, SPAN("\\\\"));
        break;
    case '\n':
        buf_append(out, SPAN("\\n"));
        break;
    case '\r':
        buf_append(out, SPAN("\\r"));
        break;
    case '\t':
        buf_append(out, SPAN("\\t"));
        break;
    default:
        buf_printf(out, "\\u%04x", (unsigned char)c);
        break;
    }
}

static bool is_plain(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

static void put_text(struct buf *out, struct span text)
{
    size_t at = 0;

    buf_append_char(out, '"');
    while (at < text.len) {
        size_t run = at;
        while (run < text.len && is_plain(text.ptr[run]))
            run++;
        buf_append(out, (struct span){text.ptr + at, run - at});
        at = run;
        if (at == text.len)
            break;
        struct span rest = span_skip(text, at);
        size_t len = span_utf8_length(rest);
        if (len == 0)
            buf_append(out, SPAN("\xef\xbf\xbd"));
        else if (len == 1)
            put_escape(out, rest.ptr[0]);
        else
            buf_append(out, (struct span){rest.ptr, len});
        at += len ? len : 1;
    }
    buf_append_char(out, '"');
}

void json_put_string(struct json_writer *w, struct span text)
{
    begin_value(w);
    put_text(w->out, text);
}

void json_put_int(struct json_writer *w, int64_t value)
{
    begin_value(w);
    buf_append_i64(w->out, value);
}

/* JSON knows no NaN and no infinity: null. */
void json_put_real(struct json_writer *w, double value)
{
    begin_value(w);
    if (isfinite(value))
        buf_printf(w->out, "%.17g", value);
    else
        buf_append(w->out, SPAN("null"));
}

void json_put_bool(struct json_writer *w, bool value)
{
    begin_value(w);
    buf_append(w->out, value ? SPAN("true") : SPAN("false"));
}

void json_put_null(struct json_writer *w)
{
    begin_value(w);
    buf_append(w->out, SPAN("null"));
}

void json_put_raw(struct json_writer *w, struct span json)
{
    begin_value(w);
    buf_append(w->out, json);
}

void json_put_name(struct json_writer *w, struct span name)
{
    json_put_string(w, name);
    buf_append_char(w->out, ':');
    w->comma = false;
}
