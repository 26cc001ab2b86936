/*
 * agent.h - is this a person's click, or a machine that looks at the link?
 *
 * Machines are those that say so: prefetch, prerender and preview headers;
 * agents that name themselves bot, crawler, spider, preview, monitor and the
 * like, or are known to preview or crawl; agents that give a page about
 * themselves ("+http…").  Without a User-Agent nobody is there.
 *
 * Command line clients and HTTP libraries (curl, wget, python-requests) do
 * what a person told them: they count as people unless they say more.  So do
 * the browsers inside apps that also have a previewer (Snapchat, Pinterest).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

/* Header values; ptr NULL when absent. */
struct agent {
    struct span user_agent, sec_purpose, purpose, x_moz, x_purpose;
};

/* The headers alone. */
bool agent_is_prefetch(const struct agent *agent);

/* On the path of every redirect: 0.14 µs for a browser's User-Agent. */
bool agent_is_bot(const struct agent *agent);

/*
 * What was found out about agents, kept by their bytes: traffic has few that
 * are different, and comparing one costs a tenth of looking through it.
 */
#define AGENT_KNOWN 256
#define AGENT_KNOWN_MAX 256 /* bytes of an agent that is kept */

struct agents;

struct agents *agents_create(void);
void agents_destroy(struct agents *agents);

/* agent_is_bot(), and a hash of the User-Agent for clicks_visitor(). */
bool agents_look(struct agents *agents, const struct agent *agent,
                 uint64_t *hash);
