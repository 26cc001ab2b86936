/*
 * page.js - the chat's page: who one is, the rooms, the one in view.
 *
 *   session() -- Link --> begin(): the rooms, sync with cursors, what is not
 *   sent yet, then look() at the room in view --> take() each event --> draw()
 *
 * Everything is drawn from the state, once for all that came in a while.
 */
import { Problem, api, el, find, number, say, showProblem, submit } from "/lab.js";
import { Link, passes } from "/link.js";
import { Kept, Outbox, Room } from "/state.js";
import { Composer, Transcript, brief, drawPending, keep, listed } from "/view.js";
import { besidePanel, findPanel, membersPanel, searchPanel, seen } from "/panels.js";

const PAGE = 50;
const CURSORS = 1000; /* of a sync */
const TYPING_MS = { again: 3000, over: 5000, shown: 6000 };
const READ_MS = 200;
const SMALL = 256; /* members: in larger rooms there are no receipts */
const JUMP_PAGES = 10;

const byId = id => document.getElementById(id);
const app = byId("app"), log = byId("log");
const path = (...parts) => "/v1/" + parts.map(encodeURIComponent).join("/");

let me = "", kept = null, outbox = null;
let rooms = new Map();
let view = null; /* the room in view */
let panel = null; /* what stands beside it */
let isReady = false; /* the rooms are known */
const present = new Map();

/* ---- drawing */

let drawing = 0;
let stuck = true; /* the end of the log is in view, and stays */

function touch() {
    drawing = drawing || setTimeout(draw, 15);
}

function placeRow(room) {
    const button = el("button", { type: "button" }, el("span", { class: "sign", "aria-hidden": "true" }),
        el("span", { class: "name" }), el("span", { class: "note" }), el("span", { class: "count", hidden: true }));
    button.addEventListener("click", () => select(rooms.get(room.room)));
    return el("li", {}, button);
}

function fillPlace(row, room) {
    const button = row.firstElementChild;
    const waiting = outbox.of(room.room).length;
    const { unread = 0, mentions = 0 } = room.me || {};
    const isDraft = room !== view && Object.keys(kept.drafts).some(key => key.split("/")[0] === room.room);
    find(".sign", row).textContent = { public: "#", private: "◇", direct: "@" }[room.kind];
    find(".name", row).textContent = room.title;
    find(".note", row).textContent = waiting && !outbox.link.live ? `${waiting} waiting` : isDraft ? "draft" : "";
    find(".count", row).hidden = !unread;
    find(".count", row).textContent = (mentions ? "@ " : "") + (unread > 99 ? "99+" : unread);
    row.classList.toggle("is-unread", unread > 0);
    if (room === view)
        button.setAttribute("aria-current", "true");
    else
        button.removeAttribute("aria-current");
}

function drawRooms() {
    const sorted = [...rooms.values()].filter(room => room.me && (!room.archived || room === view))
        .sort((a, b) => a.title.localeCompare(b.title) || (a.room < b.room ? -1 : 1));
    for (const [id, isDirect] of [["rooms", false], ["directs", true]])
        keep(byId(id), sorted.filter(room => (room.kind === "direct") === isDirect), room => room.room, placeRow, fillPlace);
    byId("no-rooms").hidden = sorted.length > 0 || !isReady;
    const unread = sorted.reduce((sum, room) => sum + (room.me.unread || 0), 0);
    document.title = `${unread ? `(${unread}) ` : ""}${view ? view.title + " · " : ""}Chat`;
}

function factsOf(room) {
    if (room.archived)
        return "archived: nobody writes here any more";
    if (room.kind === "direct")
        return seen(present.get(room.peer)) || "direct";
    const here = [...present].filter(([user, { state }]) => user !== me && state !== "offline").length;
    return [room.topic, room.members === 1 ? "1 member" : `${number(room.members)} members`,
        here ? `${number(here)} others here` : ""].filter(Boolean).join(" · ");
}

function whoTypes(room) {
    const now = Date.now();
    for (const [user, until] of room.typing)
        if (until < now)
            room.typing.delete(user);
    const users = [...room.typing.keys()];
    return users.length ? `${listed(users, 3)} ${users.length > 1 ? "are" : "is"} typing…` : "";
}

