/*
 * link.js - the page's one WebSocket: requests that are answered once, events,
 * and a connection that comes back by itself.
 *
 *   open() -- auth --> begin() of the page, again until it is done --> live
 *   a close that may pass -- after a random time --> open()
 */
import { Problem, token } from "/lab.js";

const AGAIN = [1001, 1006, 1011, 4408, 4429, 4503];
const FIRST_MS = 500, LONGEST_MS = 8000;
const ASK_MS = 12000; /* later than that the connection is taken for dead */

const later = ms => new Promise(resolve => setTimeout(resolve, ms));

/* "/text: why" names the member that it is about. */
function problemOf({ type, status, detail, retry_after_ms }) {
    const [, pointer, text] = /^(\/[^:]*): (.*)$/s.exec(detail) || [];
    const problem = new Problem({
        type, status, title: detail, errors: pointer ? [{ pointer, detail: text }] : [],
        retry: retry_after_ms ? String(Math.ceil(retry_after_ms / 1000)) : "",
    });
    problem.retryMs = retry_after_ms || 0;
    return problem;
}

const lost = () => problemOf({ detail: "Not connected.", status: 0 });

/* May the same request be answered otherwise in a while? */
export const passes = problem => [0, 408, 429, 500, 502, 503, 504].includes(problem.status);

export class Link {
    /*
     * on: {begin(), event(event), state(name, detail), out()}.  begin() speaks
     * first on each new connection; states are connecting, live, waiting and
     * ended; out(): the token is not taken any more.
     */
    constructor(on) {
        Object.assign(this, {
            on, socket: null, authed: false, live: false, asked: new Map(), next: 1, tries: 0, drain: 0, timer: 0,
        });
        addEventListener("online", () => this.timer && this.open());
    }

    open() {
        const scheme = location.protocol === "https:" ? "wss:" : "ws:";
        clearTimeout(this.timer);
        this.timer = 0;
        if (this.socket && this.socket.readyState <= WebSocket.OPEN)
            return;
        const socket = new WebSocket(`${scheme}//${location.host}/v1/ws`, "chat.v1.json");
        this.socket = socket;
        this.on.state("connecting");
        socket.addEventListener("open", () => this.#begin(socket));
        socket.addEventListener("message", ({ data }) => socket === this.socket && this.#take(JSON.parse(data)));
        socket.addEventListener("close", ({ code, reason }) => socket === this.socket && this.#end(code, reason));
    }

    close() {
        const socket = this.socket;
        clearTimeout(this.timer);
        this.timer = 0;
        this.socket = null;
        this.#forget();
        if (socket)
            socket.close(1000);
    }

    /* The answer, or a Problem: of status 0 when none came. */
    ask(op, members = {}) {
        const socket = this.socket;
        if (!socket || socket.readyState !== WebSocket.OPEN || !(this.authed || op === "auth"))
            return Promise.reject(lost());
        return new Promise((resolve, reject) => {
            const id = this.next++;
            const timer = setTimeout(() => {
                this.asked.delete(id);
                reject(lost());
                this.#drop(socket);
            }, ASK_MS);
            this.asked.set(id, answer => {
                clearTimeout(timer);
                if (answer.ok)
                    resolve(answer);
                else
                    reject(problemOf(answer.error));
            });
            socket.send(JSON.stringify({ id, op, ...members }));
        });
    }

    async #begin(socket) {
        try {
            await this.ask("auth", { token: token() });
        } catch (problem) {
            if (socket === this.socket && problem.status && problem.status !== 401)
                this.#drop(socket);
            return; /* the close tells more */
        }
        this.authed = true;
        for (let wait = FIRST_MS; socket === this.socket && this.authed; wait = Math.min(2 * wait, LONGEST_MS)) {
            try {
                await this.on.begin();
                this.tries = 0;
                this.live = socket === this.socket && this.authed;
                if (this.live)
                    this.on.state("live");
                return;
            } catch (problem) {
                if (!(problem instanceof Problem))
                    throw problem;
                if (socket === this.socket && this.authed)
                    this.on.state("waiting", problem.message);
                await later(problem.retryMs || wait * (0.5 + Math.random()));
            }
        }
    }

    #take(message) {
        const answer = this.asked.get(message.id);
        this.asked.delete(message.id);
        if (answer) {
            answer(message);
        } else if (message.type === "drain") {
            this.drain = message.retry_after_ms || 1;
        } else if (message.type) {
            this.on.event(message);
        }
    }

    /* No answers come any more: do not wait for the close to be agreed on. */
    #drop(socket) {
        if (socket !== this.socket)
            return;
        socket.close();
        this.#end(1006, "no answer");
    }

    #forget() {
        this.authed = this.live = false;
        for (const answer of this.asked.values())
            answer({ ok: false, error: { detail: "The connection was cut.", status: 0 } });
        this.asked.clear();
    }

    #end(code, reason) {
        this.socket = null;
        this.#forget();
        if (code === 4401) {
            this.on.out();
        } else if (AGAIN.includes(code)) {
            const wait = this.drain || Math.min(LONGEST_MS, FIRST_MS * 2 ** this.tries++);
            this.drain = 0;
            this.on.state("waiting", reason);
            this.timer = setTimeout(() => this.open(), wait * (0.5 + Math.random()));
        } else {
            this.on.state("ended", `${code}${reason ? ": " + reason : ""}`);
        }
    }
}
