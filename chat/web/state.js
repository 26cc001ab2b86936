/*
 * state.js - what the page knows: rooms with their messages, and what a reload
 * or a restart must not take along: drafts, and what is not sent yet.
 *
 * A room's messages are what its history said, and then what its events
 * changed, each once: by the cursor, the number of the last one.  What is sent
 * gets its client_id before the first try and keeps it until it is answered,
 * so that the server does it once.
 */
import { passes } from "/link.js";

const REMEMBERED_MS = 23 * 3600000; /* of the server's 24 h for a client_id */
const RETRY_MS = 800;

export const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)),
    byte => byte.toString(16).padStart(2, "0")).join("");

/* What is there: kept is a Kept, outbox an Outbox, view the room that is looked
   at, panel what stands beside it; isReady: the rooms are known. */
export const here = {
    me: "", kept: null, outbox: null, rooms: new Map(), view: null, panel: null, isReady: false, present: new Map(),
};

/* ---- rooms */

export class Room {
    constructor(facts) {
        this.room = facts.room;
        this.peer = ""; /* of a direct room: the other one */
        this.take(facts);
        this.forget();
        this.receipts = new Map(); /* user: {read, delivered} */
        this.typing = new Map(); /* user: until when */
    }

    take({ kind, name, topic, seq, oldest_seq, members, archived, me }) {
        Object.assign(this, { kind, name, topic, oldest: oldest_seq, members, archived, me });
        this.seq = Math.max(this.seq || 0, seq);
    }

    /* Its history must be read, from the end. */
    forget() {
        this.loaded = false;
        this.cursor = 0;
        this.older = null; /* where to go on upwards */
        this.list = []; /* messages and notes, by seq */
        this.by = new Map();
    }

    get title() {
        return this.kind === "direct" ? this.peer || "direct" : this.name;
    }

    get isWritable() {
        return Boolean(this.me) && !this.archived && this.me.role !== "reader";
    }

    get may() { /* remove others, and what they wrote */
        return Boolean(this.me) && this.kind !== "direct" && ["owner", "admin"].includes(this.me.role);
    }

    #insert(item) {
        let at = this.list.length;
        while (at > 0 && this.list[at - 1].seq > item.seq)
            at--;
        if (at > 0 && this.list[at - 1].seq === item.seq)
            this.list[at - 1] = item;
        else
            this.list.splice(at, 0, item);
        this.by.set(item.seq, item);
    }

    /* A page of the history: the newest, or one further up. */
    takeHistory({ items, seq, oldest_seq, next }) {
        for (const item of items)
            if (!this.by.has(item.seq) || this.by.get(item.seq).early)
                this.#insert(item);
        if (!this.loaded) {
            this.loaded = true;
            this.cursor = seq;
        }
        this.seq = Math.max(this.seq, seq);
        this.oldest = oldest_seq;
        this.older = next;
    }

    /* One's own message, which is answered while its event is on its way. */
    takeAnswered(message) {
        if (this.loaded && message.seq > this.cursor && !this.by.has(message.seq))
            this.#insert({ mentions: [], reactions: {}, deleted: false, early: true, ...message });
    }

    /* The numbers of what it changes; null: it was applied before. */
    apply(event) {
        if (event.seq <= this.cursor)
            return null;
        this.cursor = event.seq;
        this.seq = Math.max(this.seq, event.seq);
        return this[`on_${event.type}`]?.(event) || [];
    }

    on_message({ seq, from, ts, text, reply_to, mentions, deleted, unreadable }) {
        const before = this.by.get(seq);
        if (before && !before.early)
            return [];
        this.#insert({ seq, from, ts, text, reply_to, mentions, deleted: Boolean(deleted), unreadable, reactions: {} });
        return [seq];
    }

    on_edit({ seq, target, text }) {
        const message = this.by.get(target);
        if (!message || message.deleted || seq <= (message.edited_seq || 0) || text === null)
            return [];
        Object.assign(message, { text, edited_seq: seq });
        return [target];
    }

    on_delete({ target }) {
        const message = this.by.get(target);
        if (!message)
            return [];
        Object.assign(message, { text: null, deleted: true, reactions: {} });
        return [target];
    }

    on_react({ from, target, emoji, on }) {
        const message = this.by.get(target);
        if (!message || message.deleted)
            return [];
        const users = new Set(message.reactions[emoji]);
        users[on ? "add" : "delete"](from);
        if (users.size)
            message.reactions[emoji] = [...users];
        else
            delete message.reactions[emoji];
        return [target];
    }

    on_member({ seq, from, ts, user, change, role }) {
        this.members += change === "joined" ? 1 : change === "role" ? 0 : -1;
        this.#insert({ seq, from, ts, note: { user, change, role } });
        return [seq];
    }

    on_room({ seq, from, ts, name, topic, archived }) {
        if (name !== undefined)
            this.name = name;
        if (topic !== undefined)
            this.topic = topic;
        this.archived = this.archived || Boolean(archived);
        this.#insert({ seq, from, ts, note: { name, topic, archived } });
        return [seq];
    }

    /* The first message of the thread that this one belongs to, as far as is known. */
    rootOf(message) {
        let seq = message.seq;
        for (let at = message; at && at.reply_to; at = this.by.get(seq))
            seq = at.reply_to;
        return seq;
    }

    repliesTo(seq) {
        return this.list.filter(item => item.reply_to && !item.deleted && this.rootOf(item) === seq);
    }

    /* Who of the others has read, or at least got, this message. */
    whoHas(seq, what) {
        return [...this.receipts].filter(([, at]) => at[what] >= seq).map(([user]) => user);
    }
}

