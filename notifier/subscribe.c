/*
 * subscribe.c - GET /.well-known/mercure: an event stream of topics.
 *
 *   subscribe() -- request_leave() --> on_left(): the stream's first lines
 *   -- subscriber_add() --> on_ready(): where it stands, and what comes
 *
 * The answer is 200 whatever Redis does, because a browser gives up for good
 * on any other; a stream waits for Redis, and pings meanwhile.
 *
 * Failure modes: there are no secrets yet (the client is to come again), the
 * client left (on_left() without a stream, on_end()), its token ended, it reads
 * too slowly for too long (closed: it comes back with its last id), a drain
 * (closed at a random time of it).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/query.h"
#include "common/server.h"
#include "common/sse.h"
#include "notifier/notifier.h"
#include "notifier/rights.h"
#include "notifier/subscriber.h"

#define RETRY_LINE 32
#define MARK SPAN("id: ")

/* What was asked for, until the stream is there. */
struct asked {
    struct notifier *app;
    struct arena arena;
    struct selector *selectors[SUBSCRIBER_SELECTORS_MAX];
    size_t count;
    struct since since;
    struct position position;
    struct span user; /* for --subscriptions */
    struct rights *rights;
    struct caller *caller;
    struct admission_ask admission;
};

struct event_stream {
    struct server_guest guest;
    struct subscriber subscriber;
    struct stream *stream;
    struct wheel_timer timer; /* to ping, or to end */
    struct asked *asked;      /* NULL: it is followed */
    struct caller *caller;
    uint64_t end_ms; /* of stream_loop_now(); 0: never */
    uint64_t sent;   /* by the last ping */
};

static void on_left(struct server_guest *guest, struct stream *stream,
                    struct span behind);
static void on_drain(struct server_guest *guest, uint64_t within_ms);
static void on_read(void *arg, struct span bytes);
static void on_end(void *arg, int err);
static void on_written(void *arg);
static void on_ready(struct subscriber *subscriber, int status);
static void put_form(struct subscriber *subscriber, struct message *message,
                     struct form *form);
static void on_late(struct subscriber *subscriber);
static void on_timer(struct wheel_timer *timer);

static const struct server_guest_events guest_events = {.on_left = on_left,
                                                        .on_drain = on_drain};
static const struct stream_events stream_events = {
    .on_read = on_read, .on_end = on_end, .on_drain = on_written};
static const struct subscriber_events subscriber_events = {.on_ready = on_ready,
                                                           .form = put_form,
                                                           .on_late = on_late,
                                                           .is_stream = true};

/* ---- what is asked for */

static struct asked *make_asked(void)
{
    struct asked *asked = mem_zalloc(MEM_CONN, sizeof(*asked));

    arena_init(&asked->arena, MEM_CONN, 0);
    return asked;
}

static void drop_asked(struct asked *asked)
{
    if (!asked)
        return;
    for (size_t i = 0; i < asked->count; i++)
        selector_unref(asked->selectors[i]);
    arena_deinit(&asked->arena);
    mem_free(asked);
}

static const char *add_selector(struct asked *asked, struct span text)
{
    enum selector_verdict verdict;

    if (asked->count == SUBSCRIBER_SELECTORS_MAX)
        return "at most 100 topics may be subscribed to at once";
    verdict = selector_create(text, &asked->selectors[asked->count]);
    if (verdict != SELECTOR_OK)
        return selector_verdict_text(verdict);
    asked->count++;
    return NULL;
}

/* What is wrong with the query's topics, or NULL. */
static const char *read_topics(struct request *req, struct asked *asked)
{
    struct span rest = request_query_string(req);
    struct span name;
    struct span value;
    const char *wrong = NULL;

    while (!wrong && query_next(request_arena(req), &rest, &name, &value))
        if (span_eq(name, SPAN("topic")))
            wrong = add_selector(asked, value);
    if (!wrong && asked->count == 0)
        wrong = "at least one topic is needed";
    return wrong;
}

static struct span last_id(struct request *req)
{
    struct span id = request_header(req, "last-event-id");

    if (id.len == 0)
        id = request_query(req, "lastEventID");
    return id.len ? id : request_query(req, "Last-Event-ID");
}

/* The key is there: a service without its secrets is not ready.  Only what is
   ours is repeated. */
static void read_since(struct notifier *app, struct request *req,
                       struct asked *asked)
{
    struct span id = last_id(req);
    struct since *since = &asked->since;

    if (id.len == 0)
        return;
    since->position = &asked->position;
    if (span_eq(id, SPAN("earliest")))
        since->kind = SINCE_EARLIEST;
    else if (position_open(app->position_key, id, &asked->arena,
                           &asked->position))
        since->kind = SINCE_POSITION;
    else
        since->kind = SINCE_UNKNOWN;
    request_add_header(req, "Last-Event-ID",
                       since->kind == SINCE_POSITION ? id : SPAN("earliest"));
}

