"""
relevance.py - how good the best ten are, by collections whose answers were judged by people: nDCG@10 as trec_eval has
it (gains as judged, discount log2(1 + rank)), titles and texts as one field, English analyzer, BM25 with k1 1.2 and b
0.75.

The collections are looked for in $LAB_DATA; where they are not there, the case is skipped by name.
"""
import collections
import json
import math
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import Skip, run, same  # noqa: E402

BUILD = os.path.join(os.environ["LAB_BUILD"], "search")
BEST = 10


def collection(name):
    folder = os.path.join(os.environ.get("LAB_DATA", ""), name)
    if not os.path.exists(folder + "/docs.jsonl"):
        raise Skip("no collection %s in $LAB_DATA" % name)
    judged = collections.defaultdict(dict)
    with open(folder + "/qrels.txt", encoding="ascii") as file:
        for line in file:
            query, _, doc, gain = line.split()
            judged[query][doc] = int(gain)
    with open(folder + "/queries.tsv", encoding="utf-8") as file:
        queries = dict(line.rstrip("\n").split("\t", 1) for line in file)
    with open(folder + "/docs.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file], queries, judged


def gain_of(gains):
    return sum(gain / math.log2(2 + rank) for rank, gain in enumerate(gains[:BEST]) if gain > 0)


def best(index, text):
    query = json.dumps({"match": {"text": text}})
    lines = subprocess.run([BUILD + "/search-query", "--index", index, "--json", "--query", query, "--hits", str(BEST)],
                           text=True, capture_output=True, check=True).stdout.splitlines()
    return [line.split()[1] for line in lines[:-1]]


def ndcg(name):
    documents, queries, judged = collection(name)
    lines = "".join(json.dumps({"id": d["id"], "text": d["title"] + " " + d["text"]}) + "\n" for d in documents)
    schema = {"dynamic": False, "properties": {"text": {"type": "text", "analyzer": "english"}}}
    values = []
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/schema", "w", encoding="ascii") as file:
            json.dump(schema, file)
        subprocess.run([BUILD + "/search-index", "--index", folder + "/i", "--schema", folder + "/schema"], input=lines,
                       text=True, check=True, capture_output=True)
        for number, text in queries.items():
            ideal = gain_of(sorted(judged[number].values(), reverse=True))
            if ideal > 0:
                values.append(gain_of([judged[number].get(doc, 0) for doc in best(folder + "/i", text)]) / ideal)
    return sum(values) / len(values)


def check(name, least):
    value = ndcg(name)
    print("%s: nDCG@10 %.4f" % (name, value), flush=True)
    same(value >= least - 0.005, True, "%s: %.4f" % (name, value))


def test_cranfield():
    check("cran", 0.519)


def test_cisi():
    check("cisi", 0.382)


def test_medline():
    check("med", 0.683)


if __name__ == "__main__":
    run(sys.modules[__name__])
