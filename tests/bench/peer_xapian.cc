/*
 * peer_xapian.cc - Xapian as a peer of search-query --sbg (C++, as Xapian is).
 *
 *   peer-xapian DIR build <docs.jsonl    documents with positions, no text
 *   peer-xapian DIR                      the game's commands
 */
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>
#include <xapian.h>

#include "peer_query.h"

static const std::string TEXT_KEY = "\"text\":\"";

static void build(const std::string &dir)
{
    std::string line;
    Xapian::WritableDatabase db(dir + ".unpacked",
                                Xapian::DB_CREATE_OR_OVERWRITE);
    Xapian::TermGenerator generator;

    while (std::getline(std::cin, line)) {
        size_t from = line.find(TEXT_KEY);
        if (from == std::string::npos)
            continue;
        from += TEXT_KEY.size();
        Xapian::Document document;
        generator.set_document(document);
        generator.index_text(line.substr(from, line.find('"', from) - from));
        db.add_document(document);
    }
    db.commit();
    db.compact(dir);
}

/* ---- queries */

static Xapian::Query query_of(const struct peer_part &part)
{
    std::vector<std::string> words(part.words, part.words + part.count);

    if (words.size() == 1)
        return Xapian::Query(words[0]);
    return Xapian::Query(Xapian::Query::OP_PHRASE, words.begin(), words.end(),
                         static_cast<Xapian::termcount>(words.size()));
}

static Xapian::Query query_of(const struct peer_query &query, char sign,
                              Xapian::Query::op how)
{
    std::vector<Xapian::Query> parts;

    for (size_t i = 0; i < query.count; i++)
        if (query.parts[i].sign == sign)
            parts.push_back(query_of(query.parts[i]));
    return Xapian::Query(how, parts.begin(), parts.end());
}

static bool translate(char *text, Xapian::Query &found)
{
    struct peer_query query;

    if (!peer_read(text, &query))
        return false;
    Xapian::Query any = query_of(query, ' ', Xapian::Query::OP_OR);
    if (peer_count(&query, ' ') == query.count) {
        found = any;
        return true;
    }
    if (peer_count(&query, '+') == 0)
        return false;
    found = query_of(query, '+', Xapian::Query::OP_AND);
    if (peer_count(&query, ' '))
        found = Xapian::Query(Xapian::Query::OP_AND_MAYBE, found, any);
    if (peer_count(&query, '-'))
        found = Xapian::Query(Xapian::Query::OP_AND_NOT, found,
                              query_of(query, '-', Xapian::Query::OP_OR));
    return true;
}

static bool read_command(const std::string &name, Xapian::doccount &most,
                         bool &count)
{
    count = name.size() >= 5 && name.compare(name.size() - 5, 5, "COUNT") == 0;
    most = 0;
    if (name.compare(0, 4, "TOP_") == 0)
        most = static_cast<Xapian::doccount>(std::atoi(name.c_str() + 4));
    return name == "COUNT" || name == "TOP_" + std::to_string(most) ||
           name == "TOP_" + std::to_string(most) + "_COUNT";
}

static void serve(const std::string &dir)
{
    Xapian::Database db(dir);
    Xapian::Enquire ranked(db);
    Xapian::Enquire counted(db);
    Xapian::doccount all = db.get_doccount();
    std::string line;

    ranked.set_weighting_scheme(Xapian::BM25Weight(1.2, 0, 1, 0.75, 0));
    counted.set_weighting_scheme(Xapian::BoolWeight());
    while (std::getline(std::cin, line)) {
        Xapian::Query query;
        Xapian::doccount most;
        bool count;
        size_t tab = line.find('\t');
        if (tab == std::string::npos ||
            !read_command(line.substr(0, tab), most, count) ||
            !translate(&line[tab + 1], query)) {
            puts("UNSUPPORTED");
        } else {
            Xapian::Enquire &enquire = most ? ranked : counted;
            enquire.set_query(query);
            Xapian::MSet found = enquire.get_mset(0, most, count ? all : 0);
            printf("%u\n", count ? found.get_matches_estimated() : 1);
        }
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "peer-xapian DIR [build]\n");
        return 2;
    }
    try {
        if (argc > 2)
            build(argv[1]);
        else
            serve(argv[1]);
    } catch (const Xapian::Error &error) {
        std::cerr << "peer-xapian: " << error.get_description() << "\n";
        return 1;
    }
    return 0;
}
