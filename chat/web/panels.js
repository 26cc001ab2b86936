/*
 * panels.js - what stands beside a room: rooms to enter and to make, members,
 * search.  Each panel is a node and what draws it anew when the state changes.
 */
import { Problem, api, copyOf, el, find, number, say, showProblem, submit } from "/lab.js";
import { Room, here } from "/state.js";
import { Transcript, brief, drawPending, keep, timeOf } from "/view.js";

const RANK = { reader: 1, member: 2, admin: 3, owner: 4 };

const path = (...parts) => "/v1/" + parts.map(encodeURIComponent).join("/");

const people = count => count === 1 ? "1 member" : `${number(count)} members`;

function ago(ms) {
    const minutes = Math.round((Date.now() - ms) / 60000);
    if (minutes < 1)
        return "just now";
    const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
    return minutes < 60 ? words.format(-minutes, "minute")
        : minutes < 1440 ? words.format(-Math.round(minutes / 60), "hour") : words.format(-Math.round(minutes / 1440), "day");
}

export function seen(present) {
    if (!present)
        return "";
    return present.state === "offline" && present.last_seen_ms ? `last seen ${ago(present.last_seen_ms)}` : present.state;
}

/* ---- rooms to enter and to make; chat: {open(facts), close()} */

export function findPanel(chat) {
    const node = copyOf("find-panel");
    const list = find(".public", node), rest = find(".rest", node);
    const shown = [];
    let next = "";

    function draw() {
        keep(list, shown, room => room.room, () => copyOf("public-row"), (row, room) => {
            const button = find("button", row);
            find("h4", row).textContent = room.name;
            find("p", row).textContent = [room.topic, people(room.members)].filter(Boolean).join(" · ");
            button.textContent = room.me ? "Open" : "Enter";
            button.setAttribute("aria-label", `${button.textContent} ${room.name}`);
            button.onclick = () => enter(room).catch(problem => showProblem(problem));
        });
        find(".none", node).hidden = shown.length > 0 || next !== null;
        rest.hidden = next === null || next === "";
    }

    async function more() {
        const page = await api("GET", `/v1/rooms?scope=public&limit=50${next ? `&cursor=${encodeURIComponent(next)}` : ""}`);
        shown.push(...page.items.filter(room => !room.archived));
        next = page.next;
        draw();
    }

    async function enter(room) {
        if (!room.me)
            await api("PUT", path("rooms", room.room, "members", chat.me()));
        chat.open(await api("GET", path("rooms", room.room)));
    }

    const make = find(".make", node), direct = find(".direct", node);
    make.addEventListener("submit", event => {
        event.preventDefault();
        const { name, topic, private: hidden } = make.elements;
        submit(make, async () => chat.open(await api("POST", "/v1/rooms", {
            name: name.value.trim(), kind: hidden.checked ? "private" : "public", topic: topic.value.trim(),
        })));
    });
    direct.addEventListener("submit", event => {
        event.preventDefault();
        submit(direct, () => chat.speakWith(direct.elements.user.value.trim()));
    });
    rest.addEventListener("click", () => more().catch(problem => showProblem(problem)));
    more().catch(problem => showProblem(problem));
    return { title: "Rooms", node, draw() {} };
}

/* ---- members */

export function membersPanel(chat, room) {
    const node = copyOf("members-panel");
    const list = find(".people", node), rest = find(".rest", node);
    const members = new Map();
    let next = "";

    const rankOf = role => RANK[role] || 0;

    function actions(member) {
        const mine = rankOf(room.me?.role);
        const made = [];
        const act = (text, label, job, kind = "plain") => {
            const button = el("button", { type: "button", class: kind, "aria-label": `${label} ${member.user}` }, text);
            button.addEventListener("click", () => job().catch(problem => showProblem(problem)));
            made.push(button);
        };
        if (member.user === chat.me())
            return made;
        if (room.kind !== "direct")
            act("Write to", "Write to", () => chat.speakWith(member.user));
        if (room.kind === "direct" || mine < RANK.admin || rankOf(member.role) >= mine)
            return made;
        const change = async (method, body) => {
            await api(method, path("rooms", room.room, "members", member.user), body);
            await load();
        };
        for (const role of ["admin", "member", "reader"])
            if (role !== member.role && (mine === RANK.owner || rankOf(role) < RANK.admin))
                act(`Make ${role}`, `Make ${role}:`, () => change("PUT", { role }));
        act("Remove", "Remove", () => change("DELETE"), "plain alarm");
        return made;
    }

    function draw() {
        find(".invite", node).hidden = room.kind === "direct" || !room.isWritable;
        find(".ends", node).hidden = room.kind === "direct" || !room.me;
        keep(list, members.values(), member => member.user, () => copyOf("member-row"), (row, member) => {
            const present = here.present.get(member.user);
            const facts = [member.role, member.user === chat.me() ? "you" : seen(present)].filter(Boolean).join(" · ");
            find("p", row).textContent = facts;
            if (row.sign === member.role + room.me?.role)
                return;
            row.sign = member.role + room.me?.role;
            find("h4", row).textContent = member.user;
            find(".actions", row).replaceChildren(...actions(member));
        });
        for (const row of list.children)
            find("h4", row).className = "dot " + (row.dataset.key === chat.me() ? "online"
                : here.present.get(row.dataset.key)?.state || "");
        rest.hidden = next === null || next === "";
    }

    async function more() {
        const page = await api("GET",
            `${path("rooms", room.room, "members")}?limit=200${next ? `&cursor=${encodeURIComponent(next)}` : ""}`);
        for (const member of page.items)
            members.set(member.user, member);
        next = page.next;
        draw();
    }

    function load() {
        members.clear();
        next = "";
        return more();
    }

    const invite = find(".invite", node);
    invite.addEventListener("submit", event => {
        event.preventDefault();
        const { user } = invite.elements;
        submit(invite, async () => {
            if (!user.value.trim())
                throw new Problem({ title: "Whom?", errors: [{ pointer: "/user", detail: "a name" }] });
            await api("PUT", path("rooms", room.room, "members", user.value.trim()));
            say(`${user.value.trim()} is in.`);
            user.value = "";
            await load();
        });
    });
    rest.addEventListener("click", () => more().catch(problem => showProblem(problem)));
    find(".leave", node).addEventListener("click", event => {
        if (event.target.textContent === "Really leave?")
            chat.leave(room).catch(problem => showProblem(problem));
        event.target.textContent = "Really leave?";
    });
    load().catch(problem => showProblem(problem));
    let count = room.members;
    return {
        title: "Members", node,
        draw() {
            if (count !== room.members) {
                count = room.members;
                load().catch(problem => showProblem(problem));
            }
            draw();
        },
    };
}

