/* op_kinds.c - the requests that a client may make, and their members. */
#include "chat/op_internal.h"

#define NUMBER_MAX ((INT64_C(1) << 53) - 1)
#define ROOMS_OF_SYNC 1000

#define FIELD_ROOM                                                            \
    {                                                                         \
        .name = "room", .kind = JSON_KIND_STRING, .required = true, .min = 1, \
        .max = ROOM_ID_MAX                                                    \
    }
#define FIELD_NUMBER(called, is_required)                                  \
    {                                                                      \
        .name = (called), .kind = JSON_KIND_INTEGER,                       \
        .required = (is_required), .min = (is_required), .max = NUMBER_MAX \
    }
#define FIELD_CLIENT_ID                                                  \
    {                                                                    \
        .name = "client_id", .kind = JSON_KIND_STRING, .required = true, \
        .min = 1, .max = CLIENT_ID_MAX                                   \
    }
#define FIELD_TEXT                                                            \
    {                                                                         \
        .name = "text", .kind = JSON_KIND_STRING, .required = true, .min = 1, \
        .max = TEXT_MAX                                                       \
    }
#define FIELD_BOOLEAN(called, is_required)                                     \
    {                                                                          \
        .name = (called), .kind = JSON_KIND_BOOLEAN, .required = (is_required) \
    }

const struct op_kind op_kinds[OP_KINDS] = {
    {"sync",
     op_sync,
     {OPS_FIELDS_OF_ALL,
      {.name = "cursors", .kind = JSON_KIND_OBJECT},
      {.name = "watch",
       .kind = JSON_KIND_STRINGS,
       .min = 1,
       .max = ROOM_ID_MAX,
       .max_items = ROOMS_OF_SYNC},
      {.name = "page", .kind = JSON_KIND_STRING, .min = 1, .max = 20}}},
    {"watch",
     op_watch,
     {OPS_FIELDS_OF_ALL, FIELD_ROOM, FIELD_NUMBER("after", false),
      FIELD_BOOLEAN("roster", false)}},
    {"unwatch", op_unwatch, {OPS_FIELDS_OF_ALL, FIELD_ROOM}},
    {"send",
     op_send,
     {OPS_FIELDS_OF_ALL, FIELD_ROOM, FIELD_CLIENT_ID, FIELD_TEXT,
      FIELD_NUMBER("reply_to", false)}},
    {"edit",
     op_edit,
     {OPS_FIELDS_OF_ALL, FIELD_ROOM, FIELD_CLIENT_ID,
      FIELD_NUMBER("target", true), FIELD_TEXT}},
    {"delete",
     op_delete,
     {OPS_FIELDS_OF_ALL, FIELD_ROOM, FIELD_CLIENT_ID,
      FIELD_NUMBER("target", true)}},
    {"react",
     op_react,
     {OPS_FIELDS_OF_ALL,
      FIELD_ROOM,
      FIELD_CLIENT_ID,
      FIELD_NUMBER("target", true),
      {.name = "emoji",
       .kind = JSON_KIND_STRING,
       .required = true,
       .min = 1,
       .max = EMOJI_MAX},
      FIELD_BOOLEAN("on", true)}},
    {"join", op_join, {OPS_FIELDS_OF_ALL, FIELD_ROOM}},
    {"leave", op_leave, {OPS_FIELDS_OF_ALL, FIELD_ROOM}},
    {"read",
     op_read,
     {OPS_FIELDS_OF_ALL, FIELD_ROOM, FIELD_NUMBER("seq", false),
      FIELD_BOOLEAN("back", false)}},
    {"delivered",
     op_delivered,
     {OPS_FIELDS_OF_ALL, FIELD_ROOM, FIELD_NUMBER("seq", false)}},
    {"mute",
     op_mute,
     {OPS_FIELDS_OF_ALL,
      FIELD_ROOM,
      {.name = "until_at",
       .kind = JSON_KIND_STRING,
       .required = true,
       .nullable = true,
       .min = 1,
       .max = 64}}},
    {"typing",
     op_typing,
     {OPS_FIELDS_OF_ALL, FIELD_ROOM, FIELD_BOOLEAN("on", true)}},
    {"presence",
     op_presence,
     {OPS_FIELDS_OF_ALL,
      {.name = "state",
       .kind = JSON_KIND_STRING,
       .required = true,
       .min = 1,
       .max = 16}}},
    {"history",
     op_history,
     {OPS_FIELDS_OF_ALL,
      FIELD_ROOM,
      FIELD_NUMBER("before", false),
      FIELD_NUMBER("after", false),
      FIELD_NUMBER("around", false),
      {.name = "thread",
       .kind = JSON_KIND_INTEGER,
       .min = 1,
       .max = NUMBER_MAX},
      {.name = "limit", .kind = JSON_KIND_INTEGER, .min = 1, .max = 200}}},
    {"members",
     op_members,
     {OPS_FIELDS_OF_ALL,
      FIELD_ROOM,
      {.name = "limit", .kind = JSON_KIND_INTEGER, .min = 1, .max = 1000},
      {.name = "cursor", .kind = JSON_KIND_STRING, .min = 1, .max = 64}}},
    {"search",
     op_search,
     {OPS_FIELDS_OF_ALL,
      {.name = "query",
       .kind = JSON_KIND_STRING,
       .required = true,
       .min = 1,
       .max = 256},
      {.name = "room", .kind = JSON_KIND_STRING, .min = 1, .max = ROOM_ID_MAX},
      {.name = "limit", .kind = JSON_KIND_INTEGER, .min = 1, .max = 100},
      {.name = "cursor", .kind = JSON_KIND_STRING, .min = 1, .max = 64}}},
};
