/*
 * publish.c - POST /.well-known/mercure: an update, as a form.
 *
 *   publish() -- publication_send() --> on_sent(): 200 and the id
 *
 * What the form has beside the fields of Mercure is passed over, as its
 * protocol asks.
 */
#include "common/query.h"
#include "notifier/notifier.h"
#include "notifier/publication.h"
#include "notifier/rights.h"

#define RETRY_DIGITS 10

static void on_sent(struct publication *publication, int status);

void refuse_text(struct request *req, int status, const char *line)
{
    struct span text = arena_printf(request_arena(req), "%s\n", line);

    request_reply(req, status, "text/plain; charset=utf-8", text);
}

struct rights *rights_of(struct request *req)
{
    const struct auth_identity *identity = request_identity(req);
    struct rights *rights;
    const char *wrong =
        identity ? rights_create(identity, &rights) : "a valid token is needed";

    if (!wrong)
        return rights;
    request_problem(req, identity ? 403 : 401,
                    identity ? "forbidden" : "unauthorized", NULL, wrong);
    return NULL;
}

static bool is_form(struct request *req)
{
    struct span type = request_header(req, "content-type");
    struct span main_type;

    return type.ptr && span_cut(&type, ';', &main_type) &&
           span_eq_nocase(span_trim(main_type),
                          SPAN("application/x-www-form-urlencoded"));
}

/* The same topic twice is one. */
static const char *add_topic(struct record *record, struct span topic)
{
    for (size_t i = 0; i < record->topic_count; i++)
        if (span_eq(record->topics[i], topic))
            return NULL;
    if (record->topic_count == RECORD_TOPICS_MAX)
        return "an update may have at most 16 topics";
    record->topics[record->topic_count++] = topic;
    return NULL;
}

static const char *take_retry(struct record *record, struct span value)
{
    uint64_t number;

    if (value.len > RETRY_DIGITS || !span_to_u64(value, UINT64_MAX, &number))
        return "retry must be a number of milliseconds";
    record->retry = value;
    return NULL;
}

static const char *take_pair(struct record *record, struct span name,
                             struct span value)
{
    if (span_eq(name, SPAN("topic")))
        return add_topic(record, value);
    if (span_eq(name, SPAN("retry")) && value.len)
        return take_retry(record, value);
    if (span_eq(name, SPAN("data")))
        record->data = value;
    else if (span_eq(name, SPAN("id")))
        record->id = value;
    else if (span_eq(name, SPAN("type")))
        record->type = value;
    else if (span_eq(name, SPAN("private")))
        record->is_private = true;
    return NULL;
}

/* What is wrong with the form, or NULL. */
static const char *read_form(struct request *req, struct record *record)
{
    struct span rest = request_body(req);
    struct span name;
    struct span value;
    const char *wrong = NULL;

    if (!query_is_whole(rest))
        return "a % in the form is not followed by two hex digits";
    while (!wrong && query_next(request_arena(req), &rest, &name, &value))
        wrong = take_pair(record, name, value);
    return wrong ? wrong : publication_check(record);
}

static struct span own_id(struct request *req)
{
    char room[PUBLICATION_NEW_ID];

    return arena_copy(request_arena(req), publication_new_id(room));
}

/* False: answered. */
static bool may_publish(struct request *req, const struct record *record)
{
    struct rights *rights = rights_of(req);

    if (!rights)
        return false;
    bool may = rights_may_publish(rights, record->topics, record->topic_count);
    rights_unref(rights);
    if (!may)
        request_problem(req, 403, "forbidden", NULL,
                        "the token does not cover these topics");
    return may;
}

void publish(struct request *req, void *arg)
{
    struct notifier *app = arg;
    struct publication *publication =
        arena_zalloc(request_arena(req), sizeof(*publication));
    struct record *record = &publication->record;

    if (!is_form(req)) {
        refuse_text(req, 415,
                    "the body must be application/x-www-form-urlencoded");
        return;
    }
    const char *wrong = read_form(req, record);
    if (wrong) {
        refuse_text(req, 400, wrong);
        return;
    }
    if (!may_publish(req, record))
        return;
    publication->has_id = record->id.len > 0;
    if (!publication->has_id)
        record->id = own_id(req);
    publication->cb = on_sent;
    publication->arg = req;
    int err = publication_send(app, publication);
    if (err < 0)
        request_fail(req, err);
}

static void on_sent(struct publication *publication, int status)
{
    struct request *req = publication->arg;

    if (status < 0)
        request_fail(req, status);
    else
        request_reply(req, 200, "text/plain; charset=utf-8",
                      publication->record.id);
}
