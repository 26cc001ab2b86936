/* log_id.h - a place in a log as text: the id of an entry of a Redis stream. */
#pragma once

#include "common/log_id.h"
#include "common/span.h"

#define LOG_ID_NO_EPOCH 1 /* of no log: epochs are times in us */

/* "epoch-offset"; false: it is none. */
bool log_id_parse(struct span text, struct log_id *id);

/* Room for both numbers and what is between. */
#define LOG_ID_MAX (2 * SPAN_U64_MAX + 2)
/* As it is parsed; "" of no log. */
struct span log_id_text(char room[LOG_ID_MAX], struct log_id id);
