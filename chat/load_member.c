/*
 * load_member.c - one member's socket: what it is answered, what it has had of
 * each of its rooms, and what it has not.
 *
 *   crowd_open(): connect, upgrade -- crowd_ask() -- answers and events --
 *   crowd_close(), perhaps crowd_open() again
 *
 * Many of them share a core with Redis, so an event is not parsed as JSON: its
 * members are found by their names, which no text of ours contains.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "chat/load_crowd.h"
#include "common/clock.h"
#include "common/load_line.h"

#define SEEN 64                     /* numbers that are remembered */
#define FRAME_MAX ((size_t)1 << 20) /* bytes of a server's */
#define PROTOCOL "chat.v1.json"

static bool on_message(void *arg, enum ws_opcode opcode, struct span text);
static bool on_ping(void *arg, struct span bytes);
static bool on_pong(void *arg, struct span bytes);
static void on_close(void *arg, unsigned code, struct span reason);

static const struct ws_options ws_options = {.on_message = on_message,
                                             .on_ping = on_ping,
                                             .on_pong = on_pong,
                                             .on_close = on_close,
                                             .max_message = FRAME_MAX,
                                             .is_client = true};

/* ---- coming and going */

void crowd_close(struct crowd *crowd, struct crowd_member *member)
{
    if (member->fd < 0)
        return;
    if (!member->upgraded)
        crowd->opening--;
    close(member->fd);
    ws_deinit(&member->ws);
    crowd->waiting -= member->waiting;
    crowd->settled -= member->settled;
    member->waiting = 0;
    member->fd = -1;
    member->upgraded = member->settled = false;
}

static void fail(struct crowd *crowd, struct crowd_member *member,
                 enum crowd_error error)
{
    crowd->errors[error] += 1 + member->waiting;
    crowd_close(crowd, member);
}

static int connect_socket_of(struct crowd *crowd)
{
    const struct load *load = crowd->load;
    struct timeval limit = {.tv_sec = 10};
    int one = 1;
    int fd = load_socket(load, 0);

    if (fd < 0)
        return uv_translate_sys_error(errno);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (const struct sockaddr *)&load->address,
                load->address_len) == 0)
        return fd;
    int err = uv_translate_sys_error(errno);
    close(fd);
    return err;
}

int crowd_open(struct crowd *crowd, struct crowd_member *member)
{
    struct epoll_event event = {
        .events = EPOLLIN, .data.u64 = (uint64_t)(member - crowd->members)};
    int fd = connect_socket_of(crowd);

    if (fd < 0) {
        crowd->errors[CROWD_REFUSED]++;
        return fd;
    }
    member->fd = fd;
    member->crowd = crowd;
    ws_init(&member->ws, &ws_options, member);
    crowd->opening++;
    epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, fd, &event);
    crowd->frame.len = 0;
    load_append_upgrade(crowd->load, &crowd->frame, member->token, PROTOCOL);
    if (send(fd, crowd->frame.ptr, crowd->frame.len, MSG_NOSIGNAL) < 0)
        fail(crowd, member, CROWD_REFUSED);
    return 0;
}

/* ---- asking */

void crowd_begin(struct crowd *crowd, enum crowd_ask ask, uint64_t number,
                 const char *op)
{
    crowd->out.len = 0;
    buf_append(&crowd->out, SPAN("{\"id\":"));
    /* no id is 0 */
    buf_append_u64(&crowd->out, (number + 1) * CROWD_ASKS + (uint64_t)ask);
    buf_append(&crowd->out, SPAN(",\"op\":\""));
    buf_append(&crowd->out, span_str(op));
    buf_append_char(&crowd->out, '"');
}

static void put(struct crowd *crowd, struct crowd_member *member,
                enum ws_opcode opcode, struct span bytes)
{
    crowd->frame.len = 0;
    ws_append_masked(&crowd->frame, opcode, bytes, (uint32_t)random());
    if (send(member->fd, crowd->frame.ptr, crowd->frame.len, MSG_NOSIGNAL) !=
        (ssize_t)crowd->frame.len)
        fail(crowd, member, CROWD_RESET);
}

void crowd_ask(struct crowd *crowd, struct crowd_member *member)
{
    if (member->fd < 0)
        return; /* what it would have said is lost */
    crowd->waiting++;
    member->waiting++;
    put(crowd, member, WS_TEXT, buf_span(&crowd->out));
}

/* ---- what comes */

/* What follows "name": in an object's text; ptr NULL: nothing does. */
static struct span value_of(struct span text, const char *key)
{
    size_t len = strlen(key);
    const char *at = memmem(text.ptr, text.len, key, len);

    return at ? span_skip(text, (size_t)(at - text.ptr) + len)
              : (struct span){NULL, 0};
}