/* Of one's own last message: who has it. */
function receiptOf(room, item) {
    const last = room.list.findLast(one => !one.note && !one.deleted && one.from === me);
    if (item !== last || item.early)
        return "";
    const readers = room.whoHas(item.seq, "read");
    if (readers.length)
        return room.kind === "direct" ? "Seen" : `Seen by ${listed(readers)}`;
    return room.whoHas(item.seq, "delivered").length ? "Delivered" : "Sent";
}

function aboutMessage(item, aside = false) {
    const isWaiting = outbox.of(view.room).some(entry => entry.target === item.seq && !entry.refused);
    return [item.edited_seq && !item.deleted ? "edited" : "", isWaiting ? "saving…" : "",
        item.note || item.deleted || aside ? "" : receiptOf(view, item)].filter(Boolean).join(" · ");
}

const transcript = new Transcript(byId("messages"), {
    me: () => me, about: item => aboutMessage(item),
    replies: item => item.reply_to ? 0 : view.counts.get(item.seq) || 0,
    act: (what, item, more) => act(what, item, more),
});

function countReplies(room) {
    room.counts = new Map();
    for (const item of room.list)
        if (item.reply_to && !item.deleted) {
            const root = room.rootOf(item);
            room.counts.set(root, (room.counts.get(root) || 0) + 1);
        }
}

/* What is in view stays where it is, or the end stays in view. */
function drawLog() {
    const anchor = stuck ? null : [...byId("messages").children].find(node => node.offsetTop + node.offsetHeight > log.scrollTop);
    const was = anchor && anchor.offsetTop;
    countReplies(view);
    transcript.draw(view, view.list);
    drawPending(byId("pending"), outbox.of(view.room).filter(entry => !entry.thread), view, pending);
    byId("top").textContent = !view.loaded ? "Reading…" : view.older ? "Reading what was before…"
        : view.oldest > 1 ? "What was before is not kept." : `Here ${view.kind === "direct" ? "it" : view.title} begins.`;
    if (stuck)
        log.scrollTop = log.scrollHeight;
    else if (anchor && anchor.isConnected)
        log.scrollTop += anchor.offsetTop - was;
    byId("newest").hidden = stuck;
}

function drawRoom() {
    byId("room-name").textContent = view.title;
    byId("room-facts").textContent = factsOf(view);
    byId("room-facts").title = view.topic || "";
    byId("typing").textContent = whoTypes(view);
    const why = view.archived ? "This room is archived." : "Readers do not write here.";
    composer.show(kept.draft(view.room), `Message to ${view.title}`, view.isWritable, why);
    drawLog();
}

function draw() {
    drawing = 0;
    if (!me)
        return;
    drawRooms();
    byId("room-pane").hidden = !view;
    byId("nothing").hidden = Boolean(view);
    if (view) {
        drawRoom();
        if (view.typing.size)
            setTimeout(touch, 1000);
        fillScreen();
        markRead();
    }
    byId("side").hidden = !panel;
    if (panel) {
        panel.draw();
        byId("answer").hidden = !panel.isThread;
        if (panel.isThread)
            answer.show(kept.draft(threadKey()), "Answer in the thread", view.isWritable, "Nobody writes here.");
    }
}

/* ---- the history upwards */

let reading = false;

async function readOlder(limit = PAGE) {
    const room = view;
    if (reading || !room || !room.loaded || !room.older)
        return;
    reading = true;
    try {
        let page;
        do {
            page = await api("GET", `${path("rooms", room.room, "messages")}?before=${room.older}&limit=${limit}`);
        } while (page.seq < room.cursor);
        room.takeHistory(page);
    } finally {
        reading = false;
    }
    touch();
}

const fillScreen = () => log.scrollTop < 200 && readOlder().catch(problem => passes(problem) || showProblem(problem));

log.addEventListener("scroll", () => {
    stuck = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    byId("newest").hidden = stuck;
    fillScreen();
    markRead();
});

new ResizeObserver(() => stuck && (log.scrollTop = log.scrollHeight)).observe(log);

