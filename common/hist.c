/* hist.c - see hist.h. */
#include "common/hist.h"
