"""
service_documents.py - indexes and documents: made, changed, read, deleted, found; what is refused, and how.
"""
import json
import os
import signal
import urllib.parse

from kit import (KEYS, Search, eventually, free_port, main, same, start, token, write_file)

MAPPING = {"mappings": {"properties": {"title": {"type": "text", "analyzer": "english"}, "year": {"type": "long"}}}}


def logged(store):
    """Documents that are not in segments."""
    return sum(store.cli("XLEN", key) for key in store.cli("KEYS", "se:log:*"))


def settled(store):
    eventually(lambda: logged(store) == 0, "an empty log")


# ---- indexes

def test_an_index_is_made_described_and_deleted(service):
    same(service.call("PUT", "/books", MAPPING), {"acknowledged": True, "shards_acknowledged": True, "index": "books"})
    service.call("HEAD", "/books")
    about = service.call("GET", "/books")["books"]
    same(about["mappings"], MAPPING["mappings"])
    same(about["settings"]["index"]["provided_name"], "books")
    same(service.call("GET", "/books/_mapping"), {"books": {"mappings": MAPPING["mappings"]}})
    service.refuse("PUT", "/books", 400, "resource_already_exists_exception")
    same(service.call("DELETE", "/books"), {"acknowledged": True})
    service.call("HEAD", "/books", status=404)
    same(service.refuse("GET", "/books", 404, "index_not_found_exception"), "no such index [books]")
    eventually(lambda: sorted(os.listdir(service.data)) == ["indexer", "lock"], "the files to be gone")


def test_an_index_of_the_same_name_is_another_one(service):
    service.put("a", 1, {"n": 1}, 201)
    service.call("DELETE", "/a")
    same(service.put("a", 1, {"n": 2}, 201)["_version"], 1)
    service.call("POST", "/a/_refresh")
    same([hit["_source"] for hit in service.find("a")["hits"]], [{"n": 2}])


def test_an_index_that_was_made_again_is_the_one_that_counts(redis, directory):
    """For workers, too, that have not heard of it."""
    server = start(redis, directory, workers="3")
    for n in range(15):
        name = "f%d" % n
        if n % 2:  # else by its first document
            server.call("PUT", "/a", {"mappings": {"properties": {name: {"type": "long"}}}})
        answer = server.bulk([{"create": {"_index": "a", "_id": str(i)}} if not odd else {name: n}
                              for i in range(3) for odd in (0, 1)])
        same([item["create"]["status"] for item in answer["items"]], [201] * 3, answer)
        same(server.call("GET", "/a/_source/1"), {name: n})
        same(server.call("POST", "/a/_update/1", {"doc": {name: -1}})["_version"], 2)
        same(list(server.call("GET", "/a/_mapping")["a"]["mappings"]["properties"]), [name])
        server.call("DELETE", "/a")
        server.call("HEAD", "/a", status=404)
        same([row["index"] for row in server.call("GET", "/_cat/indices?format=json")], [])
    server.close()


def test_names_and_settings_that_cannot_be_are_refused(service):
    for name, why in (("Books", "lowercase"), ("_x", "start with"), ("a%2Cb", "characters"),
                      ("healthz2%20", "characters"), ("v1", "path of the service"), ("metrics2%23", "characters"),
                      ("x" * 256, "255")):
        reason = service.refuse("PUT", "/" + name, 400, "invalid_index_name_exception")
        assert why in reason, reason
    for body, kind in (({"settings": {"number_of_shards": 2}}, "illegal_argument_exception"),
                       ({"settings": {"analysis": {}}}, "illegal_argument_exception"),
                       ({"settings": 5}, "illegal_argument_exception"),
                       ({"settings": ["x"]}, "illegal_argument_exception"),
                       ({"settings": {"index": 5}}, "illegal_argument_exception"), ({"aliases": 5}, "parse_exception"),
                       ({"mappings": 5}, "mapper_parsing_exception"),
                       ({"what": 1}, "parse_exception"), ({"mappings": {"_source": {}}}, "mapper_parsing_exception"),
                       ({"mappings": {"properties": {"a": {"type": "x"}}}}, "mapper_parsing_exception"),
                       ({"mappings": {"properties": {"_version": {"type": "long"}}}}, "mapper_parsing_exception")):
        service.refuse("PUT", "/a", 400, kind, body)
    service.call("HEAD", "/a", status=404)


