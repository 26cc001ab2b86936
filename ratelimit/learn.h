/*
 * learn.h - a worker comes to know every limit before it is asked for.
 *
 * So that with Redis away each limit's own policy decides, not only of those
 * that were used.  Past the catalog's bound limits are read when first asked.
 */
#pragma once

#include "common/span.h"

struct ratelimit;
struct learner;

struct learner *learner_create(struct ratelimit *app);
/* After the link to Redis has closed. */
void learner_destroy(struct learner *learner);

/* Of those that are listed, read what is not known; asked again meanwhile: once
 * more when that is done. */
void learn_all(struct learner *learner);
/* One was made, changed or removed. */
void learn_one(struct learner *learner, struct span name);
