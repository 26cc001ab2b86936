/*
 * json.h - JSON in (jansson reads) and JSON out (a small writer).
 *
 * Whole documents only.  Reading refuses duplicate keys, bad UTF-8, NUL,
 * nesting past JSON_MAX_DEPTH and more values than JSON_MAX_VALUES. json_bind()
 * takes an object apart by a table, so that every route names the same mistakes
 * in the same words.
 */
#pragma once

#include <jansson.h>

#include "common/buf.h"
#include "common/span.h"

#define JSON_MAX_DEPTH 64
/* Each takes some 90 bytes, so a document of 3 bytes a value 30 times its own
   size. */
#define JSON_MAX_VALUES 1000000
#define JSON_MAX_ERRORS 8 /* errors kept; later ones only count */

/* Once, before anything else: what jansson allocates is counted. */
void json_setup(void);

/* What is wrong with a document, for a problem+json answer. */
struct json_errors {
    /* Before each pointer: where in the document the object is, the index of an
       array's item (-1: none) behind its name; NULL: it is the document. */
    const char *at_pointer;
    long at_index;
    size_t count;
    struct {
        char pointer[128]; /* RFC 6901; "" is the whole document */
        char detail[192];
    } at[JSON_MAX_ERRORS];
};

/* None; what at[] holds is left as it is. */
static inline void json_errors_init(struct json_errors *errors)
{
    errors->at_pointer = NULL;
    errors->at_index = -1;
    errors->count = 0;
}

void json_errors_add(struct json_errors *errors, const char *pointer,
                     const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same of a name that may have any bytes: "/name", escaped, cut off. */
void json_errors_add_name(struct json_errors *errors, const char *name,
                          const char *detail);

/*
 * json_decref() *out.  UV_EINVAL and one error when text is no JSON, nests past
 * JSON_MAX_DEPTH, has too many values or names a member twice; UV_ERANGE and
 * one when it is JSON with a number past 64 bits or a NUL in a string, which
 * nobody here can use.
 */
int json_read(struct span text, json_t **out, struct json_errors *errors);

enum json_kind {
    JSON_KIND_STRING,
    JSON_KIND_INTEGER,
    JSON_KIND_BOOLEAN,
    JSON_KIND_STRINGS, /* an array of strings */
    JSON_KIND_OBJECT,
    JSON_KIND_ARRAY,
};

enum json_state {
    JSON_STATE_ABSENT,
    JSON_STATE_NULL,
    JSON_STATE_SET,
    JSON_STATE_WRONG, /* an error names it: nobody is to look at its value */
};

struct json_field {
    const char *name;
    enum json_kind kind;
    bool required;
    bool nullable;
    int64_t min, max; /* an integer's value; bytes of a string or of each
                         string; both 0: no bound */
    size_t max_items; /* of an array; 0: no bound */
};

/* One per field, in the table's order; borrowed from the document. */
struct json_value {
    enum json_state state;
    struct span text;   /* JSON_KIND_STRING */
    int64_t number;     /* JSON_KIND_INTEGER */
    bool flag;          /* JSON_KIND_BOOLEAN */
    const json_t *node; /* whatever the kind, when JSON_STATE_SET */
};

/*
 * Take object apart into values[count].  An unknown member, a wrong type, a
 * missing or out-of-bounds one each add an error; false if there was any, and
 * also when object is no object (all are absent then).  Who has more to ask of
 * the members that are right does so before refusing.
 */
bool json_bind(const json_t *object, const struct json_field *fields,
               size_t count, struct json_value *values,
               struct json_errors *errors);

/* The writer puts commas and escapes; the caller's calls must nest. */
struct json_writer {
    struct buf *out;
    bool comma; /* the next value needs one before it */
};

void json_put_open(struct json_writer *w, char bracket);  /* { or [ */
void json_put_close(struct json_writer *w, char bracket); /* } or ] */
/* Printable ASCII but " and \. */
/* Inline, as most keys are literals. */
static inline void json_put_key(struct json_writer *w, const char *key)
{
    struct span text = span_str(key);
    char *at = buf_reserve(w->out, text.len + 4);

    if (w->comma)
        *at++ = ',';
    *at++ = '"';
    memcpy(at, text.ptr, text.len);
    at[text.len] = '"';
    at[text.len + 1] = ':';
    buf_commit(w->out, text.len + 3 + w->comma);
    w->comma = false;
}
/* A member's name that may be any text. */
void json_put_name(struct json_writer *w, struct span name);
/* Bytes that are not UTF-8 come out as U+FFFD. */
void json_put_string(struct json_writer *w, struct span text);
void json_put_int(struct json_writer *w, int64_t value);
void json_put_real(struct json_writer *w, double value);
void json_put_bool(struct json_writer *w, bool value);
void json_put_null(struct json_writer *w);
/* A value that is JSON already. */
void json_put_raw(struct json_writer *w, struct span json);
