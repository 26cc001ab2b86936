/*
 * check_scan.h - the plain checks that nearly every caller sends, without a
 * tree.
 *
 * Building a document costs more than deciding a check by a lease.  This reads
 * a body of the right members with strings of printable ASCII without escapes,
 * and leaves every other one, wrong ones too, to check_read(): what both take
 * they take for the same (tests/fuzz/fuzz_check.c).
 */
#pragma once

#include "ratelimit/decide.h"

/* As check_read() of a document would; false: nothing was read, ask that. */
bool check_scan(struct decision *decision, struct span body);
