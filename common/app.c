/* app.c - see app.h. */
#include "common/app.h"
