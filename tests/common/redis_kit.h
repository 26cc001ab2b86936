/*
 * redis_kit.h - a Redis of the test's own, on a unix socket and on the loop of
 * the link under test.
 *
 * It notes each command it is sent, greets a link by itself (AUTH, SELECT and
 * INFO) unless it is mute, and says all else when told to.
 */
#pragma once

#include "common/redis.h"
#include "common/resp.h"
#include "tests/test.h"

#define KIT_COMMANDS 1024
#define KIT_LINKS 16

struct kit {
    uv_loop_t uv;
    uv_timer_t tick; /* no turn waits longer */
    struct stream_loop *loop;
    struct redis_options options;
    uv_pipe_t listener;
    char dir[32];
    bool mute;        /* greets nobody */
    const char *info; /* what it says to INFO */
    const char *auth; /* and to AUTH */
    const char *ping; /* and to PING, which it does not note then; or NULL */
    struct kit_link {
        uv_pipe_t pipe;
        struct resp_reader *reader;
        unsigned greeted; /* replies of the greeting that are due */
        bool open;
    } links[KIT_LINKS];
    int accepted;                 /* the last of them is the one that talks */
    char *commands[KIT_COMMANDS]; /* words with blanks between, of all links */
    size_t count;
};

int kit_setup(void **state);
/* What the test opened on the loop must be closed. */
int kit_teardown(void **state);

void kit_say(struct kit *kit, const char *bytes);
void kit_say_bytes(struct kit *kit, struct span bytes);
/* What it was too mute to say. */
void kit_greet(struct kit *kit);
/* It hangs up; and comes back if anybody connects. */
void kit_hang_up(struct kit *kit);
/* It is gone, or there again. */
void kit_stop(struct kit *kit);
void kit_start(struct kit *kit);

/* The commands since the last kit_forget(), without greetings. */
const char *kit_command(struct kit *kit, size_t i);
void kit_forget(struct kit *kit);

/* Turn the loop until the condition holds; a wait without end fails. */
#define UNTIL(kit, condition)                                       \
    do {                                                            \
        for (int n_ = 0; !(condition); n_++) {                      \
            if (n_ >= 20000)                                        \
                fail_msg("%s does not come true, %zu commands, %s", \
                         #condition, (kit)->count,                  \
                         (kit)->count ? kit_command(kit, 0) : "");  \
            uv_run(&(kit)->uv, UV_RUN_ONCE);                        \
        }                                                           \
    } while (0)
