// An Apache Kafka is filled with all there is, ends, and Klamm goes on in its directories.
import java.io.*;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;

public final class Takeover {
    static final String COMPACTED = "compacted", TRANSACTIONAL = "transactional", DECIDED = "decided";
    private static final String NUMBERED = "numbered", TRIMMED = "trimmed";
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    private static final boolean KILLED = "killed".equals(System.getenv("MODE"));
    private static final Admin ADMIN = Clients.ADMIN;
    private static final List<ConfigResource> CONFIGURED = List.of(
            new ConfigResource(ConfigResource.Type.BROKER, "7"), new ConfigResource(ConfigResource.Type.BROKER, ""),
            new ConfigResource(ConfigResource.Type.GROUP, "modern"));

    private static Node node;
    /** Clients that live through the takeover. */
    private static KafkaProducer<byte[], byte[]> numbered, open;
    private static KafkaConsumer<byte[], byte[]> modern;
    private static long modernNext;
    private static Map<String, String> before, producersBefore, after;
    private static int groups;

    public static void main(String[] args) {
        Check.check("fill", Takeover::fill);
        Check.check("running", Takeover::running);
        Check.check("look", Takeover::look);
        Check.check("apply", Takeover::apply);
        Check.check("same", () -> Check.equal("state", lines(before), lines(State.of(ADMIN, CONFIGURED))));
        Check.check("producers", Takeover::producers);
        Check.check("transactions", Takeover::transactions);
        Check.check("groups", Takeover::groups);
        Check.check("goes-on", Takeover::goesOn);
        Check.check("dump-log", Takeover::dumpLog);
        Check.check("back", Takeover::back);
        System.exit(0);
    }

    private static void fill() throws Exception {
        Node.configure(KILLED);
        Node.format(KILLED);
        node = Node.kafka();
        for (String codec : CODECS) {
            Clients.createTopic("codec-" + codec, 2, Map.of("max.message.bytes", "2000000"));
            Clients.send(Map.of("compression.type", codec), 2 * Sample.COUNT,
                    i -> Sample.record("codec-" + codec, i % 2, i / 2));
        }
        compact();
        fillTopics();
        fillTransactions();
        fillGroups();
        fillAdmin();
        beginTransaction();
        before = State.of(ADMIN, CONFIGURED);
        producersBefore = producerStates();
    }

    /** Written again and again until something of it is gone. */
    private static void compact() throws Exception {
        Clients.createTopic(COMPACTED, 1,
                Map.of("cleanup.policy", "compact", "segment.ms", "200", "min.cleanable.dirty.ratio", "0.01"));
        TopicPartition partition = new TopicPartition(COMPACTED, 0);
        for (int round = 0; round < 5; round++) {
            int by = round;
            Clients.send(Map.of(), 50, i -> new ProducerRecord<>(COMPACTED, 0, ("k" + i).getBytes(), (by + "-" + i).getBytes()));
            Thread.sleep(250);
        }
        Check.eventually("compacted", () -> Clients.read(partition, 0, 1).get(0).offset() > 0);
    }

    private static void fillTopics() throws Exception {
        Clients.createTopic(TRIMMED, 1, Map.of());
        Clients.send(Map.of(), 30, i -> new ProducerRecord<>(TRIMMED, 0, null, new byte[] {(byte) i}));
        ADMIN.deleteRecords(Map.of(new TopicPartition(TRIMMED, 0), RecordsToDelete.beforeOffset(12))).all().get();
        Clients.createTopic(NUMBERED, 1, Map.of("retention.ms", "-1"));
        numbered = Clients.producer(Map.of());
        for (int i = 0; i < 7; i++) numbered.send(new ProducerRecord<>(NUMBERED, 0, null, ("n" + i).getBytes())).get();
        Clients.createTopic("empty", 3, Map.of());
        // One that is gone, and one that came in its place.
        for (int round = 0; round < 2; round++) {
            Clients.createTopic("again", 2, Map.of());
            int count = 5 - 2 * round;
            Clients.send(Map.of(), count, i -> new ProducerRecord<>("again", 0, null, new byte[] {1}));
            if (round == 0) ADMIN.deleteTopics(List.of("again")).all().get();
        }
    }

