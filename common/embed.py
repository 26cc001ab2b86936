#!/usr/bin/env python3
"""Compile files into C.

embed.py scripts PREFIX OUT.c FILE.lua ...  struct redis_script PREFIX_<name>;
                                            a line "-- include FILE" stands for
                                            that file of the same folder
embed.py files PREFIX OUT.c FILE ...        const struct web_file PREFIX_<name>_<ending>
"""
import os
import re
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}


def c_array(name, data):
    """An array: a string literal may have no more than 4095 characters."""
    numbers = [str(b - 256 if b > 127 else b) for b in data] + ["0"]
    lines = ["    %s,\n" % ", ".join(numbers[i:i + 20]) for i in range(0, len(numbers), 20)]
    return "static const char %s_bytes[] = {\n%s};\n" % (name, "".join(lines))


def identifier(path):
    return os.path.basename(path).replace("-", "_").replace(".", "_")


def include(match, folder):
    with open(os.path.join(folder, match[1].decode()), "rb") as source:
        return source.read()


def main(kind, prefix, out, *paths):
    header = "common/redis.h" if kind == "scripts" else "common/web.h"
    with open(out, "w", encoding="ascii") as to:
        to.write("/* Made by common/embed.py. */\n#include \"%s\"\n" % header)
        for path in paths:
            with open(path, "rb") as source:
                data = source.read()
            if kind == "scripts":
                data = re.sub(rb"^-- include (\S+)\n", lambda m, d=os.path.dirname(path): include(m, d), data,
                              flags=re.M)
            name = prefix + "_" + identifier(path)
            if kind == "scripts":
                name = name.removesuffix("_lua")
                kind_of, first = "struct redis_script", '.name = "%s", .source' % (
                    os.path.basename(path))
            else:
                kind_of, first = "const struct web_file", '.type = "%s", .bytes' % (
                    TYPES[os.path.splitext(path)[1]])
            to.write(c_array(name, data))
            to.write("extern %s %s;\n%s %s = {%s = {%s_bytes, %d}};\n" %
                     (kind_of, name, kind_of, name, first, name, len(data)))


main(*sys.argv[1:])
