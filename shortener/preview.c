/*
 * preview.c - GET /{code}+: a page that says where the link leads.
 *
 *   preview() -- GET sh:link:{pNNN}:code --> on_link()
 */
#include "common/web.h"
#include "shortener/shortener.h"

struct look {
    struct request *req;
    struct shortener *app;
    struct span code;
};

static void on_link(void *arg, int status, const struct redisReply *reply);

void preview(struct request *req, void *arg)
{
    struct shortener *app = arg;
    struct span code = request_param(req, "code");
    struct look *look = arena_alloc(request_arena(req), sizeof(*look));

    if (!code_is_valid(code)) {
        link_refuse(req, LINK_UNKNOWN);
        return;
    }
    *look = (struct look){.req = req, .app = app, .code = code};
    struct span argv[] = {SPAN("GET"),
                          link_key(request_arena(req), "link", code, code)};
    int err = redis_send(app->redis, &(struct redis_call){.key = code,
                                                          .argv = argv,
                                                          .argc = 2,
                                                          .repeatable = true,
                                                          .cb = on_link,
                                                          .arg = look});
    if (err < 0)
        request_fail(req, err);
}

static void put_row(struct buf *out, const char *name, struct span value)
{
    buf_append(out, SPAN("<dt>"));
    buf_append(out, span_str(name));
    buf_append(out, SPAN("</dt><dd>"));
    web_escape(out, value);
    buf_append(out, SPAN("</dd>"));
}

static void put_time(struct buf *out, const char *name, int64_t ms)
{
    char text[CLOCK_RFC3339_LEN + 1];

    clock_format_rfc3339(ms, text);
    put_row(out, name, span_str(text));
}

static void put_page(struct buf *out, const struct link *link,
                     struct span short_url)
{
    struct span title = link->title.len ? link->title : short_url;

    buf_append(out, SPAN("<!doctype html>\n<html lang=\"en\"><head>"
                         "<meta charset=\"utf-8\"><meta name=\"viewport\" "
                         "content=\"width=device-width\">"
                         "<meta name=\"robots\" content=\"noindex\"><title>"));
    web_escape(out, title);
    buf_append(out, SPAN("</title><link rel=\"stylesheet\" "
                         "href=\"/lab.css\"><link rel=\"icon\" "
                         "href=\"data:,\"></head><body>"
                         "<main class=\"preview\"><h1>"));
    web_escape(out, title);
    buf_append(out, SPAN("</h1><dl>"));
    put_row(out, "Short link", short_url);
    put_row(out, "Leads to", link->url);
    put_time(out, "Created", link->created_us / 1000);
    if (link->updated_us != link->created_us)
        put_time(out, "Changed", link->updated_us / 1000);
    if (link->expires_ms)
        put_time(out, "Expires", link->expires_ms);
    buf_append(out, SPAN("</dl><p><a class=\"button\" rel=\"nofollow "
                         "noreferrer\" href=\""));
    web_escape(out, link->url);
    buf_append(out, SPAN("\">Go there</a></p></main></body></html>\n"));
}

static void on_link(void *arg, int status, const struct redisReply *reply)
{
    struct look *look = arg;
    struct request *req = look->req;
    struct link link;
    struct buf page;

    if (status < 0) {
        request_fail(req, status);
        return;
    }
    enum link_state state = link_read(reply, look->code, &link)
                                ? link_state_at(&link, now_ms(look->app->now))
                                : LINK_UNKNOWN;
    if (state != LINK_LIVE) {
        link_refuse(req, state);
        return;
    }
    struct span base = link_base(req, app_public_url(look->app->app));
    buf_init(&page, MEM_REQUEST);
    put_page(&page, &link,
             arena_printf(request_arena(req), "%.*s/%.*s", (int)base.len,
                          base.ptr, (int)look->code.len, look->code.ptr));
    web_reply_html(req, 200, buf_span(&page));
    buf_deinit(&page);
}
