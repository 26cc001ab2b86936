/*
 * page.js - the search page: what is typed is asked for at once, an older
 * question is dropped.
 *
 * Everything shown comes from the API that any client has, Elasticsearch's.
 */
import { Problem, bindToken, copyOf, el, find, number, say, svg, token } from "/lab.js";

const PAGE = 20, MOST = 200;
const FACETS = 6, VALUES = 8;
const LOOK_AGAIN = 2000; /* ms between looks at the segments */
/* Around what was found: no text has them. */
const OPEN = "\u0001", CLOSE = "\u0002";
const TITLES = ["title", "name", "package", "headline", "subject", "label", "id"];

const form = document.getElementById("ask");
const words = form.elements.words;
const indexes = form.elements.index;
const order = form.elements.order;
const hits = document.getElementById("hits");
const more = document.getElementById("more");
const meant = document.getElementById("meant");

let fields = []; /* of the index: {name, type} */
let title = ""; /* the one that is a document's title */
let chosen = new Map(); /* of facets: a field, its values */
let size = PAGE;
let running = new AbortController();

/* The JSON of a good answer; throws a Problem with Elasticsearch's reason. */
async function ask(method, path, body, signal, type = "application/json") {
    const request = { method, signal, headers: { Accept: "application/json" } };
    if (token())
        request.headers.Authorization = "Bearer " + token();
    if (body !== undefined) {
        request.headers["Content-Type"] = type;
        request.body = typeof body === "string" ? body : JSON.stringify(body);
    }
    let answer;
    try {
        answer = await fetch(path, request);
    } catch (thrown) {
        throw thrown.name === "AbortError" ? thrown : new Problem({ title: "The service does not answer." });
    }
    const said = await answer.json().catch(thrown => {
        if (thrown.name === "AbortError")
            throw thrown;
        return {};
    });
    if (!answer.ok)
        throw new Problem({
            status: answer.status, title: `${answer.status} ${answer.statusText}`,
            detail: reasonOf(said) || said.detail,
        });
    return said;
}

function reasonOf(said) {
    const error = said.error || {};
    const cause = (error.root_cause || [])[0];
    return cause ? cause.reason : error.reason;
}

const pathOf = (...parts) => "/" + parts.map(encodeURIComponent).join("/");

/* What goes wrong with a question that still counts. */
function complain(problem) {
    if (problem.name === "AbortError")
        return;
    say(problem.message, true);
    if (problem.status === 401)
        document.getElementById("token").elements.token.focus();
}

/* ---- indexes and their fields */

function* fieldsOf(properties, prefix = "") {
    for (const [key, field] of Object.entries(properties || {})) {
        const name = prefix + key;
        if (field.type && field.type !== "object")
            yield { name, type: field.type };
        yield* fieldsOf(field.properties, name + ".");
        yield* fieldsOf(field.fields, name + ".");
    }
}

async function loadIndexes(wanted) {
    const list = await ask("GET", "/_cat/indices?format=json");
    const names = list.map(each => each.index).sort();
    indexes.replaceChildren(...names.map(name => el("option", {}, name)));
    if (names.includes(wanted))
        indexes.value = wanted;
    document.getElementById("start").hidden = names.length > 0;
    for (const id of ["found", "segments"])
        document.getElementById(id).hidden = names.length === 0;
    return names.length > 0;
}

async function loadFields() {
    const answer = await ask("GET", pathOf(indexes.value, "_mapping"));
    fields = [...fieldsOf(answer[indexes.value].mappings.properties)];
    const texts = fields.filter(field => field.type === "text");
    title = TITLES.find(name => texts.some(field => field.name === name)) || (texts[0] || {}).name || "";
    const sorts = fields.filter(field => field.type !== "text" && field.type !== "boolean");
    order.replaceChildren(el("option", { value: "" }, "the best first"), ...sorts.flatMap(({ name }) => [
        el("option", { value: name + ":asc" }, name + ", rising"),
        el("option", { value: name + ":desc" }, name + ", falling")]));
}

/* ---- the question */

