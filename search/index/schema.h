/*
 * schema.h - the fields of an index: their names, what they hold, how texts
 * become terms.
 *
 * As JSON it is Elasticsearch's mapping, objects flattened: {"properties":
 * {"title": {"type": "text", "analyzer": "english", "fields": {"raw": {"type":
 * "keyword"}}}}}.  What is there by itself is a field by the type that its
 * first value has in JSON; a string a text, with a keyword .keyword beside it.
 * Fields are only ever added, so a field's number means the same in all
 * segments of an index.
 */
#pragma once

#include "common/arena.h"
#include "common/json.h"
#include "search/index/analyzer.h"

#define SCHEMA_FIELDS_MAX 1000 /* as Elasticsearch's limit */
#define SCHEMA_NAME_MAX 256    /* bytes, with the dots of objects */
#define SCHEMA_NONE UINT32_MAX

enum schema_type {
    SCHEMA_TEXT,    /* terms with positions, by an analyzer */
    SCHEMA_KEYWORD, /* one term each */
    SCHEMA_LONG,
    SCHEMA_DOUBLE,
    SCHEMA_DATE, /* milliseconds since 1970 */
    SCHEMA_BOOLEAN,
    SCHEMA_TYPES
};

struct schema_field {
    struct span name, analyzer; /* analyzer: a name, or an object in JSON */
    enum schema_type type;
    uint32_t of;           /* the field whose values it has as well, or NONE */
    uint32_t ignore_above; /* KEYWORD: bytes; longer ones are left out */
    float k1, b;           /* of BM25 */
};

struct schema {
    struct arena arena;
    struct schema_field *fields; /* by number */
    size_t count;
    bool dynamic; /* fields that are not there are added as they come */
};

void schema_init(struct schema *schema);
void schema_deinit(struct schema *schema);

const char *schema_type_name(enum schema_type type);
/* False: there is none of the name; some of Elasticsearch's others are these.
 */
bool schema_type_of(struct span name, enum schema_type *type);
/*
 * What is kept of a document beside what it came with: fields of integers that
 * no document and no mapping may have, and no mapping shows.
 */
#define SCHEMA_SEQ_NO SPAN("_seq_no")
#define SCHEMA_VERSION SPAN("_version")
bool schema_is_meta(struct span name);
/* SCHEMA_NONE: there is none of the name. */
uint32_t schema_find(const struct schema *schema, struct span name);
/* Fields whose names begin with it and a dot: it is an object. */
bool schema_has_inner(const struct schema *schema, struct span name);
/* Of a text, the caller's; NULL: it was not checked by schema_merge(). */
struct analyzer *schema_analyzer(const struct schema_field *field);
/* NULL: there is an analyzer for each of them; else one that has none. */
const struct schema_field *schema_unknown_analyzer(const struct schema *schema);
/* Its number; a text has .keyword beside it.  SCHEMA_NONE: there are too many,
   or the name is too long. */
uint32_t schema_add(struct schema *schema, struct span name,
                    enum schema_type type);

/* Add the fields that another one has more, of which this is the beginning;
   dynamic is as its. */
void schema_follow(struct schema *schema, const struct schema *other);

/* What is added after a mark goes with it. */
struct schema_mark {
    size_t count;
    struct arena_mark names;
};
struct schema_mark schema_mark(const struct schema *schema);
void schema_rewind(struct schema *schema, const struct schema_mark *mark);

/*
 * Add what a mapping has.  False: errors say what is wrong with it, or that a
 * field is another already; then nothing is added.
 */
bool schema_merge(struct schema *schema, const json_t *mapping,
                  struct json_errors *errors);
void schema_put(const struct schema *schema, struct json_writer *w);

/* The same as a list by number, as segments keep it.  False: it is none.  A
   list that is taken loses some of its members. */
void schema_put_list(const struct schema *schema, struct json_writer *w);
bool schema_take_list(struct schema *schema, json_t *list);
bool schema_read_list(struct schema *schema, struct span json);
