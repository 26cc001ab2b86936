/*
 * page.js - the shortener's page: make a link, see one's own, change them.
 *
 * Everything shown comes from the API that any client has; nothing is kept
 * here but the list on the screen.
 */
import {
    api, bindToken, copyOf, copyText, el, find, idempotency, localInput, number, say, showProblem,
    sparkline, submit, time,
} from "/lab.js";

const PAGE = 20;
const UNITS = { minute: 60, hour: 48, day: 30 };

const make = document.getElementById("make");
const filter = document.getElementById("filter");
const list = document.getElementById("links");
const more = document.getElementById("more");
const shortUrl = document.getElementById("short-url");

const intent = idempotency();
let cursor = null;
let asked = 0; /* a list that was asked for before the last one is not shown */

const pathOf = code => "/v1/links/" + encodeURIComponent(code);

/* What the forms say, as the API wants it. */

/* "example.com/page" is what people type. */
function completeUrl(text) {
    const bare = /^[\p{L}\p{N}-]+(\.[\p{L}\p{N}-]+)+(:\d+)?([/?#]|$)/u;
    return bare.test(text) ? "https://" + text : text;
}

const tagsOf = text => text.split(",").map(tag => tag.trim()).filter(Boolean);

/* {} to keep, {ttl} or {expires_at} to set; null clears. */
function expiryOf(fields) {
    const choice = fields.expires.value;
    if (choice === "keep")
        return {};
    if (choice === "")
        return { expires_at: null };
    if (choice !== "at")
        return { ttl: Number(choice) };
    const at = new Date(fields.expires_at.value);
    return { expires_at: isNaN(at) ? "" : at.toISOString() };
}

function showExpiryField(form) {
    const { expires, expires_at: at } = form.elements;
    const update = () => {
        at.closest(".field").hidden = expires.value !== "at";
        if (expires.value === "at" && !at.value)
            at.value = localInput(new Date(Date.now() + 86400000));
    };
    expires.addEventListener("change", update);
    form.addEventListener("reset", () => setTimeout(update));
}

function newLink() {
    const fields = make.elements;
    const body = { url: completeUrl(fields.url.value.trim()) };
    const expiry = expiryOf(fields);
    if (fields.code.value.trim())
        body.code = fields.code.value.trim();
    if (fields.title.value.trim())
        body.title = fields.title.value.trim();
    if (tagsOf(fields.tags.value).length)
        body.tags = tagsOf(fields.tags.value);
    if (expiry.expires_at !== null)
        Object.assign(body, expiry);
    if (fields.redirect.value !== "302")
        body.redirect = Number(fields.redirect.value);
    if (fields.forward_query.checked)
        body.forward_query = true;
    if (fields.reuse.checked)
        body.reuse = true;
    return body;
}

/* Only what differs: an edit elsewhere of another member stays. */
function changesOf(form, link) {
    const fields = form.elements;
    const changes = expiryOf(fields);
    const title = fields.title.value.trim() || null;
    const tags = tagsOf(fields.tags.value);
    const url = completeUrl(fields.url.value.trim());
    if (changes.expires_at === null && !link.expires_at)
        delete changes.expires_at;
    if (url !== link.url)
        changes.url = url;
    if (title !== (link.title || null))
        changes.title = title;
    if (tags.join() !== link.tags.join())
        changes.tags = tags;
    if (Number(fields.redirect.value) !== link.redirect)
        changes.redirect = Number(fields.redirect.value);
    if (fields.forward_query.checked !== link.forward_query)
        changes.forward_query = fields.forward_query.checked;
    return changes;
}

/* One link of the list. */

function fillRow(row, link) {
    const short = find(".short", row), title = find(".title", row), tags = find(".tags", row);
    short.href = link.short_url;
    short.textContent = link.short_url.replace(/^https?:\/\//, "");
    title.textContent = link.title || "";
    title.hidden = !link.title;
    find(".target", row).textContent = link.url;
    find(".preview", row).href = "/" + link.code + "+";
    find(".facts", row).replaceChildren(...facts(link));
    tags.hidden = link.tags.length === 0;
    tags.replaceChildren(...link.tags.map(tag => {
        const button = el("button", { type: "button", class: "plain small" }, "#" + tag);
        button.addEventListener("click", () => showTag(tag));
        return button;
    }));
    for (const control of row.querySelectorAll(".edit, .stats, .copy, .delete, .preview"))
        control.setAttribute("aria-label", control.textContent + " " + link.code);
}

function facts(link) {
    const parts = ["made ", time(link.created_at)];
    if (link.expires_at) {
        const over = new Date(link.expires_at) <= new Date();
        parts.push(over ? ", expired " : ", expires ", time(link.expires_at));
    }
    if (link.redirect !== 302)
        parts.push(", " + link.redirect);
    if (link.forward_query)
        parts.push(", passes the query on");
    return parts;
}

/* Edit and Clicks open a panel under the row, and close it again. */
function bindPanel(button, open) {
    let panel = null;
    const close = () => {
        panel.remove();
        panel = null;
        button.setAttribute("aria-expanded", "false");
        button.focus();
    };
    button.addEventListener("click", () => {
        if (panel) {
            close();
            return;
        }
        panel = open(close);
        button.closest("li").append(panel);
        button.setAttribute("aria-expanded", "true");
        find("input, select", panel).focus();
    });
}

function editPanel(row, close) {
    const form = copyOf("edit-form"), fields = form.elements, link = row.link;
    fields.url.value = link.url;
    fields.title.value = link.title || "";
    fields.tags.value = link.tags.join(", ");
    fields.redirect.value = String(link.redirect);
    fields.forward_query.checked = link.forward_query;
    showExpiryField(form);
    fields.cancel.addEventListener("click", close);
    form.addEventListener("submit", async event => {
        event.preventDefault();
        const good = await submit(form, async () => {
            row.link = await api("PATCH", pathOf(link.code), changesOf(form, link));
        });
        if (good) {
            fillRow(row, row.link);
            close();
            say("Saved.");
        }
    });
    return form;
}

function fillStats(panel, stats) {
    const { series, unit } = stats;
    const most = Math.max(0, ...series.map(bucket => bucket.clicks + bucket.bots));
    find(".total", panel).textContent = number(stats.total);
    find(".unique", panel).textContent = number(stats.unique);
    find(".bots", panel).textContent = number(stats.bots);
    find(".plot", panel).replaceChildren(sparkline(
        series.map(bucket => [bucket.clicks, bucket.bots]),
        `Clicks by ${unit}: ${series.length} bars, the highest ${most}`));
    find(".from", panel).replaceChildren(time(series[0].at));
    find(".most", panel).textContent = `at most ${number(most)} ${unit === "hour" ? "an" : "a"} ${unit}`;
    find(".to", panel).textContent = "now";
}

function statsPanel(row) {
    const panel = copyOf("stats-panel"), form = find("form", panel), unit = form.elements.unit;
    const load = () => submit(form, async () => {
        const query = `?unit=${unit.value}&units=${UNITS[unit.value]}`;
        fillStats(panel, await api("GET", pathOf(row.link.code) + "/stats" + query));
    });
    form.addEventListener("submit", event => {
        event.preventDefault();
        load();
    });
    unit.addEventListener("change", load);
    load();
    return panel;
}

function confirmDelete(code) {
    const dialog = document.getElementById("confirm");
    find(".what", dialog).textContent = "/" + code;
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise(resolve => dialog.addEventListener(
        "close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

async function deleteRow(row) {
    if (!await confirmDelete(row.link.code))
        return;
    try {
        await api("DELETE", pathOf(row.link.code));
    } catch (problem) {
        showProblem(problem);
        return;
    }
    const next = row.nextElementSibling || row.previousElementSibling;
    (next ? find("button", next) : make.elements.url).focus();
    row.remove();
    say(`Deleted /${row.link.code}.`);
    showEmpty();
}

async function copyRow(row) {
    const field = el("input", { class: "unseen", readonly: true, "aria-hidden": "true", tabindex: "-1" });
    field.value = row.link.short_url;
    row.append(field);
    const good = await copyText(field);
    field.remove();
    find(".copy", row).focus();
    say(good ? "Copied." : "The browser did not allow the copy.", !good);
}

function makeRow(link) {
    const row = copyOf("link-row");
    row.link = link;
    fillRow(row, link);
    bindPanel(find(".edit", row), close => editPanel(row, close));
    bindPanel(find(".stats", row), () => statsPanel(row));
    find(".copy", row).addEventListener("click", () => copyRow(row));
    find(".delete", row).addEventListener("click", () => deleteRow(row));
    return row;
}

/* The list. */

function showEmpty() {
    const none = document.getElementById("none");
    const tag = filter.elements.tag.value.trim();
    none.hidden = list.children.length > 0 || !more.hidden;
    none.textContent = tag ? `No link has the tag “${tag}”.` : "None yet. The first one is made above.";
}

async function load(from = null) {
    const tag = filter.elements.tag.value.trim(), mine = ++asked;
    const query = new URLSearchParams({ limit: PAGE });
    if (tag)
        query.set("tag", tag);
    if (from)
        query.set("cursor", from);
    const { items, next } = await api("GET", "/v1/links?" + query);
    if (mine !== asked)
        return;
    const rows = items.map(makeRow);
    if (from)
        list.append(...rows);
    else
        list.replaceChildren(...rows);
    cursor = next;
    more.hidden = next === null;
    filter.elements.all.hidden = !tag;
    showEmpty();
    if (from && rows.length > 0)
        find("a", rows[0]).focus();
}

function reload() {
    load().catch(problem => {
        list.replaceChildren();
        more.hidden = true;
        showProblem(problem);
        if (problem.status === 401)
            document.getElementById("token").elements.token.focus();
    });
}

function showTag(tag) {
    filter.elements.tag.value = tag;
    reload();
    filter.elements.tag.focus();
}

/* A new link. */

function showMade(link) {
    document.getElementById("made").hidden = false;
    shortUrl.value = link.short_url;
    document.getElementById("made-open").href = link.short_url;
    document.getElementById("made-preview").href = "/" + link.code + "+";
    document.getElementById("copy").focus();
}

function showFirst(link) {
    const tag = filter.elements.tag.value.trim();
    for (const row of [...list.children])
        if (row.link.code === link.code)
            row.remove();
    if (!tag || link.tags.includes(tag))
        list.prepend(makeRow(link));
    showEmpty();
}

make.addEventListener("submit", async event => {
    event.preventDefault();
    let link = null;
    const body = newLink();
    const good = await submit(make, async () => {
        link = await api("POST", "/v1/links", body, intent.header(body));
        intent.done();
    });
    if (!good)
        return;
    make.reset();
    showMade(link);
    showFirst(link);
    say(`/${link.code} is ready.`);
});

document.getElementById("copy").addEventListener("click", async () => {
    const good = await copyText(shortUrl);
    document.getElementById("copy").focus();
    say(good ? "Copied." : "The browser did not allow the copy: the field is selected.", !good);
});

filter.addEventListener("submit", event => {
    event.preventDefault();
    reload();
});
filter.elements.all.addEventListener("click", () => showTag(""));
more.addEventListener("click", () => load(cursor).catch(showProblem));

showExpiryField(make);
bindToken(document.getElementById("token"), () => {
    say("");
    reload();
});
reload();
