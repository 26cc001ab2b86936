/* auth.c - see auth.h. */
#include "common/auth.h"
