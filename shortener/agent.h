/*
 * agent.h - is this a person's click, or a machine that looks at the link?
 *
 * Machines are those that say so: prefetch and preview headers, and agents of
 * crawlers, previewers and monitors by their names.  Command line clients
 * (curl, wget) act for a person.  Without a User-Agent nobody is there.
 */
#pragma once

#include <stdbool.h>

#include "common/span.h"

/* Header values; ptr NULL when absent. */
struct agent {
    struct span user_agent, sec_purpose, purpose, x_moz;
};

bool agent_is_bot(const struct agent *agent);
