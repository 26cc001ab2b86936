"""aggs.py - aggregations of random documents, beside the same in a few lines of Python; search-query answers."""
import datetime
import json
import math
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import SOAK, run, same  # noqa: E402

BUILD = os.path.join(os.environ["LAB_BUILD"], "search")
TYPES = {"k": "keyword", "n": "long", "d": "double", "w": "date", "b": "boolean", "t": "text"}
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000}


# ---- an index

def index(folder, documents, status=0):
    text = "".join(json.dumps(document) + "\n" for document in documents)
    done = subprocess.run([BUILD + "/search-index", "--index", folder, "--no-merge", "--schema", folder + ".schema"],
                          input=text, text=True, capture_output=True, check=False)
    same(done.returncode, status, done.stderr)


def ask(folder, query, aggs, *options):
    done = subprocess.run([BUILD + "/search-query", "--index", folder, "--json", "--query", json.dumps(query),
                           "--aggs", json.dumps(aggs), *options], text=True, capture_output=True, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


def answer(folder, query, aggs, *options):
    status, lines, err = ask(folder, query, aggs, *options)
    same(status, 0, err)
    return json.loads(lines[-2]), int(lines[-1].split()[0])


def documents(count, region):
    """Keywords differ by region, so that their ordinals do by segment."""
    def some(one):
        return [one() for _ in range(random.choice((0, 1, 1, 1, 2, 3)))]
    return [{"id": str(random.randrange(3 * count)),
             "t": " ".join(random.choice("abcd") for _ in range(random.randrange(4))),
             "k": list(set(some(lambda: "k%d" % (region * 3 + random.randrange(9))))),
             "n": some(lambda: random.choice((random.randrange(-5, 20), -7, 2**53 + 1))),
             "d": some(lambda: random.choice((random.randrange(-9, 30) / 4, 0.1, 1e6))),
             "w": some(lambda: random.randrange(-10**12, 10**12) if random.random() < .5 else random.randrange(10**9)),
             "b": some(lambda: random.random() < .3)} for _ in range(count)]


# ---- the same in Python

def date(ms):
    at = EPOCH + datetime.timedelta(milliseconds=ms)
    return at.strftime("%%04d-%m-%dT%H:%M:%S.%%03dZ") % (at.year, at.microsecond // 1000)


def real(value):
    text = next(text for text in ("%.*g" % (digits, value) for digits in (15, 16, 17)) if float(text) == value)
    return text if set(text) & set(".e") else text + ".0"


def values(document, spec):
    found = sorted(document.get(spec["field"], []))
    return found or ([spec["missing"]] if "missing" in spec else [])


def textual(field, name, value):
    """What stands beside a number."""
    if TYPES.get(field) == "date":
        return {name + "_as_string": date(math.trunc(value))}
    return {name + "_as_string": "true" if value else "false"} if TYPES.get(field) == "boolean" else {}


def key_of(field, value):
    key = {"boolean": int, "double": float}.get(TYPES[field], lambda same_value: same_value)(value)
    return dict({"key": key}, **textual(field, "key", value))


def in_order(buckets, order, subs):
    (by, way), = order.items()
    buckets.sort(key=lambda bucket: bucket[0])
    if by[0] != "_":
        def number(bucket):
            found = aggregate(subs, bucket[1])[by.split(".")[0]][by.split(".")[-1] if "." in by else "value"]
            return (found is None, 0 if found is None else -found if way == "desc" else found)
        buckets.sort(key=number)
        return
    buckets.sort(key=lambda bucket: len(bucket[1]) if by == "_count" else bucket[0], reverse=way == "desc")


def grouped(docs, spec, key):
    found = {}
    for document in docs:
        for one in {key(value) for value in values(document, spec)}:
            found.setdefault(one, []).append(document)
    return found


def closed(name, bucket, docs, subs):
    return name, dict(bucket, doc_count=len(docs), **aggregate(subs, docs))


def listed(buckets, keyed):
    return {"buckets": dict(buckets) if keyed else [bucket for _, bucket in buckets]}


def terms(spec, docs, subs):
    found = [bucket for bucket in grouped(docs, spec, lambda value: value).items()
             if len(bucket[1]) >= spec.get("min_doc_count", 1)]
    in_order(found, spec.get("order", {"_count": "desc"}), subs)
    shown = found[:spec.get("size", 10)]
    return dict(listed([closed("", key_of(spec["field"], key), members, subs) for key, members in shown], False),
                doc_count_error_upper_bound=0, sum_other_doc_count=sum(len(each) for _, each in found[len(shown):]))


def ranges(spec, docs, subs):
    def bound(one, name):
        return {name: float(one[name]), **textual(spec["field"], name, one[name])} if name in one else {}

    def spelled(one, name):
        if name not in one:
            return "*"
        return date(one[name]) if spec["field"] == "w" else real(one[name])
    buckets = []
    for one in sorted(spec["ranges"], key=lambda each: (each.get("from", -math.inf), each.get("to", math.inf))):
        members = [document for document in docs if any(
            one.get("from", -math.inf) <= value < one.get("to", math.inf) for value in values(document, spec))]
        name = one.get("key", spelled(one, "from") + "-" + spelled(one, "to"))
        key = {} if spec.get("keyed") else {"key": name}
        buckets.append(closed(name, dict(key, **bound(one, "from"), **bound(one, "to")), members, subs))
    return listed(buckets, spec.get("keyed"))


def filled(found, spec, after):
    """With what is empty in between."""
    least = spec.get("min_doc_count", 0)
    keys = sorted(found)
    for key in keys[:-1] if least == 0 else []:
        while after(key) < keys[-1] and after(key) not in found:
            found[after(key)] = []
            key = after(key)
    kept = [bucket for bucket in found.items() if len(bucket[1]) >= least]
    in_order(kept, spec.get("order", {"_key": "asc"}), {})
    return kept


def histogram(spec, docs, subs):
    interval, offset = spec["interval"], spec.get("offset", 0)
    found = grouped(docs, spec, lambda value: math.floor((value - offset) / interval))
    return listed([closed(real(key * float(interval) + offset), {"key": key * float(interval) + offset}, members, subs)
                   for key, members in filled(found, spec, lambda key: key + 1)], spec.get("keyed"))


def begin(ms, unit):
    at = EPOCH + datetime.timedelta(milliseconds=ms)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        day -= datetime.timedelta(days=day.weekday())
    elif unit != "day":
        day = day.replace(day=1)
        day = day.replace(month={"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}[unit])
    return (day - EPOCH) // datetime.timedelta(milliseconds=1)


def date_histogram(spec, docs, subs):
    unit = spec.get("calendar_interval")
    every = {"day": 86400000, None: spec.get("fixed_interval", 0)}.get(unit)
    if isinstance(every, str):
        every = int(every.rstrip("msh d")) * UNITS[every.lstrip("0123456789")]
    offset = spec.get("offset", "0s")
    offset = int(offset[:-1]) * UNITS[offset[-1]]

    def floor(ms):
        return (ms - offset) // every * every + offset if every else begin(ms - offset, unit) + offset

    def after(ms):
        return ms + every if every else begin(
            ms - offset + {"week": 7, "month": 31, "quarter": 92, "year": 366}[unit] * 86400000, unit) + offset
    return listed([closed(date(key), {"key": key, "key_as_string": date(key)}, members, subs)
                   for key, members in filled(grouped(docs, spec, floor), spec, after)], spec.get("keyed"))


def matches(query, document):
    (kind, spec), = query.items()
    if kind == "match_all":
        return True
    if kind == "match":
        return spec["t"] in document["t"].split()
    if kind == "term":
        return spec["k"] in document["k"]
    return any(value >= spec["n"]["gte"] for value in document["n"])


def filters(spec, docs, subs):
    given = spec["filters"]
    named = list(given.items()) if isinstance(given, dict) else [("", query) for query in given]
    return listed([closed(name, {}, [each for each in docs if matches(query, each)], subs) for name, query in named],
                  isinstance(given, dict))


def numbers(kind, spec, docs):
    found = [value for document in docs for value in values(document, spec)]
    if kind == "value_count":
        return {"value": len(found)}
    if kind == "cardinality":
        return {"value": len(set(found))}
    total = math.fsum(found)
    all_of_them = {"min": min, "max": max, "sum": lambda _: total, "avg": lambda _: total / len(found)}

    def put(name, of):
        if not found and of != "sum":
            return {name: None}
        value = float(all_of_them[of](found))
        return dict({name: value}, **textual(spec["field"], name, value))
    if kind != "stats":
        return put("value", kind)
    if not found:
        return {"count": 0, "min": None, "max": None, "avg": None, "sum": 0.0}
    return dict({"count": len(found)}, **put("min", "min"), **put("max", "max"), **put("avg", "avg"),
                **put("sum", "sum"))


def aggregate(aggs, docs):
    kinds = {"terms": terms, "range": ranges, "date_range": ranges, "histogram": histogram,
             "date_histogram": date_histogram, "filters": filters}
    answers = {}
    for name, body in aggs.items():
        subs = body.get("aggs", {})
        (kind, spec), = ((kind, spec) for kind, spec in body.items() if kind != "aggs")
        if kind == "filter":
            _, answers[name] = closed("", {}, [each for each in docs if matches(spec, each)], subs)
        else:
            answers[name] = kinds[kind](spec, docs, subs) if kind in kinds else numbers(kind, spec, docs)
    return answers


# ---- what is asked

def random_query():
    return random.choice(({"match_all": {}}, {"match": {"t": random.choice("abcde")}},
                          {"term": {"k": "k%d" % random.randrange(30)}},
                          {"range": {"n": {"gte": random.randrange(-6, 20)}}}))


def random_order(spec):
    if random.random() < .5:
        spec["order"] = {random.choice(("_count", "_key")): random.choice(("asc", "desc"))}


def random_ranges(spec):
    bounds = [random.randrange(-10**12, 10**12) if spec["field"] == "w" else random.randrange(-40, 90) / 4
              for _ in range(4)]
    spec["ranges"] = [{"to": bounds[0]}, {"from": bounds[1], "key": "named"}, {"from": min(bounds), "to": bounds[2]},
                      {"from": bounds[3]}]
    if random.random() < .3:
        spec.update(keyed=True)


def random_spec(kind):
    if kind == "filter":
        return random_query()
    if kind == "filters":
        queries = [random_query() for _ in range(random.randrange(1, 5))]
        return {"filters": queries if random.random() < .5 else {"f%d" % i: query for i, query in enumerate(queries)}}
    fields = {"histogram": "nd", "range": "ndwb", "date_range": "w", "date_histogram": "w"}.get(kind, "ndwb")
    spec = {"field": random.choice(fields + ("k" if kind in ("terms", "cardinality", "value_count") else ""))}
    if random.random() < .3:
        spec["missing"] = {"k": random.choice(("k4", "none")), "d": 2.5, "b": True}.get(spec["field"], 3)
    if kind == "terms":
        random_order(spec)
        spec.update(random.choice(({}, {"size": random.randrange(1, 40)}, {"min_doc_count": random.randrange(1, 9)})))
    elif kind.endswith("range"):
        random_ranges(spec)
    elif kind.endswith("histogram"):
        random_order(spec)
        random_interval(kind, spec)
    return spec


def random_interval(kind, spec):
    if kind == "date_histogram":
        spec.update(random.choice(({"fixed_interval": "500d"}, {"fixed_interval": "12000h"}, {"fixed_interval": "9d"},
                                   {"calendar_interval": random.choice(("month", "quarter", "year", "week"))})))
        spec.update(random.choice(({}, {}, {"offset": "+30h"}, {"offset": "-5d"})))
        if spec.get("fixed_interval") == "9d" or spec.get("calendar_interval") == "week":
            spec["min_doc_count"] = 1
    else:
        spec["interval"] = random.choice((1, 2.5, 7, 0.25))
        spec.update(random.choice(({}, {"offset": 1.5}, {"offset": -20})))
        spec["min_doc_count"] = 1  # what is rare is far away
    spec.update(random.choice(({}, {"keyed": True}, {"min_doc_count": 3})))


def order_by_sub(body):
    number = random.choice(("min", "max", "value_count", "cardinality", "stats"))
    body["aggs"]["by"] = {number: {"field": "d"}}
    path = random.choice(("by.min", "by.max", "by.count")) if number == "stats" else random.choice(("by", "by.value"))
    body["terms"]["order"] = {path: random.choice(("asc", "desc"))}


def random_aggs(depth, count):
    kinds = ["terms", "range", "date_range", "histogram", "date_histogram", "filter", "filters", "min", "max", "avg",
             "sum", "stats", "value_count", "cardinality"]
    aggs = {}
    for i in range(count):
        kind = kinds[random.randrange(len(kinds))] if depth else kinds[i % len(kinds)]
        body = {kind: random_spec(kind)}
        if kinds.index(kind) < 7 and depth < 3 and random.random() < .4:
            body["aggs"] = random_aggs(depth + 1, random.randrange(1, 3))
            if kind == "terms" and random.random() < .7:
                order_by_sub(body)
        aggs["a%d" % i] = body
    return aggs


def alike(got, expected, where):
    """The same, to a few bits of a sum."""
    if isinstance(expected, dict):
        same(sorted(got), sorted(expected), where)
        for name, value in expected.items():
            if name.endswith("avg_as_string") or name.endswith("sum_as_string"):
                continue
            alike(got[name], value, where + "." + name)
    elif isinstance(expected, list):
        same(len(got), len(expected), where)
        for i, value in enumerate(expected):
            alike(got[i], value, "%s[%d]" % (where, i))
    elif isinstance(expected, float):
        near = isinstance(got, float) and math.isclose(got, expected, rel_tol=1e-11, abs_tol=1e-9)
        assert near, (where, got, expected)
    else:
        assert got == expected and isinstance(got, type(expected)), (where, got, expected)


def check_corpus(segments, size, rounds):
    with tempfile.TemporaryDirectory() as folder:
        folder += "/index"
        with open(folder + ".schema", "w", encoding="ascii") as file:
            json.dump({"properties": {name: {"type": kind} for name, kind in TYPES.items()}}, file)
        live = {}
        for region in range(segments):
            more = documents(size, region)
            index(folder, more)
            live.update((document["id"], document) for document in more)
        for _ in range(rounds):
            query = random_query()
            aggs = random_aggs(0, 28)
            docs = [document for document in live.values() if matches(query, document)]
            got, total = answer(folder, query, aggs, "--hits", random.choice(("0", "3")))
            same(total, len(docs))
            for name, expected in aggregate(aggs, docs).items():
                alike(got[name], expected, json.dumps({"query": query, name: aggs[name]}) + ": " + name)


def test_aggregations_are_those_of_all_documents():
    for seed in range(40 if SOAK else 2):
        random.seed(seed)
        for segments, size in ((1, 300), (8, 60), (3, 1)):
            check_corpus(segments, size, 3)
    check_corpus(1, 4600, 1)  # more than a window


# ---- what is refused

def test_what_cannot_be_is_refused_by_name():
    deep = {"min": {"field": "n"}}
    for _ in range(17):
        deep = {"filter": {"match_all": {}}, "aggs": {"a": deep}}
    many = {"field": "n", "ranges": [{"from": i - 2000} for i in range(1024)]}
    cases = [
        ({"a": {"foo": {}}}, "Unknown aggregation type [foo]"),
        ({"a": {}}, "Missing definition for aggregation [a]"),
        ({"a>b": {"min": {"field": "n"}}}, "Invalid aggregation name [a>b]"),
        ({"a": {"min": {"field": "n"}, "max": {"field": "n"}}}, "Found two aggregation type definitions"),
        ({"a": {"min": {"field": "n"}, "aggs": {"b": {"min": {"field": "n"}}}}}, "cannot accept sub-aggregations"),
        ({"a": {"min": {}}}, "Required one of fields [field]"),
        ({"a": {"terms": {"field": "n", "include": "x"}}}, "[terms] unknown field [include]"),
        ({"a": {"terms": {"field": "n", "size": 0}}}, "[terms] failed to parse field [size]"),
        ({"a": {"terms": {"field": "n", "min_doc_count": 0}}}, "failed to parse field [min_doc_count]"),
        ({"a": {"terms": {"field": "n", "order": {"b": "asc"}}}}, "Invalid aggregation order path [b]"),
        ({"a": {"terms": {"field": "n", "order": {"b": "asc"}}, "aggs": {"b": {"stats": {"field": "n"}}}}},
         "Invalid aggregation order path [b] of [a]"),
        ({"a": {"terms": {"field": "n", "order": {"b.min": "asc"}}, "aggs": {"b": {"min": {"field": "n"}}}}},
         "Invalid aggregation order path [b.min] of [a]"),
        ({"a": {"terms": {"field": "n", "order": {"_key": "up"}}}}, "failed to parse field [order]"),
        ({"a": {"terms": {"field": "t"}}}, "keyword field instead of [t]"),
        ({"a": {"terms": {"field": "n", "missing": "x"}}}, "failed to parse [x] of aggregation [a]"),
        ({"a": {"range": {"field": "n"}}}, "Required one of fields [ranges]"),
        ({"a": {"range": {"field": "n", "ranges": [{"form": 1}]}}}, "failed to parse field [ranges]"),
        ({"a": {"range": {"field": "n", "ranges": [{"from": "x"}]}}}, "failed to parse [x] of aggregation [a]"),
        ({"a": {"range": {"field": "k", "ranges": [{"from": 1}]}}}, "Field [k] of type [keyword] is not supported"),
        ({"a": {"histogram": {"field": "n", "interval": 0}}}, "failed to parse field [interval]"),
        ({"a": {"histogram": {"field": "n"}}}, "Required one of fields [interval]"),
        ({"a": {"histogram": {"field": "n", "interval": 0.00001}}}, "Trying to create too many buckets"),
        ({"a": {"date_histogram": {"field": "w", "fixed_interval": "1M"}}}, "failed to parse field [fixed_interval]"),
        ({"a": {"date_histogram": {"field": "w", "calendar_interval": "2d"}}}, "parse field [calendar_interval]"),
        ({"a": {"date_histogram": {"field": "w"}}}, "Required one of fields [fixed_interval, calendar_interval]"),
        ({"a": {"date_histogram": {"field": "d", "fixed_interval": "1d"}}}, "Field [d] of type [double]"),
        ({"a": {"date_histogram": {"field": "w", "fixed_interval": "1d", "time_zone": "UTC"}}}, "field [time_zone]"),
        ({"a": {"filters": {"filters": {}}}}, "failed to parse field [filters]"),
        ({"a": {"filter": {"foo": {}}}}, "unknown query [foo]"),
        ({"a": {"avg": {"field": "k"}}}, "not supported for aggregation [avg]"),
        ({"a": deep}, "more than 16 deep"),
        ({str(i): {"min": {"field": "n"}} for i in range(257)}, "more than 256 aggregations"),
        ({"a": {"range": many, "aggs": {"b": {"range": many, "aggs": {"c": {"range": many}}}}}},
         "while they are counted"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        folder += "/index"
        with open(folder + ".schema", "w", encoding="ascii") as file:
            json.dump({"properties": {name: {"type": kind} for name, kind in TYPES.items()}}, file)
        index(folder, [{"id": "1", "n": [1, 7], "d": 0.5, "w": 5, "k": "a", "t": "a"}])
        for aggs, why in cases:
            status, _, err = ask(folder, {"match_all": {}}, aggs)
            same(status, 1, json.dumps(aggs)[:300])
            assert why in err, (why, err)


def test_a_field_that_is_not_there_has_nothing():
    aggs = {"t": {"terms": {"field": "x"}}, "h": {"histogram": {"field": "x", "interval": 1}},
            "r": {"date_range": {"field": "x", "ranges": [{"from": "2020-01-01", "to": "2021"}]}},
            "a": {"avg": {"field": "x"}}, "s": {"sum": {"field": "x"}}, "c": {"cardinality": {"field": "x"}},
            "m": {"terms": {"field": "x", "missing": "none"}}, "n": {"max": {"field": "x", "missing": 2.5}}}
    none = {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": []}
    with tempfile.TemporaryDirectory() as folder:
        folder += "/index"
        with open(folder + ".schema", "w", encoding="ascii") as file:
            json.dump({"properties": {"n": {"type": "long"}}}, file)
        index(folder, [{"id": "1", "n": 1}])
        got, _ = answer(folder, {"match_all": {}}, aggs)
        same(got, {"t": none, "h": {"buckets": []}, "r": {"buckets": [
            {"key": "2020-01-01T00:00:00.000Z-2021-01-01T00:00:00.000Z", "from": 1577836800000.0,
             "from_as_string": "2020-01-01T00:00:00.000Z", "to": 1609459200000.0,
             "to_as_string": "2021-01-01T00:00:00.000Z", "doc_count": 0}]},
            "a": {"value": None}, "s": {"value": 0.0}, "c": {"value": 0},
            "m": dict(none, buckets=[{"key": "none", "doc_count": 1}]), "n": {"value": 2.5}})


if __name__ == "__main__":
    run(sys.modules[__name__])
