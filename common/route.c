/* route.c - see route.h. */
#include "common/route.h"
