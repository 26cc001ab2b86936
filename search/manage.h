/* manage.h - what making an index needs in several places. */
#pragma once

#include "search/answer.h"
#include "search/indexes.h"

/* What names.lua keeps of an index made now: settings, a JSON object of
   strings, or NULL. */
struct span index_about(struct arena *arena, const json_t *settings);
void answer_bad_name(struct request *req, struct span name, const char *why);
/* ?refresh=: false: answered. */
bool write_takes_refresh(struct request *req, bool *waits, bool *soon);
