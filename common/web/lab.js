/*
 * lab.js - what every page of the lab needs, and no more: elements, requests
 * whose problems appear beside the field they are about, a status line, the
 * token, times, and a plot.  A module: import what a page uses.
 */

/* Elements. */

export const find = (selector, within = document) => within.querySelector(selector);

/* el("p", {class: "hint"}, "text", child): never HTML, always nodes. */
export function el(name, attributes = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes))
        if (value !== false && value !== null && value !== undefined)
            node.setAttribute(key, value === true ? "" : value);
    node.append(...children);
    return node;
}

export function copyOf(templateId) {
    return document.getElementById(templateId).content.firstElementChild.cloneNode(true);
}

/*
 * The status line: one polite live region, id "status".  Good news goes after
 * a while, bad news stays until there is other.
 */
let forget = 0;

export function say(text, bad = false) {
    const line = document.getElementById("status");
    line.classList.toggle("bad", bad);
    line.textContent = text;
    clearTimeout(forget);
    if (!bad)
        forget = setTimeout(() => line.replaceChildren(), 8000);
}

/* The token, for as long as the tab lives. */

const TOKEN = "lab.token";

export const token = () => sessionStorage.getItem(TOKEN) || "";

/* form: a field "token", a button "forget"; changed() runs on either. */
export function bindToken(form, changed) {
    const show = () => {
        form.elements.token.value = "";
        form.elements.forget.hidden = !token();
        find(".held", form).hidden = !token();
    };
    form.addEventListener("submit", event => {
        event.preventDefault();
        const value = form.elements.token.value.trim();
        if (value)
            sessionStorage.setItem(TOKEN, value);
        show();
        changed();
    });
    form.elements.forget.addEventListener("click", () => {
        sessionStorage.removeItem(TOKEN);
        show();
        changed();
    });
    show();
}

/* Requests. */

/* What a problem+json answer, or no answer at all, says. */
export class Problem extends Error {
    constructor({ status = 0, title = "", detail = "", type = "", errors = [], retry = "" }) {
        super(detail || title || "something went wrong");
        Object.assign(this, { status, title, type, errors, retry });
    }
}

async function problemOf(answer) {
    let said = {};
    if ((answer.headers.get("content-type") || "").includes("json"))
        said = await answer.json().catch(() => ({}));
    return new Problem({
        title: `${answer.status} ${answer.statusText}`, ...said, status: answer.status,
        retry: answer.headers.get("retry-after") || "",
    });
}

/* The JSON of a good answer (null for 204); throws a Problem otherwise. */
export async function api(method, path, body, headers = {}) {
    const request = { method, headers: { Accept: "application/json", ...headers } };
    if (token())
        request.headers.Authorization = "Bearer " + token();
    if (body !== undefined) {
        request.headers["Content-Type"] = "application/json";
        request.body = JSON.stringify(body);
    }
    let answer;
    try {
        answer = await fetch(path, request);
    } catch {
        throw new Problem({ title: "The service does not answer." });
    }
    if (!answer.ok)
        throw await problemOf(answer);
    return answer.status === 204 ? null : answer.json();
}

/*
 * A key for one intent: the same while the body is, so that a second try after
 * a lost answer does not do the thing twice; another once done() was called.
 */
export function idempotency() {
    let last = null, key = "";
    return {
        header(body) {
            const text = JSON.stringify(body);
            if (text !== last) {
                const bytes = crypto.getRandomValues(new Uint8Array(16));
                key = Array.from(bytes, b => b.toString(16).padStart(2, "0")).join("");
                last = text;
            }
            return { "Idempotency-Key": key };
        },
        done() {
            last = null;
        },
    };
}

/* Forms. */

let made = 0;

/* The control that a JSON pointer is about: by data-pointer, else by name. */
function controlOf(form, pointer) {
    const head = "/" + pointer.split("/")[1];
    for (const control of form.elements) {
        const pointers = control.dataset.pointer || "/" + control.name;
        if (pointers.split(" ").includes(head) && !control.closest("[hidden]"))
            return control;
    }
    return null;
}

