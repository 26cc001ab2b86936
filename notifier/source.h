/*
 * source.h - the outbox: streams of others in Redis whose entries are
 * published, each once and in order.
 *
 *   source_read.lua: the lease, what is pending, else what is new -- publish
 *   each, behind the one before it -- XACK -- the next ones
 *
 * One worker at a time reads a source, as long as it renews its lease; all use
 * one consumer of one group, so that what one left pending is what the next one
 * reads first.  With an entry its place in the source is kept, beside the logs
 * of its partition (publish.lua), and from there on only what is behind it is
 * published.  So a lease that two believe in, or an acknowledgement that comes
 * to nothing, costs work, and nothing else: the lease is there to save it.
 *
 * An entry is {data, type?, private?, topic?}; without data, all of it as a
 * JSON object is.  topic counts where the source's topic is "*".  One that
 * cannot be published is counted, logged and acknowledged.
 */
#pragma once

#include "notifier/notifier.h"

#define SOURCES_MAX 16
struct sources;

/* NULL and reason: "STREAM=topic,…" is none.  Without app, only to see that. */
struct sources *sources_create(struct notifier *app, const char *option,
                               char *reason, size_t reason_size);
/* Begin to read; app is whole. */
void sources_start(struct sources *sources);
/* No further entries; then cb, when those that were read are done with, and the
   others may read. */
void sources_stop(struct sources *sources);
void sources_drain(struct sources *sources, void (*cb)(void *arg), void *arg);
/* The app's links are closed. */
void sources_destroy(struct sources *sources);
