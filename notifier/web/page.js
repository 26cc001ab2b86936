/*
 * page.js - the notifier's page: subscribers that share one WebSocket, what
 * they get, and what they get when it was cut.
 *
 *   connect() -- auth, then subscribe with the last position --> events
 *   -- take() --> draw()
 *
 * What comes before a subscription has caught up to where its topics stood when
 * it was answered was missed; the rest is live.
 */
import {
    Problem, bindToken, copyOf, find, number, say, showProblem, submit, svg, token,
} from "/lab.js";

const SHOWN = 120; /* events of a subscriber's plot */
const WAIT_MS = [500, 5000]; /* between two attempts, at random */
const ASK_MS = 10000;

const publish = document.getElementById("publish");
const subscribe = document.getElementById("subscribe");
const cutButton = document.getElementById("cut");
const list = document.getElementById("subscribers");
const figure = id => document.getElementById(id);

const counts = { live: 0, replayed: 0, gaps: 0 };

/* A subscriber: a selector, and what it was sent. */

class Row {
    constructor(selector) {
        this.selector = selector;
        this.events = [];
        this.since = performance.now();
        this.node = copyOf("subscriber-row");
        find("h3", this.node).textContent = selector;
        find(".remove", this.node).addEventListener("click", () => remove(this));
        this.plot = svg("svg", {
            viewBox: `0 0 ${5 * SHOWN} 40`, preserveAspectRatio: "none", role: "img",
        });
        find(".plot", this.node).append(this.plot);
        list.append(this.node);
        this.draw();
    }

    push(part, text) {
        this.events.push(part);
        if (this.events.length > SHOWN)
            this.events.shift();
        find(".last", this.node).textContent = text;
        this.draw();
    }

    draw() {
        const all = this.events;
        const of = part => all.filter(event => event === part).length;
        const said = `${number(of("first"))} live, ${number(of("second"))} caught up with, `
            + `${number(of("denied"))} gaps`;
        const from = 5 * (SHOWN - all.length);
        this.plot.replaceChildren(...all.map((part, i) => svg("rect", {
            class: part, x: from + 5 * i, width: 4, y: part === "denied" ? 0 : 8, height: part === "denied" ? 40 : 32,
        })));
        this.plot.setAttribute("aria-label", `${this.selector}: ${said}`);
        find(".facts", this.node).textContent = said;
    }
}

const rows = new Map();

/* Does the selector bring this topic?  A template's expressions are anything. */
function brings(selector, topic) {
    if (selector === "*" || selector === topic)
        return true;
    if (!selector.includes("{"))
        return false;
    const parts = selector.split(/\{[^}]*\}/)
        .map(part => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp("^" + parts.join(".*") + "$", "s").test(topic);
}

/* The connection. */

const link = {
    socket: null, open: false, wanted: true, position: "", retry: 0, next: 1,
    asked: new Map(), catching: false,
};

function ask(op, members = {}) {
    return new Promise((resolve, reject) => {
        if (!link.open) {
            reject(new Problem({ title: "Not connected." }));
            return;
        }
        const id = link.next++;
        const timer = setTimeout(() => {
            link.asked.delete(id);
            reject(new Problem({ title: "No answer came." }));
        }, ASK_MS);
        link.asked.set(id, answer => {
            clearTimeout(timer);
            if (answer.ok)
                resolve(answer);
            else
                reject(problemOf(answer.error));
        });
        link.socket.send(JSON.stringify({ id, op, ...members }));
    });
}

/* "/topics/0: why" names the field that it is about. */
function problemOf({ type, status, detail, retry_after_ms }) {
    const [, pointer, text] = /^(\/[^:]*): (.*)$/s.exec(detail) || [];
    return new Problem({
        type, status, title: detail, errors: pointer ? [{ pointer, detail: text }] : [],
        retry: retry_after_ms ? String(Math.ceil(retry_after_ms / 1000)) : "",
    });
}

function show(text) {
    figure("link").textContent = text;
    cutButton.textContent = link.wanted ? "Cut the connection" : "Connect again";
    for (const [id, value] of Object.entries(counts))
        figure(id).textContent = number(value);
    figure("position").textContent = link.position
        ? `${link.position.slice(0, 24)}… (${number(link.position.length)} bytes)` : "none yet";
}

