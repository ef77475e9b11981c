// kafkajs. It brings gzip; the other codecs are plugged in.
import { init, compress, decompress } from "@bokuweb/zstd-wasm";
import kafkajs from "kafkajs";
import snappy from "kafkajs-snappy";
import lz4 from "lz4-napi";

import { BOOTSTRAP, eventually, headersObject, plain, run } from "./scenario.mjs";

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel, Partitioners } = kafkajs;
await init();
CompressionCodecs[CompressionTypes.Snappy] = snappy;
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (buffer) => lz4.decompressFrame(buffer),
});
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(decompress(buffer)),
});
const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};
const DEFAULT_CONFIG = 5; // the config source of a value nobody set

const kafka = new Kafka({ brokers: [BOOTSTRAP], logLevel: logLevel.NOTHING });
const admin = kafka.admin();
await admin.connect();
let readers = 0;

function consumer(groupId) {
  return kafka.consumer({ groupId, heartbeatInterval: 500, maxWaitTimeInMs: 200 });
}

async function configs(topic) {
  const query = { resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }], includeSynonyms: false };
  const entries = (await admin.describeConfigs(query)).resources[0].configEntries;
  return Object.fromEntries(
    entries.map((e) => [e.configName, { value: e.configValue, isDefault: e.configSource === DEFAULT_CONFIG }]));
}

await run({
  createTopic: (topic, numPartitions, settings) =>
    admin.createTopics({
      topics: [{ topic, numPartitions, replicationFactor: 1,
        configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })) }],
    }),

  async produce(topic, partition, records, { codec = "none", idempotent = false } = {}) {
    const producer = kafka.producer({ idempotent, createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const messages = records.map((r) => ({ ...r, partition, headers: headersObject(r.headers), timestamp: r.timestamp && String(r.timestamp) }));
    const [answer] = await producer.send({ topic, messages, compression: CODECS[codec], acks: -1 });
    await producer.disconnect();
    return Number(answer.baseOffset);
  },

  // There is no consumer without a group: a group of its own reads one partition.
  async read(topic, partition, offset, count) {
    const reader = consumer(`${topic}-reader-${readers++}`);
    const messages = [];
    await reader.connect();
    await reader.subscribe({ topic });
    await reader.run({
      autoCommit: false,
      eachMessage: async (m) => {
        if (m.partition === partition && messages.length < count) messages.push(plain(m.message));
      },
    });
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
    let assigned = 0;
    let seen = 0;
    member.on(member.events.GROUP_JOIN, ({ payload }) => (assigned = payload.memberAssignment[topic]?.length ?? 0));
    member.on(member.events.REBALANCING, () => (assigned = 0));
    await member.connect();
    await member.subscribe({ topic, fromBeginning: true });
    await member.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        if (seen++ >= limit) return;
        await member.commitOffsets([{ topic, partition, offset: String(BigInt(message.offset) + 1n) }]);
        each(plain(message));
      },
    });
    return { assigned: () => assigned, leave: () => member.disconnect() };
  },

  async cluster() {
    const { clusterId, controller, brokers } = await admin.describeCluster();
    return { id: clusterId, controller, nodes: brokers.map((broker) => broker.nodeId) };
  },
  topics: () => admin.listTopics(),
  async describeTopic(topic) {
    return (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions;
  },
  configs,
  // AlterConfigs replaces the whole set of a topic's configs.
  setConfigs: (topic, settings) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic,
        configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })) }],
    }),
  createPartitions: (topic, count) => admin.createPartitions({ topicPartitions: [{ topic, count }] }),
  async deleteRecords(topic, partition, before) {
    await admin.fetchTopicOffsets(topic); // the next call knows no leader of a topic it was never asked about
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] });
  },
  async earliestOffset(topic, partition) {
    return Number((await admin.fetchTopicOffsets(topic)).find((one) => one.partition === partition).low);
  },
  async groups() {
    return (await admin.listGroups()).groups.map((group) => group.groupId);
  },
  async describeGroup(group) {
    const [{ state, members }] = (await admin.describeGroups([group])).groups;
    return { state, members: members.length };
  },
  async groupOffset(groupId, topic, partition) {
    const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return Number(answer.partitions.find((one) => one.partition === partition).offset);
  },
  deleteGroup: (group) => admin.deleteGroups([group]),
  deleteTopic: (topic) => admin.deleteTopics({ topics: [topic] }),
  close: () => admin.disconnect(),
});
