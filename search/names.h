/* names.h - names of indexes, and what stands for several of them. */
#pragma once

#include "common/span.h"

#define NAMES_MAX 255 /* bytes of one */

/* NULL: an index may have it; else why not. */
const char *names_refuse(struct span name);
/* "a,b*,-bc": is it one of these?  "", "_all" and "*" are all. */
bool names_match(struct span expression, struct span name);
/* It names no index by itself: it may stand for none. */
bool names_is_pattern(struct span expression);
