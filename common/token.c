/* token.c - see token.h. */
#include "common/token.h"
