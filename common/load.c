/* load.c - see load.h. */
#include "common/load.h"
