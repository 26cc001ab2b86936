/* pubsub.c - see pubsub.h. */
#include "common/pubsub.h"
