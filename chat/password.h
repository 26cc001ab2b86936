/*
 * password.h - passwords, as scrypt keeps them (Percival: "Stronger key
 * derivation via sequential memory-hard functions", 2009; RFC 7914).
 *
 * It takes some 100 ms and 32 MiB by design, so it runs on a thread of the
 * pool, a few at a time; more than PASSWORD_JOBS_MAX at once are refused.
 */
#pragma once

#include <uv.h>

#include "common/span.h"

#define PASSWORD_MIN 8 /* bytes */
#define PASSWORD_MAX 256
#define PASSWORD_SALT 16
#define PASSWORD_KEPT_MAX 96 /* bytes of what is kept, with a NUL */
#define PASSWORD_JOBS_MAX 16

/* In the asker's memory until cb has run. */
struct password_job {
    uv_work_t work; /* password.c's */
    char password[PASSWORD_MAX];
    size_t len;
    bool verifies, matches, failed;
    bool salted; /* to be made with this salt; else with a random one */
    unsigned char salt[PASSWORD_SALT];
    /* What is kept: made, or compared with; "": nobody's, which takes as long.
     */
    char kept[PASSWORD_KEPT_MAX];
    void (*cb)(struct password_job *job);
    void *arg;
};

/* 0, and cb runs once, later; or UV_ENOBUFS.  The password is wiped then. */
int password_make(uv_loop_t *loop, struct password_job *job,
                  struct span password);
int password_verify(uv_loop_t *loop, struct password_job *job,
                    struct span password, struct span kept);
