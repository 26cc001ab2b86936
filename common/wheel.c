/* wheel.c - see wheel.h. */
#include "common/wheel.h"