/* What is typed, and, as its last word may be unfinished, what begins so. */
function queryOf(text) {
    const plain = { query: text, default_operator: "and" };
    if (!text.trim())
        return { match_all: {} };
    if (!/[\p{L}\p{N}]$/u.test(text))
        return { simple_query_string: plain };
    return { bool: {
        must: { simple_query_string: { ...plain, query: text + "*" } },
        should: { simple_query_string: plain },
    } };
}

const facetFields = () => fields
    .filter(field => (field.type === "keyword" && field.name !== title + ".keyword") || field.type === "boolean")
    .slice(0, FACETS);

function requestOf() {
    const filter = [...chosen].flatMap(([field, values]) => [...values].map(value => ({ term: { [field]: value } })));
    const query = queryOf(words.value);
    const request = { query: filter.length ? { bool: { must: query, filter } } : query, size };
    if (order.value) {
        const at = order.value.lastIndexOf(":");
        request.sort = [{ [order.value.slice(0, at)]: order.value.slice(at + 1) }, "_score"];
    }
    const texts = fields.filter(field => field.type === "text").map(field => field.name);
    if (texts.length)
        request.highlight = {
            pre_tags: [OPEN], post_tags: [CLOSE], fragment_size: 160, number_of_fragments: 1,
            fields: Object.fromEntries(texts.map(name => [name, name === title ? { number_of_fragments: 0 } : {}])),
        };
    const facets = facetFields();
    if (facets.length)
        request.aggs = Object.fromEntries(facets.map(
            ({ name }) => [name, { terms: { field: name, size: VALUES } }]));
    return request;
}

/* ---- the answer */

/* Text with what was found in it marked. */
function marked(text) {
    const [first, ...rest] = text.split(OPEN);
    return [first, ...rest.flatMap(part => {
        const [inside, after = ""] = part.split(CLOSE);
        return [el("mark", {}, inside), after];
    })];
}

const valueAt = (source, name) => name.split(".").reduce(
    (at, key) => (at && typeof at === "object" ? at[key] : undefined), source) ?? source[name];

/* The member that a field has its values from. */
const memberOf = name => (name.endsWith(".keyword") ? name.slice(0, -".keyword".length) : name);

function snippetOf(hit) {
    const found = Object.entries(hit.highlight || {}).find(([name]) => name !== title);
    if (found)
        return marked(found[1].join(" … "));
    const text = fields.filter(field => field.type === "text" && field.name !== title)
        .map(field => valueAt(hit._source, field.name)).find(value => typeof value === "string");
    return [!text ? "" : text.length > 160 ? text.slice(0, 160).trimEnd() + "…" : text];
}

function factsOf(hit) {
    const values = facetFields().map(({ name }) => valueAt(hit._source, memberOf(name)))
        .filter(value => value !== undefined && String(value).length < 60).map(value => [value].flat().join(", "));
    const score = hit._score === null || hit._score === undefined ? [] : ["score " + hit._score.toFixed(3)];
    return [hit._id, ...score, ...values.slice(0, 3)].join("  ·  ");
}

function bindOpen(button, row, hit) {
    button.addEventListener("click", () => {
        const open = button.getAttribute("aria-expanded") === "true";
        button.setAttribute("aria-expanded", String(!open));
        if (open)
            find("pre", row).remove();
        else
            row.append(el("pre", { class: "mono", tabindex: "0" }, JSON.stringify(hit._source, null, 2)));
    });
}

function rowOf(hit) {
    const row = copyOf("hit"), button = find(".title", row);
    const whole = title && hit.highlight && hit.highlight[title];
    const plain = [title && valueAt(hit._source, title)].flat().join(", ");
    button.replaceChildren(el("span", {}, ...(whole ? marked(whole.join(", ")) : [plain || hit._id])));
    find(".snippet", row).replaceChildren(...snippetOf(hit));
    find(".facts", row).textContent = factsOf(hit);
    bindOpen(button, row, hit);
    return row;
}

