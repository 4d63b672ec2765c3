// Speed of Piscina, the peer of wasmpool in Node.js. `node piscina.js [URL] [KIND]...` prints JSON lines like those of
// pools.py, of all kinds or those named; without a URL nothing is fetched. Packages are found by NODE_PATH.
//
// Threads are kept (as many at least as at most), times of calls are not recorded, and atomics are left as they come,
// which measured fastest. As many calls are kept in flight as the threads take: that was a quarter faster than to queue
// all at once.
"use strict";

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const { setTimeout: pause } = require("node:timers/promises");
const { Piscina } = require("piscina");

const SAMPLES = 5;
const LONG_ENOUGH = 0.3;
const REQUESTS = 10_000;
const WAITS = 10_000;
const ROUND_TRIPS = 300;
const IDLE_THREADS = 8;
const SIZES = { "echo-64": 64, "echo-64k": 64 << 10, "echo-4m": 4 << 20 };

function tell(kind, how, facts) {
  console.log(JSON.stringify({ kind, how, ...facts }));
}

async function withPool(task, workers, perWorker, use, workerData = undefined) {
  const pool = new Piscina({
    filename: require.resolve("./worker.js"),
    name: task,
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: perWorker,
    recordTiming: false,
    workerData,
  });
  try {
    return await use(pool);
  } finally {
    await pool.destroy();
  }
}

/** Runs `number` calls, `inFlight` at a time; what a call answers is handed to the next one in its place. */
async function inTurns(number, inFlight, call, first = () => undefined) {
  let begun = 0;
  const turn = async () => {
    let last = first();
    while (begun < number) {
      begun += 1;
      last = await call(last);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, turn));
}

async function secondsOf(run) {
  const start = performance.now();
  await run();
  return secondsSince(start);
}

/** Rounded to nanoseconds. */
function secondsSince(start) {
  return Number(((performance.now() - start) / 1000).toFixed(9));
}

/** The first of 10, 20, 50, 100, ... calls that make a sample long enough; the way there warms the pool up. */
async function fitting(run) {
  let number = 10;
  while ((await secondsOf(() => run(number))) < LONG_ENOUGH) {
    number = String(number).startsWith("2") ? (number * 5) / 2 : number * 2;
  }
  return number;
}

async function sample(kind, how, run, fixed = undefined) {
  const number = fixed ?? (await fitting(run));
  await run(number);
  const seconds = [];
  while (seconds.length < SAMPLES) {
    seconds.push(await secondsOf(() => run(number)));
  }
  tell(kind, how, { n: number, seconds });
}

function check(answer, expected) {
  if (answer !== expected) {
    throw new Error(`a worker answered ${answer}, not ${expected}`);
  }
}

async function tiny(kind, task) {
  for (const perWorker of [1, 16]) {
    await withPool(task, 2, perWorker, async (pool) => {
      check(await pool.run({ left: 1, right: 2 }), 3);
      const call = () => pool.run({ left: 1, right: 2 });
      await sample(kind, `Piscina, ${perWorker} per worker`, (number) => inTurns(number, 2 * perWorker, call));
    });
  }
}

async function echo(kind) {
  const first = () => new Uint8Array(SIZES[kind]);
  for (const perWorker of [1, 16]) {
    const how = `Piscina, ${perWorker} per worker`;
    await withPool("echo", 2, perWorker, async (pool) => {
      check((await pool.run(first())).length, SIZES[kind]);
      const copied = (data) => pool.run(data);
      await sample(kind, `${how}, bytes copied`, (number) => inTurns(number, 2 * perWorker, copied, first));
    });
    await withPool("echoMoved", 2, perWorker, async (pool) => {
      const moved = (data) => pool.run(data, { transferList: [data.buffer] });
      check((await moved(first())).length, SIZES[kind]);
      await sample(kind, `${how}, bytes moved`, (number) => inTurns(number, 2 * perWorker, moved, first));
    });
  }
}

/** Rounds are counted off so that a call takes about 1 ms here: this is of pools, not of languages. */
async function busy() {
  const { busy: work } = require("./worker.js");
  let fastest = Infinity;
  for (let trial = 0; trial < 100; trial++) {
    fastest = Math.min(fastest, await secondsOf(() => work(1_000_000)));
  }
  const rounds = Math.round((1_000_000 * 0.001) / fastest);
  const loop = (number) => inTurns(number, 1, () => work(rounds));
  await sample("busy-1ms", "JavaScript without a pool", loop, 300);
  for (const perWorker of [1, 16]) {
    for (const workers of [1, 2]) {
      const how = `Piscina, ${perWorker} per worker, ${workers} worker${workers > 1 ? "s" : ""}`;
      await withPool("busy", workers, perWorker, async (pool) => {
        const run = (number) => inTurns(number, workers * perWorker, () => pool.run(rounds));
        await sample("busy-1ms", how, run, 300);
      });
    }
  }
}

