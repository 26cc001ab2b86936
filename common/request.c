/* request.c - see request.h. */
#include "common/request.h"