byId("newest").addEventListener("click", () => {
    stuck = true;
    touch();
    composer.focus();
});

/* ---- read, delivered, presence */

let marking = 0;

const isLookedAt = () => document.visibilityState === "visible" && document.hasFocus();

function markRead() {
    marking = marking || setTimeout(tellRead, READ_MS);
}

async function tellRead() {
    const room = view;
    marking = 0;
    if (!room || !room.me || !room.loaded || !link.live)
        return;
    const isRead = isLookedAt() && stuck;
    const { cursor } = room;
    if (cursor <= (isRead ? room.me.read : room.me.delivered))
        return;
    const at = await link.ask(isRead ? "read" : "delivered", { room: room.room, seq: cursor }).catch(() => null);
    if (!at || !room.me)
        return;
    Object.assign(room.me, { read: at.read, delivered: Math.max(at.delivered, cursor) });
    if (isRead && at.read >= room.cursor)
        Object.assign(room.me, { unread: 0, mentions: 0 });
    touch();
}

/* A server that does not know it says so; nothing depends on it. */
const tellPresence = () => link.authed
    && link.ask("presence", { state: document.hidden ? "away" : "online" }).catch(() => null);

document.addEventListener("visibilitychange", () => {
    tellPresence();
    markRead();
});
addEventListener("focus", markRead);

const typing = { room: null, told: 0, timer: 0 };

function tellTyping(on) {
    const room = on ? view : typing.room;
    clearTimeout(typing.timer);
    if (on)
        typing.timer = setTimeout(() => tellTyping(false), TYPING_MS.over);
    if (!room || (on && room === typing.room && Date.now() - typing.told < TYPING_MS.again))
        return;
    Object.assign(typing, { room: on ? room : null, told: Date.now() });
    if (link.live)
        link.ask("typing", { room: room.room, on }).catch(() => null);
}

/* ---- writing */

const toRoom = draft => draft.edit ? { op: "edit", target: draft.edit.seq }
    : draft.reply_to ? { op: "send", reply_to: draft.reply_to.seq } : { op: "send" };

/* What is written, kept before it is taken away from where it was written. */
const composer = new Composer(byId("compose"), {
    changed(draft) {
        kept.setDraft(view.room, draft);
        tellTyping(Boolean(draft.text || draft.edit));
    },
    send(draft, text) {
        outbox.add({ ...toRoom(draft), room: view.room, text });
        kept.setDraft(view.room, draft.edit ? { text: draft.text, reply_to: draft.reply_to } : null);
        tellTyping(false);
        stuck = stuck || !draft.edit;
        touch();
    },
});

const threadKey = () => `${view.room}/${panel.seq}`;

const answer = new Composer(byId("answer"), {
    changed(draft) {
        kept.setDraft(threadKey(), draft);
        tellTyping(Boolean(draft.text || draft.edit));
    },
    send(draft, text) {
        const entry = draft.edit ? toRoom(draft) : { op: "send", reply_to: panel.seq };
        outbox.add({ ...entry, room: view.room, text, thread: panel.seq });
        kept.setDraft(threadKey(), draft.edit ? { text: draft.text } : null);
        tellTyping(false);
        touch();
    },
});

const pending = {
    again: entry => outbox.again(entry),
    discard: entry => outbox.drop(entry.client_id),
};

/* What can be done with a message; beside: the thread that it was asked for in. */
function act(what, item, more, beside = null) {
    const place = beside?.isThread ? answer : composer;
    const key = beside?.isThread ? threadKey() : view.room;
    const label = brief(item.text, 60);
    transcript.close();
    switch (what) {
    case "thread":
        showPanel(besidePanel(chat, view, { thread: view.rootOf(item) }));
        answer.focus();
        return;
    case "reply":
        kept.setDraft(key, { ...kept.draft(key), edit: undefined, reply_to: { seq: item.seq, label: `${item.from}: ${label}` } });
        break;
    case "edit":
        kept.setDraft(key, { ...kept.draft(key), edit: { seq: item.seq, label, text: item.text } });
        break;
    case "delete":
        outbox.add({ op: "delete", room: view.room, target: item.seq });
        return;
    case "react":
        outbox.add({ op: "react", room: view.room, target: item.seq, ...more });
        return;
    }
    draw();
    place.focus();
}

