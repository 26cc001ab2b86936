/* config.c - see config.h. */
#include "common/config.h"
