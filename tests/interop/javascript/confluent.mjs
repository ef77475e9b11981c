// @confluentinc/kafka-javascript: librdkafka from Node, with the interface of kafkajs.
import confluent from "@confluentinc/kafka-javascript";

import { BOOTSTRAP, eventually, headersObject, plain, run } from "./scenario.mjs";

const { ConsumerGroupStates, Kafka, logLevel } = confluent.KafkaJS;
const kafka = new Kafka({ kafkaJS: { brokers: [BOOTSTRAP], logLevel: logLevel.NOTHING } });
const admin = kafka.admin();
await admin.connect();
let readers = 0;

function consumer(groupId) {
  return kafka.consumer({
    kafkaJS: { groupId, fromBeginning: true, autoCommit: false, heartbeatInterval: 500, maxWaitTimeInMs: 200 },
  });
}

function missing(call) {
  return async () => {
    throw new Error(`the client has no ${call}`);
  };
}

await run({
  createTopic: (topic, numPartitions, settings) =>
    admin.createTopics({
      topics: [{ topic, numPartitions, replicationFactor: 1,
        configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })) }],
    }),

  async produce(topic, partition, records, { codec = "none", idempotent = false } = {}) {
    const producer = kafka.producer({
      // A retried batch must not be overtaken by the next one: the checks know records by their offsets.
      kafkaJS: { idempotent, compression: codec, maxInFlightRequests: 1 },
      "linger.ms": 20,
    });
    await producer.connect();
    const messages = records.map((r) => ({ ...r, partition, headers: headersObject(r.headers), timestamp: r.timestamp && String(r.timestamp) }));
    const answers = await producer.send({ topic, messages });
    await producer.disconnect();
    return Number(answers[0].baseOffset);
  },

  // There is no consumer without a group: a group of its own reads one partition.
  async read(topic, partition, offset, count) {
    const reader = consumer(`${topic}-reader-${readers++}`);
    const messages = [];
    await reader.connect();
    await reader.subscribe({ topics: [topic] });
    await reader.run({
      eachMessage: async (m) => {
        if (m.partition === partition && Number(m.message.offset) >= offset && messages.length < count) messages.push(plain(m.message));
      },
    });
    await eventually("an assignment", () => reader.assignment().length > 0);
    reader.seek({ topic, partition, offset: String(offset) });
    await eventually(`${count} records`, () => messages.length >= count).finally(() => reader.disconnect());
    return messages;
  },

  async offsetAt(topic, partition, timestamp) {
    const offsets = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp);
    return Number(offsets.find((one) => one.partition === partition).offset);
  },

  async join(groupId, topic, each, limit = Infinity) {
    const member = consumer(groupId);
    let seen = 0;
    await member.connect();
    await member.subscribe({ topics: [topic] });
    await member.run({
      eachMessage: async ({ partition, message }) => {
        if (seen++ >= limit) return;
        await member.commitOffsets([{ topic, partition, offset: String(BigInt(message.offset) + 1n) }]);
        each(plain(message));
      },
    });
    return { assigned: () => member.assignment().length, leave: () => member.disconnect() };
  },

  cluster: missing("describeCluster"),
  topics: () => admin.listTopics(),
  async describeTopic(topic) {
    const [{ partitions }] = await admin.fetchTopicMetadata({ topics: [topic] });
    const id = (node) => node.nodeId ?? node;
    return partitions.map((p) => ({ leader: id(p.leader), replicas: p.replicas.map(id), isr: p.isr.map(id) }));
  },
  configs: missing("describeConfigs"),
  setConfigs: missing("alterConfigs"),
  createPartitions: missing("createPartitions"),
  deleteRecords: (topic, partition, before) =>
    admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] }),
  async earliestOffset(topic, partition) {
    return Number((await admin.fetchTopicOffsets(topic)).find((one) => one.partition === partition).low);
  },
  async groups() {
    return (await admin.listGroups()).groups.map((group) => group.groupId);
  },
  async describeGroup(group) {
    const [{ state, members }] = (await admin.describeGroups([group])).groups;
    return { state: state === ConsumerGroupStates.EMPTY ? "Empty" : state, members: members.length };
  },
  async groupOffset(groupId, topic, partition) {
    const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return Number(answer.partitions.find((one) => one.partition === partition).offset);
  },
  deleteGroup: (group) => admin.deleteGroups([group]),
  deleteTopic: (topic) => admin.deleteTopics({ topics: [topic] }),
  close: () => admin.disconnect(),
});