static bool number_of(struct span text, const char *key, uint64_t *out)
{
    struct span value = value_of(text, key);
    size_t len = 0;

    while (len < value.len && value.ptr[len] >= '0' && value.ptr[len] <= '9')
        len++;
    return value.ptr && len &&
           span_to_u64((struct span){value.ptr, len}, UINT64_MAX, out);
}

/* NULL: of none of its rooms. */
static struct crowd_seat *seat_of(const struct crowd *crowd,
                                  const struct crowd_member *member,
                                  struct span text)
{
    struct span id = value_of(text, "\"room\":\"");

    id.len = id.ptr ? span_find(id, '"') : 0;
    for (size_t i = 0; i < member->seat_count; i++) {
        struct crowd_seat *seat = &member->seats[i];
        if (span_eq(span_str(crowd->rooms[seat->room].id), id))
            return seat;
    }
    return NULL;
}

static void take_wrong(struct crowd *crowd, struct span text)
{
    crowd->errors[CROWD_WRONG]++;
    if (!crowd->wrong[0])
        snprintf(crowd->wrong, sizeof(crowd->wrong), "%.*s", (int)text.len,
                 text.ptr);
}

/* False: it has had that one. */
static bool is_new(struct crowd *crowd, struct crowd_seat *seat, uint64_t seq)
{
    uint64_t behind = seat->have - seq;

    if (seq > seat->have) {
        uint64_t steps = seq - seat->have;
        seat->seen = steps < SEEN ? seat->seen << steps | 1 : 1;
        seat->have = seq;
        return true;
    }
    if (behind >= SEEN || seat->seen >> behind & 1) {
        crowd->errors[CROWD_TWICE]++;
        return false;
    }
    seat->seen |= UINT64_C(1) << behind;
    crowd->errors[CROWD_DISORDER]++;
    return true;
}

static struct crowd_message *message_of(struct crowd *crowd, struct span text)
{
    struct span value = value_of(text, "\"text\":\"");
    uint64_t number;

    if (value.len < CROWD_NUMBER_LEN ||
        !span_to_u64((struct span){value.ptr, CROWD_NUMBER_LEN}, UINT64_MAX,
                     &number) ||
        number >= crowd->messages || number + CROWD_KEPT < crowd->messages)
        return NULL;
    return &crowd->sent[number % CROWD_KEPT];
}

/* Its sender's own copy is a delivery, but nobody waits for that one. */
static void measure(struct crowd *crowd, const struct crowd_member *member,
                    const struct crowd_message *message, uint64_t now_us)
{
    if (!message->measured || message->due_us < crowd->from_us ||
        message->due_us >= crowd->end_us ||
        &crowd->members[message->from] == member)
        return;
    hist_record(crowd->deliveries,
                now_us > message->due_us ? now_us - message->due_us : 0);
    hist_record(crowd->behind, message->acked_us && now_us > message->acked_us
                                   ? now_us - message->acked_us
                                   : 0);
}

static void take_entry(struct crowd *crowd, struct crowd_member *member,
                       struct span text, bool is_due)
{
    struct crowd_seat *seat = seat_of(crowd, member, text);
    const struct crowd_message *message = message_of(crowd, text);
    uint64_t now_us = clock_mono_us();
    uint64_t seq;

    if (!seat || !number_of(text, "\"seq\":", &seq)) {
        take_wrong(crowd, text);
        return;
    }
    if (!is_new(crowd, seat, seq) || !is_due)
        return;
    crowd->received++;
    crowd->moved_us = now_us;
    crowd->in_window += crowd->phase == LOAD_WINDOW;
    if (message)
        measure(crowd, member, message, now_us);
}

static void take_event(struct crowd *crowd, struct crowd_member *member,
                       struct span text)
{
    struct span type = span_skip(text, sizeof("{\"type\":\"") - 1);

    type.len = span_find(type, '"');
    if (span_eq(type, SPAN("message")) || span_eq(type, SPAN("edit")) ||
        span_eq(type, SPAN("react")))
        take_entry(crowd, member, text, true);
    else if (span_eq(type, SPAN("member")))
        take_entry(crowd, member, text, false);
    else
        crowd->frames++;
    if (span_eq(type, SPAN("gone")))
        take_wrong(crowd, text);
}