function showCount(answer, ms) {
    const { value, relation } = answer.hits.total;
    const some = relation === "gte" ? "more than " : "";
    document.getElementById("count").textContent =
        `${some}${number(value)} ${value === 1 ? "document" : "documents"}; ` +
        `${answer.took} ms in the engine, ${Math.round(ms)} ms from here` +
        (answer.timed_out ? "; it took too long: these are some of them" : "");
}

/* ---- did you mean */

/* Where nothing was found, and plain words were asked for: the likeliest text that has something. */
async function suggest(path, signal) {
    const texts = fields.filter(field => field.type === "text").slice(0, FACETS);
    if (!texts.length || !words.value.trim() || /["+|*~()]|(^|\s)-/.test(words.value))
        return;
    const each = texts.map(({ name }, i) => ["field " + i, { phrase: { field: name } }]);
    const wanted = { text: words.value, ...Object.fromEntries(each) };
    const answer = await ask("POST", path, { size: 0, suggest: wanted }, signal);
    const options = Object.values(answer.suggest).flatMap(([entry]) => entry.options);
    const [best] = options.sort((a, b) => b.score - a.score);
    if (!best)
        return;
    find("button", meant).textContent = best.text;
    meant.hidden = false;
}

/* ---- facets */

function choose(field, value) {
    const values = chosen.get(field) || new Set();
    if (!values.delete(value))
        values.add(value);
    if (values.size)
        chosen.set(field, values);
    else
        chosen.delete(field);
    size = PAGE;
    search();
}

function valueButton(field, value, label, count) {
    const pressed = chosen.get(field)?.has(value) || false;
    const button = el("button", { type: "button", "aria-pressed": String(pressed) },
        el("span", {}, label), el("span", { class: "soft number" }, number(count)));
    button.addEventListener("click", () => choose(field, value));
    return el("li", {}, button);
}

/* One that tells nothing apart is not shown. */
function facetOf(field, buckets) {
    const values = chosen.get(field) || new Set();
    const keys = new Map(buckets.map(bucket => [bucket.key_as_string ?? bucket.key, bucket.doc_count]));
    for (const value of values)
        if (!keys.has(value))
            keys.set(value, 0);
    const same = keys.size === VALUES && Math.max(...keys.values()) < 2;
    if (!values.size && (keys.size < 2 || same))
        return [];
    const facet = copyOf("facet");
    find("legend", facet).textContent = memberOf(field);
    find("ul", facet).append(...[...keys].map(([key, count]) => valueButton(field, key, String(key), count)));
    return [facet];
}

function showFacets(aggregations = {}) {
    const box = document.getElementById("facets");
    const at = [...box.querySelectorAll("button")].indexOf(document.activeElement);
    const pressed = at >= 0 && find("span", document.activeElement).textContent;
    box.replaceChildren(...facetFields().flatMap(
        ({ name }) => (aggregations[name] ? facetOf(name, aggregations[name].buckets) : [])));
    if (pressed !== false) {
        const buttons = [...box.querySelectorAll("button")];
        (buttons.find(button => find("span", button).textContent === pressed) || words).focus();
    }
}

/* ---- all of it */

const quoted = text => "'" + text.replaceAll("'", "'\\''") + "'";

function showRequest(path, request) {
    document.getElementById("curl").textContent =
        `curl -s ${quoted(location.origin + path)} -H 'Content-Type: application/json' -d ` +
        quoted(JSON.stringify(request, (key, value) => (key.endsWith("_tags") ? undefined : value), 1));
}

function remember() {
    const here = new URLSearchParams({ index: indexes.value });
    if (words.value)
        here.set("words", words.value);
    history.replaceState(null, "", "?" + here);
}

async function search() {
    running.abort();
    running = new AbortController();
    if (!indexes.value)
        return;
    const { signal } = running;
    const request = requestOf(), path = pathOf(indexes.value, "_search"), began = performance.now();
    remember();
    try {
        const answer = await ask("POST", path, request, signal);
        say("");
        showRequest(path, request);
        showCount(answer, performance.now() - began);
        showFacets(answer.aggregations);
        hits.replaceChildren(...answer.hits.hits.map(rowOf));
        more.hidden = answer.hits.hits.length < size || size >= MOST;
        meant.hidden = true;
        if (!answer.hits.hits.length)
            await suggest(path, signal);
    } catch (problem) {
        complain(problem);
    }
}

async function loadIndex() {
    chosen = new Map();
    size = PAGE;
    try {
        await loadFields();
    } catch (problem) {
        complain(problem);
        return;
    }
    await search();
    await look();
}

async function start(wanted) {
    try {
        if (await loadIndexes(wanted))
            await loadIndex();
    } catch (problem) {
        complain(problem);
    }
}

/* ---- segments, to scale: as long as its bytes, and of that what is deleted */

function drawSegments(list) {
    const width = 600, height = 18, gap = 4;
    const most = Math.max(1, ...list.map(segment => segment.size_in_bytes));
    const plot = svg("svg", {
        viewBox: `0 0 ${width} ${Math.max(1, list.length) * (height + gap)}`, role: "img",
        "aria-label": `${list.length} segments; the largest has ${number(most)} bytes`,
    });
    list.forEach((segment, i) => {
        const all = Math.max(2, segment.size_in_bytes / most * width);
        const docs = segment.num_docs + segment.deleted_docs;
        const live = docs ? all * segment.num_docs / docs : all;
        plot.append(
            svg("rect", { class: "first", x: 0, y: i * (height + gap), width: live.toFixed(2), height }),
            svg("rect", { class: "denied", x: live.toFixed(2), y: i * (height + gap),
                width: (all - live).toFixed(2), height }));
    });
    return plot;
}

function showSegments(list) {
    const section = document.getElementById("segments");
    find(".plot", section).replaceChildren(drawSegments(list));
    find(".table", section).hidden = list.length === 0;
    find("tbody", section).replaceChildren(...list.map(segment => el("tr", {},
        el("td", { class: "mono" }, segment.name),
        ...[segment.num_docs, segment.deleted_docs, segment.size_in_bytes].map(
            value => el("td", { class: "number" }, number(value))))));
}

let seen = "";

async function look() {
    if (document.hidden || !indexes.value)
        return;
    const index = indexes.value;
    try {
        const answer = await ask("GET", pathOf(index, "_segments"));
        const shards = Object.values(answer.indices[index].shards).flat();
        const list = shards.flatMap(shard => Object.entries(shard.segments).map(
            ([name, segment]) => ({ name, ...segment })));
        const text = JSON.stringify(list);
        if (text !== seen && index === indexes.value)
            showSegments(list);
        seen = text;
    } catch {
        /* the next look tells, or the next question does */
    }
}

/* ---- what a person does */

function move(event) {
    const titles = [...hits.querySelectorAll(".title")];
    const at = titles.indexOf(document.activeElement);
    const step = event.key === "ArrowDown" ? 1 : -1;
    if (at < 0 && document.activeElement !== words)
        return;
    const next = at + step;
    if (next >= titles.length || (at < 0 && step < 0))
        return;
    event.preventDefault();
    (next < 0 ? words : titles[next]).focus();
}

document.addEventListener("keydown", event => {
    const typing = document.activeElement.matches("input, select, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey)
        return;
    if (event.key === "/" && !typing) {
        event.preventDefault();
        words.focus();
        words.select();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        move(event);
    } else if (event.key === "Escape" && hits.contains(document.activeElement)) {
        words.focus();
    }
});

words.addEventListener("input", () => {
    size = PAGE;
    search();
});
words.addEventListener("keydown", event => {
    if (event.key === "Escape" && words.value) {
        event.preventDefault();
        words.value = "";
        chosen = new Map();
        search();
    }
});
find("button", meant).addEventListener("click", () => {
    words.value = find("button", meant).textContent;
    size = PAGE;
    words.focus();
    search();
});
form.addEventListener("submit", event => {
    event.preventDefault();
    search();
});
indexes.addEventListener("change", loadIndex);
order.addEventListener("change", search);
more.addEventListener("click", async () => {
    const last = hits.children.length;
    size = Math.min(MOST, size + PAGE);
    await search();
    if (hits.children[last])
        find(".title", hits.children[last]).focus();
});

/* ---- something to search */

const BOOKS = [
    ["Moby-Dick", "Herman Melville", 1851, ["sea", "whales"], "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse, and nothing particular to interest me on shore, I thought I would sail about a little and see the watery part of the world."],
    ["Pride and Prejudice", "Jane Austen", 1813, ["love", "society"], "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife."],
    ["A Tale of Two Cities", "Charles Dickens", 1859, ["history", "revolution"], "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness."],
    ["Great Expectations", "Charles Dickens", 1861, ["society", "childhood"], "My father’s family name being Pirrip, and my Christian name Philip, my infant tongue could make of both names nothing longer or more explicit than Pip."],
    ["Twenty Thousand Leagues under the Sea", "Jules Verne", 1870, ["sea", "adventure"], "The year 1866 was signalised by a remarkable incident, a mysterious and puzzling phenomenon, which doubtless no one has yet forgotten."],
    ["Treasure Island", "Robert Louis Stevenson", 1883, ["sea", "adventure"], "I take up my pen in the year of grace 17—, and go back to the time when my father kept the Admiral Benbow inn."],
    ["Frankenstein", "Mary Shelley", 1818, ["science", "horror"], "You will rejoice to hear that no disaster has accompanied the commencement of an enterprise which you have regarded with such evil forebodings."],
    ["Dracula", "Bram Stoker", 1897, ["horror"], "Left Munich at 8:35 P.M., on 1st May, arriving at Vienna early next morning; should have arrived at 6:46, but train was an hour late."],
    ["The Time Machine", "H. G. Wells", 1895, ["science", "adventure"], "The Time Traveller (for so it will be convenient to speak of him) was expounding a recondite matter to us."],
    ["The War of the Worlds", "H. G. Wells", 1898, ["science"], "No one would have believed in the last years of the nineteenth century that this world was being watched keenly and closely by intelligences greater than man’s."],
    ["Alice’s Adventures in Wonderland", "Lewis Carroll", 1865, ["childhood", "adventure"], "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do."],
    ["Walden", "Henry David Thoreau", 1854, ["nature"], "When I wrote the following pages, or rather the bulk of them, I lived alone, in the woods, a mile from any neighbor, on the shore of Walden Pond."],
    ["On the Origin of Species", "Charles Darwin", 1859, ["science", "nature"], "When on board H.M.S. Beagle, as naturalist, I was much struck with certain facts in the distribution of the inhabitants of South America."],
    ["Emma", "Jane Austen", 1815, ["love", "society"], "Emma Woodhouse, handsome, clever, and rich, with a comfortable home and happy disposition, seemed to unite some of the best blessings of existence."],
    ["Anna Karenina", "Leo Tolstoy", 1878, ["love", "society"], "Happy families are all alike; every unhappy family is unhappy in its own way."],
    ["War and Peace", "Leo Tolstoy", 1869, ["history"], "Well, Prince, so Genoa and Lucca are now just family estates of the Buonapartes."],
];

async function putBooks() {
    const lines = BOOKS.flatMap(([name, author, year, subjects, text], i) => [
        { index: { _index: "books", _id: String(i + 1) } }, { title: name, author, year, subjects, text }]);
    await ask("PUT", "/books", { mappings: { properties: {
        title: { type: "text", analyzer: "english" }, text: { type: "text", analyzer: "english" },
        author: { type: "keyword" }, subjects: { type: "keyword" }, year: { type: "long" },
    } } });
    await ask("POST", "/_bulk?refresh=true", lines.map(line => JSON.stringify(line) + "\n").join(""), undefined,
        "application/x-ndjson");
}

document.getElementById("books").addEventListener("click", async () => {
    try {
        await putBooks();
        await start("books");
        words.focus();
        say("Sixteen books are in the index “books”.");
    } catch (problem) {
        complain(problem);
    }
});

bindToken(document.getElementById("token"), () => start(indexes.value));
const here = new URLSearchParams(location.search);
words.value = here.get("words") || "";
start(here.get("index"));
setInterval(look, LOOK_AGAIN);
words.focus({ preventScroll: true });
