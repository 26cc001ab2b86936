/*
 * rights.h - which updates a caller may publish, and which read.
 *
 * Made once of who the caller is; it outlives the request, as a subscriber
 * keeps it.  A topic is the caller's by a scope of its token or by a selector
 * of its mercure claim:
 *
 *                       publishes           reads
 *   notify:…, admin     all                 all
 *   notify:…:PATTERN    all topics its own  one topic its own
 *   a mercure claim     all topics its own  all public; private: one its own
 *   none of these       nothing             nothing
 *
 * Who has several may do what each of them allows.  An open service's caller
 * without a token has both bare scopes.
 */
#pragma once

#include "common/auth.h"
#include "notifier/selector.h"

#define RIGHTS_MAX_SELECTORS 128 /* of a claim, but for "*" */
#define RIGHTS_MAX_STATES 1024   /* of all their automata */

struct rights; /* immutable, shared */

/*
 * NULL and one reference in *out, the caller's; or what is wrong with the
 * claim, a static text, and *out as it was.  Who is held to no topics gets one
 * of a few objects that take no memory.
 */
const char *rights_create(const struct auth_identity *identity,
                          struct rights **out);

struct rights *rights_ref(struct rights *rights);

/* The last one frees; NULL is fine. */
void rights_unref(struct rights *rights);

/* An update of these topics, be it public or private. */
bool rights_may_publish(const struct rights *rights, const struct span *topics,
                        size_t count);

/* At all: there may be something to read. */
bool rights_may_subscribe(const struct rights *rights);

bool rights_may_read(const struct rights *rights, const struct span *topics,
                     size_t count, bool is_private);

/*
 * What the claim says of its holder to other subscribers, JSON; ptr NULL when
 * it says nothing.  Lives as long as the rights.
 */
struct span rights_payload(const struct rights *rights);