def test_a_refresh_interval_is_kept_or_refused(service):
    """All are refreshed as often: who asks for no more than that has it."""
    for asked in ("9ms", "0s", 0, 30, "30", "1w", "1.5s", "s", "-2", "", "9" * 12 + "s"):
        for settings in ({"refresh_interval": asked}, {"index": {"refresh_interval": asked}}):
            reason = service.refuse("PUT", "/a", 400, "illegal_argument_exception", {"settings": settings})
            same(reason, "[refresh_interval] is a time, at least the service's, 50ms, or -1")
    for i, asked in enumerate(("1s", "1000ms", "30s", "1h", "2d", "-1", -1)):
        service.call("PUT", "/a%d" % i, {"settings": {"index.refresh_interval": asked}})
        same(service.call("GET", "/a%d/_settings" % i)["a%d" % i]["settings"]["index"]["refresh_interval"], str(asked))
        service.put("a%d" % i, 1, {"n": 1}, query="?refresh=wait_for")
        same(service.count("a%d" % i), 1)


def test_replicas_are_a_number(service):
    for asked in ("banana", -1, "-1", "", "1.5", 1.5, True, None, "9" * 40):
        reason = service.refuse("PUT", "/a", 400, "illegal_argument_exception",
                                {"settings": {"number_of_replicas": asked}})
        assert "[number_of_replicas]" in reason, reason
    for i, asked in enumerate((0, "0", 2)):
        service.call("PUT", "/a%d" % i, {"settings": {"index": {"number_of_replicas": asked}}})
        about = service.call("GET", "/a%d/_settings" % i)["a%d" % i]["settings"]["index"]
        same(about["number_of_replicas"], str(asked))


def test_a_mapping_grows_and_does_not_change(service):
    service.call("PUT", "/a", MAPPING)
    same(service.call("PUT", "/a/_mapping", {"properties": {"tag": {"type": "keyword"}}}), {"acknowledged": True})
    reason = service.refuse("PUT", "/a/_mapping", 400, "illegal_argument_exception",
                            {"properties": {"year": {"type": "text"}}})
    assert "year" in reason, reason
    service.put("a", 1, {"author": {"name": "Ann"}})
    same(sorted(service.call("GET", "/a/_mapping")["a"]["mappings"]["properties"]),
         ["author.name", "tag", "title", "year"])


def test_what_is_there_is_listed(service):
    for name in ("b", "a"):
        service.put(name, 1, {"n": 1}, query="?refresh=true")
    rows = service.call("GET", "/_cat/indices?format=json")
    same([(row["index"], row["docs.count"], row["health"]) for row in rows], [("a", "1", "green"), ("b", "1", "green")])
    same(service.get("/_cat/indices?h=index,docs.count").text, "a 1\nb 1\n")
    same(service.get("/_cat/indices/b?v&h=index").text, "index\nb\n")
    same(service.call("GET", "/_cat/count?format=json")[0]["count"], "2")
    health = service.call("GET", "/_cluster/health")
    same((health["status"], health["active_shards"]), ("green", 2))
    same(service.call("GET", "/", **{"Accept": "application/json"})["version"]["number"], "7.17.0")


# ---- documents

def test_a_document_is_current_whatever_is_indexed(service, redis):
    same(service.put("a", 1, {"n": 1}, 201), {
        "_index": "a", "_type": "_doc", "_id": "1", "_version": 1, "result": "created",
        "_shards": {"total": 1, "successful": 1, "failed": 0}, "_seq_no": 0, "_primary_term": 1})
    for n in range(2, 6):
        written = service.put("a", 1, {"n": n}, 200)
        same((written["_version"], written["result"], written["_seq_no"]), (n, "updated", n - 1))
        got = service.call("GET", "/a/_doc/1")
        same((got["_version"], got["_seq_no"], got["_source"], got["found"]), (n, n - 1, {"n": n}, True))
        if n % 2:
            settled(redis)
            same(service.call("GET", "/a/_doc/1"), got)
    same(service.call("GET", "/a/_source/1"), {"n": 5})
    same(service.call("GET", "/a/_doc/2", status=404), {"_index": "a", "_type": "_doc", "_id": "2", "found": False})


