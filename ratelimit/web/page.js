/*
 * page.js - the rate limiter's page: arrivals that one drags, and what limits
 * say to them.
 *
 *   tick(), each 100 ms -- arrivals, for every limit shown --> ask()
 *   -- one POST /v1/check:batch at a time --> count() --> draw()
 *
 * An answer that is late delays the next batch, which then carries the arrivals
 * of both.  The limits compared are the page's own and go when it goes.
 */
import {
    Problem, api, bindToken, copyOf, find, number, say, showProblem, submit, svg, token,
} from "/lab.js";

const TICK = 100; /* ms */
const BINS = 200; /* of a tick each: what a plot shows */
const MOST_DUE = 100; /* arrivals of one batch; nine limits are asked, 1,000 items are allowed */
const BEFORE = 80, AFTER = 40; /* ms from a window's edge to a burst */

const ALGORITHMS = {
    token_bucket: "A bucket that fills at the rate; a token for each call.",
    gcra: "The same law, kept as one time: when the bucket is full again.",
    fixed_window: "Counts from zero after each edge.",
    sliding_window: "Counts this window, and of the last one the part that still overlaps.",
    sliding_log: "Keeps the time of each call: exact, for more memory.",
};
const POLICIES = {
    open: "Lets all pass until Redis is back.",
    closed: "Lets none pass until Redis is back.",
    local: "Each worker goes on with its share of the limit.",
};

const define = document.getElementById("define");
const numbers = document.getElementById("numbers");
const slider = document.getElementById("rate");
const cutButton = document.getElementById("cut");

const random = Array.from(crypto.getRandomValues(new Uint8Array(4)),
    b => b.toString(16).padStart(2, "0")).join("");

const pathOf = name => "/v1/limits/" + encodeURIComponent(name);
const sum = (bins, member) => bins.reduce((total, bin) => total + bin[member], 0);
const until = moment => new Promise(resolve => setTimeout(resolve, moment - performance.now()));

/* A limit that is asked for a key, and what it answered in each tick. */

const WIDTH = 3 * BINS, TOKENS = 28, MIDDLE = 64, HALF = 30;

class Track {
    constructor(limit, place) {
        this.limit = limit;
        this.key = "page";
        this.defined = false;
        this.edge = null; /* a time, where a window ends */
        this.paths = {};
        this.plot = svg("svg", {
            viewBox: `0 0 ${WIDTH} 100`, preserveAspectRatio: "none", role: "img",
        });
        for (const part of ["edges", "left", "first", "denied", "degraded", "base"]) {
            this.paths[part] = svg("path", { class: part });
            this.plot.append(this.paths[part]);
        }
        this.paths.base.setAttribute("d", `M0 ${MIDDLE}H${WIDTH}`);
        this.clear();
        if (place)
            find(".plot", place).replaceChildren(this.plot);
        this.place = place;
    }

    clear() {
        this.bins = [];
        this.push();
    }

    push() {
        this.bins.push({ admitted: 0, denied: 0, left: null, quota: 1, degraded: false });
        if (this.bins.length > BINS)
            this.bins.shift();
    }

    /* The last answer there was. */
    get last() {
        return this.bins.findLast(bin => bin.left !== null);
    }

    get most() {
        return Math.max(...this.bins.map(bin => Math.max(bin.admitted, bin.denied)));
    }

    draw(most, edges) {
        const d = { left: "", first: "", denied: "", degraded: "", edges };
        let at = WIDTH - 3 * this.bins.length, full = 0, degraded = false;
        for (const bin of this.bins) {
            const bar = (from, to) => `M${at} ${from}h2.4V${to.toFixed(1)}h-2.4z`;
            if (bin.left !== null) { /* else its answer is late: as before */
                full = Math.min(1, bin.left / bin.quota);
                degraded = bin.degraded;
            }
            if (full > 0)
                d.left += `M${at} ${TOKENS}h3V${(TOKENS * (1 - full)).toFixed(1)}h-3z`;
            if (bin.admitted)
                d.first += bar(MIDDLE, MIDDLE - HALF * bin.admitted / most);
            if (bin.denied)
                d.denied += bar(MIDDLE, MIDDLE + HALF * bin.denied / most);
            if (degraded)
                d.degraded += `M${at} 96h3v4h-3z`;
            at += 3;
        }
        for (const [part, path] of Object.entries(d))
            this.paths[part].setAttribute("d", path);
        this.plot.setAttribute("aria-label", `${this.limit}, in 20 s: ${this.said()}`);
    }