/* ---- rooms */

function put(facts) {
    const room = rooms.get(facts.room);
    if (room) {
        room.take(facts);
        return room;
    }
    const made = new Room(facts);
    made.peer = kept.peers[made.room] || "";
    rooms.set(made.room, made);
    if (made.kind === "direct" && !made.peer)
        namePeer(made).catch(() => null);
    return made;
}

async function namePeer(room) {
    const { items } = await api("GET", path("rooms", room.room, "members") + "?limit=2");
    room.peer = items.find(({ user }) => user !== me)?.user || me;
    kept.setPeer(room.room, room.peer);
    touch();
}

async function loadRooms() {
    const found = new Set();
    for (let next = ""; next !== null && found.size < CURSORS;) {
        const page = await api("GET", `/v1/rooms?scope=mine&limit=200${next ? `&cursor=${encodeURIComponent(next)}` : ""}`);
        for (const facts of page.items)
            found.add(put(facts).room);
        next = page.next;
    }
    for (const room of rooms.values())
        if (!found.has(room.room) && found.size < CURSORS)
            rooms.delete(room.room);
    if (view && !rooms.has(view.room))
        shut();
}

async function learn(id) {
    put(await api("GET", path("rooms", id)));
    touch();
}

function shut() {
    view = null;
    showPanel(null);
    app.dataset.view = "rooms";
    kept.saveView("");
    touch();
}

function select(room, focus = true) {
    const before = view;
    app.dataset.view = "room";
    if (room !== before) {
        tellTyping(false);
        transcript.close();
        byId("messages").replaceChildren();
        byId("pending").replaceChildren();
        view = room;
        stuck = true;
        showPanel(null);
        kept.saveView(room.room);
        if (before && before.me && link.live)
            link.ask("unwatch", { room: before.room }).catch(() => null);
        if (link.live)
            keepLooking(room);
    }
    draw();
    if (focus)
        composer.focus();
}

/* The room is read, if it is not, and watched from there on. */
async function look(room) {
    present.clear();
    room.typing.clear();
    for (let reset = true; reset && view === room;) {
        if (!room.loaded) {
            const page = await link.ask("history", { room: room.room, limit: PAGE });
            room.takeHistory(page);
        }
        touch();
        if (view !== room)
            return;
        ({ reset } = await link.ask("watch", { room: room.room, after: room.cursor, roster: true }));
        if (reset)
            room.forget();
    }
    if (room.members <= SMALL)
        await readReceipts(room);
}

async function readReceipts(room) {
    const { items } = await api("GET", path("rooms", room.room, "members") + "?limit=" + SMALL);
    for (const { user, read, delivered } of items)
        if (user !== me)
            room.receipts.set(user, { read, delivered });
    touch();
}

async function keepLooking(room) {
    while (link.live && view === room) {
        try {
            await look(room);
            return;
        } catch (problem) {
            if (!passes(problem)) {
                showProblem(problem);
                return;
            }
            await new Promise(resolve => setTimeout(resolve, problem.retryMs || 1000));
        }
    }
}

/* ---- events */

const untold = {
    unread({ room, seq, unread, mentions }) {
        const known = rooms.get(room);
        if (!known) {
            learn(room).catch(() => null);
            return;
        }
        known.seq = Math.max(known.seq, seq);
        Object.assign(known.me, { unread, mentions });
    },
    receipt({ room, user, read, delivered }) {
        const known = rooms.get(room);
        if (!known)
            return;
        if (user !== me) {
            known.receipts.set(user, { read, delivered });
        } else if (known.me) {
            Object.assign(known.me, { read, delivered });
            if (read >= known.cursor)
                Object.assign(known.me, { unread: 0, mentions: 0 });
        }
    },
    typing({ room, user, on }) {
        const known = rooms.get(room);
        if (known && user !== me)
            known.typing[on ? "set" : "delete"](user, Date.now() + TYPING_MS.shown);
    },
    presence({ user, state, last_seen_ms }) {
        present.set(user, { state, last_seen_ms });
    },
    gone({ room, reason }) {
        const known = rooms.get(room);
        if (!known)
            return;
        if (reason === "reset") {
            known.forget();
            if (known === view)
                keepLooking(known);
            return;
        }
        rooms.delete(room);
        if (known === view)
            shut();
        if (reason !== "left")
            say(`You were ${reason === "banned" ? "banned from" : "removed from"} ${known.title}.`, true);
    },
};

