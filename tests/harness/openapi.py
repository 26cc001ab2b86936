"""openapi.py - a service's openapi.yaml beside its code: both name the same.

Read as text: the standard library has no YAML, and the files keep to two spaces
an indent.
"""
import os
import re

import lab

METHODS = ("get", "post", "put", "patch", "delete")


def text(*path):
    with open(os.path.join(lab.TOP, *path), encoding="utf-8") as file:
        return file.read()


def operations(service):
    """{(method, path): its lines}"""
    found, path, key = {}, None, None
    body = text(service, "openapi.yaml").split("\npaths:\n")[1].split("\ncomponents:\n")[0]
    for line in body.splitlines():
        if match := re.fullmatch(r"  (/\S*):", line):
            path, key = match.group(1), None
        elif match := re.fullmatch(r"    (\w+):", line):
            key = (match.group(1), path) if match.group(1) in METHODS + ("head",) else None
            if key:
                found[key] = []
        elif key:
            found[key].append(line.strip())
    return found


def routes(service):
    """{(method, path): scope or None}"""
    source = text(service, "main.c") + text("common", "app_routes.c")
    pattern = r'\{REQUEST_(\w+),\s*"([^"]+)",\s*(NULL|"[^"]+"),'
    return {(method.lower(), path): None if scope == "NULL" else scope.strip('"')
            for method, path, scope in re.findall(pattern, source)}


def check_routes(service):
    described = {key for key in operations(service) if key[0] != "head"}
    lab.same(sorted(described), sorted(routes(service)))


def check_levels_and_scopes(service):
    scopes_of = routes(service)
    for key, lines in operations(service).items():
        levels = [line for line in lines if re.fullmatch(r"x-level: [1-5]", line)]
        lab.same(len(levels), 1, key)
        scopes = [line.split(": ")[1] for line in lines if line.startswith("x-scope: ")]
        lab.same(scopes, [scopes_of[key]] if scopes_of.get(key) else [], key)


def check_references(service):
    whole = text(service, "openapi.yaml")
    components = whole.split("\ncomponents:\n")[1]
    kind, defined = None, set()
    for line in components.splitlines():
        if match := re.fullmatch(r"  (\w+):", line):
            kind = match.group(1)
        elif match := re.fullmatch(r"    ([\w-]+):", line):
            defined.add("#/components/%s/%s" % (kind, match.group(1)))
    used = set(re.findall(r"\$ref: '([^']+)'", whole))
    lab.same(sorted(used - defined), [])
    lab.same(sorted(name for name in defined - used if "securitySchemes" not in name), [])


def sources_of(service):
    """What a request of that service may run through."""
    files = [(folder, name) for folder in (service, "common")
             for name in sorted(os.listdir(os.path.join(lab.TOP, folder))) if name.endswith(".c")]
    own = "".join(text(*path) for path in files if path[0] == service)
    others = "".join(text(*path) for path in files if path[0] == "common"
                     and (path[1] != "idempotency.c" or "idempotency_" in own)
                     and (not path[1].startswith(("socket", "ops")) or "ops_connect" in own))
    return own + others


def check_problems(service):
    listed = re.findall(r"- /problems/([a-z-]+)", text(service, "openapi.yaml"))
    lab.same(listed, sorted(set(listed)))
    sources = sources_of(service)
    calls = re.findall(r'[45]\d\d,\s*"([a-z-]+)",', sources)
    calls += re.findall(r'request_too_many\(\s*[\w>-]+,\s*"([a-z-]+)"', sources)
    calls += re.findall(r'(?:request_problem|request_refuse|refuse_conn)\(\s*[^;]*?,\s*[45]\d\d,\s*"([a-z-]+)"', sources)
    calls += re.findall(r'\{"([a-z-]+)",\s*[45]\d\d,\s*"', sources)  # a table of refusals
    lab.same(sorted(set(calls) - set(listed)), [])
    lab.same([slug for slug in listed if '"%s"' % slug not in sources], [])