    said() {
        const last = this.last;
        return [`${number(sum(this.bins, "admitted"))} passed`,
            `${number(sum(this.bins, "denied"))} denied`,
            last && `${number(last.left)} left`,
            last && last.degraded && "degraded"].filter(Boolean).join(", ");
    }
}

/* Limits of the page's own, under each other in a list, by one scale. */
function makeGroup(listId, words) {
    return Object.entries(words).map(([name, what]) => {
        const row = copyOf("limit-row");
        find("h3", row).textContent = name;
        find(".what", row).textContent = what;
        document.getElementById(listId).append(row);
        return new Track(`page-${name}-${random}`, row);
    });
}

const mine = new Track("", document.getElementById("mine"));
const algorithms = makeGroup("algorithms", ALGORITHMS);
const fixed = algorithms[Object.keys(ALGORITHMS).indexOf("fixed_window")];
let policies = []; /* in the lab only */
const tracks = () => [mine, ...algorithms, ...policies].filter(track => track.defined);

/* Batches: one at a time. */

let line = Promise.resolve();
let inLine = 0;

/* wants: [[track, how many calls, 0 for a look]]; the results, by track. */
function ask(wants) {
    inLine++;
    const answer = line.then(() => askNow(wants)).finally(() => inLine--);
    line = answer.catch(() => {});
    return answer;
}

async function askNow(wants) {
    const all = wants.flatMap(([track, calls]) => Array(Math.max(1, calls)).fill(track));
    const costs = wants.flatMap(([, calls]) => Array(Math.max(1, calls)).fill(Math.min(1, calls)));
    const items = all.map(({ limit, key }, i) => ({ checks: [{ limit, key, cost: costs[i] }] }));
    const bins = new Map(wants.map(([track]) => [track, track.bins.at(-1)]));
    const found = new Map(wants.map(([track]) => [track, []]));
    const { results } = await api("POST", "/v1/check:batch", { items });
    const now = performance.now();
    let wrong = null;
    results.forEach(({ value, problem }, i) => {
        if (problem) {
            if (problem.status === 404)
                all[i].defined = false;
            wrong = wrong || Object.assign(new Problem(problem), { ofItem: true });
            return;
        }
        const [result] = value.results;
        found.get(all[i]).push(result);
        count(all[i], bins.get(all[i]), result, costs[i], now);
    });
    if (wrong)
        throw wrong;
    return found;
}

function count(track, bin, result, cost, now) {
    bin.admitted += cost && result.allowed ? 1 : 0;
    bin.denied += cost && !result.allowed ? 1 : 0;
    bin.left = result.remaining;
    bin.quota = result.quota;
    bin.degraded = bin.degraded || result.degraded;
    if (!result.degraded && result.reset_after_ms)
        track.edge = now + result.reset_after_ms;
}

/* Arrivals. */

let clock = performance.now(); /* where the last bin begins */
let active = -Infinity; /* when calls last arrived: after 20 s of none, nothing is asked */
let due = 0;
let held = false; /* the algorithms wait for the edge */
let paused = false; /* all wait, so that a burst comes in time */

const rate = () => Number(slider.value);

function setRate(value) {
    slider.value = value;
    showRate();
}

function showRate() {
    const said = rate() ? `${rate()} a second` : "none: drag to begin";
    document.getElementById("rate-said").textContent = said;
    slider.setAttribute("aria-valuetext", said);
}

/* Calls that nobody answers are not sent for ever; one limit's trouble is not the others'. */
function onTrouble(problem) {
    showMine();
    if (!problem.ofItem)
        stop(problem);
    else if (problem.message !== document.getElementById("status").textContent)
        say(problem.message, true);
}

function stop(problem) {
    setRate(0);
    due = 0;
    showProblem(problem);
    if (problem.status === 401)
        document.getElementById("token").elements.token.focus();
}

function clear() {
    clock = performance.now();
    for (const track of tracks())
        track.clear();
}

