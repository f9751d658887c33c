// What BullMQ does with jobs of one row: a transaction each that changes the row and records the result.
//
//     node bullmq.mjs REDIS_PORT PG_URL JOBS CUSTOMERS
//
// Prints the seconds from the start of the worker to the last recorded result.

import { createRequire } from "node:module";
import process from "node:process";

const require = createRequire(process.env.BENCH_MODULES + "/");
const { Queue, Worker } = require("bullmq");
const pg = require("pg");

const [port, url, jobs, customers] = process.argv.slice(2);
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null };
const name = `reference-${process.pid}`;
const pool = new pg.Pool({ connectionString: url, max: 50 });

await pool.query("CREATE TABLE customers (id BIGINT PRIMARY KEY, external_key TEXT NOT NULL UNIQUE, phone TEXT)");
await pool.query("CREATE TABLE results (job TEXT PRIMARY KEY, outcome TEXT NOT NULL, at BIGINT NOT NULL)");
await pool.query(`INSERT INTO customers SELECT i, 'w-' || i, '' FROM generate_series(0, ${Number(customers) - 1}) AS i`);

const queue = new Queue(name, { connection });
for (let first = 0; first < Number(jobs); first += 1000) {
    const some = Array.from({ length: Math.min(1000, Number(jobs) - first) }, (_, at) => first + at);
    await queue.addBulk(some.map((n) => ({
        name: "update",
        data: { customer: `w-${n % Number(customers)}`, phone: `+49 30 ${String(n).padStart(7, "0")}` },
        opts: { removeOnComplete: true },
    })));
}

const began = process.hrtime.bigint();
let done = 0;
await new Promise((resolve, reject) => {
    const worker = new Worker(name, async (job) => {
        const client = await pool.connect();
        try {
            await client.query("BEGIN");
            await client.query({ name: "update", text: "UPDATE customers SET phone = $2 WHERE external_key = $1", values: [job.data.customer, job.data.phone] });
            await client.query({ name: "result", text: "INSERT INTO results VALUES ($1, 'applied', $2)", values: [job.id, Date.now()] });
            await client.query("COMMIT");
        } finally {
            client.release();
        }
    }, { connection, concurrency: 50 });
    worker.on("completed", () => { done += 1; if (done === Number(jobs)) resolve(); });
    worker.on("failed", (_, error) => reject(error));
});
console.log(Number(process.hrtime.bigint() - began) / 1e9);
process.exit(0);
