/*
 * face_source.h - some members of a document, as _source names them.
 *
 * A pattern is a member's path, a.b, with * for any characters; what is inside
 * of it comes along.  Arrays are looked through.  What comes out is as it was
 * written: numbers keep their digits.
 */
#pragma once

#include "common/buf.h"

struct face_patterns {
    const struct span *at;
    size_t count;
};

struct face_source {
    bool none;                       /* no _source at all */
    struct face_patterns in, not_in; /* no patterns of in: all */
};

/* document: JSON that json_read() takes; an object. */
void face_source_put(const struct face_source *source, struct span document,
                     struct buf *out);

/* Does any stand for the path, or for what it is inside of? */
bool face_patterns_match(const struct face_patterns *patterns,
                         struct span path);
