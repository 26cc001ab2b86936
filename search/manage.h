/* manage.h - what making an index needs in several places. */
#pragma once

#include "search/answer.h"
#include "search/indexes.h"

/* An index comes with its first document.  cb: as index_create()'s. */
void index_make(struct service *service, struct request *req, struct span name,
                void (*cb)(void *arg, int status), void *arg);
void answer_bad_name(struct request *req, struct span name, const char *why);
/* Of a new index, as text, like Elasticsearch's.  False: answered. */
bool settings_take(struct request *req, const struct service *service,
                   json_t *from, json_t *into);
/* ?refresh=: false: answered. */
bool write_takes_refresh(struct request *req, bool *waits, bool *soon);
/* What was written cannot be found yet, which the answer is to say. */
void write_warn(struct request *req);