function tick() {
    const now = performance.now();
    if (rate() > 0 || held) {
        if (now - active > TICK * BINS)
            clear();
        active = now;
    }
    if (document.hidden || now - active > TICK * BINS)
        return;
    for (; clock + TICK <= now; clock += TICK) {
        due = Math.min(due + rate() * TICK / 1000, MOST_DUE);
        tracks().forEach(track => track.push());
    }
    if (!inLine && !paused && tracks().length) {
        const calls = Math.floor(due);
        due -= calls;
        const waits = track => held && algorithms.includes(track);
        ask(tracks().map(track => [track, waits(track) ? 0 : calls])).catch(onTrouble);
    }
    draw();
}

/* What is shown. */

/* The edges of fixed_window within the last 20 s, as a path. */
function edgesPath() {
    const per = parseInt(numbers.elements.per.dataset.used, 10) * 1000;
    const end = clock + TICK;
    const last = fixed.edge - Math.ceil((fixed.edge - end) / per) * per;
    let path = "";
    if (fixed.edge === null)
        return path;
    for (let at = last; at > end - TICK * BINS; at -= per)
        path += `M${(WIDTH - 3 * (end - at) / TICK).toFixed(1)} 0V100`;
    return path;
}

function drawGroup(group, edges) {
    const most = Math.max(1, ...group.map(track => track.most));
    for (const track of group) {
        track.draw(most, edges);
        find(".facts", track.place).textContent = track.said();
    }
}

function drawMine() {
    const second = mine.bins.slice(-11, -1), most = Math.max(1, mine.most), last = mine.last;
    mine.draw(most, "");
    find(".left", mine.place).textContent = last ? number(last.left) : "–";
    find(".admitted", mine.place).textContent = number(sum(second, "admitted"));
    find(".denied", mine.place).textContent = number(sum(second, "denied"));
    find(".most", mine.place).textContent = `at most ${number(most)} in 100 ms`;
}

function draw() {
    if (mine.defined)
        drawMine();
    drawGroup(algorithms, edgesPath());
    drawGroup(policies, "");
}

/* The limit that one defines. */

function numberOf(text) {
    return /^\d+$/.test(text.trim()) ? Number(text) : text;
}

function newLimit() {
    const fields = define.elements;
    const body = {
        algorithm: fields.algorithm.value, mode: fields.mode.value,
        on_redis_failure: fields.on_redis_failure.value,
    };
    if (fields.rate.value.trim())
        body.rate = numberOf(fields.rate.value);
    if (fields.per.value.trim())
        body.per = fields.per.value.trim();
    if (hasBurst() && fields.burst.value.trim())
        body.burst = numberOf(fields.burst.value);
    return body;
}

const hasBurst = () => ["token_bucket", "gcra"].includes(define.elements.algorithm.value);

function showBurst() {
    define.elements.burst.closest(".field").hidden = !hasBurst();
}

function showMine() {
    mine.place.hidden = !mine.defined;
    define.elements.remove.hidden = !mine.defined;
    document.getElementById("mine-none").hidden = mine.defined;
}

define.elements.algorithm.addEventListener("change", showBurst);

define.addEventListener("submit", async event => {
    event.preventDefault();
    const name = define.elements.name.value.trim();
    const good = await submit(define, async () => {
        if (!name)
            throw new Problem({ errors: [{ pointer: "/name", detail: "is missing" }] });
        await api("PUT", pathOf(name), newLimit());
    });
    if (!good)
        return;
    if (mine.limit !== name)
        mine.clear();
    Object.assign(mine, { limit: name, defined: true });
    showMine();
    drawMine();
    say(`${name} is defined.${rate() ? "" : " Drag the arrivals to try it."}`);
});

define.elements.remove.addEventListener("click", async () => {
    const good = await submit(define, () => api("DELETE", pathOf(mine.limit)));
    if (!good)
        return;
    mine.defined = false;
    showMine();
    find("button.main", define).focus();
    say(`${mine.limit} is deleted.`);
});

/* The limits of the page's own. */

async function defineOwn() {
    const fields = numbers.elements, count = numberOf(fields.rate.value);
    if (!(count >= 1 && count <= 100))
        throw new Problem({ errors: [{ pointer: "/rate", detail: "1 to 100, here" }] });
    const own = { rate: count, per: fields.per.value, description: "of a page; it may be deleted" };
    const put = async (track, more) => {
        await api("PUT", pathOf(track.limit) + "?on_change=reset", { ...own, ...more });
        track.defined = true;
    };
    for (const [i, algorithm] of Object.keys(ALGORITHMS).entries())
        await put(algorithms[i], { algorithm });
    for (const [i, policy] of Object.keys(POLICIES).slice(0, policies.length).entries())
        await put(policies[i], { on_redis_failure: policy });
    fields.rate.dataset.used = count;
    fields.per.dataset.used = fields.per.value;
    fixed.edge = null;
}

