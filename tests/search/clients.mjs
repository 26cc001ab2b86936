/*
 * clients.mjs - the steps of clients.py, by npm's @opensearch-project/opensearch.
 *
 * In: {"node": URL, "steps": [["indices.create", {…}], …]}; out: an array of
 * {"answer": …} or {"status": 404, "error": …}.  77: the package is not there.
 */
import { createRequire } from "node:module";
import process from "node:process";

let Client;
try {
    ({ Client } = createRequire(import.meta.url)("@opensearch-project/opensearch"));
} catch {
    process.exit(77);
}

let text = "";
for await (const chunk of process.stdin)
    text += chunk;
const { node, steps } = JSON.parse(text);
const client = new Client({ node, maxRetries: 0 });
const camel = name => name.replace(/_(\w)/g, (all, letter) => letter.toUpperCase());

async function run([name, params]) {
    const parts = camel(name).split("."), method = parts.pop();
    const owner = parts.reduce((at, part) => at[part], client);
    try {
        return { answer: (await owner[method](params)).body };
    } catch (thrown) {
        if (!thrown.statusCode)
            throw thrown;
        return { status: thrown.statusCode, error: thrown.body };
    }
}

const done = [];
for (const step of steps)
    done.push(await run(step));
process.stdout.write(JSON.stringify(done));
