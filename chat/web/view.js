/*
 * view.js - a transcript of messages, a place to write, a list of rooms: drawn
 * from what state.js knows, again and again; what did not change stays as it is.
 */
import { copyOf, el, find } from "/lab.js";

const GROUP_MS = 5 * 60000; /* of one and the same: under one name */
const EMOJI = ["👍", "❤️", "😂", "🎉", "👀", "✅"];
const TEXT_MAX = 16384;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayName = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export const timeOf = ts => el("time", { datetime: new Date(ts).toISOString(), title: whole.format(ts) }, short.format(ts));

export const brief = (text, most = 80) => {
    const line = (text || "").replace(/\s+/g, " ").trim();
    return line.length > most ? line.slice(0, most) + "…" : line;
};

export function listed(names, most = 4) {
    const shown = names.slice(0, most);
    const rest = names.length - shown.length;
    if (rest)
        shown.push(`${rest} more`);
    return shown.length > 1 ? `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}` : shown.join("");
}

/* Children of a list by key: made when they are new, gone when they are not named. */
export function keep(list, items, keyOf, make, fill) {
    const before = new Map([...list.children].map(node => [node.dataset.key, node]));
    let at = list.firstElementChild;
    for (const item of items) {
        const key = String(keyOf(item));
        let node = before.get(key);
        before.delete(key);
        if (!node) {
            node = make(item);
            node.dataset.key = key;
        }
        if (node === at)
            at = at.nextElementSibling;
        else
            list.insertBefore(node, at);
        fill(node, item);
    }
    for (const node of before.values())
        node.remove();
}

/* Links and mentions of a text; the rest is text. */
function spell(text, mentions, me) {
    const parts = [];
    let done = 0;
    for (const found of text.matchAll(/https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)]|@([a-z0-9._-]{1,32})/g)) {
        const name = found[1] && [found[1], found[1].replace(/[._-]+$/, "")].find(one => mentions.includes(one) || one === me);
        if (found[1] && !name)
            continue;
        const said = name ? "@" + name : found[0];
        parts.push(text.slice(done, found.index), name
            ? el("span", { class: name === me ? "at me" : "at" }, said)
            : el("a", { href: said, target: "_blank", rel: "noopener noreferrer" }, said));
        done = found.index + said.length;
    }
    parts.push(text.slice(done));
    return parts;
}

function said({ from, note }) {
    const whom = note.user === from ? "" : ` ${note.user}`;
    switch (note.change) {
    case "joined":
        return whom ? `${from} brought${whom} in` : `${from} came in`;
    case "left":
        return `${from} left`;
    case "kicked":
        return `${from} removed${whom}`;
    case "banned":
        return `${from} banned${whom}`;
    case "role":
        return `${from} made${whom} ${note.role === "reader" ? "a reader" : note.role}`;
    default:
        return [note.name && `${from} named the room ${note.name}`,
            note.topic && `${from} set the topic: ${note.topic}`,
            note.topic === "" && `${from} took the topic away`,
            note.archived && `${from} archived the room`].filter(Boolean).join("; ") || `${from} changed the room`;
    }
}

/*
 * The list of messages.  on: {me(), act(what, message, more), about(message):
 * what its last line says, replies(message): how many, inThread}
 */
export class Transcript {
    constructor(list, on) {
        this.list = list;
        this.on = on;
        this.opened = null; /* the message whose tools are shown */
    }