def test_a_deletion_is_remembered_until_it_is_indexed(service, redis):
    for indexed in (False, True):
        service.put("a", 1, {"n": 1})
        if indexed:
            settled(redis)
        gone = service.call("DELETE", "/a/_doc/1")
        same(gone["result"], "deleted")
        service.call("GET", "/a/_doc/1", status=404)
        service.call("HEAD", "/a/_source/1", status=404)
        same(service.call("DELETE", "/a/_doc/1", status=404)["result"], "not_found")
        settled(redis)
        service.call("GET", "/a/_doc/1", status=404)
        service.call("POST", "/a/_refresh")
        same(service.count("a"), 0)


def test_conflicts_are_of_what_there_is(service, redis):
    for indexed in (False, True):
        first = service.put("a", "x%d" % indexed, {"n": 1})
        if indexed:
            settled(redis)
        path = "/a/_doc/x%d" % indexed
        good = "?if_seq_no=%d&if_primary_term=1" % first["_seq_no"]
        bad = "?if_seq_no=%d&if_primary_term=1" % (first["_seq_no"] + 1)
        kind = "version_conflict_engine_exception"
        assert "already exists" in service.refuse("PUT", "/a/_create/x%d" % indexed, 409, kind, {"n": 2})
        service.refuse("PUT", path + "?op_type=create", 409, kind, {"n": 2})
        assert "required seqNo" in service.refuse("PUT", path + bad, 409, kind, {"n": 2})
        service.refuse("DELETE", path + bad, 409, kind)
        service.refuse("PUT", path + "?if_seq_no=%d&if_primary_term=2" % first["_seq_no"], 409, kind, {"n": 2})
        assert "no document" in service.refuse("PUT", "/a/_doc/none" + good, 409, kind, {"n": 2})
        same(service.call("GET", path)["_source"], {"n": 1})
        service.call("PUT", path + good, {"n": 2})
        service.refuse("PUT", path + good, 409, kind, {"n": 3})


def test_versions_from_outside(service):
    query = "?version_type=external&version="
    same(service.put("a", 1, {"n": 1}, 201, query + "7")["_version"], 7)
    service.refuse("PUT", "/a/_doc/1" + query + "7", 409, "version_conflict_engine_exception", {"n": 2})
    same(service.put("a", 1, {"n": 2}, 200, query + "9")["_version"], 9)
    same(service.put("a", 1, {"n": 3}, 200, "?version_type=external_gte&version=9")["_version"], 9)
    service.refuse("PUT", "/a/_doc/1?version=3", 400, "action_request_validation_exception", {"n": 4})
    service.refuse("PUT", "/a/_doc/1" + query + str(2**53 + 1), 400, "action_request_validation_exception", {"n": 4})
    service.refuse("POST", "/_bulk", 400, "illegal_argument_exception",
                   '{"index":{"_index":"a","_id":"1","version":12}}\n{}\n', **{"Content-Type": "application/x-ndjson"})
    same(service.bulk([{"index": {"_index": "a", "_id": "1", "version": 12, "version_type": "external"}},
                       {"n": 5}])["items"][0]["index"]["_version"], 12)


def test_an_update_merges_and_says_when_nothing_changed(service):
    service.put("a", 1, {"n": 1, "o": {"x": 1}})
    same(service.call("POST", "/a/_update/1", {"doc": {"o": {"y": 2}}})["result"], "updated")
    same(service.call("GET", "/a/_source/1"), {"n": 1, "o": {"x": 1, "y": 2}})
    again = service.call("POST", "/a/_update/1", {"doc": {"n": 1}})
    same((again["result"], again["_version"]), ("noop", 2))
    service.refuse("POST", "/a/_update/2", 404, "document_missing_exception", {"doc": {"n": 1}})
    same(service.call("POST", "/a/_update/2", {"doc": {"n": 1}, "doc_as_upsert": True}, 201)["result"], "created")
    service.refuse("POST", "/a/_update/1", 400, "x_content_parse_exception", {"script": "x"})
    service.refuse("POST", "/nope/_update/1", 404, "index_not_found_exception", {"doc": {"n": 1}})
    for query, status in (("?if_seq_no=1", 400), ("?if_seq_no=0&if_primary_term=1", 409),
                          ("?if_seq_no=1&if_primary_term=2", 409), ("?if_seq_no=1&if_primary_term=1", 200)):
        for document in ({"n": 1}, {"n": 2}):
            if status != 200 or document["n"] == 2:
                service.call("POST", "/a/_update/1" + query, {"doc": document}, status)
    same(service.call("GET", "/a/_source/1")["n"], 2)
    service.put("a", 3, {"price": 1.1, "of": [None, "\u00fc\"", True], "in": [{"x": -2.5e-7}]})
    service.call("POST", "/a/_update/3", {"doc": {"n": 1}})
    same(service.get("/a/_source/3").text, '{"price":1.1,"of":[null,"\u00fc\\"",true],"in":[{"x":-2.5e-07}],"n":1}')


