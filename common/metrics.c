/* metrics.c - see metrics.h. */
#include "common/metrics.h"