/* For streams, and HEAD: no cache, no proxy that collects, the hub's link. */
static void add_headers(struct request *req)
{
    request_add_header(req, "Cache-Control", SPAN("no-cache"));
    request_add_header(req, "X-Accel-Buffering", SPAN("no"));
    request_add_header(req, "Link",
                       SPAN("<" NOTIFIER_HUB ">; rel=\"mercure\""));
}

/* False: answered. */
static bool may_subscribe(struct request *req, struct rights **out)
{
    struct rights *rights = rights_of(req);

    if (!rights)
        return false;
    if (!rights_may_subscribe(rights)) {
        rights_unref(rights);
        request_problem(req, 403, "forbidden", NULL,
                        "the token does not cover subscribing");
        return false;
    }
    *out = rights;
    return true;
}

/* Between a half and all of what is said, so that not all come at once. */
static uint64_t jittered(int64_t ms)
{
    return (uint64_t)ms / 2 + (uint64_t)random() % ((uint64_t)ms / 2 + 1);
}

/* Not before the token's end: who came back then would be let in again.  The
   loop's own time is of its turn's beginning. */
static uint64_t end_of(int64_t expires_at)
{
    int64_t left = expires_at * 1000 - clock_wall_ms();

    if (expires_at == 0)
        return 0;
    return clock_mono_us() / 1000 + 1 + (left > 0 ? (uint64_t)left : 0);
}

/* It never came to a stream. */
static void forget(struct event_stream *self)
{
    admission_leave(self->caller);
    subscriber_deinit(&self->subscriber);
    drop_asked(self->asked);
    mem_free(self);
}

static void open_stream(struct notifier *app, struct request *req,
                        struct asked *asked)
{
    struct event_stream *self = mem_zalloc(MEM_CONN, sizeof(*self));

    self->guest.events = &guest_events;
    self->asked = asked;
    self->caller = asked->caller;
    self->end_ms = end_of(request_expires_at(req));
    asked->user = arena_copy(&asked->arena, request_subject(req));
    subscriber_init(&self->subscriber, app, asked->rights, &subscriber_events);
    if (request_leave(req, 200, "text/event-stream", &self->guest) < 0)
        forget(self);
}

static void on_admitted(struct admission_ask *ask, uint64_t wait_ms)
{
    struct asked *asked = ask->arg;
    struct notifier *app = asked->app;

    if (wait_ms == 0) {
        open_stream(app, ask->req, asked);
        return;
    }
    metrics_add(app->put_off, 1);
    admission_leave(asked->caller);
    rights_unref(asked->rights);
    request_put_off(ask->req, wait_ms);
    drop_asked(asked);
}

static void admit(struct notifier *app, struct request *req,
                  struct asked *asked)
{
    asked->app = app;
    asked->caller = admission_enter(app->admission, req);
    if (!asked->caller) {
        rights_unref(asked->rights);
        drop_asked(asked);
        request_too_many(req, "too-many-streams",
                         "this caller has as many as it may");
        return;
    }
    asked->admission =
        (struct admission_ask){.req = req, .cb = on_admitted, .arg = asked};
    admission_ask(app->admission, &asked->admission);
}

/*
 * False: answered.  A browser that comes before the secrets do is to come
 * again; HEAD gets the head that a stream would have.
 */
static bool will_stream(struct notifier *app, struct request *req,
                        struct asked *asked)
{
    add_headers(req);
    if (!app->position_key) {
        request_put_off(req, 0);
        return false;
    }
    read_since(app, req, asked);
    if (request_method(req) != REQUEST_HEAD)
        return true;
    request_begin(req, 200, "text/event-stream");
    request_end(req);
    return false;
}

void subscribe(struct request *req, void *arg)
{
    struct notifier *app = arg;
    struct asked *asked = make_asked();
    const char *wrong = read_topics(req, asked);

    if (wrong) {
        refuse_text(req, 400, wrong);
    } else if (may_subscribe(req, &asked->rights)) {
        if (will_stream(app, req, asked)) {
            admit(app, req, asked);
            return;
        }
        rights_unref(asked->rights);
    }
    drop_asked(asked);
}

/* ---- the stream */

static struct wheel *wheel_of(const struct event_stream *self)
{
    return stream_loop_wheel(app_loop(self->subscriber.app->app));
}

static void on_gone(void *arg)
{
    struct event_stream *self = arg;

    server_guest_gone(&self->guest);
    mem_free(self);
}

static void end(struct event_stream *self)
{
    struct notifier *app = self->subscriber.app;

    wheel_stop(wheel_of(self), &self->timer);
    admission_leave(self->caller);
    subscriber_deinit(&self->subscriber);
    drop_asked(self->asked);
    metrics_set(app->streams, *app->streams - 1);
    stream_close(self->stream, on_gone);
    self->stream = NULL;
}

static void wait(struct event_stream *self)
{
    uint64_t now = stream_loop_now(app_loop(self->subscriber.app->app));
    uint64_t ping = (uint64_t)self->subscriber.app->config->ping_ms;
    uint64_t left = self->end_ms > now ? self->end_ms - now : 1;

    wheel_start(wheel_of(self), &self->timer,
                self->end_ms && left < ping ? left : ping, on_timer);
}