def test_ids_may_be_anything(service):
    for name in ("a/b", "ü ö", "%", "x" * 512, "a b?c#d"):
        path = "/a/_doc/" + urllib.parse.quote(name, safe="")
        same(service.call("PUT", path, {"n": 1}, 201)["_id"], name)
        same(service.call("GET", path)["_id"], name)
    service.refuse("PUT", "/a/_doc/" + "x" * 513, 400, "mapper_parsing_exception", {"n": 1})
    service.refuse("PUT", "/a/_doc/a%00b", 400, "mapper_parsing_exception", {"n": 1})
    made = service.call("POST", "/a/_doc", {"n": 2}, 201)["_id"]
    same(service.call("GET", "/a/_source/" + made), {"n": 2})
    service.put("a", 7, {"n": 7})
    docs = service.call("POST", "/a/_mget", {"ids": [made, "none", 7]})["docs"]
    same([doc["found"] for doc in docs], [True, False, True])
    docs = service.call("POST", "/a/_mget", {"docs": [{"_id": 7}, {"_index": "a", "_id": "none"}]})["docs"]
    same([doc["found"] for doc in docs], [True, False])
    for docs in ([{"_id": 7, "_source": ["n"]}], [{"_id": 7, "_index": "b"}], [{}], [[]]):
        service.refuse("POST", "/a/_mget", 400, "illegal_argument_exception", {"docs": docs})


def test_an_answer_has_a_bound(service, redis):
    """The same document many times, in the log and in a segment."""
    service.call("PUT", "/a/_doc/1", '{"n":1' + " " * (1 << 20) + "}", 201, **{"Content-Type": "application/json"})
    for _ in range(2):
        service.refuse("POST", "/a/_mget", 400, "illegal_argument_exception", {"ids": ["1"] * 128})
        same(len(service.call("POST", "/a/_mget", {"ids": ["1"] * 4})["docs"]), 4)
        settled(redis)


def test_documents_that_do_not_fit_are_refused_before_they_are_taken(service, redis):
    service.call("PUT", "/a", MAPPING)
    for document, why in (({"year": "x"}, "year"), ({"title": {"x": 1}}, "title"), ({"_seq_no": 1}, "metadata"),
                          ("{\"a\":1,\"a\":2}", "a"), ("[1]", "no object"), ("{", "parse")):
        reason = service.refuse("PUT", "/a/_doc/1", 400, "mapper_parsing_exception", document,
                                **{"Content-Type": "application/json"})
        assert why in reason, reason
    service.refuse("PUT", "/a/_doc/1", 400, "action_request_validation_exception")
    same(logged(redis), 0)
    same(service.call("GET", "/a/_mapping")["a"]["mappings"], MAPPING["mappings"])


def test_what_a_document_meant_when_it_was_taken_it_means_for_ever(redis, directory):
    """Fields that come later, as others, do not stop the indexer."""
    server = start(redis, directory, "--refresh-interval", "1h")
    server.call("PUT", "/a", {"mappings": {"dynamic": False, "properties": {"n": {"type": "long"}}}})
    server.put("a", 1, {"n": 1, "x": "no number", "o": 5})
    server.call("PUT", "/a/_mapping", {"properties": {"x": {"type": "long"}, "o": {"properties": {
        "p": {"type": "keyword"}}}}})
    server.put("a", 2, {"n": 2, "x": 7})
    server.call("POST", "/a/_refresh")
    same(server.count("a"), 2)
    same([hit["_id"] for hit in server.find("a", {"range": {"x": {"gte": 0}}})["hits"]], ["2"])
    same(server.logged("a document that was taken cannot be indexed"), [])
    server.close()


# ---- bulks

