/*
 * shard.h - the files of an index as the indexer writes them: entries of the
 * log become a segment in memory, and that a file and a manifest.
 *
 *   shard_apply() … -- shard_commit() --> a manifest with the position of the
 *   last entry; a crash before that leaves the last one, and its position
 */
#pragma once

#include "common/app.h"
#include "search/index/builder.h"
#include "search/index/merger.h"
#include "search/index/replace.h"

struct shard {
    struct list node;
    const struct app *app;
    struct arena arena;
    char *uuid, *dir;
    int lock;                 /* of the directory */
    struct span keys[3];      /* shard, log, recent; the indexer's */
    struct manifest manifest; /* its one writer's */
    struct opened opened;     /* as the manifest was saved */
    struct schema fields;     /* those of the manifest's that a document knew */
    struct builder *builder;  /* or NULL */
    char file[MANIFEST_FILE_MAX];
    struct ids_writer touched; /* of each entry since the last commit */
    struct buf deleted;        /* a byte each: it was a deletion */
    uint64_t applied;          /* position of the last entry */
    struct merger *merger;     /* that runs, or NULL */
    bool trimmed;              /* the log has nothing that the manifest has */
    bool listed;
    bool lost;    /* files are older than the log */
    bool failed;  /* to be opened anew once its merge has ended */
    bool damaged; /* it is not merged any more, as it would fail again */
};

struct shard_entry {
    uint64_t position;
    struct span id, source; /* source.ptr NULL: it is deleted */
    uint64_t version, fields;
};

/* dir: of all; the shard's is made.  NULL: why. */
struct shard *shard_open(const struct app *app, struct span uuid, char *why,
                         size_t why_size);
/* What was not committed is not there.  No merger runs. */
void shard_close(struct shard *shard);
/* All files, after shard_close() or without a shard. */
void shard_remove(const struct app *app, struct span uuid);

uint64_t shard_position(const struct shard *shard);
/* The mapping, as index_put_mapping() wrote it. */
bool shard_take_mapping(struct shard *shard, struct span json);
/* False: a segment cannot be begun: errno. */
bool shard_apply(struct shard *shard, const struct shard_entry *entry);
size_t shard_size(const struct shard *shard);
/* 0, or errno or UV_EIO: shard_close() it and begin from the last manifest. */
int shard_commit(struct shard *shard);

/* Begin a merge if one is worth it: true: shard->merger is to be run. */
bool shard_begin_merge(struct shard *shard);
/* After merger_run() said this; closes it.  As shard_commit(); what failed in
   the run is logged, and all is as it was. */
int shard_end_merge(struct shard *shard, int err);
