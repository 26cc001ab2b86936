/* link.c - see link.h. */
#include <inttypes.h>

#include "common/clock.h"
#include "common/key.h"
#include "shortener/link.h"
#include "shortener/record.h"

struct span link_key(struct arena *arena, const char *type,
                     struct span together, struct span id)
{
    return key_name(arena, "sh", type, together, id);
}

struct span link_tag_key(struct arena *arena, struct span owner,
                         struct span tag)
{
    return link_key(arena, "tag", owner, key_pair(arena, owner, tag));
}

struct span link_text(const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)
        return (struct span){NULL, 0};
    return (struct span){reply->str, reply->len};
}

bool link_read(const struct redisReply *reply, struct span code,
               struct link *link)
{
    if (!record_read(link_text(reply), link))
        return false;
    link->code = code;
    return true;
}

int64_t link_key_end_ms(const struct link *link)
{
    if (link->deleted_us)
        return link->deleted_us / 1000 + LINK_TOMBSTONE_MS;
    return link->expires_ms ? link->expires_ms + LINK_TOMBSTONE_MS : 0;
}

enum link_state link_state_at(const struct link *link, int64_t now_ms)
{
    if (link->deleted_us)
        return LINK_DELETED;
    if (link->expires_ms && link->expires_ms <= now_ms)
        return LINK_EXPIRED;
    return LINK_LIVE;
}

static void put_time(struct json_writer *w, const char *key, int64_t ms)
{
    char text[CLOCK_RFC3339_LEN + 1];

    json_put_key(w, key);
    if (ms == 0) {
        json_put_null(w);
        return;
    }
    clock_format_rfc3339(ms, text);
    json_put_string(w, span_str(text));
}

static void put_text(struct json_writer *w, const char *key, struct span text)
{
    json_put_key(w, key);
    if (text.len)
        json_put_string(w, text);
    else
        json_put_null(w);
}

void link_write_json(struct json_writer *w, const struct link *link,
                     struct span base)
{
    struct buf short_url;

    buf_init(&short_url, MEM_REQUEST);
    buf_append(&short_url, base);
    buf_append_char(&short_url, '/');
    buf_append(&short_url, link->code);
    json_put_open(w, '{');
    json_put_key(w, "code");
    json_put_string(w, link->code);
    json_put_key(w, "short_url");
    json_put_string(w, buf_span(&short_url));
    buf_deinit(&short_url);
    json_put_key(w, "url");
    json_put_string(w, link->url);
    json_put_key(w, "redirect");
    json_put_int(w, link->redirect);
    put_text(w, "title", link->title);
    json_put_key(w, "tags");
    json_put_raw(w, link->tags.len ? link->tags : SPAN("[]"));
    json_put_key(w, "forward_query");
    json_put_bool(w, link->forward_query);
    put_time(w, "expires_at", link->expires_ms);
    put_time(w, "created_at", link->created_us / 1000);
    put_time(w, "updated_at", link->updated_us / 1000);
    json_put_close(w, '}');
}

struct span link_base(struct request *req, const char *public_url)
{
    struct span scheme = request_scheme(req);
    struct span host = request_host(req);

    if (public_url[0])
        return span_str(public_url);
    return arena_printf(request_arena(req), "%.*s://%.*s", (int)scheme.len,
                        scheme.ptr, (int)host.len, host.ptr);
}

struct span link_json(struct request *req, const struct link *link,
                      const char *public_url)
{
    struct buf text;
    struct json_writer w = {.out = &text};

    buf_init(&text, MEM_REQUEST);
    link_write_json(&w, link, link_base(req, public_url));
    struct span json = arena_copy(request_arena(req), buf_span(&text));
    buf_deinit(&text);
    return json;
}

void link_refuse(struct request *req, enum link_state state)
{
    /* Browsers keep a 410 for ever unless told; a link may come back. */
    request_add_header(req, "Cache-Control", SPAN("private, no-store"));
    switch (state) {
    case LINK_EXPIRED:
        request_problem(req, 410, "link-expired", "This link has expired",
                        "Its owner gave it an end, and that has passed.");
        return;
    case LINK_DELETED:
        request_problem(req, 410, "link-deleted", "This link was deleted",
                        "Its owner has taken it back.");
        return;
    case LINK_LIVE:
    case LINK_UNKNOWN:
        break;
    }
    request_problem(req, 404, "no-such-link", "No such link",
                    "No link has this code.");
}

bool link_is_callers(const struct request *req, const struct link *link)
{
    return span_eq(link->owner, request_subject(req)) ||
           request_allows(req, SPAN("admin"), (struct span){0});
}

struct span link_owner_filter(const struct request *req)
{
    return request_allows(req, SPAN("admin"), (struct span){0})
               ? SPAN("")
               : request_subject(req);
}
