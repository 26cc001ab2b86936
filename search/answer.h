/* answer.h - answers in Elasticsearch's words. */
#pragma once

#include "search/service.h"

/* JSON, of the type that was asked for. */
void answer_json(struct request *req, int status, struct span json);
/* {"acknowledged": true} and more members, which begin with a comma. */
void answer_acknowledged(struct request *req, struct span more);
/* What it stands for begins with this; index may be NULL. */
struct answer_error {
    int status;
    const char *type, *reason;
    const char *index;
};
void answer_error(struct request *req, const struct answer_error *error);
void answer_refuse(struct request *req, const char *type, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));
/* The members "error" and "status" of a failed part. */
void answer_put_error(struct json_writer *w, const struct answer_error *error);
/* That UV_E* of an index stands for. */
struct answer_error answer_of(struct request *req, int err, struct span index);
void answer_fail(struct request *req, int err, struct span index);

/* app_service.problem. */
void answer_problem(struct request *req, int status, const char *slug,
                    const char *detail);

/* No parameter but these (NULL-ended), and those that change nothing; no body
   of an encoding or a type that is not known.  False: answered. */
bool answer_body(struct request *req); /* of that alone */
bool answer_takes(struct request *req, const char *const *params);
/* May the caller?  scope: "search:read".  False: answered. */
bool answer_allows(struct request *req, const char *scope, struct span index);
/* A parameter; where it is not there, the number stays.  False: answered. */
bool answer_number(struct request *req, const char *name, int64_t *number);