    draw(room, items) {
        let before = null;
        this.room = room;
        keep(this.list, items, item => item.seq, () => this.#make(), (node, item) => {
            this.#frame(node, item, before);
            before = item;
            this.#refill(node, item);
        });
    }

    nodeOf(seq) {
        return find(`[data-key="${Number(seq)}"]`, this.list);
    }

    #make() {
        const node = copyOf("message-row");
        find(".more", node).addEventListener("click", () => this.#toggle(node));
        find(".quote", node).addEventListener("click", () => this.on.act("thread", node.item));
        return node;
    }

    /* What depends on the one before it: the day, the name, the minute. */
    #frame(node, item, before) {
        const day = dayName.format(item.ts);
        const isNewDay = !before || dayName.format(before.ts) !== day;
        const isFirst = isNewDay || Boolean(before.note) || before.from !== item.from || item.ts - before.ts > GROUP_MS;
        const frame = [day, isNewDay, isFirst, before && clock.format(before.ts)].join();
        if (node.frame === frame)
            return;
        node.frame = frame;
        find(".day", node).hidden = !isNewDay;
        find(".day", node).textContent = day;
        find(".who", node).hidden = !isFirst || Boolean(item.note);
        find(".who b", node).textContent = item.from;
        node.classList.toggle("is-first", isFirst);
        const when = find(".when", node);
        when.dateTime = new Date(item.ts).toISOString();
        when.title = whole.format(item.ts);
        when.textContent = isFirst || clock.format(before.ts) !== clock.format(item.ts) ? clock.format(item.ts) : "";
    }

    #refill(node, item) {
        const about = this.on.about(item);
        const replies = item.note || this.on.inThread ? 0 : this.on.replies(item);
        const parent = item.reply_to && !this.on.inThread ? this.room.by.get(item.reply_to) : null;
        const quote = item.reply_to && !this.on.inThread
            ? parent ? `${parent.from}: ${parent.deleted ? "deleted" : brief(parent.text)}` : "an earlier message" : "";
        const sign = JSON.stringify([item.text, item.deleted, item.edited_seq, item.reactions, about, replies, quote]);
        const opened = this.opened === item.seq;
        node.item = item;
        if (node.sign === sign && node.classList.contains("is-open") === opened)
            return;
        node.sign = sign;
        const focused = node.contains(document.activeElement) && document.activeElement.dataset.what;
        this.#fill(node, item, { about, replies, quote, opened });
        if (focused && !node.contains(document.activeElement))
            (node.querySelector(`[data-what="${CSS.escape(focused)}"]`) || find(".more", node)).focus();
    }

    #fill(node, item, { about, replies, quote, opened }) {
        node.className = ["message", node.classList.contains("is-first") && "is-first",
            node.classList.contains("is-sought") && "is-sought", item.note && "is-note",
            item.from === this.on.me() && "is-mine", item.deleted && "is-deleted", opened && "is-open"]
            .filter(Boolean).join(" ");
        find(".text", node).replaceChildren(...item.note ? [said(item)] : item.deleted ? ["This message was deleted."]
            : item.unreadable ? ["This message cannot be read."] : spell(item.text, item.mentions || [], this.on.me()));
        find(".quote", node).hidden = !quote || Boolean(item.deleted);
        find(".quote", node).textContent = quote;
        find(".state", node).hidden = !about;
        find(".state", node).textContent = about;
        const chips = Object.entries(item.reactions || {}).map(([emoji, users]) => this.#chip(item, emoji, users));
        if (replies)
            chips.push(this.#button("thread", item, replies > 1 ? `${replies} answers` : "1 answer", { class: "thread" }));
        find(".chips", node).replaceChildren(...chips);
        const more = find(".more", node);
        more.hidden = Boolean(item.note || item.deleted);
        more.setAttribute("aria-expanded", String(opened));
        more.setAttribute("aria-label", `More about the message of ${item.from}: ${brief(item.text, 40)}`);
        find(".tools", node)?.remove();
        if (opened && !more.hidden)
            node.append(this.#tools(item));
    }

    #button(what, item, text, attributes = {}, more = null) {
        const button = el("button", { type: "button", "data-what": what + (more ? more.emoji : ""), ...attributes }, text);
        button.addEventListener("click", () => this.on.act(what, item, more));
        return button;
    }

    #chip(item, emoji, users) {
        const mine = users.includes(this.on.me());
        return this.#button("react", item, el("span", {}, `${emoji} ${users.length}`),
            { title: listed(users, 12), "aria-label": `${emoji}: ${listed(users, 12)}`, "aria-pressed": String(mine) },
            { emoji, on: !mine });
    }

    #tools(item) {
        const mine = item.from === this.on.me();
        const bar = el("div", { class: "tools", role: "group", "aria-label": "What to do with this message" });
        if (this.room.isWritable) {
            for (const emoji of EMOJI)
                bar.append(this.#button("react", item, emoji, { class: "emoji", "aria-label": "React with " + emoji },
                    { emoji, on: !(item.reactions[emoji] || []).includes(this.on.me()) }));
            bar.append(el("span", { class: "apart" }));
            if (!this.on.inThread)
                bar.append(this.#button("reply", item, "Answer"));
        }
        if (!this.on.inThread)
            bar.append(this.#button("thread", item, "Thread"));
        if (mine && this.room.isWritable)
            bar.append(this.#button("edit", item, "Edit"));
        if (mine || this.room.may)
            bar.append(this.#deleter(item));
        return bar;
    }

    #deleter(item) {
        const button = el("button", { type: "button", class: "alarm", "data-what": "delete" }, "Delete");
        button.addEventListener("click", () => {
            if (button.textContent !== "Delete")
                this.on.act("delete", item);
            button.textContent = "Really delete?";
        });
        return button;
    }

    #toggle(node) {
        const before = this.opened;
        this.opened = before === node.item.seq ? null : node.item.seq;
        for (const seq of [before, this.opened])
            if (seq !== null && this.nodeOf(seq))
                this.#refill(this.nodeOf(seq), this.nodeOf(seq).item);
        if (this.opened !== null)
            node.scrollIntoView({ block: "nearest" });
    }

    close() {
        const node = this.opened !== null && this.nodeOf(this.opened);
        this.opened = null;
        if (node)
            this.#refill(node, node.item);
    }
}