/* What a request was for has come about. */
static void take_done(struct crowd *crowd, struct crowd_member *member,
                      uint64_t id, struct span text)
{
    uint64_t number = id / CROWD_ASKS - 1;
    uint64_t seq = 0;

    number_of(text, "\"seq\":", &seq);
    switch ((enum crowd_ask)(id % CROWD_ASKS)) {
    case CROWD_WATCH:
        member->seats[number].have = seq;
        member->seats[number].seen = UINT64_MAX;
        crowd->rooms[member->seats[number].room].watchers++;
        break;
    case CROWD_SEND:
        crowd->sent[number % CROWD_KEPT].acked_us = clock_mono_us();
        member->said = seq;
        break;
    case CROWD_SYNC:
        member->settled = true;
        crowd->settled++;
        break;
    case CROWD_JOIN:
    case CROWD_ACT:
    case CROWD_ASKS:
        break;
    }
}

/* True: that is not the answer yet, it is sent again. */
static bool take_refusal(struct crowd *crowd, uint64_t id, struct span text)
{
    uint64_t status = 0;
    uint64_t wait_ms = 0;

    number_of(text, "\"status\":", &status);
    number_of(text, "\"retry_after_ms\":", &wait_ms);
    if (status == 503 && wait_ms && id % CROWD_ASKS == CROWD_SEND &&
        crowd_put_again(crowd, id / CROWD_ASKS - 1, wait_ms))
        return true;
    take_wrong(crowd, text);
    crowd->wrong_status = (int)status;
    return false;
}

static void take_answer(struct crowd *crowd, struct crowd_member *member,
                        struct span text)
{
    uint64_t id = 0;

    crowd->moved_us = clock_mono_us();
    if (!number_of(text, "{\"id\":", &id) || id < CROWD_ASKS ||
        member->waiting == 0) {
        take_wrong(crowd, text);
        return;
    }
    crowd->waiting--;
    member->waiting--;
    if (value_of(text, "\"ok\":true").ptr) {
        take_done(crowd, member, id, text);
    } else if (take_refusal(crowd, id, text)) {
        return;
    }
    if (id % CROWD_ASKS != CROWD_SEND && id % CROWD_ASKS != CROWD_ACT)
        return;
    crowd->answered++;
    crowd->answered_in_window += crowd->phase == LOAD_WINDOW;
    if (member->asked_us >= crowd->from_us && member->asked_us < crowd->end_us)
        hist_record(crowd->answers, crowd->moved_us - member->asked_us);
}

/* Answers and events begin with their id and their type. */
static bool on_message(void *arg, enum ws_opcode opcode, struct span text)
{
    struct crowd_member *member = arg;
    struct crowd *crowd = member->crowd;

    (void)opcode;
    if (span_has_prefix(text, SPAN("{\"id\":")))
        take_answer(crowd, member, text);
    else if (span_has_prefix(text, SPAN("{\"type\":\"")))
        take_event(crowd, member, text);
    else
        take_wrong(crowd, text);
    return true;
}

static bool on_ping(void *arg, struct span bytes)
{
    struct crowd_member *member = arg;

    put(member->crowd, member, WS_PONG, bytes);
    return member->fd >= 0;
}

static bool on_pong(void *arg, struct span bytes)
{
    (void)arg, (void)bytes;
    return true;
}

static void on_close(void *arg, unsigned code, struct span reason)
{
    struct crowd_member *member = arg;

    (void)reason;
    member->crowd->wrong_status = (int)code;
    fail(member->crowd, member, CROWD_RESET);
}

/* The answer to the upgrade, which comes whole; false: it is closed. */
static bool take_head(struct crowd *crowd, struct crowd_member *member,
                      struct span *bytes)
{
    const char *end = memmem(bytes->ptr, bytes->len, "\r\n\r\n", 4);
    uint64_t status = 0;

    if (!end || !span_has_prefix(*bytes, SPAN("HTTP/1.1 ")) ||
        !span_to_u64((struct span){bytes->ptr + 9, 3}, 999, &status) ||
        status != 101) {
        crowd->wrong_status = (int)status;
        fail(crowd, member, CROWD_REFUSED);
        return false;
    }
    *bytes = span_skip(*bytes, (size_t)(end + 4 - bytes->ptr));
    member->upgraded = true;
    crowd->opening--;
    crowd->moved_us = clock_mono_us();
    if (crowd->greet)
        crowd->greet(crowd, member);
    return member->fd >= 0;
}

void crowd_on_socket(struct crowd *crowd, struct crowd_member *member)
{
    if (member->fd < 0)
        return;
    ssize_t len = recv(member->fd, crowd->read, LOAD_READ, MSG_DONTWAIT);
    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0) {
        fail(crowd, member, member->upgraded ? CROWD_RESET : CROWD_REFUSED);
        return;
    }
    load_acknowledge(member->fd);
    struct span bytes = {crowd->read, (size_t)len};
    if (!member->upgraded && !take_head(crowd, member, &bytes))
        return;
    if (ws_feed(&member->ws, bytes) > 0)
        fail(crowd, member, CROWD_WRONG);
}