/* ---- search */

function marked(text, query) {
    const words = query.trim().split(/\s+/).filter(Boolean).map(word => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const parts = text.split(new RegExp(`(${words.join("|")})`, "i"));
    return parts.map((part, i) => i % 2 ? el("mark", {}, part) : part);
}

export function searchPanel(chat, room) {
    const node = copyOf("search-panel");
    const form = find(".look", node), list = find(".found", node), rest = find(".rest", node);
    const said = find(".said", node);
    let asked = {}, next = null, count = 0;

    function put(item) {
        const place = chat.titleOf(item.room);
        const button = el("button", { type: "button" },
            el("b", {}, item.from), " ", el("span", { class: "small soft" }, place ? `${place} · ` : "", timeOf(item.ts)),
            el("span", { class: "text" }, ...marked(brief(item.text, 400), asked.query)));
        button.addEventListener("click", () => chat.jump(item.room, item.seq).catch(problem => showProblem(problem)));
        list.append(el("li", {}, button));
    }

    async function more() {
        const query = new URLSearchParams({ q: asked.query, limit: "20" });
        if (asked.room)
            query.set("room", asked.room);
        if (next)
            query.set("cursor", next);
        const page = await api("GET", "/v1/search?" + query).catch(problem => {
            if (problem.status === 404)
                throw new Problem({ title: "This server does not search." });
            throw problem;
        });
        page.items.forEach(put);
        next = page.next;
        count += page.items.length;
        said.textContent = count ? `${number(count)} found${next ? ", so far" : ""}.`
            : next ? "Nothing among the newest messages; look further back?" : "Nothing found.";
        rest.hidden = !next;
    }

    form.addEventListener("submit", event => {
        event.preventDefault();
        const query = form.elements.query.value.trim();
        submit(form, async () => {
            if (!query)
                throw new Problem({ title: "For what?", errors: [{ pointer: "/query", detail: "a word" }] });
            asked = { query, room: room && form.elements.here.checked ? room.room : null };
            next = null;
            count = 0;
            list.replaceChildren();
            await more();
        });
    });
    rest.addEventListener("click", () => more().catch(problem => showProblem(problem)));
    if (!room)
        form.elements.here.closest(".check").hidden = true;
    return { title: "Search", node, draw() {}, focus: () => form.elements.query.focus() };
}

/* ---- messages beside the room: a thread, or what was said long ago */

/*
 * how: {thread: SEQ} or {around: SEQ}.  It is a small room of its own: a page
 * of the history, then the events.
 */
export function besidePanel(chat, room, how) {
    const [[what, first]] = Object.entries(how);
    const isThread = what === "thread";
    const list = el("ol", { class: "messages" });
    const pending = el("ol", { class: "messages", "aria-label": "Not sent yet" });
    const copy = new Room(room);
    const panel = { title: isThread ? "Thread" : "Then", node: el("div", {}, list, pending), seq: first, isThread };
    const transcript = new Transcript(list, {
        me: chat.me, inThread: true, replies: () => 0, about: item => chat.about(item, true),
        act: (name, item, more) => chat.act(name, item, more, panel),
    });

    /* What passed while it was on its way is read again; a thread begins with
       what answers nothing. */
    async function load() {
        let root;
        do {
            copy.forget();
            copy.takeHistory(await api("GET",
                `${path("rooms", room.room, "messages")}?${what}=${panel.seq}&limit=200`));
            root = isThread && copy.by.get(panel.seq)?.reply_to;
            if (root)
                panel.seq = root;
        } while (root || copy.cursor < room.cursor);
        chat.touch();
        if (!isThread)
            setTimeout(() => transcript.nodeOf(first)?.scrollIntoView({ block: "center" }), 50);
    }

    const isShown = item => !isThread || !item.note && (item.seq === panel.seq || copy.rootOf(item) === panel.seq);

    panel.apply = event => event.room === room.room && copy.loaded && copy.apply(event);
    panel.answered = message => copy.takeAnswered(message);
    panel.load = load;
    panel.draw = () => {
        copy.me = room.me;
        copy.archived = room.archived;
        transcript.draw(copy, copy.list.filter(isShown));
        transcript.nodeOf(first)?.classList.toggle("is-sought", !isThread);
        drawPending(pending, isThread ? chat.outboxOf(room).filter(entry => entry.thread === panel.seq) : [],
            room, chat.pending);
    };
    load().catch(problem => showProblem(problem));
    return panel;
}