/* What is not sent yet, and why. */
export function drawPending(list, entries, room, { again, discard }) {
    const shown = entries.filter(entry => entry.op === "send" || entry.refused);
    keep(list, shown, entry => entry.client_id, () => copyOf("pending-row"), (node, entry) => {
        const what = { send: "Not sent", edit: "Not changed", delete: "Not deleted", react: "Not taken" }[entry.op];
        const text = entry.text || entry.emoji || brief(room.by.get(entry.target)?.text) || "";
        const state = entry.refused ? `${what}: ${entry.refused}` : "Sending…";
        if (node.state === state && node.text === text)
            return;
        Object.assign(node, { state, text });
        node.classList.toggle("is-refused", Boolean(entry.refused));
        find(".text", node).textContent = text;
        find(".state", node).textContent = state;
        find(".actions", node).hidden = !entry.refused;
        find(".again", node).onclick = () => again(entry);
        find(".discard", node).onclick = () => discard(entry);
    });
}

/* A place to write.  on: {changed(draft), send(draft)}; a draft may be about a
   message: {text, reply_to?: {seq, label}, edit?: {seq, label, text}}. */
export class Composer {
    constructor(form, on) {
        this.form = form;
        this.on = on;
        this.draft = { text: "" };
        form.append(copyOf("composer"));
        this.text = form.elements.text;
        this.text.addEventListener("input", () => this.#typed());
        this.text.addEventListener("keydown", event => this.#key(event));
        find(".stop", form).addEventListener("click", () => this.cancel());
        form.addEventListener("submit", event => {
            event.preventDefault();
            this.#send();
        });
    }

    get value() {
        return this.draft.edit ? this.draft.edit.text : this.draft.text;
    }

    show(draft, label, isWritable = true, why = "") {
        this.draft = draft;
        if (this.text.value !== this.value)
            this.text.value = this.value;
        this.text.setAttribute("aria-label", label);
        this.text.placeholder = isWritable ? label : why;
        this.text.disabled = !isWritable;
        find(".send", this.form).disabled = !isWritable;
        find(".send", this.form).textContent = draft.edit ? "Save" : "Send";
        const about = draft.edit ? `Editing: ${draft.edit.label}` : draft.reply_to ? `Answer to ${draft.reply_to.label}` : "";
        find(".about", this.form).hidden = !about;
        find(".about .grow", this.form).textContent = about;
    }

    focus() {
        this.text.focus();
    }

    cancel() {
        const { text } = this.draft;
        this.#set(this.draft.edit ? { text, reply_to: this.draft.reply_to } : { text });
        this.focus();
    }

    #set(draft) {
        this.on.changed(draft);
        this.show(draft, this.text.getAttribute("aria-label"));
    }

    #typed() {
        const text = this.text.value;
        this.draft = this.draft.edit ? { ...this.draft, edit: { ...this.draft.edit, text } } : { ...this.draft, text };
        find(".error", this.form)?.remove();
        this.on.changed(this.draft);
    }

    #key(event) {
        if (event.key === "Escape" && (this.draft.edit || this.draft.reply_to))
            this.cancel();
        if (event.key !== "Enter" || event.shiftKey || event.isComposing || matchMedia("(pointer: coarse)").matches)
            return;
        event.preventDefault();
        this.#send();
    }

    #send() {
        const text = this.value.toWellFormed().replaceAll("\0", "").trimEnd();
        const bytes = new TextEncoder().encode(text).length;
        find(".error", this.form)?.remove();
        if (bytes > TEXT_MAX)
            find(".composer", this.form).append(
                el("p", { class: "error", role: "alert" }, `Too long by ${bytes - TEXT_MAX} of ${TEXT_MAX} bytes.`));
        else if (text.trim())
            this.on.send(this.draft, text);
        this.focus();
    }
}
