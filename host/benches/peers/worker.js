// What Piscina's threads run: each export is a task. The table of the kind pool-start is built when a thread that asks
// for it loads this file, which is Piscina's way to have an initializer; undici is loaded by the first call that needs
// it.
"use strict";

const { setTimeout: wait } = require("node:timers/promises");
const { workerData } = require("node:worker_threads");
const { move } = require("piscina");

const TABLE_LENGTH = 1_000_000;
// Piscina gives its threads its own data beside the pool's.
const table = [workerData].flat().includes("with a table") ? buildTable() : null;
let agent = null;

exports.add = ({ left, right }) => left + right;
exports.addAsync = async ({ left, right }) => left + right;
exports.echo = (data) => data;
exports.echoMoved = (data) => move(data);
exports.busy = busy;
exports.wait = (milliseconds) => wait(milliseconds);
exports.lookUp = (index) => table[index];

exports.get = async (url) => {
  const { Agent, request } = require("undici");
  agent ??= new Agent({ connections: 64 });
  const { statusCode, body } = await request(url, { dispatcher: agent });
  await body.text();
  return statusCode;
};

/** A generator of random numbers whose every round needs the last one's result. */
function busy(rounds) {
  // Told that this is an integer, the compiler keeps it one; else it gave up after some hundred calls, which then took
  // six times as long.
  let state = rounds | 0;
  for (let round = 0; round < rounds; round++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
  }
  return state;
}

/** As many bytes as the others' tables, in halves: integers of 64 bits are objects here, and some 50 times slower. */
function buildTable() {
  const numbers = new Uint32Array(2 * TABLE_LENGTH);
  for (let index = 0; index < numbers.length; index++) {
    const mixed = Math.imul(index ^ (index >>> 16), 0x85ebca6b);
    numbers[index] = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  }
  return numbers;
}
