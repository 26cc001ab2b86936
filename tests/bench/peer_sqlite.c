/*
 * peer_sqlite.c - SQLite's FTS5 as a peer of search-query --sbg.
 *
 *   peer-sqlite FILE build <docs.jsonl    documents with positions, no text
 *   peer-sqlite FILE                      the game's commands
 *
 * FTS5 has no bounds of scores: TOP_1000 and TOP_100 take as long as TOP_10,
 * and are left out.  A word that may be there or not (+a b) it cannot rank.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer_query.h"

#define TEXT_KEY "\"text\":\""
#define MATCH_MAX 8192

static sqlite3 *db;

static void must(int status)
{
    if (status == SQLITE_OK || status == SQLITE_DONE)
        return;
    fprintf(stderr, "peer-sqlite: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *statement = NULL;

    must(sqlite3_prepare_v2(db, sql, -1, &statement, NULL));
    return statement;
}

static void build(void)
{
    char *line = NULL;
    size_t cap = 0;

    must(sqlite3_exec(db,
                      "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                      "CREATE VIRTUAL TABLE docs USING fts5(text, content = '',"
                      " tokenize = 'ascii'); BEGIN",
                      NULL, NULL, NULL));
    sqlite3_stmt *insert = prepare("INSERT INTO docs(text) VALUES (?)");
    while (getline(&line, &cap, stdin) > 0) {
        char *text = strstr(line, TEXT_KEY);
        if (!text)
            continue;
        text += strlen(TEXT_KEY);
        must(sqlite3_bind_text(insert, 1, text, (int)strcspn(text, "\""),
                               SQLITE_TRANSIENT));
        must(sqlite3_step(insert));
        must(sqlite3_reset(insert));
    }
    must(sqlite3_finalize(insert));
    must(sqlite3_exec(db, "COMMIT; INSERT INTO docs(docs) VALUES('optimize')",
                      NULL, NULL, NULL));
    free(line);
}

/* ---- queries */

static void put_part(char *match, const struct peer_part *part)
{
    strcat(match, "\"");
    for (size_t i = 0; i < part->count; i++) {
        strcat(match, i ? " " : "");
        strcat(match, part->words[i]);
    }
    strcat(match, "\"");
}

static void put_parts(char *match, const struct peer_query *query, char sign,
                      const char *between)
{
    bool first = true;

    strcat(match, "(");
    for (size_t i = 0; i < query->count; i++) {
        if (query->parts[i].sign != sign)
            continue;
        strcat(match, first ? "" : between);
        put_part(match, &query->parts[i]);
        first = false;
    }
    strcat(match, ")");
}

/* False: FTS5 has no such query. */
static bool translate(char *text, bool ranked, char match[MATCH_MAX])
{
    struct peer_query query;
    size_t room = strlen(text) * 8 + PEER_PARTS * 16;

    match[0] = '\0';
    if (room > MATCH_MAX || !peer_read(text, &query))
        return false;
    if (peer_count(&query, ' ') == query.count) {
        put_parts(match, &query, ' ', " OR ");
        return true;
    }
    if (peer_count(&query, '+') == 0 || (ranked && peer_count(&query, ' ')))
        return false;
    put_parts(match, &query, '+', " AND ");
    if (peer_count(&query, '-')) {
        strcat(match, " NOT ");
        put_parts(match, &query, '-', " OR ");
    }
    return true;
}

/* The last row's number. */
static long long run(sqlite3_stmt *statement, const char *match)
{
    long long number = 0;
    int status;

    must(sqlite3_bind_text(statement, 1, match, -1, SQLITE_STATIC));
    while ((status = sqlite3_step(statement)) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    must(status);
    must(sqlite3_reset(statement));
    return number;
}

static void serve(void)
{
    char *line = NULL;
    size_t cap = 0;
    char match[MATCH_MAX];
    sqlite3_stmt *count =
        prepare("SELECT count(*) FROM docs WHERE docs MATCH ?");
    sqlite3_stmt *best[] = {
        prepare("SELECT rowid FROM docs WHERE docs MATCH ? ORDER BY rank "
                "LIMIT 10"),
        prepare("SELECT rowid FROM docs WHERE docs MATCH ? ORDER BY rank "
                "LIMIT 100"),
    };

    while (getline(&line, &cap, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *query = strchr(line, '\t');
        if (query)
            *query++ = '\0';
        bool top = strcmp(line, "TOP_10") == 0;
        bool both = strcmp(line, "TOP_100_COUNT") == 0;
        if (!query || (!top && !both && strcmp(line, "COUNT") != 0) ||
            !translate(query, top || both, match)) {
            puts("UNSUPPORTED");
        } else {
            if (top || both)
                run(best[both], match);
            printf("%lld\n", top ? 1 : run(count, match));
        }
        fflush(stdout);
    }
    must(sqlite3_finalize(count));
    must(sqlite3_finalize(best[0]));
    must(sqlite3_finalize(best[1]));
    free(line);
}

int main(int argc, char **argv)
{
    if (argc < 2 || sqlite3_open(argv[1], &db) != SQLITE_OK) {
        fprintf(stderr, "peer-sqlite FILE [build]\n");
        return 2;
    }
    must(sqlite3_exec(db,
                      "PRAGMA cache_size = -4000000; PRAGMA mmap_size = "
                      "8000000000",
                      NULL, NULL, NULL));
    if (argc > 2)
        build();
    else
        serve();
    must(sqlite3_close(db));
    return 0;
}
