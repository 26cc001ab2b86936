"""clients.py - what Elasticsearch's clients call, and what they get, member by member.

The same steps by Debian's python3-elasticsearch and by npm's
@opensearch-project/opensearch (found by NODE_PATH); each is skipped, by name,
where it is absent.
"""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import DEADLINE, TOP, Service, Skip, redis, run, same  # noqa: E402

DEBIAN = "/usr/bin/python3"

try:
    import elasticsearch
    import elasticsearch.helpers
except ImportError:  # Meson may run another Python than the one Debian equips
    if os.path.exists(DEBIAN) and not os.environ.get("LAB_PYTHON_TRIED"):
        os.environ["LAB_PYTHON_TRIED"] = "1"
        os.execv(DEBIAN, [DEBIAN, *sys.argv])
    elasticsearch = None

SHARDS = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
MAPPING = {"properties": {
    "title": {"type": "text", "analyzer": "english"}, "text": {"type": "text"}, "tags": {"type": "keyword"},
    "year": {"type": "long"}, "price": {"type": "double"}, "lent": {"type": "boolean"},
    "published": {"type": "date"}}}
BOOKS = [
    {"title": "The Old Man and the Sea", "text": "He was an old man who fished alone in a skiff.",
     "tags": ["sea", "fish"], "year": 1952, "price": 7.5, "lent": False, "published": "1952-09-01"},
    {"title": "Moby Dick", "text": "Call me Ishmael. I thought I would sail about a little.",
     "tags": ["sea", "whale"], "year": 1851, "price": 12.0, "lent": True, "published": "1851-10-18"},
    {"title": "Walden", "text": "When I wrote the following pages I lived alone, in the woods.",
     "tags": ["pond"], "year": 1854, "price": 5.25, "lent": False, "published": "1854-08-09"},
    {"title": "The Sea-Wolf", "text": "I scarcely know where to begin.",
     "tags": ["sea", "wolf"], "year": 1904, "price": 9.0, "lent": False, "published": "1904-10-25"},
]


FORCED = {"forced_refresh": True}


class Fails:
    """A step that is refused."""

    def __init__(self, status, kind, **more):
        self.status = status
        self.expected = {"error": {"root_cause": list, "type": kind, "reason": str, **more}, "status": status}


def written(number, result, seq_no, version=1, index="books"):
    """What a write of a document answers."""
    return {"_index": index, "_type": "_doc", "_id": str(number), "_version": version, "result": result,
            "_shards": dict, "_seq_no": seq_no, "_primary_term": 1}


def hit(number, *, score=float, source=None, **more):
    """One of those found; score None: it was sorted by something else."""
    return {"_index": "books", "_type": "_doc", "_id": str(number), "_score": score,
            "_source": BOOKS[number] if source is None else source, **more}


def bare(number, *, score=float, **more):
    found = hit(number, score=score, **more)
    del found["_source"]
    return found


def found(*hits, total=None, best=float, **more):
    total = len(hits) if total is None else total
    return {"took": int, "timed_out": False, "_shards": SHARDS, **more, "hits": {
        "total": {"value": total, "relation": "eq"}, "max_score": best if hits else None, "hits": list(hits)}}


def ask(query, **more):
    return "search", {"index": "books", "body": {"query": query, "_source": False, **more}}


