/* hash.c - see hash.h. */
#include "common/hash.h"
