/*
 * screen.js - the page is drawn from the state: rooms, the room in view, what
 * stands beside it; once for all that came in a while.  The log keeps its end in
 * view, or else what one looks at; further up it reads the history.
 */
import { api, el, find, number, showProblem } from "/lab.js";
import { passes } from "/link.js";
import { here } from "/state.js";
import { Transcript, drawPending, keep, listed } from "/view.js";
import { seen } from "/panels.js";

export const PAGE = 50; /* messages of the history at a time */

export const byId = id => document.getElementById(id);
export const path = (...parts) => "/v1/" + parts.map(encodeURIComponent).join("/");

/* What page.js does: {select(room), act(what, message, more), markRead(),
   pending, composer, answer} */
export const on = {};

const log = byId("log");

/* ---- drawing */

let drawing = 0;
let stuck = true; /* the end of the log is in view, and stays */

export const isAtEnd = () => stuck;

export function stick(isStuck) {
    stuck = isStuck;
}

/* Nothing of the room that was in view is left. */
export function clear() {
    transcript.close();
    byId("messages").replaceChildren();
    byId("pending").replaceChildren();
    stuck = true;
}

export const threadKey = () => `${here.view.room}/${here.panel.seq}`;

export function touch() {
    drawing = drawing || setTimeout(draw, 15);
}

function placeRow(room) {
    const button = el("button", { type: "button" }, el("span", { class: "sign", "aria-hidden": "true" }),
        el("span", { class: "name" }), el("span", { class: "note" }), el("span", { class: "count", hidden: true }));
    button.addEventListener("click", () => on.select(here.rooms.get(room.room)));
    return el("li", {}, button);
}

function fillPlace(row, room) {
    const button = row.firstElementChild;
    const waiting = here.outbox.of(room.room).length;
    const { unread = 0, mentions = 0 } = room.me || {};
    const isDraft = room !== here.view && Object.keys(here.kept.drafts).some(key => key.split("/")[0] === room.room);
    find(".sign", row).textContent = { public: "#", private: "◇", direct: "@" }[room.kind];
    find(".name", row).textContent = room.title;
    find(".note", row).textContent = waiting && !here.outbox.link.live ? `${waiting} waiting` : isDraft ? "draft" : "";
    find(".count", row).hidden = !unread;
    find(".count", row).textContent = (mentions ? "@ " : "") + (unread > 99 ? "99+" : unread);
    row.classList.toggle("is-unread", unread > 0);
    if (room === here.view)
        button.setAttribute("aria-current", "true");
    else
        button.removeAttribute("aria-current");
}

function drawRooms() {
    const sorted = [...here.rooms.values()].filter(room => room.me && (!room.archived || room === here.view))
        .sort((a, b) => a.title.localeCompare(b.title) || (a.room < b.room ? -1 : 1));
    for (const [id, isDirect] of [["rooms", false], ["directs", true]])
        keep(byId(id), sorted.filter(room => (room.kind === "direct") === isDirect), room => room.room, placeRow, fillPlace);
    byId("no-rooms").hidden = sorted.length > 0 || !here.isReady;
    const unread = sorted.reduce((sum, room) => sum + (room.me.unread || 0), 0);
    document.title = `${unread ? `(${unread}) ` : ""}${here.view ? here.view.title + " · " : ""}Chat`;
}

function factsOf(room) {
    if (room.archived)
        return "archived: nobody writes here any more";
    if (room.kind === "direct")
        return seen(here.present.get(room.peer)) || "direct";
    const others = [...here.present].filter(([user, { state }]) => user !== here.me && state !== "offline").length;
    return [room.topic, room.members === 1 ? "1 member" : `${number(room.members)} members`,
        others ? `${number(others)} here besides you` : ""].filter(Boolean).join(" · ");
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
    const last = room.list.findLast(one => !one.note && !one.deleted && one.from === here.me);
    if (item !== last || item.early)
        return "";
    const readers = room.whoHas(item.seq, "read");
    if (readers.length)
        return room.kind === "direct" ? "Seen" : `Seen by ${listed(readers)}`;
    return room.whoHas(item.seq, "delivered").length ? "Delivered" : "Sent";
}

export function aboutMessage(item, aside = false) {
    const isWaiting = here.outbox.of(here.view.room).some(entry => entry.target === item.seq && !entry.refused);
    return [item.edited_seq && !item.deleted ? "edited" : "", isWaiting ? "saving…" : "",
        item.note || item.deleted || aside ? "" : receiptOf(here.view, item)].filter(Boolean).join(" · ");
}

export const transcript = new Transcript(byId("messages"), {
    me: () => here.me, about: item => aboutMessage(item),
    replies: item => item.reply_to ? 0 : here.view.counts.get(item.seq) || 0,
    act: (what, item, more) => on.act(what, item, more),
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
    countReplies(here.view);
    transcript.draw(here.view, here.view.list);
    drawPending(byId("pending"), here.outbox.of(here.view.room).filter(entry => !entry.thread), here.view, on.pending);
    byId("top").textContent = !here.view.loaded ? "Reading…" : here.view.older ? "Reading what was before…"
        : here.view.oldest > 1 ? "What was before is not kept." : `Here ${here.view.kind === "direct" ? "it" : here.view.title} begins.`;
    if (stuck)
        log.scrollTop = log.scrollHeight;
    else if (anchor && anchor.isConnected)
        log.scrollTop += anchor.offsetTop - was;
    byId("newest").hidden = stuck;
}

function drawRoom() {
    byId("room-name").textContent = here.view.title;
    byId("room-facts").textContent = factsOf(here.view);
    byId("room-facts").title = here.view.topic || "";
    byId("typing").textContent = whoTypes(here.view);
    const why = here.view.archived ? "This room is archived." : "Readers do not write here.";
    on.composer.show(here.kept.draft(here.view.room), `Message to ${here.view.title}`, here.view.isWritable, why);
    drawLog();
}

export function draw() {
    drawing = 0;
    if (!here.me)
        return;
    drawRooms();
    byId("room-pane").hidden = !here.view;
    byId("nothing").hidden = Boolean(here.view);
    if (here.view) {
        drawRoom();
        if (here.view.typing.size)
            setTimeout(touch, 1000);
        fillScreen();
        on.markRead();
    }
    byId("side").hidden = !here.panel;
    if (here.panel) {
        here.panel.draw();
        byId("answer").hidden = !here.panel.isThread;
        if (here.panel.isThread)
            on.answer.show(here.kept.draft(threadKey()), "Answer in the thread", here.view.isWritable, "Nobody writes here.");
    }
}

/* ---- the history upwards */

let reading = false;

export async function readOlder(limit = PAGE) {
    const room = here.view;
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
    on.markRead();
});

new ResizeObserver(() => stuck && (log.scrollTop = log.scrollHeight)).observe(log);

byId("newest").addEventListener("click", () => {
    stuck = true;
    touch();
    on.composer.focus();
});
