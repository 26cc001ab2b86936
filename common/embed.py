#!/usr/bin/env python3
"""Compile files into C.

embed.py scripts PREFIX OUT.c FILE.lua ...  struct redis_script PREFIX_<name>
embed.py files PREFIX OUT.c FILE ...        const struct web_file PREFIX_<name>_<ending>
"""
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}


def c_string(data):
    """Lines of a C string literal that stands for data."""
    lines = []
    for line in data.splitlines(keepends=True):
        text = "".join(
            chr(b) if 32 <= b < 127 and b not in b'"\\?' else "\\%03o" % b
            for b in line)
        lines.append('    "%s"' % text)
    return "\n".join(lines) or '    ""'


def identifier(path):
    return os.path.basename(path).replace("-", "_").replace(".", "_")


def main(kind, prefix, out, *paths):
    header = "common/redis.h" if kind == "scripts" else "common/web.h"
    with open(out, "w", encoding="ascii") as to:
        to.write("/* Made by common/embed.py. */\n#include \"%s\"\n" % header)
        for path in paths:
            with open(path, "rb") as source:
                data = source.read()
            name = prefix + "_" + identifier(path)
            if kind == "scripts":
                name = name.removesuffix("_lua")
                to.write("extern struct redis_script %s;\n"
                         "struct redis_script %s = {.name = \"%s\", .source = "
                         "{\n%s, %d}};\n" % (name, name, os.path.basename(path),
                                            c_string(data), len(data)))
            else:
                to.write("extern const struct web_file %s;\n"
                         "const struct web_file %s = {.type = \"%s\", .bytes = "
                         "{\n%s, %d}};\n" %
                         (name, name, TYPES[os.path.splitext(path)[1]],
                          c_string(data), len(data)))


main(*sys.argv[1:])
