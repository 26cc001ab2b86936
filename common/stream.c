/* stream.c - see stream.h. */
#include "common/stream.h"
