/*
 * service.h - what the files of the service share.
 *
 *   indexes.c view.c     the indexes that there are, and their segments
 *   append.c             documents to the log: append.lua decides
 *   write.c bulk.c read.c  _doc and its relatives, _bulk, reading by id
 *   manage.c cat.c       indexes made, described, deleted; what there is
 *   ask.c ask_many.c     _search and _count, by face.h; _msearch, _analyze
 *   indexer.c            the process that makes segments of the log
 *   answer.c             Elasticsearch's words
 */
#pragma once

#include "common/app.h"
#include "common/request.h"

#define SERVICE_PREFIX "se"
#define SERVICE_INDEXES SPAN("se:indexes")
/* Word of what is another now, for workers; of what is to be done soon, for the
   indexer. */
#define SERVICE_NEWS SPAN("se:news")
#define SERVICE_WORK SPAN("se:work")

struct service_config {
    int64_t refresh_ms, ram, log_bytes, log_docs, pool_docs;
};

struct service {
    struct app *app;
    struct redis *redis;
    const struct service_config *config;
    struct indexes *indexes;
    uint64_t *written, *refused, *searches; /* metric cells */
};

/* life.c, for main.c's table. */
void *service_open(struct app *app);
void service_on_epoch(void *state, bool live);
void service_close(void *state);
extern const struct app_helper service_indexer; /* indexer.c */

/* Send word; whether it arrives is not told. */
void service_tell(struct service *service, struct span channel,
                  struct span text);
void service_told(void *arg, int status, const struct redisReply *reply);

static inline struct span service_text(const struct redisReply *reply)
{
    return (struct span){reply->str, reply->len};
}

/* Handlers; arg is the struct service. */
void write_document(struct request *req, void *arg);  /* PUT, POST _doc */
void create_document(struct request *req, void *arg); /* _create */
void delete_document(struct request *req, void *arg);
void update_document(struct request *req, void *arg);
void read_document(struct request *req, void *arg);
void read_source(struct request *req, void *arg);
void read_documents(struct request *req, void *arg); /* _mget */
void write_bulk(struct request *req, void *arg);
void make_index(struct request *req, void *arg);
void drop_index(struct request *req, void *arg);
void read_index(struct request *req, void *arg);
void read_mapping(struct request *req, void *arg);
void read_settings(struct request *req, void *arg);
void change_mapping(struct request *req, void *arg);
void refresh_index(struct request *req, void *arg); /* _flush, too */
void cat_indices(struct request *req, void *arg);
void cat_health(struct request *req, void *arg);
void cat_count(struct request *req, void *arg);
void cluster_health(struct request *req, void *arg);
void read_segments(struct request *req, void *arg);
void search_index(struct request *req, void *arg);
void count_index(struct request *req, void *arg);
void multi_search(struct request *req, void *arg);
void analyze_text(struct request *req, void *arg);
void front(struct request *req, void *arg);
void no_such_route(struct request *req, void *arg);
