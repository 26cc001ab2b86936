/* ask.h - one search among what a request asks. */
#pragma once

#include "search/answer.h"
#include "search/face.h"

#define ASK_DEADLINE_US 12000000 /* before that of the request */

/* json: the answer or the error, good until it returns. */
typedef void (*asked_cb)(void *arg, int status, struct span json);

struct ask {
    struct service *service;
    struct request *req;
    struct face_request request; /* borrowed until cb, as name is */
    struct span name;            /* of an index, or a pattern of it */
    uint64_t deadline_us;        /* by clock_mono_us() */
    bool one_of_many;            /* not on the loop, however small it is */
    asked_cb cb;
    void *arg;
};

/* cb runs once, now or later. */
void ask_index(const struct ask *ask);