def test_a_bulk_is_done_in_order_and_answered_one_by_one(service):
    service.call("PUT", "/a", MAPPING)
    answer = service.bulk([
        {"index": {"_index": "a", "_id": "1"}}, {"year": 1}, {"create": {"_index": "a", "_id": "1"}}, {"year": 2},
        {"index": {"_index": "b", "_id": "1"}}, {"n": 1}, {"index": {"_index": "a", "_id": "1"}}, {"year": "x"},
        {"index": {"_index": "a", "_id": "1"}}, {"year": 3}, {"delete": {"_index": "a", "_id": "2"}},
        {"create": {"_index": "a"}}, {"year": 4}, {"index": {"_index": "UP", "_id": "1"}}, {"n": 1},
        {"update": {"_index": "a", "_id": "1"}}, {"doc": {"year": 5}}])
    items = [(name, item["status"], item.get("_version")) for entry in answer["items"] for name, item in entry.items()]
    same(items, [("index", 201, 1), ("create", 409, None), ("index", 201, 1), ("index", 400, None), ("index", 200, 2),
                 ("delete", 404, 1), ("create", 201, 1), ("index", 400, None), ("update", 400, None)])
    same(answer["errors"], True)
    same(answer["items"][3]["index"]["error"]["type"], "mapper_parsing_exception")
    same(service.call("GET", "/a/_source/1"), {"year": 3})


def test_a_bulk_that_cannot_be_read_does_nothing(service, redis):
    for lines, why in (('{"index":{"_index":"a"}}\n{"n":1}\n{"what":{}}\n{}\n', "line [2]"),
                       ('{"index":{}}\n{}\n', "index"), ('{"index":{"_index":"a"}}\n', "document"),
                       ("nonsense\n", "line [1]"),
                       ('{"index":{"_index":"a","x":1}}\n{}\n', "x"), ('{"delete":{"_index":"a"}}\n', "_id")):
        reason = service.refuse("POST", "/_bulk", 400, "illegal_argument_exception", lines,
                                **{"Content-Type": "application/x-ndjson"})
        assert why in reason, reason
    service.refuse("POST", "/_bulk", 400, "parse_exception", "\n", **{"Content-Type": "application/x-ndjson"})
    same(redis.cli("KEYS", "se:*"), [])


def test_a_large_bulk_becomes_segments(service):
    lines = []
    for n in range(5000):
        lines += [{"index": {"_id": str(n)}}, {"n": n, "word": "w%d" % (n % 7)}]
    answer = service.bulk(lines, "/a/_bulk?refresh=true")
    same(answer["errors"], False)
    same([item["index"]["_seq_no"] for item in answer["items"]], list(range(5000)))
    same(service.count("a"), 5000)
    same(service.find("a", {"term": {"word": "w3"}}, size=0)["total"]["value"], len(range(3, 5000, 7)))
    assert service.call("GET", "/a/_segments")["indices"]["a"]["shards"]["0"][0]["segments"]


def test_new_fields_by_many_at_once_are_one_mapping(service):
    lines = []
    for n in range(300):
        lines += [{"index": {"_index": "a", "_id": "%d" % n}}, {"f%d" % (n % 50): n}]
    answer = service.bulk(lines)
    same(answer["errors"], False)
    service.call("POST", "/a/_refresh")
    same(len(service.call("GET", "/a/_mapping")["a"]["mappings"]["properties"]), 50)
    same(service.find("a", {"range": {"f7": {"gte": 0}}})["total"]["value"], 6)


# ---- refreshing, and what is refused

def test_what_is_written_is_found_soon_or_when_asked(redis, directory):
    server = start(redis, directory, "--refresh-interval", "1h")
    same(server.put("a", 1, {"n": 1}, query="?refresh=true")["forced_refresh"], True)
    same(server.count("a"), 1)
    server.put("a", 2, {"n": 2})
    same(server.count("a"), 1)
    server.call("POST", "/_refresh")
    same(server.count("a"), 2)
    server.refuse("PUT", "/a/_doc/1?refresh=maybe", 400, "illegal_argument_exception", {})
    server.close()


def test_wait_for_waits_for_the_interval(service):
    for n in range(3):
        service.put("a", n, {"n": n}, query="?refresh=wait_for")
        same(service.count("a"), n + 1)