function took(room, event) {
    if (event.type === "member" && event.user === me && event.change === "role")
        room.me.role = event.role;
    if (event.type !== "message")
        return;
    room.typing.delete(event.from);
    if (event.from === me) {
        outbox.drop(event.client_id);
        Object.assign(room.me, { read: event.seq, delivered: event.seq, unread: 0, mentions: 0 });
    } else if (event.seq > room.me.read) {
        room.me.unread++;
        room.me.mentions += (event.mentions || []).includes(me);
    }
}

function take(event) {
    touch();
    if (untold[event.type]) {
        untold[event.type](event);
        return;
    }
    const room = rooms.get(event.room);
    if (!room || !room.me || !event.seq)
        return;
    if (room.loaded && room.apply(event))
        took(room, event);
    if (panel?.apply)
        panel.apply(event);
}

/* ---- the connection */

async function sync() {
    const known = [...rooms.values()].slice(0, CURSORS);
    const cursors = Object.fromEntries(known.map(({ room, seq }) => [room, seq]));
    for (let page = null; ;) {
        const told = await link.ask("sync", page ? { cursors, page } : { cursors });
        for (const { room, seq, oldest_seq, reset, read, delivered, unread, mentions } of told.rooms) {
            const one = rooms.get(room);
            if (!one || !one.me) {
                await learn(room);
                continue;
            }
            Object.assign(one, { seq, oldest: oldest_seq });
            Object.assign(one.me, { read, delivered, unread, mentions });
            if (reset)
                one.forget();
        }
        page = told.next;
        if (!page)
            return;
    }
}

const link = new Link({
    async begin() {
        try {
            await loadRooms();
        } catch (problem) {
            if (problem.status === 401)
                out("Your session has ended. Come in again: what you wrote is kept.");
            throw problem;
        }
        isReady = true;
        await sync();
        await outbox.pump(); /* so that the history has what was sent before */
        const last = view || rooms.get(kept.view);
        if (last && !view)
            select(last, false);
        if (document.hidden)
            tellPresence();
        if (view)
            await look(view);
        if (panel?.load)
            panel.load().catch(() => null);
        touch();
    },
    event: take,
    state(name, detail = "") {
        byId("link").textContent = { connecting: "connecting", live: "connected", waiting: "waiting", ended: "cut off" }[name];
        byId("offline").hidden = name === "live";
        byId("offline").textContent = name === "ended" ? `The server ended the connection (${detail}). Load the page again.`
            : "No connection at the moment. What you write is kept, and sent when it is back.";
        touch();
    },
    out: () => out("Your session has ended. Come in again: what you wrote is kept."),
});

/* ---- what stands beside the room */

function showPanel(made) {
    panel = made;
    byId("side").hidden = !made;
    byId("side-body").replaceChildren(...made ? [made.node] : []);
    if (!made)
        return;
    byId("side-title").textContent = made.title;
    byId("side-body").scrollTop = 0;
    draw();
    if (made.focus)
        made.focus();
    else if (!made.isThread)
        byId("side-close").focus();
}

