/* web.c - see web.h. */
#include <inttypes.h>

#include "common/hash.h"
#include "common/web.h"

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void web_escape(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char *entity = entity_of(text.ptr[i]);
        if (entity)
            buf_append(out, span_str(entity));
        else
            buf_append_char(out, text.ptr[i]);
    }
}

void web_problem_page(struct buf *out, int status, const char *title,
                      const char *detail)
{
    buf_append(out, SPAN("<!doctype html>\n<html lang=\"en\"><head>"
                         "<meta charset=\"utf-8\"><meta name=\"viewport\" "
                         "content=\"width=device-width\"><title>"));
    web_escape(out, span_str(title));
    buf_append(out, SPAN("</title><link rel=\"stylesheet\" "
                         "href=\"/lab.css\"><link rel=\"icon\" "
                         "href=\"data:,\"></head><body>"
                         "<main class=\"problem\"><p class=\"status\">"));
    buf_append_u64(out, (uint64_t)status);
    buf_append(out, SPAN("</p><h1>"));
    web_escape(out, span_str(title));
    buf_append(out, SPAN("</h1><p>"));
    web_escape(out, span_str(detail));
    buf_append(out, SPAN("</p></main></body></html>\n"));
}

void web_reply_html(struct request *req, int status, struct span html)
{
    request_add_header(req, "Content-Security-Policy", SPAN(WEB_POLICY));
    request_add_header(req, "Cache-Control", SPAN("private, no-store"));
    request_reply(req, status, "text/html; charset=utf-8", html);
}

/* The same bytes have the same tag in every process and on every node. */
static struct span etag_of(struct request *req, const struct web_file *file)
{
    static const struct hash_key fixed = {0, 0};

    return arena_printf(request_arena(req), "\"%016" PRIx64 "\"",
                        hash_sip(&fixed, file->bytes));
}

static bool has_it(struct request *req, struct span etag)
{
    struct span rest = request_header(req, "if-none-match");
    struct span item;

    while (span_cut(&rest, ',', &item)) {
        item = span_trim(item);
        if (span_has_prefix(item, SPAN("W/")))
            item = span_skip(item, 2);
        if (span_eq(item, etag) || span_eq(item, SPAN("*")))
            return true;
    }
    return false;
}

void web_reply_file(struct request *req, const struct web_file *file)
{
    struct span etag = etag_of(req, file);

    request_add_header(req, "ETag", etag);
    request_add_header(req, "Cache-Control", SPAN("no-cache"));
    request_add_header(req, "Content-Security-Policy", SPAN(WEB_POLICY));
    if (has_it(req, etag))
        request_reply(req, 304, NULL, (struct span){0});
    else
        request_reply(req, 200, file->type, file->bytes);
}
