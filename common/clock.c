/* clock.c - see clock.h. */
#include "common/clock.h"
