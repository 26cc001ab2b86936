/* arena.c - see arena.h. */
#include "common/arena.h"
