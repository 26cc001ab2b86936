/* server.c - see server.h. */
#include "common/server.h"
