/*
 * session_check.c - tokens of clients that are here, looked at again: see
 * sessions.h.
 *
 *   session_check_all() -- a bucket of users after the other, a few asked about
 *   at a time --> on_checked(): it goes on, or is closed
 */
#include <stdio.h>

#include "chat/client.h"

#define ASKED_MAX 64 /* that Redis has not answered */
#define RETRY_MS 100

struct session_check {
    struct chat *chat;
    struct wheel_timer turn;
    unsigned bucket; /* the next one; USERS_BUCKETS: all were looked at */
    unsigned asked;
    bool refused; /* Redis takes no more now */
};

struct asked {
    struct session_check *check;
    uint64_t mark;
    char user[NAME_MAX_LEN + 1];
};

static void on_turn(struct wheel_timer *timer);

static struct wheel *wheel_of(const struct session_check *check)
{
    return stream_loop_wheel(app_loop(check->chat->app));
}

struct session_check *session_check_create(struct chat *chat)
{
    struct session_check *check = mem_zalloc(MEM_APP, sizeof(*check));

    check->chat = chat;
    check->bucket = USERS_BUCKETS;
    return check;
}

void session_check_destroy(struct session_check *check)
{
    wheel_stop(wheel_of(check), &check->turn);
    mem_free(check);
}

void session_check_all(struct session_check *check)
{
    check->bucket = 0;
    wheel_start(wheel_of(check), &check->turn, 0, on_turn);
}

/* Redis does not say: all are looked at once more, later. */
static void settle(struct asked *asked, int is)
{
    struct session_check *check = asked->check;

    if (is == 0)
        session_end_clients(check->chat, span_str(asked->user), asked->mark);
    else if (is < 0)
        check->bucket = 0;
    mem_free(asked);
    if (--check->asked == 0 && check->bucket < USERS_BUCKETS)
        wheel_start(wheel_of(check), &check->turn, is < 0 ? RETRY_MS : 0,
                    on_turn);
}

static void on_checked(void *arg, int status, const struct redisReply *reply)
{
    settle(arg, session_found(status, reply));
}

static void ask(struct session_check *check, const struct client *client)
{
    struct span name = user_name(client->user);
    struct asked *asked = mem_alloc(MEM_JOB, sizeof(*asked));

    *asked = (struct asked){.check = check, .mark = client->session};
    snprintf(asked->user, sizeof(asked->user), "%.*s", (int)name.len, name.ptr);
    check->asked++;
    int err = session_look(check->chat, name, span_str(client->session_id),
                           on_checked, asked);
    if (err == 0)
        return;
    mem_free(asked);
    check->asked--;
    check->refused = true;
}

static void ask_all(void *arg, struct user *user)
{
    for (struct list *n = user->clients.next, *next; n != &user->clients;
         n = next) {
        const struct client *client = LIST_ENTRY(n, struct client, of_user);
        next = n->next;
        if (client->session)
            ask(arg, client);
    }
}

static void on_turn(struct wheel_timer *timer)
{
    struct session_check *check = LIST_ENTRY(timer, struct session_check, turn);

    check->refused = false;
    while (check->asked < ASKED_MAX && check->bucket < USERS_BUCKETS) {
        users_visit(check->chat->users, check->bucket, ask_all, check);
        if (check->refused) {
            wheel_start(wheel_of(check), &check->turn, RETRY_MS, on_turn);
            return;
        }
        check->bucket++;
    }
}
