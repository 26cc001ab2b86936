/* op_kinds.c - the requests that a client may make, and their members. */
#include "notifier/op_internal.h"

#define SINCE_MAX POSITION_MAX
#define TYPE_MAX 256

#define FIELD_TOPICS(most)                                             \
    {                                                                  \
        .name = "topics", .kind = JSON_KIND_STRINGS, .required = true, \
        .min = 1, .max = SELECTOR_MAX, .max_items = (most)             \
    }

const struct op_kind op_kinds[OP_KINDS] = {
    {"subscribe",
     op_subscribe,
     {OPS_FIELDS_OF_ALL,
      FIELD_TOPICS(SUBSCRIBER_SELECTORS_MAX),
      {.name = "since", .kind = JSON_KIND_STRING, .min = 1, .max = SINCE_MAX},
      {.name = "presence", .kind = JSON_KIND_BOOLEAN}}},
    {"resume",
     op_resume,
     {OPS_FIELDS_OF_ALL,
      {.name = "position",
       .kind = JSON_KIND_STRING,
       .required = true,
       .min = 1,
       .max = SINCE_MAX}}},
    {"unsubscribe",
     op_unsubscribe,
     {OPS_FIELDS_OF_ALL, FIELD_TOPICS(SUBSCRIBER_SELECTORS_MAX)}},
    {"presence",
     op_presence,
     {OPS_FIELDS_OF_ALL,
      {.name = "topic",
       .kind = JSON_KIND_STRING,
       .required = true,
       .min = 1,
       .max = SELECTOR_MAX}}},
    {"publish",
     op_publish,
     {OPS_FIELDS_OF_ALL,
      FIELD_TOPICS(RECORD_TOPICS_MAX),
      {.name = "data", .kind = JSON_KIND_STRING, .required = true},
      {.name = "event", .kind = JSON_KIND_STRING, .min = 1, .max = TYPE_MAX},
      {.name = "message_id",
       .kind = JSON_KIND_STRING,
       .min = 1,
       .max = PUBLICATION_ID_MAX},
      {.name = "private", .kind = JSON_KIND_BOOLEAN}}},
};