numbers.addEventListener("submit", async event => {
    event.preventDefault();
    if (await submit(numbers, defineOwn))
        say(`${numbers.elements.rate.value} per ${numbers.elements.per.value}, for all.`);
});

async function begin() {
    try {
        const { lab } = await api("GET", "/healthz");
        if (lab === true && policies.length === 0) {
            policies = makeGroup("policies", POLICIES);
            document.getElementById("away").hidden = false;
        }
        await defineOwn();
    } catch (problem) {
        stop(problem);
    }
    draw();
}

/* The burst at the edge. */

const ofAlgorithms = calls => algorithms.map(track => [track, calls]);

/* Where the next edge is, between the two times given. */
async function findEdge(per) {
    const probe = new Track(fixed.limit, null);
    probe.key = fixed.key + "-probe";
    const sent = performance.now();
    const [{ reset_after_ms: reset, degraded }] = (await ask([[probe, 1]])).get(probe);
    if (degraded)
        throw new Problem({ title: "Redis is away: only its clock knows where the edge is." });
    const late = reset < BEFORE + 2 * TICK ? per : 0;
    return [sent + reset + late, performance.now() + reset + late];
}

/* How many of both quotas each let pass; null if the edge was missed. */
async function burst(key) {
    const quota = Number(numbers.elements.rate.dataset.used);
    const per = parseInt(numbers.elements.per.dataset.used, 10) * 1000;
    for (const track of algorithms)
        track.key = key; /* nobody has called with it: every quota is full */
    const [soonest, latest] = await findEdge(per);
    await until(soonest - BEFORE - TICK);
    paused = true;
    await until(soonest - BEFORE);
    const before = await ask(ofAlgorithms(quota));
    await until(latest + AFTER);
    const after = await ask(ofAlgorithms(quota));
    paused = false;
    const [nearEnd, nearStart] = [before, after].map(found => found.get(fixed).at(-1).reset_after_ms);
    if (nearEnd > per / 2 || nearStart < per / 2)
        return null;
    return algorithms.map(track => [...before.get(track), ...after.get(track)]
        .filter(result => result.allowed).length);
}

async function burstAtEdge() {
    const summary = document.getElementById("edge");
    let passed = null;
    held = true;
    try {
        for (let i = 0; i < 3 && !passed; i++)
            passed = await burst(`edge-${random}-${Math.round(performance.now())}`);
    } finally {
        held = paused = false;
    }
    if (!passed)
        throw new Problem({ title: "The edge was missed three times: this machine is busy." });
    const quota = Number(numbers.elements.rate.dataset.used);
    summary.hidden = false;
    summary.textContent = `Of ${2 * quota} calls around the edge, passed: ${
        Object.keys(ALGORITHMS).map((name, i) => `${name} ${passed[i]}`).join(", ")
    }. The quota is ${quota}.`;
}

numbers.elements.burst.addEventListener("click", () => submit(numbers, burstAtEdge));

/* Redis cut off and back. */

let cut = false;

cutButton.addEventListener("click", async () => {
    try {
        await api("POST", "/lab/redis", { cut: !cut });
    } catch (problem) {
        showProblem(problem);
        return;
    }
    cut = !cut;
    cutButton.textContent = cut ? "Give Redis back" : "Cut Redis off";
    say(cut ? "Redis is cut off." : "Redis is back.");
});

/* The page's end. */

function leave() {
    const headers = { "Content-Type": "application/json" };
    if (token())
        headers.Authorization = "Bearer " + token();
    if (cut)
        fetch("/lab/redis", { method: "POST", keepalive: true, headers, body: '{"cut": false}' });
    for (const track of [...algorithms, ...policies].filter(track => track.defined))
        fetch(pathOf(track.limit), { method: "DELETE", keepalive: true, headers });
}

window.addEventListener("pagehide", leave);
window.addEventListener("pageshow", event => event.persisted && location.reload());
document.addEventListener("visibilitychange", clear);
slider.addEventListener("input", showRate);
document.getElementById("arrivals").addEventListener("submit", event => event.preventDefault());
bindToken(document.getElementById("token"), begin);
showBurst();
showRate();
begin();
setInterval(tick, TICK);