def pages():
    """Documents: made, changed, read, left out."""
    return [
        ("indices.exists", {"index": "books"}, False),
        ("indices.create", {"index": "books", "body": {"mappings": MAPPING}},
         {"acknowledged": True, "shards_acknowledged": True, "index": "books"}),
        ("indices.create", {"index": "books"}, Fails(400, "resource_already_exists_exception",
                                                     index="books", index_uuid=str)),
        ("indices.exists", {"index": "books"}, True),
        ("indices.get_mapping", {"index": "books"}, {"books": {"mappings": MAPPING}}),
        ("index", {"index": "books", "id": "0", "body": BOOKS[0]}, written(0, "created", 0)),
        ("index", {"index": "books", "id": "0", "body": BOOKS[0]}, written(0, "updated", 1, 2)),
        ("create", {"index": "books", "id": "0", "body": BOOKS[0]},
         Fails(409, "version_conflict_engine_exception", index="books", index_uuid=str)),
        ("create", {"index": "books", "id": "1", "body": BOOKS[1]}, written(1, "created", 2)),
        ("get", {"index": "books", "id": "1"},
         {"_index": "books", "_type": "_doc", "_id": "1", "_version": 1, "_seq_no": 2, "_primary_term": 1,
          "found": True, "_source": BOOKS[1]}),
        ("exists", {"index": "books", "id": "1"}, True),
        ("exists", {"index": "books", "id": "9"}, False),
        ("delete", {"index": "books", "id": "1"}, written(1, "deleted", 3, 2)),
        ("exists", {"index": "books", "id": "1"}, False),
        ("bulk", {"refresh": True, "body": [
            {"index": {"_index": "books", "_id": "1"}}, BOOKS[1],
            {"create": {"_index": "books", "_id": "2"}}, BOOKS[2],
            {"create": {"_index": "books", "_id": "0"}}, BOOKS[0], {"index": {"_index": "books", "_id": "3"}}, BOOKS[3],
            {"delete": {"_index": "books", "_id": "9"}}]},
         {"took": int, "errors": True, "items": [
             {"index": {**written(1, "created", 4, 3), **FORCED, "status": 201}},
             {"create": {**written(2, "created", 5), **FORCED, "status": 201}},
             {"create": {"_index": "books", "_type": "_doc", "_id": "0", "status": 409,
                         "error": {"type": "version_conflict_engine_exception", "reason": str}}},
             {"index": {**written(3, "created", 6), **FORCED, "status": 201}},
             {"delete": {**written(9, "not_found", 7), **FORCED, "status": 404}}]}),
        ("indices.refresh", {"index": "books"}, {"_shards": dict}),
        ("count", {"index": "books"}, {"count": 4, "_shards": SHARDS}),
        ("count", {"index": "books", "body": {"query": {"term": {"tags": "sea"}}}}, {"count": 3, "_shards": SHARDS}),
        ("cat.indices", {"index": "books", "format": "json"},
         [{"health": "green", "status": "open", "index": "books", "uuid": str, "pri": "1", "rep": "0",
           "docs.count": "4", "docs.deleted": str, "store.size": str, "pri.store.size": str}]),
        ("cluster.health", {},
         {"cluster_name": str, "status": "green", "timed_out": False, "number_of_nodes": 1, "number_of_data_nodes": 1,
          "active_primary_shards": 1, "active_shards": 1, "relocating_shards": 0, "initializing_shards": 0,
          "unassigned_shards": 0, "delayed_unassigned_shards": 0, "number_of_pending_tasks": 0,
          "number_of_in_flight_fetch": 0, "task_max_waiting_in_queue_millis": 0,
          "active_shards_percent_as_number": 100.0}),
    ]


