"""demo.py URL REDIS - a tour of search over what every Debian machine has: its packages."""
import json
import os
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
import tour  # noqa: E402
from tour import URL, call, say  # noqa: E402

MOST = int(os.environ.get("LAB_DEMO_PACKAGES", "100000"))
CHUNK = 2000  # documents of a bulk
FIELDS = {"Package": "name", "Section": "section", "Priority": "priority", "Version": "version",
          "Maintainer": "maintainer", "Homepage": "homepage", "Installed-Size": "kib"}
MAPPING = {"properties": {
    "name": {"type": "keyword"}, "title": {"type": "text"}, "description": {"type": "text", "analyzer": "english"},
    "section": {"type": "keyword"}, "priority": {"type": "keyword"}, "version": {"type": "keyword"},
    "tags": {"type": "keyword"},
    "maintainer": {"type": "text", "fields": {"keyword": {"type": "keyword"}}}, "homepage": {"type": "keyword"},
    "kib": {"type": "long"}}}


def step(text, *args, **more):
    return tour.step(text, "se", *args, **more)


def document(lines):
    """A package as the lists have it: "Name: value", and what goes on behind a space."""
    values, key = {}, ""
    for line in lines:
        if line[:1] != " ":
            key, _, line = line.partition(": ")
        values[key] = (values.get(key, "") + " " + line.strip(" .")).strip()
    made = {name: values[key] for key, name in FIELDS.items() if values.get(key)}
    made["title"] = values.get("Package", "")
    made["description"] = values.get("Description") or values.get("Description-en", "")
    made["tags"] = [tag for tag in values.get("Tag", "").split(", ") if tag]
    if "kib" in made:
        made["kib"] = int(made["kib"])
    if "section" in made:
        made["section"] = made["section"].split("/")[-1]
    return made


def packages():
    """All that can be installed, or, where there are no lists, what is."""
    for command in (["apt-cache", "dumpavail"], ["cat", "/var/lib/dpkg/status"]):
        count, lines = 0, []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
            for line in process.stdout:
                if line != "\n":
                    lines.append(line.rstrip("\n"))
                    continue
                found, lines = document(lines), []
                if found["description"] and found["title"]:
                    count += 1
                    yield found
                if count == MOST:
                    process.terminate()
                    return
        if count:
            return


def send(chunk, query=""):
    text = "".join(json.dumps({"index": {"_index": "packages", "_id": each["name"]}}) + "\n" + json.dumps(each) + "\n"
                   for each in chunk)
    request = urllib.request.Request(URL + "/_bulk" + query, text.encode(),
                                     {"Content-Type": "application/x-ndjson"}, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        items = json.load(answer)["items"]
    refused = [item for item in items if item["index"]["status"] >= 300]
    if refused:
        sys.exit("refused: %s" % refused[0])
    return len(text.encode())


def index():
    began, count, size, chunk = time.monotonic(), 0, 0, []
    for each in packages():
        chunk.append(each)
        if len(chunk) == CHUNK:
            size += send(chunk)
            count, chunk = count + len(chunk), []
    size += send(chunk or [{"name": "none", "title": "none", "description": "none"}], "?refresh=true")
    count += len(chunk)
    took = time.monotonic() - began
    print("  %d packages, %.1f MB in %.1f s: %.0f a second, answered when Redis had them, and searchable"
          % (count, size / 1e6, took, count / took))


def search(text, **body):
    return step(text, "POST", "/packages/_search", body)


def main():
    call("DELETE", "/packages", show=False)
    step("An index, with a mapping, instead of any that had this name. What is not mapped gets a field by what its first value is.",
         "PUT", "/packages", {"mappings": MAPPING})
    say("All packages that this machine could install (apt-cache dumpavail), by _bulk, %d at a time. Each bulk is "
        "answered when the log in Redis has it; one process makes segments of the log." % CHUNK)
    index()
    tour.show_changes("se")
    step("What is in it.", "GET", "/_cat/indices?format=json")
    search("Words, the best first, with what was found marked.",
           query={"match": {"description": "event loop"}}, size=2, _source=["name", "section"],
           highlight={"fields": {"description": {"fragment_size": 80, "number_of_fragments": 1}}})
    search("A phrase, and what is left out; totals are exact up to 10,000.",
           query={"bool": {"must": {"match_phrase": {"description": "full text search"}},
                           "must_not": {"term": {"section": "perl"}}}}, size=2, _source=["name"])
    search("How many there are of each section, of what is about databases: no hits, only facets.",
           query={"match": {"description": "database"}}, size=0,
           aggs={"section": {"terms": {"field": "section", "size": 4}, "aggs": {"size": {"avg": {"field": "kib"}}}}})
    search("A word that is wrong in one letter, and one that is not finished.",
           query={"bool": {"must": [{"match": {"description": {"query": "databse", "fuzziness": "AUTO"}}},
                                    {"prefix": {"name": "postgres"}}]}}, size=2, _source=["name"])
    search("Did you mean?", size=0, suggest={"words": {"text": "databse editer", "phrase": {"field": "description"}}})
    search("The largest ones of a section, by a field.", query={"term": {"section": "editors"}}, size=2,
           sort=[{"kib": "desc"}], _source=["name", "kib"])
    search("Why a document has its score: BM25, taken apart.", query={"match": {"description": "redis"}}, size=1,
           _source=["name"], explain=True)
    step("One document more.", "PUT", "/packages/_doc/lab?refresh=true",
         {"name": "lab", "title": "lab", "section": "editors", "description": "a laboratory of system design"})
    step("It is found at once, as the write waited for it.", "GET", "/packages/_search?q=%2Blaboratory+%2Bdesign")
    step("A mistake is named.", "POST", "/packages/_search", {"query": {"foo": {}}})
    step("Files that never change: the segments.", "GET", "/packages/_segments")
    print("\nThe page: %s/?index=packages   its API: %s/openapi.yaml   its metrics: %s/metrics" % (URL, URL, URL))


main()
