/*
 * page.js - the chat's page: who one is, the rooms, the one in view.
 *
 *   session() -- Link --> begin(): the rooms, sync with cursors, what is not
 *   sent yet, then look() at the room in view --> take() each event --> touch()
 */
import { api, find, say, showProblem, submit } from "/lab.js";
import { Link, passes } from "/link.js";
import { Kept, Outbox, Room, here } from "/state.js";
import { Composer, brief } from "/view.js";
import { besidePanel, findPanel, membersPanel, searchPanel } from "/panels.js";
import {
    PAGE, aboutMessage, byId, clear, draw, isAtEnd, on, path, readOlder, stick, threadKey, touch, transcript,
} from "/screen.js";

const CURSORS = 1000; /* of a sync */
const TYPING_MS = { again: 3000, over: 5000, shown: 6000 };
const READ_MS = 200;
const SMALL = 256; /* members: in larger rooms there are no receipts */
const JUMP_PAGES = 10;

const app = byId("app");

/* ---- read, delivered, presence */

let marking = 0;

const isLookedAt = () => document.visibilityState === "visible" && document.hasFocus();

function markRead() {
    marking = marking || setTimeout(tellRead, READ_MS);
}

async function tellRead() {
    const room = here.view;
    marking = 0;
    if (!room || !room.me || !room.loaded || !link.live)
        return;
    const isRead = isLookedAt() && isAtEnd();
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
    const room = on ? here.view : typing.room;
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
        here.kept.setDraft(here.view.room, draft);
        tellTyping(Boolean(draft.text || draft.edit));
    },
    send(draft, text) {
        here.outbox.add({ ...toRoom(draft), room: here.view.room, text });
        here.kept.setDraft(here.view.room, draft.edit ? { text: draft.text, reply_to: draft.reply_to } : null);
        tellTyping(false);
        if (!draft.edit)
            stick(true);
        touch();
    },
});

const answer = new Composer(byId("answer"), {
    changed(draft) {
        here.kept.setDraft(threadKey(), draft);
        tellTyping(Boolean(draft.text || draft.edit));
    },
    send(draft, text) {
        const entry = draft.edit ? toRoom(draft) : { op: "send", reply_to: here.panel.seq };
        here.outbox.add({ ...entry, room: here.view.room, text, thread: here.panel.seq });
        here.kept.setDraft(threadKey(), draft.edit ? { text: draft.text } : null);
        tellTyping(false);
        touch();
    },
});

const pending = {
    again: entry => here.outbox.again(entry),
    discard: entry => here.outbox.drop(entry.client_id),
};

/* What can be done with a message; beside: the thread that it was asked for in. */
function act(what, item, more, beside = null) {
    const place = beside?.isThread ? answer : composer;
    const key = beside?.isThread ? threadKey() : here.view.room;
    const label = brief(item.text, 60);
    transcript.close();
    switch (what) {
    case "thread":
        showPanel(besidePanel(chat, here.view, { thread: here.view.rootOf(item) }));
        answer.focus();
        return;
    case "reply":
        here.kept.setDraft(key, { ...here.kept.draft(key), edit: undefined, reply_to: { seq: item.seq, label: `${item.from}: ${label}` } });
        break;
    case "edit":
        here.kept.setDraft(key, { ...here.kept.draft(key), edit: { seq: item.seq, label, text: item.text } });
        break;
    case "delete":
        here.outbox.add({ op: "delete", room: here.view.room, target: item.seq });
        return;
    case "react":
        here.outbox.add({ op: "react", room: here.view.room, target: item.seq, ...more });
        return;
    }
    draw();
    place.focus();
}

/* ---- rooms */

function put(facts) {
    const room = here.rooms.get(facts.room);
    if (room) {
        room.take(facts);
        return room;
    }
    const made = new Room(facts);
    made.peer = here.kept.peers[made.room] || "";
    here.rooms.set(made.room, made);
    if (made.kind === "direct" && !made.peer)
        namePeer(made).catch(() => null);
    return made;
}

