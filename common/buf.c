/* buf.c - see buf.h. */
#include "common/buf.h"
