"""test_openapi.py - openapi.yaml names what the code has, and nothing else.

Read as text: the standard library has no YAML, and the file keeps to two
spaces an indent.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import lab  # pylint: disable=wrong-import-position

METHODS = ("get", "post", "put", "patch", "delete")


def text(*path):
    with open(os.path.join(lab.TOP, *path), encoding="utf-8") as file:
        return file.read()


def yaml_operations():
    """{(method, path): its lines}"""
    found, path, key = {}, None, None
    body = text("shortener", "openapi.yaml").split("\npaths:\n")[1].split("\ncomponents:\n")[0]
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


def code_routes():
    """{(method, path): scope or None}"""
    source = text("shortener", "main.c") + text("common", "app_routes.c")
    pattern = r'\{REQUEST_(\w+),\s*"([^"]+)",\s*(NULL|"[^"]+"),'
    return {(method.lower(), path): None if scope == "NULL" else scope.strip('"')
            for method, path, scope in re.findall(pattern, source)}


def test_openapi_has_every_route_and_no_other():
    described = {key for key in yaml_operations() if key[0] != "head"}
    lab.same(sorted(described), sorted(code_routes()))


def test_openapi_names_each_operations_level_and_scope():
    routes = code_routes()
    for key, lines in yaml_operations().items():
        levels = [line for line in lines if re.fullmatch(r"x-level: [1-5]", line)]
        lab.same(len(levels), 1, key)
        scopes = [line.split(": ")[1] for line in lines if line.startswith("x-scope: ")]
        lab.same(scopes, [routes[key]] if routes.get(key) else [], key)


def test_openapi_refers_only_to_what_it_defines():
    whole = text("shortener", "openapi.yaml")
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


def test_openapi_lists_every_problem():
    listed = re.findall(r"- /problems/([a-z-]+)", text("shortener", "openapi.yaml"))
    lab.same(listed, sorted(set(listed)))
    sources = ""
    for folder in ("common", "shortener"):
        for name in sorted(os.listdir(os.path.join(lab.TOP, folder))):
            if name.endswith(".c"):
                sources += text(folder, name)
    calls = re.findall(r'(?:request_problem|request_refuse|refuse_conn)\(\s*[^;]*?,\s*[45]\d\d,\s*"([a-z-]+)"',
                       sources)
    lab.same(sorted(set(calls) - set(listed)), [])
    lab.same([slug for slug in listed if '"%s"' % slug not in sources and slug != "invalid"], [])


if __name__ == "__main__":
    lab.run(sys.modules[__name__])