async function waits() {
  await withPool("wait", 1, WAITS, async (pool) => {
    const run = (number) => inTurns(number, number, () => pool.run(10));
    await sample("waits", `Piscina, ${WAITS} per worker`, run, WAITS);
  });
}

async function httpGet(url) {
  await withPool("get", 2, 64, async (pool) => {
    const get = async () => check(await pool.run(url), 200);
    await sample("http-get", "undici in Piscina, 64 per worker", (number) => inTurns(number, 128, get), REQUESTS);
  });
}

/** Single calls, with a pause before each in which all threads fall asleep. */
async function roundTrip() {
  await withPool("add", 2, 1, async (pool) => {
    const call = () => pool.run({ left: 1, right: 2 });
    await inTurns(1_000, 2, call);
    const seconds = [];
    while (seconds.length < ROUND_TRIPS) {
      await pause(2);
      seconds.push(await secondsOf(call));
    }
    tell("round-trip", "Piscina", { n: 1, seconds });
  });
}

async function poolStart() {
  const seconds = [];
  while (seconds.length < SAMPLES) {
    const start = performance.now();
    const first = async (pool) => {
      check((await pool.run(7)) > 0, true);
      return secondsSince(start);
    };
    seconds.push(await withPool("lookUp", 2, 1, first, "with a table"));
  }
  tell("pool-start", "Piscina, initializer", { n: 1, seconds });
}

/** Each sample is of a process of its own, because one that has ended threads keeps memory of theirs. */
function idle() {
  const once = () => Number(execFileSync(process.execPath, [__filename, "idle-once"]).toString());
  tell("idle", "Piscina, a thread", { bytes: Array.from({ length: SAMPLES }, once) });
}

async function idleOnce() {
  const add = (pool) => pool.run({ left: 1, right: 2 });
  await withPool("add", 1, 1, add);
  const before = privateBytes();
  await withPool("add", IDLE_THREADS, 1, async (pool) => {
    await Promise.all(Array.from({ length: IDLE_THREADS }, () => add(pool)));
    console.log(Math.round((privateBytes() - before) / IDLE_THREADS));
  });
}

/** Memory of this process that it shares with no other. */
function privateBytes() {
  const fields = fs.readFileSync("/proc/self/smaps_rollup", "utf8").matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB/gm);
  return [...fields].reduce((sum, [, kilobytes]) => sum + 1024 * kilobytes, 0);
}

const KINDS = {
  idle,
  "pool-start": poolStart,
  "tiny-sync": () => tiny("tiny-sync", "add"),
  "tiny-async": () => tiny("tiny-async", "addAsync"),
  ...Object.fromEntries(Object.keys(SIZES).map((kind) => [kind, () => echo(kind)])),
  "busy-1ms": busy,
  waits,
  "round-trip": roundTrip,
};

async function main(argv) {
  if (argv[0] === "idle-once") {
    return idleOnce();
  }
  const url = argv.find((argument) => argument.startsWith("http://"));
  const wanted = argv.filter((argument) => argument !== url);
  const kinds = url === undefined ? KINDS : { ...KINDS, "http-get": () => httpGet(url) };
  const unknown = wanted.filter((kind) => !(kind in kinds));
  if (unknown.length > 0) {
    const known = Object.keys(kinds).join(", ");
    throw new Error(`no such kind: ${unknown.join(", ")}; there are ${known} (http-get needs a URL)`);
  }
  const versions = { "Node.js": process.versions.node, Piscina: Piscina.version };
  versions.undici = require("undici/package.json").version;
  const [cpu] = os.cpus();
  const machine = { cpu: cpu.model, cores: os.cpus().length, kernel: os.release(), memory_bytes: os.totalmem() };
  console.log(JSON.stringify({ machine, versions, date: new Date().toISOString().slice(0, 10) }));
  for (const kind of wanted.length > 0 ? wanted : Object.keys(kinds)) {
    await kinds[kind]();
  }
}

main(process.argv.slice(2));
