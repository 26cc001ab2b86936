"""test_openapi.py - openapi.yaml names what the code has, and nothing else."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
# pylint: disable=wrong-import-position
import lab  # noqa: E402
import openapi  # noqa: E402

SERVICE = "search"

# main.c writes a route of two methods once.
BOTH = {"GET_POST": ("get", "post"), "PUT_POST": ("put", "post")}
SCOPES = {"READ": "search:read", "WRITE": "search:write"}


def routes():
    """{(method, path): scope or None}"""
    main = openapi.text(SERVICE, "main.c")
    found = {key: scope for key, scope in openapi.routes(SERVICE).items() if key[1] != "*"}
    for method, path, scope in re.findall(r'\{REQUEST_(\w+),\s*"([^"]+)",\s*(\w+),', main):
        if path != "*":
            found[(method.lower(), path)] = SCOPES.get(scope)
    for both, path in re.findall(r'(GET_POST|PUT_POST)\("([^"]+)"', main):
        found |= {(method, path): SCOPES["READ" if both == "GET_POST" else "WRITE"] for method in BOTH[both]}
    return found


def test_openapi_has_every_route_and_no_other():
    described = {key for key in openapi.operations(SERVICE) if key[0] != "head"}
    lab.same(sorted(described), sorted(routes()))


def test_openapi_names_each_operations_level_and_scope():
    scopes = routes()
    for key, lines in openapi.operations(SERVICE).items():
        lab.same(len([line for line in lines if re.fullmatch(r"x-level: [1-5]", line)]), 1, key)
        named = [line.split(": ")[1] for line in lines if line.startswith("x-scope: ")]
        lab.same(named, [scopes[key]] if scopes[key] else [], key)


def test_openapi_refers_only_to_what_it_defines():
    openapi.check_references(SERVICE)


def test_openapi_names_what_a_search_takes():
    source = openapi.text(SERVICE, "face_read.c")
    rows = re.findall(r'\{"(\w+)", ([A-Z_| ]+), read_(\w+)\}', source)
    taken = {(name, where) for name, place, read in rows if read != "off"
             for where in re.findall(r"\b(?:ANY_)?(BODY|URL)\b", place)}
    whole = openapi.text(SERVICE, "openapi.yaml")
    body = whole.split("\n    Search:\n")[1].split("\n    Count:\n")[0]
    listed = {(name, "BODY") for name in re.findall(r"^        (\w+):", body, re.M)}
    query = re.findall(r"name: (\w+)\n      in: query", whole)
    listed |= {(name, "URL") for name in query if name not in ("refresh", "op_type", "if_seq_no", "if_primary_term",
                                                               "format", "v", "min_score",
                                                               "wait_for_status")}
    lab.same(sorted(listed), sorted(taken))


if __name__ == "__main__":
    lab.run(sys.modules[__name__])
