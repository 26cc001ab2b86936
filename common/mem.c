/* mem.c - see mem.h. */
#include "common/mem.h"
