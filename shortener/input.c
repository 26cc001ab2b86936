/* input.c - see input.h. */
#include <inttypes.h>

#include "common/clock.h"
#include "common/hash.h"
#include "shortener/code.h"
#include "shortener/input.h"
#include "shortener/link.h"
#include "shortener/url.h"

enum field {
    URL,
    TTL,
    EXPIRES_AT,
    REDIRECT,
    TITLE,
    TAGS,
    FORWARD_QUERY,
    CODE, /* a create's alone, as those behind it */
    REUSE,
    FIELDS
};

#define TAGS_FIELD                                                             \
    {                                                                          \
        "tags", JSON_KIND_STRINGS, false, true, 1, LINK_TAG_MAX, LINK_TAGS_MAX \
    }

static const struct json_field create_fields[FIELDS] = {
    [URL] = {"url", JSON_KIND_STRING, true, false, 1, LINK_URL_MAX, 0},
    [TTL] = {"ttl", JSON_KIND_INTEGER, false, true, 1, LINK_TTL_MAX, 0},
    [EXPIRES_AT] = {"expires_at", JSON_KIND_STRING, false, true, 1, 64, 0},
    [REDIRECT] = {"redirect", JSON_KIND_INTEGER, false, true, 301, 308, 0},
    [TITLE] = {"title", JSON_KIND_STRING, false, true, 0, LINK_TITLE_MAX, 0},
    [TAGS] = TAGS_FIELD,
    [FORWARD_QUERY] = {"forward_query", JSON_KIND_BOOLEAN, false, true, 0, 0,
                       0},
    [CODE] = {"code", JSON_KIND_STRING, false, true, 0, 0, 0},
    [REUSE] = {"reuse", JSON_KIND_BOOLEAN, false, true, 0, 0, 0},
};

static const struct json_field patch_fields[CODE] = {
    [URL] = {"url", JSON_KIND_STRING, false, false, 1, LINK_URL_MAX, 0},
    [TTL] = {"ttl", JSON_KIND_INTEGER, false, true, 1, LINK_TTL_MAX, 0},
    [EXPIRES_AT] = {"expires_at", JSON_KIND_STRING, false, true, 1, 64, 0},
    [REDIRECT] = {"redirect", JSON_KIND_INTEGER, false, true, 301, 308, 0},
    [TITLE] = {"title", JSON_KIND_STRING, false, true, 0, LINK_TITLE_MAX, 0},
    [TAGS] = TAGS_FIELD,
    [FORWARD_QUERY] = {"forward_query", JSON_KIND_BOOLEAN, false, true, 0, 0,
                       0},
};

/* Where the checks behind json_bind() read and write. */
struct check {
    struct request *req;
    const struct json_value *values;
    struct json_errors *errors;
    struct input *input;
    int64_t now_ms;
    const struct span *own;
};

static bool is_set(const struct check *check, enum field field)
{
    return check->values[field].state == JSON_STATE_SET;
}

static bool is_said(const struct check *check, enum field field)
{
    return check->values[field].state != JSON_STATE_ABSENT;
}

static void check_url(struct check *check)
{
    struct arena *arena = request_arena(check->req);
    struct span own[INPUT_OWN_HOSTS + 1] = {request_host(check->req)};

    if (!is_set(check, URL))
        return;
    memcpy(own + 1, check->own, INPUT_OWN_HOSTS * sizeof(own[0]));
    enum url_verdict verdict =
        url_normalise(arena, check->values[URL].text, own,
                      sizeof(own) / sizeof(own[0]), &check->input->url);
    if (verdict == URL_OK)
        check->input->digest = input_digest(arena, check->input->url);
    else
        json_errors_add(check->errors, "/url", "%s", url_verdict_text(verdict));
}

static void check_code(struct check *check)
{
    struct span code = check->values[CODE].text;

    if (!is_set(check, CODE))
        return;
    if (!code_is_valid(code))
        json_errors_add(check->errors, "/code",
                        "a code is %d to %d of A-Z, a-z, 0-9, _ and -",
                        CODE_ALIAS_MIN, CODE_ALIAS_MAX);
    else if (code_is_reserved(code))
        json_errors_add(check->errors, "/code",
                        "this code is reserved for a page of the service");
    else
        check->input->code = code;
}