/* ---- what is kept for as long as the tab lives */

export class Kept {
    /* full(): the browser keeps nothing more. */
    constructor(user, full) {
        this.user = user;
        this.full = full;
        this.outbox = this.#read("outbox", []);
        this.drafts = this.#read("drafts", {});
        this.peers = this.#read("peers", {});
        this.view = this.#read("view", "");
    }

    #read(name, none) {
        try {
            return JSON.parse(sessionStorage.getItem(`chat.${this.user}.${name}`)) || none;
        } catch {
            return none;
        }
    }

    #write(name) {
        try {
            sessionStorage.setItem(`chat.${this.user}.${name}`, JSON.stringify(this[name]));
        } catch {
            this.full();
        }
    }

    draft(key) {
        return this.drafts[key] || { text: "" };
    }

    /* null: there is none any more. */
    setDraft(key, draft) {
        if (draft && (draft.text || draft.edit || draft.reply_to))
            this.drafts[key] = draft;
        else
            delete this.drafts[key];
        this.#write("drafts");
    }

    saveOutbox() {
        this.#write("outbox");
    }

    saveView(room) {
        this.view = room;
        this.#write("view");
    }

    setPeer(room, user) {
        this.peers[room] = user;
        this.#write("peers");
    }
}

/* ---- what is not sent yet */

export class Outbox {
    /* on: {changed(room), done(entry, answer), refused(entry)} */
    constructor(kept, link, on) {
        Object.assign(this, { kept, link, on, busy: new Set(), asleep: new Map() });
    }

    of(room) {
        return this.kept.outbox.filter(entry => entry.room === room);
    }

    add(entry) {
        this.kept.outbox.push({ ...entry, client_id: newId(), made: Date.now() });
        this.kept.saveOutbox();
        this.on.changed(entry.room);
        this.pump();
    }

    drop(clientId) {
        const at = this.kept.outbox.findIndex(entry => entry.client_id === clientId);
        if (at < 0)
            return;
        const [entry] = this.kept.outbox.splice(at, 1);
        this.kept.saveOutbox();
        this.on.changed(entry.room);
    }

    /* Once more, by another name: the server has said no to the first. */
    again(entry) {
        Object.assign(entry, { client_id: newId(), made: Date.now(), tried: false });
        delete entry.refused;
        this.kept.saveOutbox();
        this.on.changed(entry.room);
        this.pump();
    }

    /* When it is over the first of each room has left, if it can. */
    async pump() {
        for (const wake of this.asleep.values())
            wake();
        for (const room of new Set(this.kept.outbox.map(entry => entry.room)))
            if (!this.busy.has(room))
                this.#send(room);
        await new Promise(resolve => setTimeout(resolve));
    }

    #next(room) {
        const entry = this.of(room).find(one => !one.refused);
        if (entry && entry.tried && Date.now() - entry.made > REMEMBERED_MS) {
            this.#refuse(entry, "it may have been sent a day ago");
            return this.#next(room);
        }
        return entry;
    }

    #refuse(entry, why) {
        entry.refused = why;
        this.kept.saveOutbox();
        this.on.changed(entry.room);
        this.on.refused(entry);
    }

    /* One after the other, so that they keep their order whatever is refused. */
    async #send(room) {
        this.busy.add(room);
        for (let entry; this.link.authed && (entry = this.#next(room));) {
            try {
                await this.#try(entry);
            } catch (problem) {
                if (problem.status === 401)
                    break;
                if (!passes(problem))
                    this.#refuse(entry, problem.message);
                else if (this.link.authed)
                    await this.#sleep(room, problem.retryMs || RETRY_MS * (0.5 + Math.random()));
            }
        }
        this.busy.delete(room);
    }

    async #try(entry) {
        const { op, made, tried, refused, thread, ...members } = entry; /* thread: beside which it is shown */
        if (!tried) {
            entry.tried = true;
            this.kept.saveOutbox();
        }
        const answer = await this.link.ask(op, members);
        this.on.done(entry, answer);
        this.drop(entry.client_id);
    }

    #sleep(room, ms) {
        return new Promise(resolve => {
            const wake = () => {
                clearTimeout(timer);
                this.asleep.delete(room);
                resolve();
            };
            const timer = setTimeout(wake, ms);
            this.asleep.set(room, wake);
        });
    }
}
