/* redis.c - see redis.h. */
#include "common/redis.h"