function mark(control, text) {
    const note = el("p", { class: "error", id: "error-" + ++made }, text);
    control.setAttribute("aria-invalid", "true");
    control.setAttribute("aria-describedby",
        [control.getAttribute("aria-describedby"), note.id].filter(Boolean).join(" "));
    (control.closest(".field") || control.parentElement).append(note);
    const closed = control.closest("details:not([open])");
    if (closed)
        closed.open = true;
}

export function clearProblem(form) {
    for (const note of form.querySelectorAll(".error"))
        note.remove();
    for (const control of form.querySelectorAll("[aria-invalid]")) {
        control.removeAttribute("aria-invalid");
        const left = (control.getAttribute("aria-describedby") || "").split(" ")
            .filter(id => id && document.getElementById(id));
        if (left.length)
            control.setAttribute("aria-describedby", left.join(" "));
        else
            control.removeAttribute("aria-describedby");
    }
}

/* Each error beside its field, focus on the first; the rest on the status line. */
export function showProblem(problem, form = null) {
    const rest = [];
    let first = null;
    if (form)
        clearProblem(form);
    for (const { pointer, detail } of problem.errors || []) {
        const control = form && controlOf(form, pointer);
        if (control) {
            mark(control, detail);
            first = first || control;
        } else {
            rest.push(`${pointer.slice(1)}: ${detail}`);
        }
    }
    if (first)
        first.focus();
    const wait = problem.retry ? ` Try again in ${problem.retry} s.` : "";
    say((rest.join("; ") || (first ? "Not accepted: see the marked field." : problem.message)) + wait,
        true);
}

/* Run job while form's buttons wait; its problem goes where it belongs. */
export async function submit(form, job) {
    const buttons = [...form.querySelectorAll("button")].filter(b => !b.disabled);
    const focused = document.activeElement;
    clearProblem(form);
    for (const button of buttons)
        button.disabled = true;
    let problem = null;
    try {
        await job();
    } catch (thrown) {
        problem = thrown;
    }
    for (const button of buttons)
        button.disabled = false;
    if (focused && focused.isConnected && document.activeElement === document.body)
        focused.focus();
    if (problem)
        showProblem(problem, form);
    return !problem;
}

/* The clipboard, also where the page is no secure context. */
export async function copyText(input) {
    input.focus();
    input.select();
    if (navigator.clipboard) {
        try {
            await navigator.clipboard.writeText(input.value);
            return true;
        } catch {
            /* not allowed here: the old way */
        }
    }
    return document.execCommand("copy");
}

/* Times and numbers, as the reader's system writes them. */

const longTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const count = new Intl.NumberFormat();

export const number = value => count.format(value);

export function time(text) {
    return el("time", { datetime: text }, longTime.format(new Date(text)));
}

/* For <input type="datetime-local">: local, to the minute. */
export function localInput(date) {
    return new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

/* Plots. */

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes))
        node.setAttribute(key, value);
    return node;
}

/*
 * Bars of [[below, above], …], stacked, as an <svg> that fills its figure;
 * label says in words what the picture shows.
 */
export function sparkline(points, label) {
    const width = 600, height = 100;
    const step = width / Math.max(1, points.length);
    const most = Math.max(1, ...points.map(([below, above]) => below + above));
    const plot = svg("svg", {
        viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none",
        role: "img", "aria-label": label,
    });
    const bar = (i, from, value, part) => value && plot.append(svg("rect", {
        class: part, x: (i * step).toFixed(2), width: Math.max(1, step * 0.8).toFixed(2),
        y: (height - (from + value) / most * height).toFixed(2),
        height: (value / most * height).toFixed(2),
    }));
    points.forEach(([below, above], i) => {
        bar(i, 0, below, "first");
        bar(i, below, above, "second");
    });
    return plot;
}