def questions():
    """A search of each kind."""
    sea = [bare(0), bare(1), bare(3)]
    return [
        ("search", {"index": "books", "q": "walden"}, found(hit(2))),
        ("search", {"index": "books", "q": "alone -title:sea", "df": "text", "_source_includes": "year"},
         found(hit(2, source={"year": 1854}))),
        (*ask({"match_all": {}}, size=2), found(bare(0, score=1.0), bare(1, score=1.0), total=4, best=1.0)),
        (*ask({"match": {"title": "seas"}}), found(bare(3), bare(0))),
        (*ask({"match": {"text": {"query": "old woods", "operator": "and"}}}), found()),
        (*ask({"match": {"title": {"query": "waldn", "fuzziness": "AUTO"}}}), found(bare(2))),
        (*ask({"match_phrase": {"text": "lived alone"}}), found(bare(2))),
        (*ask({"multi_match": {"query": "sea alone", "fields": ["title^3", "text"]}}),
         found(bare(3), bare(0), bare(2))),
        (*ask({"bool": {"must": {"term": {"tags": "sea"}}, "must_not": {"term": {"lent": True}},
                        "filter": {"range": {"year": {"gte": 1900, "lt": 1950}}},
                        "should": [{"match": {"title": "wolf"}}]}}), found(bare(3))),
        (*ask({"term": {"year": 1851}}), found(bare(1, score=1.0), best=1.0)),
        (*ask({"terms": {"tags": ["pond", "whale"]}}, sort=["year"]),
         found(bare(1, score=None, sort=[1851]), bare(2, score=None, sort=[1854]), best=None)),
        (*ask({"prefix": {"tags": "wh"}}), found(bare(1, score=1.0), best=1.0)),
        (*ask({"wildcard": {"tags": {"value": "w*l*"}}}), found(bare(1, score=1.0), bare(3, score=1.0), best=1.0)),
        (*ask({"fuzzy": {"tags": {"value": "whele"}}}), found(bare(1))),
        (*ask({"range": {"published": {"gte": "1852-01-01", "lte": "1904-10-25"}}}),
         found(bare(2, score=1.0), bare(3, score=1.0), best=1.0)),
        (*ask({"exists": {"field": "price"}}, size=0), {**found(total=4)}),
        (*ask({"ids": {"values": ["3", "9"]}}), found(bare(3, score=1.0), best=1.0)),
        (*ask({"constant_score": {"filter": {"term": {"lent": True}}, "boost": 2}}),
         found(bare(1, score=2.0), best=2.0)),
        (*ask({"term": {"tags": "sea"}}, sort=[{"price": {"order": "desc"}}, "_score"], size=2),
         found(bare(1, sort=[12.0, float]), bare(3, sort=[9.0, float]), total=3)),
        (*ask({"term": {"tags": "sea"}}, sort=[{"price": "desc"}], search_after=[9.0]),
         found(bare(0, score=None, sort=[7.5]), total=3, best=None)),
        (*ask({"match": {"text": "alone woods"}}, highlight={"fields": {"text": {"number_of_fragments": 1}}}),
         found(bare(2, highlight={"text": ["When I wrote the following pages I lived <em>alone</em>, in the "
                                           "<em>woods</em>."]}),
               bare(0, highlight={"text": ["He was an old man who fished <em>alone</em> in a skiff."]}))),
        (*ask({"match_all": {}}, size=0, aggs={"tags": {"terms": {"field": "tags", "size": 2}},
                                               "price": {"avg": {"field": "price"}}}),
         found(total=4, aggregations={
             "tags": {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 3, "buckets": [
                 {"key": "sea", "doc_count": 3}, {"key": "fish", "doc_count": 1}]},
             "price": {"value": 8.4375}})),
        (*ask({"term": {"tags": "sea"}}, track_total_hits=2, size=0),
         {"took": int, "timed_out": False, "_shards": SHARDS, "hits": {
             "total": {"value": 2, "relation": "gte"}, "max_score": None, "hits": []}}),
        (*ask({"term": {"tags": "sea"}}, track_total_hits=False),
         {"took": int, "timed_out": False, "_shards": SHARDS, "hits": {"max_score": float, "hits": sea}}),
        (*ask({"ids": {"values": ["0"]}}, fields=["tags", "ye*"]),
         found(bare(0, score=1.0, fields={"tags": ["sea", "fish"], "year": [1952]}), best=1.0)),
        (*ask({"term": {"tags": "sea"}}, min_score=100), found()),
        (*ask({"ids": {"values": ["0"]}}, explain=True),
         found(bare(0, score=1.0, _explanation={"value": 1.0, "description": str, "details": list}), best=1.0)),
    ]