    private static void fillTransactions() throws Exception {
        Clients.createTopic(TRANSACTIONAL, 2, Map.of());
        try (KafkaProducer<byte[], byte[]> producer = Transactions.producer("done")) {
            for (int round = 0; round < 4; round++) {
                producer.beginTransaction();
                for (int i = 0; i < 10; i++) producer.send(transactional(10 * round + i));
                producer.flush();
                if (round == 1) producer.abortTransaction();
                else producer.commitTransaction();
            }
        }
        Clients.createTopic(DECIDED, 1, Map.of());
        open = Clients.producer(Map.of("transactional.id", "open", "transaction.timeout.ms", 20_000));
        open.initTransactions();
    }

    private static ProducerRecord<byte[], byte[]> transactional(int i) {
        return new ProducerRecord<>(TRANSACTIONAL, i % 2, null, String.valueOf(i).getBytes());
    }

    /** Open when Kafka ends, with an offset that will never be committed. */
    private static void beginTransaction() {
        open.beginTransaction();
        for (int i = 0; i < 5; i++) open.send(transactional(1000 + i));
        open.sendOffsetsToTransaction(Map.of(new TopicPartition("codec-none", 1), new OffsetAndMetadata(1)),
                new ConsumerGroupMetadata("classic"));
        open.flush();
        KafkaProducer<byte[], byte[]> decided = Transactions.producer(DECIDED);
        decided.beginTransaction();
        for (int i = 0; i < 3; i++) decided.send(new ProducerRecord<>(DECIDED, 0, null, new byte[] {(byte) i}));
        decided.flush();
    }

