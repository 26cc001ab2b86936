/* idempotency.c - see idempotency.h. */
#include "common/idempotency.h"