async function namePeer(room) {
    const { items } = await api("GET", path("rooms", room.room, "members") + "?limit=2");
    room.peer = items.find(({ user }) => user !== here.me)?.user || here.me;
    here.kept.setPeer(room.room, room.peer);
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
    for (const room of here.rooms.values())
        if (!found.has(room.room) && found.size < CURSORS)
            here.rooms.delete(room.room);
    if (here.view && !here.rooms.has(here.view.room))
        shut();
}

async function learn(id) {
    put(await api("GET", path("rooms", id)));
    touch();
}

function shut() {
    here.view = null;
    showPanel(null);
    app.dataset.view = "rooms";
    here.kept.saveView("");
    touch();
}

function select(room, focus = true) {
    const before = here.view;
    app.dataset.view = "room";
    if (room !== before) {
        tellTyping(false);
        clear();
        here.view = room;
        showPanel(null);
        here.kept.saveView(room.room);
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
    here.present.clear();
    room.typing.clear();
    for (let reset = true; reset && here.view === room;) {
        if (!room.loaded) {
            const page = await link.ask("history", { room: room.room, limit: PAGE });
            room.takeHistory(page);
        }
        touch();
        if (here.view !== room)
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
        if (user !== here.me)
            room.receipts.set(user, { read, delivered });
    touch();
}

async function keepLooking(room) {
    while (link.live && here.view === room) {
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
        const known = here.rooms.get(room);
        if (!known) {
            learn(room).catch(() => null);
            return;
        }
        known.seq = Math.max(known.seq, seq);
        Object.assign(known.me, { unread, mentions });
    },
    receipt({ room, user, read, delivered }) {
        const known = here.rooms.get(room);
        if (!known)
            return;
        if (user !== here.me) {
            known.receipts.set(user, { read, delivered });
        } else if (known.me) {
            Object.assign(known.me, { read, delivered });
            if (read >= known.cursor)
                Object.assign(known.me, { unread: 0, mentions: 0 });
        }
    },
    typing({ room, user, on }) {
        const known = here.rooms.get(room);
        if (known && user !== here.me)
            known.typing[on ? "set" : "delete"](user, Date.now() + TYPING_MS.shown);
    },
    presence({ user, state, last_seen_ms }) {
        here.present.set(user, { state, last_seen_ms });
    },
    gone({ room, reason }) {
        const known = here.rooms.get(room);
        if (!known)
            return;
        if (reason === "reset") {
            known.forget();
            if (known === here.view)
                keepLooking(known);
            return;
        }
        here.rooms.delete(room);
        if (known === here.view)
            shut();
        if (reason !== "left")
            say(`You were ${reason === "banned" ? "banned from" : "removed from"} ${known.title}.`, true);
    },
};

function took(room, event) {
    if (event.type === "member" && event.user === here.me && event.change === "role")
        room.me.role = event.role;
    if (event.type !== "message")
        return;
    room.typing.delete(event.from);
    if (event.from === here.me) {
        here.outbox.drop(event.client_id);
        Object.assign(room.me, { read: event.seq, delivered: event.seq, unread: 0, mentions: 0 });
    } else if (event.seq > room.me.read) {
        room.me.unread++;
        room.me.mentions += (event.mentions || []).includes(here.me);
    }
}

function take(event) {
    touch();
    if (untold[event.type]) {
        untold[event.type](event);
        return;
    }
    const room = here.rooms.get(event.room);
    if (!room || !room.me || !event.seq)
        return;
    if (room.loaded && room.apply(event))
        took(room, event);
    if (here.panel?.apply)
        here.panel.apply(event);
}

/* ---- the connection */

async function sync() {
    const known = [...here.rooms.values()].slice(0, CURSORS);
    const cursors = Object.fromEntries(known.map(({ room, seq }) => [room, seq]));
    for (let page = null; ;) {
        const told = await link.ask("sync", page ? { cursors, page } : { cursors });
        for (const { room, seq, oldest_seq, reset, read, delivered, unread, mentions } of told.rooms) {
            const one = here.rooms.get(room);
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
        here.isReady = true;
        await sync();
        await here.outbox.pump(); /* so that the history has what was sent before */
        const last = here.view || here.rooms.get(here.kept.view);
        if (last && !here.view)
            select(last, false);
        if (document.hidden)
            tellPresence();
        if (here.view)
            await look(here.view);
        if (here.panel?.load)
            here.panel.load().catch(() => null);
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

Object.assign(on, { select, act, markRead, pending, composer, answer });

/* ---- what stands beside the room */

function showPanel(made) {
    here.panel = made;
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
    me: () => here.me,
    touch,
    act,
    about: aboutMessage,
    pending,
    outboxOf: room => here.outbox.of(room.room),
    titleOf: id => here.rooms.get(id)?.title || "",
    open(facts) {
        select(put(facts));
        touch();
    },
    async speakWith(user) {
        const facts = await api("POST", "/v1/dms", { user });
        here.kept.setPeer(facts.room, user);
        chat.open(facts);
    },
    async leave(room) {
        await api("DELETE", path("rooms", room.room, "members", here.me));
        here.rooms.delete(room.room);
        shut();
    },
    /* To a message, if it is not too far up; else beside the room. */
    async jump(id, seq) {
        const room = here.rooms.get(id) || put(await api("GET", path("rooms", id)));
        select(room, false);
        for (let tries = 0; tries < 100 && here.view === room && !room.loaded; tries++)
            await new Promise(resolve => setTimeout(resolve, 50));
        for (let pages = 0; pages < JUMP_PAGES && room.older && !room.by.has(seq); pages++)
            await readOlder(200);
        if (here.view !== room)
            return;
        if (!room.by.has(seq)) {
            showPanel(besidePanel(chat, room, { around: seq }));
            return;
        }
        if (matchMedia("(max-width: 1079px)").matches)
            showPanel(null);
        stick(false);
        draw();
        const node = transcript.nodeOf(seq);
        node.scrollIntoView({ block: "center" });
        node.classList.add("is-sought");
        setTimeout(() => node.classList.remove("is-sought"), 4000);
    },
};

byId("find").addEventListener("click", () => showPanel(findPanel(chat)));
byId("members").addEventListener("click", () => showPanel(membersPanel(chat, here.view)));
byId("search").addEventListener("click", () => showPanel(searchPanel(chat, here.view)));
byId("side-close").addEventListener("click", () => {
    showPanel(null);
    if (here.view)
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
    here.me = user;
    here.kept = new Kept(user, () => say("The browser keeps no more: what is not sent may be lost.", true));
    here.outbox = new Outbox(here.kept, link, {
        changed: touch,
        done(entry, { seq, ts }) {
            const room = here.rooms.get(entry.room);
            const { text, reply_to } = entry;
            if (entry.op !== "send" || !room)
                return;
            room.takeAnswered({ seq, ts, from: here.me, text, reply_to });
            if (entry.thread && here.panel?.answered && here.view === room)
                here.panel.answered({ seq, ts, from: here.me, text, reply_to });
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
    if (here.me.startsWith("guest-"))
        guest.elements.guest.value = here.me.slice(6);
    here.me = "";
    here.rooms = new Map();
    here.view = here.panel = null;
    here.isReady = false;
    here.present.clear();
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
    const left = here.kept.outbox.length;
    if (left && !confirm(`${left} of your messages are not sent yet. Sign out all the same?`))
        return;
    await api("DELETE", "/v1/sessions/current").catch(() => null);
    out();
});

if (sessionStorage.getItem("lab.token") && sessionStorage.getItem("chat.user"))
    session(sessionStorage.getItem("chat.user"));
else
    byId("door").hidden = false;
