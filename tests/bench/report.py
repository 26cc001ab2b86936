"""report.py - a bench's result as a table for a README and as a page."""
import html
import re

START, END = "<!-- bench -->", "<!-- /bench -->"


def number(value, digits=3):
    if value is None:
        return ""
    if value >= 1000:
        return "{:,.0f}".format(value)
    return "%.*g" % (digits, value)


def shown(row):
    if row["value"] is None:
        return "not run"
    return (number(row["value"]) + (" " + row["unit"] if row["unit"] not in ("x", "") else "")).strip()


def verdict(row):
    return {None: "", True: "yes", False: "**no**"}[row["met"]]


# Of a row: title, name, and digits where they are not three.
COLUMNS = (("CPU µs", "cpu_us"), ("peer's CPU µs", "peer.cpu"), ("Redis CPU µs", "redis_cpu_us", 2),
           ("requests/s", "rps"), ("p99 µs", "p99_us"))


def column(row, name):
    name, _, inner = name.partition(".")
    return (row.get(name) or {}).get(inner) if inner else row.get(name)


def table(result):
    """Markdown; the same result gives the same text."""
    columns = result.get("columns", COLUMNS)
    lines = ["| " + " | ".join(["what", "must reach", "measured", "reached", *[c[0] for c in columns]]) + " |",
             "|---" * (4 + len(columns)) + "|"]
    for row in result["rows"]:
        cells = [row["what"], row["target"], shown(row), verdict(row)]
        cells += [number(column(row, name), *digits) for _, name, *digits in columns]
        lines.append("| " + " | ".join(cells) + " |")
    machine = result["machine"]
    beside = machine.get("peers") or machine["nginx"] + "; " + re.sub(r" sha=.*", "", machine["redis"])
    lines.append("")
    lines.append("%s, %d cores, Linux %s; %s; commit %s, %s." % (
        machine["cpu"], machine["cores"], machine["kernel"], beside, machine["commit"], machine["date"]))
    return "\n".join(lines)


def figure(result, name):
    """What a row says ("plain"), or one of its columns ("hot.cpu_us", "hot.peer.cpu")."""
    name, _, inner = name.partition(".")
    row = next(r for r in result["rows"] if r["name"] == name)
    return number(column(row, inner)) if inner else shown(row)


def filled(text, result):
    """The text with its table, and its figures between <!-- =name --> and <!-- / -->, made anew."""
    before, rest = text.split(START)
    after = rest.split(END)[1]
    text = before + START + "\n" + table(result) + "\n" + END + after
    return re.sub(r"(<!-- =([\w.]+) -->).*?(<!-- / -->)", lambda m: m[1] + figure(result, m[2]) + m[3], text)


def fill_readme(path, result):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(filled(text, result))


STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --paper: #fbfaf7; --ours: #2b6cb0; --theirs: #a0a7b4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --paper: #14171d; --ours: #6ba6e8; --theirs: #596273; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .4rem .6rem;
       border-bottom: 1px solid var(--theirs); } .no { font-weight: bold; }
svg { width: 100%; height: auto; } pre { overflow-x: auto; font-size: .8rem; }
"""


def bars(result):
    """CPU per request of each row, ours over the peer's."""
    rows = [r for r in result["rows"] if r.get("cpu_us") and (r.get("peer") or {}).get("cpu")]
    if not rows:
        return ""
    most = max(max(r["cpu_us"], r["peer"]["cpu"]) for r in rows)
    parts = ["<h2>CPU of the server per request</h2><p>Ours above, the peer below.</p>"]
    parts += ['<svg viewBox="0 0 900 %d" role="img" aria-label="CPU per request">' % (len(rows) * 70)]
    for i, row in enumerate(rows):
        y = i * 70
        parts.append('<text x="0" y="%d" fill="currentColor" font-size="14">%s</text>'
                     % (y + 16, html.escape(row["what"])))
        for dy, value, colour in ((22, row["cpu_us"], "--ours"), (40, row["peer"]["cpu"], "--theirs")):
            width = 760 * value / most
            parts.append('<rect x="0" y="%d" width="%.1f" height="14" fill="var(%s)"/>'
                         '<text x="%.1f" y="%d" fill="currentColor" font-size="12">%.2f µs</text>'
                         % (y + dy, width, colour, width + 6, y + dy + 12, value))
    return "".join(parts) + "</svg>"


def page(result):
    rows = "".join(
        "<tr><td>%s</td><td>%s</td><td>%s</td><td class='%s'>%s</td></tr>" % (
            html.escape(r["what"]), html.escape(r["target"]), html.escape(shown(r)),
            "no" if r["met"] is False else "", {None: "", True: "yes", False: "no"}[r["met"]])
        for r in result["rows"])
    commands = "".join("<h3>%s</h3><pre>%s\n%s</pre>" % (
        html.escape(name), html.escape(" ".join(what["command"])),
        html.escape(what.get("configuration", ""))) for name, what in result["commands"].items())
    machine = "".join("<tr><td>%s</td><td>%s</td></tr>" % (k, html.escape(str(v)))
                      for k, v in result["machine"].items())
    return ("<!doctype html><html lang='en'><meta charset='utf-8'><title>%s, measured</title><style>%s</style>"
            "<h1>%s, measured</h1><table><tr><th>what<th>must reach<th>measured<th>reached</tr>%s</table>"
            "%s"
            "<h2>Machine</h2><table>%s</table><h2>Commands</h2>%s</html>" % (
                result["service"], STYLE, result["service"], rows, result.get("plot") or bars(result), machine,
                commands))