static void check_expiry(struct check *check)
{
    struct input *input = check->input;

    input->has_expiry = is_said(check, TTL) || is_said(check, EXPIRES_AT);
    if (is_set(check, TTL) && is_set(check, EXPIRES_AT)) {
        json_errors_add(check->errors, "/ttl",
                        "give ttl or expires_at, not both");
    } else if (is_set(check, TTL)) {
        input->expires_ms = check->now_ms + check->values[TTL].number * 1000;
    } else if (is_set(check, EXPIRES_AT)) {
        if (!clock_parse_rfc3339(check->values[EXPIRES_AT].text,
                                 &input->expires_ms))
            json_errors_add(check->errors, "/expires_at",
                            "a moment as RFC 3339 writes it, such as "
                            "2030-01-31T12:00:00Z");
        else if (input->expires_ms <= check->now_ms)
            json_errors_add(check->errors, "/expires_at",
                            "this moment has passed");
        else if (input->expires_ms > check->now_ms + LINK_TTL_MAX * 1000)
            json_errors_add(check->errors, "/expires_at",
                            "at most ten years from now");
    }
}

static void check_redirect(struct check *check)
{
    int64_t status = check->values[REDIRECT].number;

    check->input->has_redirect = is_said(check, REDIRECT);
    check->input->redirect = 302;
    if (!is_set(check, REDIRECT))
        return;
    if (status != 301 && status != 302 && status != 307 && status != 308)
        json_errors_add(check->errors, "/redirect",
                        "one of 301, 302, 307 and 308");
    else
        check->input->redirect = (int)status;
}

static bool is_repeated(const json_t *tags, size_t i)
{
    const char *tag = json_string_value(json_array_get(tags, i));

    for (size_t j = 0; j < i; j++)
        if (strcmp(tag, json_string_value(json_array_get(tags, j))) == 0)
            return true;
    return false;
}

static void check_tags(struct check *check)
{
    const json_t *tags = check->values[TAGS].node;
    struct json_writer w = {.out = &(struct buf){.tag = MEM_REQUEST}};

    check->input->has_tags = is_said(check, TAGS);
    check->input->tags = SPAN("");
    if (!is_set(check, TAGS) || json_array_size(tags) == 0)
        return;
    json_put_open(&w, '[');
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const json_t *tag = json_array_get(tags, i);
        if (!is_repeated(tags, i))
            json_put_string(&w, (struct span){json_string_value(tag),
                                              json_string_length(tag)});
    }
    json_put_close(&w, ']');
    check->input->tags = arena_copy(request_arena(check->req), buf_span(w.out));
    buf_deinit(w.out);
}

static void check_rest(struct check *check)
{
    struct input *input = check->input;

    input->has_title = is_said(check, TITLE);
    input->title = is_set(check, TITLE) ? check->values[TITLE].text : SPAN("");
    input->has_forward_query = is_said(check, FORWARD_QUERY);
    input->forward_query =
        is_set(check, FORWARD_QUERY) && check->values[FORWARD_QUERY].flag;
}

static void check_reuse(struct check *check)
{
    struct input *input = check->input;

    input->reuse = is_set(check, REUSE) && check->values[REUSE].flag;
    if (input->reuse && (is_set(check, CODE) || input->expires_ms))
        json_errors_add(check->errors, "/reuse",
                        "only without a chosen code or an expiry");
}

bool input_read(struct request *req, const struct span own[INPUT_OWN_HOSTS],
                int64_t now_ms, bool patch, struct input *input)
{
    struct json_value values[FIELDS] = {0};
    struct json_errors errors;
    struct check check = {.req = req,
                          .values = values,
                          .errors = &errors,
                          .input = input,
                          .now_ms = now_ms,
                          .own = own};
    const json_t *document = request_read_document(req);

    *input = (struct input){0};
    if (!document)
        return false;
    json_errors_init(&errors);
    json_bind(document, patch ? patch_fields : create_fields,
              patch ? CODE : FIELDS, values, &errors);
    check_url(&check);
    check_expiry(&check);
    check_redirect(&check);
    check_tags(&check);
    check_rest(&check);
    if (!patch) {
        check_code(&check);
        check_reuse(&check);
    }
    if (errors.count)
        request_invalid(req, &errors);
    return errors.count == 0;
}

struct span input_digest(struct arena *arena, struct span url)
{
    static const struct hash_key key = {0, 0};

    return arena_printf(arena, "%016" PRIx64, hash_sip(&key, url));
}

size_t input_split_tags(struct arena *arena, struct span json,
                        struct span *tags, size_t max)
{
    struct json_errors errors = {0};
    json_t *array;
    size_t count = 0;

    if (json.len == 0 || json_read(json, &array, &errors) < 0)
        return 0;
    for (size_t i = 0; i < json_array_size(array) && count < max; i++) {
        const json_t *tag = json_array_get(array, i);
        if (json_is_string(tag))
            tags[count++] =
                arena_copy(arena, (struct span){json_string_value(tag),
                                                json_string_length(tag)});
    }
    json_decref(array);
    return count;
}
