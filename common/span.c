/* span.c - see span.h. */
#include "common/span.h"