static void enter_all(struct subscriber *subscriber, struct span user)
{
    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next)
        follow_enter(LIST_ENTRY(n, struct follow, node), user);
}

static void on_left(struct server_guest *guest, struct stream *stream,
                    struct span behind)
{
    struct event_stream *self = LIST_ENTRY(guest, struct event_stream, guest);
    struct notifier *app = self->subscriber.app;
    struct asked *asked = self->asked;
    char line[RETRY_LINE];
    (void)behind;

    if (!stream) {
        forget(self);
        return;
    }
    self->stream = stream;
    metrics_set(app->streams, *app->streams + 1);
    stream_hand_over(stream, &stream_events, self,
                     (size_t)app->config->max_kept);
    subscriber_set_stream(&self->subscriber, stream);
    int len = snprintf(line, sizeof(line), "retry: %llu\n\n",
                       (unsigned long long)jittered(app->config->retry_ms));
    stream_write(stream, (struct span){line, (size_t)len});
    stream_read_start(stream);
    wait(self);
    if (!subscriber_add(&self->subscriber, asked->selectors, asked->count,
                        &asked->since)) {
        stream_write(stream, SPAN(": too many patterns are followed\n\n"));
        end(self);
        return;
    }
    if (app->config->subscriptions)
        enter_all(&self->subscriber, asked->user);
    self->asked = NULL;
    drop_asked(asked);
}

/* Who has said where it was hears what it missed; the others where they are. */
static void on_ready(struct subscriber *subscriber, int status)
{
    struct event_stream *self =
        LIST_ENTRY(subscriber, struct event_stream, subscriber);
    char line[POSITION_MAX + 8];
    size_t len = MARK.len;
    (void)status; /* it waits as long as that takes */

    memcpy(line, MARK.ptr, len);
    len += subscriber_position(subscriber, false, line + len);
    line[len++] = '\n';
    line[len++] = '\n';
    stream_write(self->stream, (struct span){line, len});
}

/* Who follows one topic shares its id, and so all, with all others of it. */
static bool is_alone(const struct subscriber *subscriber)
{
    return subscriber->topic_count == 1 && subscriber->pattern_count == 0;
}

static struct span whole_of(const struct subscriber *subscriber,
                            struct message *message)
{
    struct buf *out = &message->alone;
    char room[POSITION_MAX];

    if (!out->len) {
        struct position_topic topic = {.name = message->record.topics[0],
                                       .id = message->id};
        struct position position = {.topics = &topic, .topic_count = 1};
        size_t len = position_seal(subscriber->app->position_key, &position,
                                   false, room);
        buf_append(out, MARK);
        buf_append(out, (struct span){room, len});
        buf_append_char(out, '\n');
        message_append_event(message, out);
    }
    return buf_span(out);
}

static void put_form(struct subscriber *subscriber, struct message *message,
                     struct form *form)
{
    if (is_alone(subscriber)) {
        form->shared[0] = whole_of(subscriber, message);
        return;
    }
    form->shared[1] = message_event(message);
    if (subscriber->topic_count == 0 && !subscriber->places) {
        form->shared[0] = buf_span(&message->all_line);
    } else {
        memcpy(form->own, MARK.ptr, MARK.len);
        form->head_len = MARK.len;
        form->head_len +=
            subscriber_position(subscriber, false, form->own + form->head_len);
        form->own[form->head_len++] = '\n';
    }
}

static void on_late(struct subscriber *subscriber)
{
    end(LIST_ENTRY(subscriber, struct event_stream, subscriber));
}

/* A client has nothing to say any more. */
static void on_read(void *arg, struct span bytes)
{
    (void)arg;
    (void)bytes;
}

static void on_end(void *arg, int err)
{
    (void)err;
    end(arg);
}

static void on_written(void *arg)
{
    struct event_stream *self = arg;

    subscriber_drained(&self->subscriber);
}

/* Between two pings it took nothing of what waits: it does not read. */
static bool is_stuck(const struct event_stream *self)
{
    return stream_kept(self->stream) > 0 &&
           stream_sent(self->stream) == self->sent;
}

static void on_timer(struct wheel_timer *timer)
{
    struct event_stream *self = LIST_ENTRY(timer, struct event_stream, timer);
    struct notifier *app = self->subscriber.app;

    if (self->end_ms && stream_loop_now(app_loop(app->app)) >= self->end_ms) {
        end(self);
        return;
    }
    if (is_stuck(self)) {
        metrics_add(app->late, 1);
        end(self);
        return;
    }
    self->sent = stream_sent(self->stream);
    if (stream_kept(self->stream) == 0)
        stream_write(self->stream, SSE_PING);
    wait(self);
}

static void on_drain(struct server_guest *guest, uint64_t within_ms)
{
    struct event_stream *self = LIST_ENTRY(guest, struct event_stream, guest);
    uint64_t now = stream_loop_now(app_loop(self->subscriber.app->app));

    self->end_ms = now + 1;
    if (!self->stream) /* it comes, or has ended */
        return;
    if (within_ms == 0) {
        end(self);
        return;
    }
    self->end_ms += (uint64_t)random() % within_ms;
    wait(self);
}