function take(event) {
    if (event.position)
        link.position = event.position;
    if (event.type === "presence" && event.topic === "page")
        figure("present").textContent = number(event.count);
    if (event.type === "drain")
        say("The server drains; the connection comes back by itself.");
    if (event.type !== "message" && event.type !== "gap")
        return;
    const gap = event.type === "gap";
    const part = gap ? "denied" : link.catching ? "second" : "first";
    counts[gap ? "gaps" : link.catching ? "replayed" : "live"]++;
    for (const row of rows.values())
        if (gap ? row.selector === event.topic : brings(row.selector, event.topic))
            row.push(part, gap
                ? `gap: ${event.from} to ${event.to} are gone (${event.reason})`
                : `${event.topic} #${event.offset}: ${event.data.slice(0, 200)}`);
    show(link.catching ? "catching up" : "connected");
}

/* What was missed has come when an answer to a later request has. */
async function settle() {
    await ask("unsubscribe", { topics: ["page/none"] });
    link.catching = false;
    show("connected");
}

async function begin() {
    if (token())
        await ask("auth", { token: token() });
    await ask("subscribe", { topics: ["page"], presence: true });
    const topics = [...rows.keys()];
    if (!topics.length) {
        show("connected");
        return;
    }
    link.catching = link.position !== "";
    await ask("subscribe", link.position ? { topics, since: link.position } : { topics });
    await settle();
}

function connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/v1/ws`, "notifier.v1.json");
    link.socket = socket;
    show("connecting");
    socket.addEventListener("open", () => {
        link.open = true;
        begin().catch(problem => showProblem(problem));
    });
    socket.addEventListener("message", ({ data }) => {
        const message = JSON.parse(data);
        const answer = link.asked.get(message.id);
        link.asked.delete(message.id);
        if (answer)
            answer(message);
        else if (message.type)
            take(message);
    });
    socket.addEventListener("close", ({ code, reason }) => {
        link.open = false;
        for (const answer of link.asked.values())
            answer({ ok: false, error: { detail: "The connection was cut.", status: 0 } });
        link.asked.clear();
        figure("present").textContent = "–";
        show(link.wanted ? `closed (${code}${reason ? ": " + reason : ""}), coming back` : "cut");
        clearTimeout(link.retry);
        if (link.wanted && code !== 4401)
            link.retry = setTimeout(connect, WAIT_MS[0] + Math.random() * (WAIT_MS[1] - WAIT_MS[0]));
    });
}

function again() {
    clearTimeout(link.retry);
    link.wanted = true;
    if (link.socket && link.socket.readyState <= WebSocket.OPEN)
        link.socket.close(1000);
    else
        connect();
}

cutButton.addEventListener("click", () => {
    if (!link.wanted) {
        again();
        return;
    }
    link.wanted = false;
    clearTimeout(link.retry);
    link.socket.close(1000);
    show("cut");
    say("Cut. What you publish now is missed, until you connect again.");
});

/* Subscribers. */

async function add(selector) {
    if (rows.has(selector))
        return;
    if (link.open)
        await ask("subscribe", { topics: [selector] });
    rows.set(selector, new Row(selector));
    figure("curl").textContent =
        `curl -N '${location.origin}/.well-known/mercure?topic=${encodeURIComponent(selector)}'`;
}

async function remove(row) {
    rows.delete(row.selector);
    row.node.remove();
    if (link.open)
        await ask("unsubscribe", { topics: [row.selector] }).catch(problem => showProblem(problem));
}

subscribe.addEventListener("submit", event => {
    event.preventDefault();
    submit(subscribe, () => add(subscribe.elements.topic.value));
});

/* Publishing goes by a form, so that it goes on while the connection is cut. */

async function send(topic, data) {
    const headers = token() ? { Authorization: "Bearer " + token() } : {};
    const answer = await fetch("/.well-known/mercure", {
        method: "POST", headers, body: new URLSearchParams({ topic, data }),
    }).catch(() => null);
    if (!answer)
        throw new Problem({ title: "The service does not answer." });
    if (answer.ok)
        return;
    const json = (answer.headers.get("content-type") || "").includes("json");
    const detail = json ? (await answer.json()).detail : (await answer.text()).trim();
    throw new Problem({
        title: detail, status: answer.status, retry: answer.headers.get("retry-after") || "",
        errors: /topic/.test(detail) && answer.status === 400 ? [{ pointer: "/topics", detail }] : [],
    });
}

publish.addEventListener("submit", event => {
    event.preventDefault();
    const { topic, data, count } = publish.elements;
    const many = Math.min(500, Math.max(1, Number(count.value) || 1));
    submit(publish, async () => {
        for (let n = 1; n <= many; n++)
            await send(topic.value, many > 1 ? `${data.value} ${n}` : data.value);
        say(`Published ${number(many)}.`);
    });
});

bindToken(document.getElementById("token"), again);
for (const selector of ["orders/1", "*"])
    add(selector);
connect();
