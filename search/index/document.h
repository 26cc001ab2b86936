/*
 * document.h - a document in JSON, as a tree in an arena.
 *
 * Takes what json_read() takes, and nothing else; strings without escapes stay
 * where they are.  So reading is a small part of indexing, of which jansson
 * took two fifths.
 */
#pragma once

#include "common/arena.h"

enum document_kind {
    DOCUMENT_NULL,
    DOCUMENT_FALSE,
    DOCUMENT_TRUE,
    DOCUMENT_INTEGER,
    DOCUMENT_REAL,
    DOCUMENT_STRING,
    DOCUMENT_ARRAY,
    DOCUMENT_OBJECT,
};

struct document_node {
    struct document_node *next; /* of the same array or object */
    struct span name;           /* in an object */
    enum document_kind kind;
    union {
        int64_t integer;
        double real;
        struct span text;
        struct document_node *first;
    };
};

/* An object, of the arena, while the source stays; NULL: it is none, and
   json_read() says why. */
const struct document_node *document_read(struct arena *arena,
                                          struct span source);
/* NULL: the object has no member of the name. */
const struct document_node *document_get(const struct document_node *object,
                                         struct span name);
