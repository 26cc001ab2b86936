/* ask.h - one search among what a request asks. */
#pragma once

#include "search/answer.h"
#include "search/face.h"

/* json: the answer or the error, good until it returns. */
typedef void (*asked_cb)(void *arg, int status, struct span json);

struct ask {
    struct service *service;
    struct request *req;
    struct face_request request; /* borrowed until cb, as name is */
    struct span name;            /* of an index, or a pattern of it */
    asked_cb cb;
    void *arg;
};

/* cb runs once, now or later. */
void ask_index(const struct ask *ask);