def refusals():
    """Mistakes, and the end of it all."""
    return [
        (*ask({"foo": {}}), Fails(400, "parsing_exception")),
        (*ask({"match_all": {}}, foo=1), Fails(400, "parsing_exception")),
        (*ask({"match_all": {}}, size=10001), Fails(400, "illegal_argument_exception")),
        (*ask({"term": {"year": "soon"}}), Fails(400, "search_phase_execution_exception", phase="query", grouped=True,
                                                failed_shards=list)),
        ("index", {"index": "books", "id": "7", "body": {"year": "soon"}},
         Fails(400, "mapper_parsing_exception")),
        ("search", {"index": "nothing"}, Fails(404, "index_not_found_exception", index="nothing", index_uuid="_na_")),
        ("get", {"index": "books", "id": "7"}, Fails(404, None)),
        ("indices.delete", {"index": "books"}, {"acknowledged": True}),
        ("indices.exists", {"index": "books"}, False),
        ("cat.indices", {"format": "json"}, []),
    ]


def fits(expected, answer, where):
    """A type stands for any value of it; a float for a number that may be whole."""
    if isinstance(expected, type):
        assert isinstance(answer, (int, float) if expected is float else expected), (where, answer)
    elif isinstance(expected, dict):
        assert isinstance(answer, dict), (where, answer)
        same(sorted(answer), sorted(expected), where)
        for key, value in expected.items():
            fits(value, answer[key], where + "." + key)
    elif isinstance(expected, list):
        same(len(answer), len(expected), (where, answer))
        for i, value in enumerate(expected):
            fits(value, answer[i], "%s[%d]" % (where, i))
    else:
        same(answer, expected, where)


def check(step, status, answer):
    name, params, expected = step
    where = "%s %s" % (name, json.dumps(params))
    if not isinstance(expected, Fails):
        same(status, 200, (where, answer))
        fits(expected, answer, where)
        return
    same(status, expected.status, (where, answer))
    if name != "get":  # of a document that is not there it tells so
        fits(expected.expected, answer, where)


def start(redis_server):
    return Service("search", "--open", "--data-dir", redis_server.dir + "/search", redis=redis_server)


def in_python(client, name, params):
    call = client
    for part in name.split("."):
        call = getattr(call, part)
    try:
        return 200, call(**params)
    except elasticsearch.TransportError as error:
        return error.status_code, error.info


def test_python_elasticsearch_gets_what_it_expects(redis):
    if elasticsearch is None:
        raise Skip("python3-elasticsearch is not installed")
    server = start(redis)
    client = elasticsearch.Elasticsearch("http://127.0.0.1:%d" % server.port, max_retries=0, timeout=DEADLINE)
    assert client.ping()
    same(client.info()["version"]["number"], "7.17.0")
    for step in pages() + questions() + refusals():
        check(step, *in_python(client, step[0], step[1]))
    client.close()
    server.close()


def test_python_elasticsearch_helps_with_many(redis):
    if elasticsearch is None:
        raise Skip("python3-elasticsearch is not installed")
    server = start(redis)
    client = elasticsearch.Elasticsearch("http://127.0.0.1:%d" % server.port, max_retries=0, timeout=DEADLINE)
    lines = ({"_index": "many", "_id": i, "n": i, "word": "w%d" % (i % 7)} for i in range(3000))
    same(elasticsearch.helpers.bulk(client, lines, refresh=True), (3000, []))
    same(client.count(index="many", q="word:w3")["count"], 429)
    client.close()
    server.close()


def test_npm_opensearch_gets_what_it_expects(redis):
    if not shutil.which("node"):
        raise Skip("node is not installed")
    server = start(redis)
    steps = pages() + questions() + refusals()
    done = subprocess.run(
        ["node", os.path.join(TOP, "tests", "search", "clients.mjs")], capture_output=True, text=True, check=False,
        timeout=2 * DEADLINE, input=json.dumps({"node": "http://127.0.0.1:%d" % server.port,
                                                "steps": [step[:2] for step in steps]}))
    if done.returncode == 77:
        server.close()
        raise Skip("npm's @opensearch-project/opensearch is not in NODE_PATH")
    same((done.returncode, done.stderr), (0, ""))
    for step, answer in zip(steps, json.loads(done.stdout), strict=True):
        check(step, answer.get("status", 200), answer.get("answer", answer.get("error")))
    server.close()


if __name__ == "__main__":
    run(sys.modules[__name__], redis=redis)
