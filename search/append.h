/*
 * append.h - writes of documents: checked here, decided and kept by append.lua.
 *
 *   append_run() -- some at a time: fit the mapping, older state looked up
 *                -- [append.lua] --> stale: looked up again; another mapping:
 *                fitted again; done: the next ones
 */
#pragma once

#include "search/answer.h"
#include "search/indexes.h"

#define APPEND_OPS 500 /* in one call of the script */
#define APPEND_BYTES (1 << 20)
#define APPEND_ANY (-1)                       /* if_seq: whatever it is */
#define APPEND_VERSION_MAX (INT64_C(1) << 53) /* numbers of a script */

enum append_kind { APPEND_INDEX, APPEND_CREATE, APPEND_DELETE };

enum append_result {
    APPEND_WAITS, /* not decided */
    APPEND_CREATED,
    APPEND_UPDATED,
    APPEND_DELETED,
    APPEND_NOT_FOUND,
    APPEND_CONFLICT,
    APPEND_FULL,
    APPEND_BAD,    /* error */
    APPEND_FAILED, /* status: whether it was done is not known */
};

struct append_op {
    enum append_kind kind;
    struct span id, source;  /* borrowed */
    int64_t if_seq, if_term; /* or ANY */
    int64_t own;             /* a version from outside; or ANY */
    bool own_may_be_same;
    enum append_result result; /* BAD from the beginning: it stays so */
    bool checked;
    int64_t version, seq; /* conflict: of what there is; seq -1: nothing */
    const char *reason;   /* BAD, in the arena */
    int status;           /* FAILED */
};

struct append {
    struct service *service;
    struct index *index; /* the caller holds it */
    struct arena *arena;
    struct append_op *ops;
    size_t count;
    const json_t *mapping; /* to be merged into the index's first; or NULL */
    uint64_t position;     /* behind all that was written */
    int status;            /* of the mapping: 0, or why not; UV_EINVAL: */
    struct json_errors errors;
    void (*cb)(void *arg);
    void *arg;
    /* its own */
    struct schema schema; /* as this part needs it */
    bool grew, anew;
    size_t from, to; /* the part that is being written */
    unsigned tries;
    uint64_t generation, mapping_version; /* that it was sent by */
};

/* cb: every op has a result.  May run inside the call. */
void append_run(struct append *append);
/* Was the index gone before anything was written, and is this the first time?
   Then the index is let go of, and what failed waits for the one that has its
   name now. */
bool append_anew(struct append *append);

/* Was it not done?  error: why.  The status of one that was: 200, 201 or 404.
 */
bool append_failed(struct request *req, const struct append *append,
                   const struct append_op *op, struct answer_error *error);
int append_status(const struct append_op *op);
/* "_index" … "_primary_term", members of an answer. */
void append_put(struct json_writer *w, const struct append *append,
                const struct append_op *op, bool forced);
/* The same of an update that changes nothing. */
void append_put_noop(struct json_writer *w, const struct append *append,
                     const struct append_op *op);
/* What kind the version from outside is, "" where none is said.  NULL: what is
   said of versions goes together. */
const char *append_take_version(struct append_op *op, struct span type);
/* NULL: an id may be this one. */
const char *append_refuse_id(struct span id);
/* A string or an integer; ptr NULL: it is neither.  In the arena. */
struct span append_read_id(struct arena *arena, const json_t *node);
/* For a document that has none. */
struct span append_make_id(struct arena *arena);