    private static void fillGroups() throws Exception {
        Map<String, Object> classic = Map.of("group.id", "classic", "max.poll.records", 40);
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(classic)) {
            consumer.subscribe(List.of("codec-none"));
            Clients.poll(consumer, 40);
            consumer.commitSync();
        }
        modern = modern();
        modernNext = Clients.poll(modern, 10).size();
        modern.commitSync();
        ADMIN.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, "sharing"),
                List.of(set("share.auto.offset.reset", "earliest")))).all().get();
        share();
    }

    private static KafkaConsumer<byte[], byte[]> modern() {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", Clients.BOOTSTRAP, "group.id", "modern",
                "group.protocol", "consumer", "max.poll.records", 10, "auto.offset.reset", "earliest",
                "enable.auto.commit", false));
        var bytes = new org.apache.kafka.common.serialization.ByteArrayDeserializer();
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config, bytes, bytes);
        consumer.subscribe(List.of(NUMBERED, TRIMMED));
        return consumer;
    }

    /** A share group, so that its records are there. */
    private static void share() throws Exception {
        var bytes = new org.apache.kafka.common.serialization.ByteArrayDeserializer();
        try (var consumer = new KafkaShareConsumer<>(
                Map.of("bootstrap.servers", Clients.BOOTSTRAP, "group.id", "sharing"), bytes, bytes)) {
            consumer.subscribe(List.of("codec-gzip"));
            Check.eventually("shared", () -> !consumer.poll(Duration.ofMillis(200)).isEmpty());
            consumer.commitSync();
        }
    }

    private static AlterConfigOp set(String key, String value) {
        return new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET);
    }

    private static void fillAdmin() throws Exception {
        ADMIN.incrementalAlterConfigs(Map.of(CONFIGURED.get(0), List.of(set("log.cleaner.threads", "2")),
                CONFIGURED.get(1), List.of(set("message.max.bytes", "1500000")),
                CONFIGURED.get(2), List.of(set("consumer.session.timeout.ms", "50000")))).all().get();
        ClientQuotaEntity alice = new ClientQuotaEntity(Map.of("user", "alice"));
        ADMIN.alterClientQuotas(List.of(new ClientQuotaAlteration(alice,
                List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e6))))).all().get();
        ADMIN.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("alice",
                new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"))).all().get();
        ResourcePattern all = new ResourcePattern(ResourceType.TOPIC, "secret", PatternType.LITERAL);
        ADMIN.createAcls(List.of(new AclBinding(all,
                new AccessControlEntry("User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW)))).all().get();
    }

    /** While Kafka runs nothing can be taken over, and nothing is touched. */
    private static void running() throws Exception {
        String said = Node.takeover(1, "--apply", "--yes");
        Check.that(said, said.contains("is in use by another process") && said.contains("stop Kafka first"));
        if (KILLED) node.kill();
        else node.stop();
        Prepared.commit(DECIDED, 5);
    }

    /** Looking changes nothing, and says what there is. */
    private static void look() throws Exception {
        Map<String, String> files = Node.files();
        String said = Node.takeover(0), json = Node.takeover(0, "-o", "json");
        Check.equal("files", files, Node.files());
        String stopped = KILLED ? "not cleanly" : " cleanly";
        for (String part : List.of("node 7 of cluster dGFrZW92ZXItLXRlc3QtLQ", "codec-zstd", stopped,
                "no.such.key has no effect", "classic", "modern", "the transaction of open is open",
                "the transaction of decided is in PrepareCommit",
                "1 access control entries", "nothing was changed"))
            Check.that("no " + part + " in " + said, said.contains(part));
        for (String part : List.of("\"acls\": 1", "\"alice\"", "\"possible\": true", "\"taken_over\": false"))
            Check.that("no " + part + " in " + json, json.contains(part));
        // Without being asked nobody takes over.
        Check.that("not confirmed", Node.takeover(1, "--apply").contains("Nobody is there to confirm it"));
        String refused = Node.run(1, System.getenv("KLAMM"), "serve", "--config", Node.PROPERTIES.toString());
        Check.that(refused, refused.contains("was written by Apache Kafka"));
        Check.equal("files", files, Node.files());
    }

    private static void apply() throws Exception {
        String said = Node.takeover(0, "--apply", "--yes");
        Check.that(said, said.contains("taken over"));
        Check.that("again", Node.takeover(1, "--apply", "--yes").contains("is Klamm's already"));
        node = Node.klamm();
    }

    private static String lines(Map<String, String> map) {
        StringBuilder text = new StringBuilder();
        map.forEach((key, value) -> text.append(key).append(": ").append(value).append("; "));
        return text.toString();
    }

    private static Map<String, String> producerStates() throws Exception {
        List<TopicPartition> partitions = new ArrayList<>(List.of(new TopicPartition(NUMBERED, 0)));
        CODECS.forEach(codec -> partitions.add(new TopicPartition("codec-" + codec, 0)));
        Map<String, String> states = new TreeMap<>();
        ADMIN.describeProducers(partitions).all().get()
                .forEach((partition, state) -> states.put(partition.toString(), state.activeProducers().toString()));
        return states;
    }

    /** What was written is known for a duplicate, and its producer goes on with the next number. */
    private static void producers() throws Exception {
        Check.equal("producers", lines(producersBefore), lines(producerStates()));
        TopicPartition partition = new TopicPartition(NUMBERED, 0);
        Check.equal("answer to a duplicate: error, offset", List.of(0, 6L), duplicate());
        var next = numbered.send(new ProducerRecord<>(NUMBERED, 0, null, "n7".getBytes())).get();
        Check.equal("next offset", 7L, next.offset());
        var states = ADMIN.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers();
        Check.equal("producers of " + states, 1, states.size());
        Check.equal("sequence of " + states, 7, states.get(0).lastSequence());
    }

    /** Sends the last batch of the numbered topic as it is on disk once more. */
    private static List<Number> duplicate() throws Exception {
        byte[] log = Files.readAllBytes(Node.partition(NUMBERED + "-0").resolve("00000000000000000000.log"));
        ByteBuffer at = ByteBuffer.wrap(log);
        int from = 0, size = 0;
        for (int next = 0; next + 12 <= log.length && at.getInt(next + 8) > 0; next += size) {
            from = next;
            size = 12 + at.getInt(next + 8);
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeShort(0); // Produce
        out.writeShort(3);
        out.writeInt(1);
        out.writeShort(-1); // no client id
        out.writeShort(-1); // no transactional id
        out.writeShort(-1); // acks
        out.writeInt(10_000);
        out.writeInt(1);
        out.writeUTF(NUMBERED);
        out.writeInt(1);
        out.writeInt(0);
        out.writeInt(size);
        out.writeLong(0); // base offset, which the broker decides
        out.write(log, from + 8, size - 8);
        String[] address = Clients.BOOTSTRAP.split(":");
        try (Socket socket = new Socket(address[0], Integer.parseInt(address[1]))) {
            DataOutputStream to = new DataOutputStream(socket.getOutputStream());
            to.writeInt(bytes.size());
            bytes.writeTo(to);
            DataInputStream in = new DataInputStream(socket.getInputStream());
            in.readInt(); // size
            in.readInt(); // correlation
            in.readInt(); // topics
            in.readUTF();
            in.readInt(); // partitions
            in.readInt();
            return List.of((int) in.readShort(), in.readLong());
        }
    }

    /** What was decided is carried out; what was open is aborted when its time has come. */
    private static void transactions() throws Exception {
        for (int i = 0; i < 2; i++) {
            TopicPartition partition = new TopicPartition(TRANSACTIONAL, i);
            Check.eventually("nothing is open", () -> latest(partition, true) == latest(partition, false));
        }
        TopicPartition decided = new TopicPartition(DECIDED, 0);
        Check.eventually("the decided one is committed", () -> latest(decided, true) == 4);
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(Transactions.COMMITTED)) {
            consumer.assign(List.of(decided));
            Check.equal("committed", 3, Clients.poll(consumer, 3).size());
        }
        try (KafkaProducer<byte[], byte[]> producer = Transactions.producer("done")) {
            producer.beginTransaction();
            producer.send(transactional(40));
            producer.commitTransaction();
        }
        List<Integer> want = new ArrayList<>(Transactions.numbers(0, 10));
        want.addAll(Transactions.numbers(20, 41));
        Check.equal("committed", want, Transactions.read(TRANSACTIONAL, want.size(), Transactions.COMMITTED));
        var offsets = ADMIN.listConsumerGroupOffsets("classic",
                new ListConsumerGroupOffsetsOptions().requireStable(true)).partitionsToOffsetAndMetadata().get();
        Check.that("offsets " + offsets, offsets.get(new TopicPartition("codec-none", 1)) == null
                || offsets.get(new TopicPartition("codec-none", 1)).offset() != 1);
        try {
            open.commitTransaction();
            Check.that("a transaction is committed that was aborted", false);
        } catch (org.apache.kafka.common.KafkaException e) {
            open.close(Duration.ZERO);
        }
    }

    private static long latest(TopicPartition partition, boolean committed) throws Exception {
        var options = new ListOffsetsOptions(committed ? IsolationLevel.READ_COMMITTED : IsolationLevel.READ_UNCOMMITTED);
        return ADMIN.listOffsets(Map.of(partition, OffsetSpec.latest()), options).partitionResult(partition).get().offset();
    }

    /** A group goes on where it committed, and a member that was there is there still. */
    private static void groups() throws Exception {
        var committed = ADMIN.listConsumerGroupOffsets("classic").partitionsToOffsetAndMetadata().get();
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(Map.of("group.id", "classic"))) {
            consumer.subscribe(List.of("codec-none"));
            Map<TopicPartition, Long> first = new HashMap<>();
            Clients.poll(consumer, 2 * Sample.COUNT - 40).forEach(record -> first.merge(
                    new TopicPartition(record.topic(), record.partition()), record.offset(), Math::min));
            first.forEach((partition, offset) -> {
                OffsetAndMetadata from = committed.get(partition);
                Check.equal("first of " + partition, from == null ? 0L : from.offset(), offset);
            });
        }
        // 7 and the one after, and 18 that are left of 30.
        int left = 8 + 18 - (int) modernNext;
        Check.equal("records that are left", left, Clients.poll(modern, left).size());
        modern.commitSync();
        modern.close();
        try (KafkaConsumer<byte[], byte[]> consumer = modern()) {
            Check.eventually("assigned", () -> {
                Check.that("read twice", consumer.poll(Duration.ofMillis(200)).isEmpty());
                return consumer.assignment().size() == 2;
            });
        }
    }

    /** New topics, new producers, a restart. */
    private static void goesOn() throws Exception {
        Clients.createTopic("after", 2, Map.of());
        Clients.send(Map.of(), 2 * Sample.COUNT, i -> Sample.record("after", i % 2, i / 2));
        long last = ADMIN.describeProducers(List.of(new TopicPartition("after", 0))).all().get().values().iterator().next()
                .activeProducers().get(0).producerId();
        for (String states : producersBefore.values())
            Check.that("producer id " + last + " is not new", !states.contains("producerId=" + last + ","));
        raiseFeatures();
        after = State.of(ADMIN, CONFIGURED);
        groups = ADMIN.listGroups().all().get().size();
        node.stop();
        node = Node.klamm();
        Check.equal("state", lines(after), lines(State.of(ADMIN, CONFIGURED)));
        node.stop();
    }

    /** What is left is read by Kafka's own tool. */
    private static void dumpLog() throws Exception {
        Path metadata = Node.DATA.resolve(KILLED ? "meta" : "a").resolve("__cluster_metadata-0");
        for (Path file : files(metadata, ".log")) dump(file, "--cluster-metadata-decoder", "REGISTER_BROKER_RECORD");
        List<Path> snapshots = files(metadata, ".checkpoint");
        dump(snapshots.get(snapshots.size() - 1), "--cluster-metadata-decoder", "\"name\":\"codec-zstd\"");
        for (Path file : files(Node.partition("codec-zstd-1"), ".log")) dump(file, "--print-data-log", "CreateTime");
        for (Path file : files(Node.partition(TRANSACTIONAL + "-0"), ".log")) dump(file, "--print-data-log", "ABORT");
    }

    /** Kafka itself reads all that was written since, and goes on with it. */
    /** What is written of a feature that Kafka keeps elsewhere must not keep it from going on. */
    private static void raiseFeatures() throws Exception {
        var to = new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE);
        ADMIN.updateFeatures(Map.of("kraft.version", to), new UpdateFeaturesOptions()).all().get();
    }

    private static void back() throws Exception {
        Files.delete(Node.DATA.resolve(KILLED ? "meta" : "a").resolve("__cluster_metadata-0").resolve("raft-state"));
        node = Node.kafka();
        // Kafka serves before it has read its groups, and does not list those that it has not.
        Check.eventually("all groups", () -> ADMIN.listGroups().all().get().size() >= groups);
        Check.equal("state", lines(after), lines(State.of(ADMIN, CONFIGURED)));
        var next = numbered.send(new ProducerRecord<>(NUMBERED, 0, null, "n8".getBytes())).get();
        Check.equal("next offset", 8L, next.offset());
        node.stop();
    }

    private static List<Path> files(Path dir, String suffix) throws IOException {
        try (var paths = Files.list(dir)) {
            List<Path> found = paths.filter(path -> path.toString().endsWith(suffix)).sorted().toList();
            Check.that("no " + suffix + " in " + dir, !found.isEmpty());
            return found;
        }
    }

    private static void dump(Path file, String how, String part) throws Exception {
        String said = Node.tool("org.apache.kafka.tools.DumpLogSegments", "--files", file.toString(), how);
        Check.that("no " + part + " in the dump of " + file, said.contains(part));
        Check.that(said, !said.contains("Could not") && !said.contains("isvalid: false"));
    }

    private Takeover() {}
}