const chat = {
    me: () => me,
    touch,
    act,
    about: aboutMessage,
    pending,
    outboxOf: room => outbox.of(room.room),
    titleOf: id => rooms.get(id)?.title || "",
    open(facts) {
        select(put(facts));
        touch();
    },
    async speakWith(user) {
        const facts = await api("POST", "/v1/dms", { user });
        kept.setPeer(facts.room, user);
        chat.open(facts);
    },
    async leave(room) {
        await api("DELETE", path("rooms", room.room, "members", me));
        rooms.delete(room.room);
        shut();
    },
    /* To a message, if it is not too far up; else beside the room. */
    async jump(id, seq) {
        const room = rooms.get(id) || put(await api("GET", path("rooms", id)));
        select(room, false);
        for (let tries = 0; tries < 100 && view === room && !room.loaded; tries++)
            await new Promise(resolve => setTimeout(resolve, 50));
        for (let pages = 0; pages < JUMP_PAGES && room.older && !room.by.has(seq); pages++)
            await readOlder(200);
        if (view !== room)
            return;
        if (!room.by.has(seq)) {
            showPanel(besidePanel(chat, room, { around: seq }));
            return;
        }
        if (matchMedia("(max-width: 1079px)").matches)
            showPanel(null);
        stuck = false;
        draw();
        const node = transcript.nodeOf(seq);
        node.scrollIntoView({ block: "center" });
        node.classList.add("is-sought");
        setTimeout(() => node.classList.remove("is-sought"), 4000);
    },
};

byId("find").addEventListener("click", () => showPanel(findPanel(chat)));
byId("members").addEventListener("click", () => showPanel(membersPanel(chat, view)));
byId("search").addEventListener("click", () => showPanel(searchPanel(chat, view)));
byId("side-close").addEventListener("click", () => {
    showPanel(null);
    if (view)
        composer.focus();
    else
        byId("find").focus();
});
byId("back").addEventListener("click", () => {
    app.dataset.view = "rooms";
    find("[aria-current]")?.focus();
});

/* ---- who one is */

const guest = byId("guest"), account = byId("account");

function session(user) {
    me = user;
    kept = new Kept(user, () => say("The browser keeps no more: what is not sent may be lost.", true));
    outbox = new Outbox(kept, link, {
        changed: touch,
        done(entry, { seq, ts }) {
            const room = rooms.get(entry.room);
            const { text, reply_to } = entry;
            if (entry.op !== "send" || !room)
                return;
            room.takeAnswered({ seq, ts, from: me, text, reply_to });
            if (entry.thread && panel?.answered && view === room)
                panel.answered({ seq, ts, from: me, text, reply_to });
        },
        refused: entry => entry.op !== "send" && say(`Not done: ${entry.refused}`, true),
    });
    byId("me").textContent = user;
    byId("door").hidden = true;
    app.hidden = false;
    app.dataset.view = "rooms";
    link.open();
    touch();
}

function out(why = "") {
    link.close();
    sessionStorage.removeItem("lab.token");
    sessionStorage.removeItem("chat.user");
    if (me.startsWith("guest-"))
        guest.elements.guest.value = me.slice(6);
    me = "";
    rooms = new Map();
    view = panel = null;
    isReady = false;
    present.clear();
    byId("side").hidden = true;
    app.hidden = true;
    byId("door").hidden = false;
    document.title = "Chat";
    if (why)
        say(why, true);
}

async function comeIn(body) {
    sessionStorage.removeItem("lab.token");
    const { token, user } = await api("POST", "/v1/sessions", { ...body, device: "page" });
    sessionStorage.setItem("lab.token", token);
    sessionStorage.setItem("chat.user", user);
    say("");
    session(user);
}

guest.addEventListener("submit", event => {
    event.preventDefault();
    submit(guest, () => comeIn({ guest: guest.elements.guest.value.trim() }));
});

account.addEventListener("submit", event => {
    event.preventDefault();
    const { name, password } = account.elements;
    const body = { name: name.value.trim(), password: password.value };
    submit(account, async () => {
        if (event.submitter?.name === "new")
            await api("POST", "/v1/users", body);
        await comeIn(body);
        password.value = "";
    });
});

byId("leave").addEventListener("click", async () => {
    const left = kept.outbox.length;
    if (left && !confirm(`${left} of your messages are not sent yet. Sign out all the same?`))
        return;
    await api("DELETE", "/v1/sessions/current").catch(() => null);
    out();
});

if (sessionStorage.getItem("lab.token") && sessionStorage.getItem("chat.user"))
    session(sessionStorage.getItem("chat.user"));
else
    byId("door").hidden = false;
