// The interop checks, written once for every JavaScript client.
//
// A client module hands `run` an object with the calls of its library. The report on standard
// output is what the runner reads: `run NAME`, `ok NAME`, `FAIL NAME: reason`.
import assert from "node:assert/strict";

export const BOOTSTRAP = process.env.BOOTSTRAP ?? "localhost:9092";
const PREFIX = process.env.PREFIX ?? `interop-javascript-${process.pid}`;
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];
const COUNT = 100;
// Recent, so that time-based retention leaves the records alone.
const START_MS = Date.now() - 3_600_000;
const WAIT_MS = 30_000;

async function check(name, body) {
  console.log(`run ${name}`);
  try {
    await bounded(body());
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`FAIL ${name}: ${String(error).replaceAll("\n", " ")}`);
  }
}

async function bounded(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${2 * WAIT_MS} ms`)), 2 * WAIT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Calls `state` until it is true: what an admin call changed is seen everywhere a little later. */
export async function eventually(what, state) {
  for (const end = Date.now() + WAIT_MS; !(await state()); ) {
    assert(Date.now() < end, `not within ${WAIT_MS} ms: ${what}`);
    await new Promise((resume) => setTimeout(resume, 50));
  }
}

/** Record `i` of those every client writes with every codec and expects back byte for byte. */
function sample(i) {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, b) => b));
  return {
    key: i % 5 === 1 ? null : Buffer.from(`key-${i}`),
    value: i % 5 === 3 ? null : Buffer.concat([Buffer.from(`value-${i} `.repeat(i + 1)), bytes]),
    headers: i % 2 ? [] : [["trace", Buffer.from("first")], ["trace", Buffer.from("second")], ["binary", Buffer.from([0, 0xff, 0x80])]],
    timestamp: START_MS + i * 1000,
  };
}

function verify(message, i) {
  assert.deepEqual(message, { offset: i, ...sample(i) }, `record ${i}`);
}

const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
const numbered = (from, to) => range(from, to).map((i) => ({ value: Buffer.from(String(i)) }));

export async function run(client) {
  const topic = (name) => `${PREFIX}-${name}`;
  const [codecs, group, commit, admin] = ["codecs", "group", "commit", "admin"].map(topic);

  await check("create-topic", () => client.createTopic(codecs, CODECS.length, { "retention.ms": "86400000" }));

  // Each codec has its own partition, so offsets tell whether all of it arrived.
  for (const [partition, codec] of CODECS.entries()) {
    await check(`produce-${codec}`, async () => {
      const records = range(0, COUNT).map(sample);
      assert.equal(await client.produce(codecs, partition, records, { codec }), 0, "first offset");
    });
  }
  for (const [partition, codec] of CODECS.entries()) {
    await check(`consume-${codec}`, async () => {
      const messages = await client.read(codecs, partition, 0, COUNT);
      assert.equal(messages.length, COUNT);
      messages.forEach(verify);
    });
  }

  /** Writes one record to a new topic and reads it back. */
  const one = async (name, record) => {
    await client.createTopic(topic(name), 1, {});
    await client.produce(topic(name), 0, [record]);
    return (await client.read(topic(name), 0, 0, 1))[0];
  };
  const empty = Buffer.alloc(0);
  await check("empty-bytes", async () => {
    const { key, value } = await one("empty", { key: empty, value: empty });
    assert.deepEqual({ key, value }, { key: empty, value: empty });
  });
  await check("null-header", async () => {
    const headers = [["null", null], ["empty", empty]];
    assert.deepEqual((await one("null-header", { value: Buffer.from("value"), headers })).headers, headers);
  });

  await check("consume-by-time", async () => {
    const at = (timestamp) => client.offsetAt(codecs, 0, timestamp);
    assert.equal(await at(START_MS + 50_000), 50, "exact time");
    assert.equal(await at(START_MS + 50_001), 51, "between two records");
    assert.equal(await at(START_MS - 1), 0, "before the first");
    assert.equal(await at(START_MS + COUNT * 1000), COUNT, "after the last: the end of the partition");
    verify((await client.read(codecs, 0, 50, COUNT - 50))[0], 50);
  });

  await check("idempotent-producer", async () => {
    await client.createTopic(topic("idempotent"), 1, {});
    await client.produce(topic("idempotent"), 0, numbered(0, 50), { idempotent: true });
    const messages = await client.read(topic("idempotent"), 0, 0, 50);
    assert.deepEqual(messages.map((m) => Number(m.value)), range(0, 50));
  });

  // One member has all four partitions, two have two each, and the one that stays has all again.
  await check("group-rebalance", async () => {
    const seen = [];
    let sent = 0;
    const members = [];
    const join = async () => members.push(await client.join(group, group, (m) => seen.push(Number(m.value))));
    const settle = (shares) =>
      eventually(`${sent} records by members with ${shares} partitions`, () =>
        seen.length >= sent && String(members.map((m) => m.assigned())) === String(shares));
    const send = async (shares) => {
      for (const partition of range(0, 4)) {
        await client.produce(group, partition, numbered(sent, sent + 10));
        sent += 10;
      }
      await settle(shares);
    };
    await client.createTopic(group, 4, {});
    try {
      await join();
      await send([4]);
      await join();
      await settle([2, 2]);
      await send([2, 2]);
      await members.pop().leave();
      await settle([4]);
      await send([4]);
    } finally {
      for (const member of members) await member.leave();
    }
    assert.deepEqual(seen.toSorted((a, b) => a - b), range(0, 120), "each record once");
  });

  await check("commit-resume", async () => {
    await client.createTopic(commit, 1, {});
    await client.produce(commit, 0, numbered(0, 20));
    for (const from of [0, 10]) {
      const offsets = [];
      const member = await client.join(commit, commit, (m) => offsets.push(m.offset), 10);
      await eventually("ten records", () => offsets.length >= 10).finally(() => member.leave());
      assert.deepEqual(offsets, range(from, from + 10));
    }
  });

  await check("admin-describe-cluster", async () => {
    const { id, controller, nodes } = await client.cluster();
    assert(id, "no cluster id");
    assert(nodes.includes(controller), `controller ${controller} is none of ${nodes}`);
  });
  await check("admin-list-topics", async () => assert((await client.topics()).includes(codecs)));
  await check("admin-describe-topic", async () => {
    const partitions = await client.describeTopic(codecs);
    assert.equal(partitions.length, 5);
    for (const { leader, replicas, isr } of partitions) assert.deepEqual([replicas, isr], [[leader], [leader]]);
  });
  await check("admin-describe-configs", async () => {
    const configs = await client.configs(codecs);
    assert.deepEqual(configs["retention.ms"], { value: "86400000", isDefault: false });
    assert.deepEqual(configs["compression.type"], { value: "producer", isDefault: true });
  });
  // The topic of the following checks.
  await client.createTopic(admin, 1, {}).catch(() => {});
  await check("admin-alter-configs", async () => {
    const before = (await client.configs(admin))["retention.ms"].value;
    const becomes = (value) =>
      eventually(`retention.ms is ${value}`, async () => (await client.configs(admin))["retention.ms"].value === value);
    await client.setConfigs(admin, { "retention.ms": "7200000" });
    await becomes("7200000");
    await client.setConfigs(admin, {});
    await becomes(before);
  });
  await check("admin-create-partitions", async () => {
    await client.createPartitions(admin, 3);
    await eventually("three partitions", async () => (await client.describeTopic(admin)).length === 3);
  });
  await check("admin-delete-records", async () => {
    await client.createTopic(topic("delete"), 1, {});
    await client.produce(topic("delete"), 0, numbered(0, 10));
    await client.deleteRecords(topic("delete"), 0, 4);
    assert.equal(await client.earliestOffset(topic("delete"), 0), 4);
  });
  await check("admin-list-groups", async () => assert((await client.groups()).includes(commit)));
  await check("admin-describe-group", async () =>
    assert.deepEqual(await client.describeGroup(commit), { state: "Empty", members: 0 }));
  await check("admin-group-offsets", async () => assert.equal(await client.groupOffset(commit, commit, 0), 20));
  await check("admin-delete-group", async () => {
    await client.deleteGroup(commit);
    assert(!(await client.groups()).includes(commit), "still listed");
  });
  await check("admin-delete-topic", async () => {
    await client.deleteTopic(admin);
    await eventually("the topic is gone", async () => !(await client.topics()).includes(admin));
  });
  await client.close();
  process.exit(); // what a failed check left open must not keep the program alive
}

/** Turns the header list of the checks into the object both libraries take. */
export function headersObject(list = []) {
  const headers = {};
  for (const [key, value] of list) {
    headers[key] = key in headers ? [headers[key], value].flat() : value;
  }
  return headers;
}

/** Turns a message of either library into what the checks compare. */
export function plain({ offset, key, value, headers = {}, timestamp }) {
  const list = Object.entries(headers ?? {}).flatMap(([name, values]) => [values].flat().map((one) => [name, one]));
  return { offset: Number(offset), key, value, headers: list, timestamp: Number(timestamp) };
}