def test_a_full_log_refuses_writes_until_it_is_indexed(redis, directory):
    server = start(redis, directory, "--refresh-interval", "1h", "--log-documents", "2")
    server.put("a", 1, {"n": 1})
    server.put("a", 2, {"n": 2})
    server.refuse("PUT", "/a/_doc/3", 429, "es_rejected_execution_exception", {"n": 3})
    answer = server.bulk([{"index": {"_index": "a", "_id": "4"}}, {"n": 4}])
    same([item["index"]["status"] for item in answer["items"]], [429])
    server.call("POST", "/a/_refresh")
    eventually(lambda: logged(redis) == 0, "an empty log")
    server.put("a", 3, {"n": 3}, 201)
    server.close()


def test_what_is_not_known_is_refused_by_its_name(service):
    assert "/a/_what" in service.refuse("GET", "/a/_what/x", 400, "illegal_argument_exception")
    assert "[foo]" in service.refuse("PUT", "/a/_doc/1?foo=1", 400, "illegal_argument_exception", {"n": 1})
    service.refuse("PUT", "/a/_doc/1", 415, "media_type_header_exception", "n=1",
                   **{"Content-Type": "application/x-www-form-urlencoded"})
    service.refuse("PUT", "/a/_doc/1", 415, "unsupported_media_type_exception", b"\x1f\x8b",
                   **{"Content-Type": "application/json", "Content-Encoding": "gzip"})
    service.refuse("GET", "/a/_doc/1", 404, "index_not_found_exception")
    service.refuse("DELETE", "/*", 400, "illegal_argument_exception")


def test_scopes_say_which_indexes(redis, directory):
    keys = write_file(directory, "keys", json.dumps(KEYS))
    server = Search(redis, os.path.join(directory, "data"), "--token-keys", keys)
    writer = {"Authorization": "Bearer " + token("search:write:a* search:read:a*")}
    reader = {"Authorization": "Bearer " + token("search:read")}
    server.call("PUT", "/a1/_doc/1?refresh=true", {"n": 1}, 201, **writer)
    server.refuse("PUT", "/b/_doc/1", 403, "security_exception", {"n": 1}, **writer)
    server.refuse("PUT", "/a1/_doc/1", 403, "security_exception", {"n": 1}, **reader)
    server.refuse("GET", "/a1/_doc/1", 401, "security_exception")
    lines = '{"index":{"_index":"a1"}}\n{}\n{"index":{"_index":"b"}}\n{}\n'
    server.refuse("POST", "/_bulk", 403, "security_exception", lines,
                  **writer, **{"Content-Type": "application/x-ndjson"})
    server.call("GET", "/a1/_source/1", **reader)
    server.call("PUT", "/b/_doc/1?refresh=true", {"n": 1}, 201, **{"Authorization": "Bearer " + token("search:write")})
    for method, path in (("GET", "/ax,b/_search"), ("GET", "/ax,b/_count"), ("POST", "/a1,b/_refresh"),
                         ("DELETE", "/ax,b"), ("GET", "/b/_search"), ("GET", "/_search")):
        server.refuse(method, path, 403, "security_exception", **writer)
    lines = '{"index":"ax,b"}\n{}\n{"index":"a1"}\n{}\n'
    parts = server.call("POST", "/_msearch", lines, **writer, **{"Content-Type": "application/x-ndjson"})["responses"]
    same([part["status"] for part in parts], [403, 200])
    server.call("HEAD", "/b", **reader)
    same(server.call("GET", "/a1/_count", **reader)["count"], 1)
    server.close()


def test_two_nodes_do_not_share_a_directory(redis, directory):
    first = start(redis, directory)
    second = Search(redis, directory, "--open", ready=False, port=free_port())
    same(second.process.wait(timeout=30), 1)
    assert "--data-dir" in second.log() and directory in second.log(), second.log()
    second.abandon()
    first.close()


def test_one_process_does_it_all(redis, directory):
    server = start(redis, directory, "--single", workers="1")
    server.put("a", 1, {"n": 1}, query="?refresh=true")
    same(server.count("a"), 1)
    server.call("DELETE", "/a")
    eventually(lambda: sorted(os.listdir(directory)) == ["indexer", "lock"], "the files to be gone")
    server.close()


def test_a_rolling_restart_hands_the_indexer_over(service):
    service.put("a", 1, {"n": 1}, query="?refresh=true")
    old = eventually(service.indexer, "an indexer")
    service.signal(signal.SIGHUP)
    eventually(lambda: service.indexer() not in (None, old), "another indexer")
    service.put("a", 2, {"n": 2}, query="?refresh=true")
    same(service.count("a"), 2)


main(__name__)
