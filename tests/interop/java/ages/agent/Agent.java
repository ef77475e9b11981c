// One age of the Java client in a JVM of its own: does what it is told on standard input, one line a command,
// and answers with lines of results and then `done`, or `failed REASON`.
import java.io.*;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public final class Agent {
    private static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    /** How long a command may take; below the patience of the suite's runner. */
    static final long WAIT_MS = 15_000;

    private static Member member;

    public static void main(String[] args) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                run(line.split(" "));
                System.out.println("done");
            } catch (Throwable e) {
                Throwable cause = e instanceof java.util.concurrent.ExecutionException ? e.getCause() : e;
                System.out.println("failed " + String.valueOf(cause).replace('\n', ' '));
            }
        }
        // A client that cannot talk to its broker may have threads that wait for it.
        Runtime.getRuntime().halt(0);
    }

    private static void run(String[] words) throws Exception {
        String name = words.length > 1 ? words[1] : "";
        switch (words[0]) {
            case "create" -> Calls.createTopic(BOOTSTRAP, name, Integer.parseInt(words[2]));
            case "produce" -> produce(name, words[2], Boolean.parseBoolean(words[3]), numbers(words[4]));
            case "produce-large" -> produceLarge(name, Integer.parseInt(words[2]));
            case "consume" -> consume(at(name), Integer.parseInt(words[2]), Integer.parseInt(words[3]), Long.parseLong(words[4]));
            case "seek" -> seek(at(name), words[2].split(","));
            case "position" -> position(at(name), words[2]);
            case "times" -> times(at(name), words[2].split(","));
            case "resume" -> resume(at(name), words[2], Integer.parseInt(words[3]));
            case "join" -> member = new Member(consumer(Map.of("group.id", words[2])), name);
            case "member" -> member.report();
            case "leave" -> member.leave();
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    /** TOPIC:PARTITION. */
    private static TopicPartition at(String text) {
        int colon = text.indexOf(':');
        return new TopicPartition(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
    }

    /** FIRST+COUNT. */
    private static int[] numbers(String text) {
        String[] ends = text.split("\\+");
        int first = Integer.parseInt(ends[0]);
        return java.util.stream.IntStream.range(first, first + Integer.parseInt(ends[1])).toArray();
    }

    private static KafkaProducer<byte[], byte[]> producer(Map<String, Object> extra) {
        Map<String, Object> config = new HashMap<>(extra);
        config.put("bootstrap.servers", BOOTSTRAP);
        // All records of a command make one batch.
        config.put("linger.ms", 100);
        config.put("max.block.ms", 8_000);
        config.put("max.in.flight.requests.per.connection", 1);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> extra) {
        Map<String, Object> config = new HashMap<>(Map.of("auto.offset.reset", "earliest"));
        config.putAll(extra);
        config.put("bootstrap.servers", BOOTSTRAP);
        config.put("enable.auto.commit", false);
        config.put("heartbeat.interval.ms", 300);
        config.put("fetch.max.wait.ms", 10);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static void produce(String to, String codec, boolean idempotent, int[] numbers) throws Exception {
        TopicPartition partition = at(to);
        Map<String, Object> config = new HashMap<>(Map.of("compression.type", codec, "acks", "all"));
        if (idempotent) config.putAll(Map.of("enable.idempotence", true, "retries", 3));
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int n : numbers) records.add(Marks.record(partition, n));
        send(config, records);
    }

    /** A record that no reader's limit below `size` can hold, and a small one after it. */
    private static void produceLarge(String to, int size) throws Exception {
        TopicPartition partition = at(to);
        for (int bytes : new int[] {size, 10}) {
            send(Map.of("acks", "1"), List.of(new ProducerRecord<>(partition.topic(), partition.partition(), null, new byte[bytes])));
        }
    }

    private static void send(Map<String, Object> config, List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer(config)) {
            for (ProducerRecord<byte[], byte[]> record : records) sent.add(producer.send(record));
        }
        StringJoiner offsets = new StringJoiner(" ");
        for (var one : sent) offsets.add(String.valueOf(one.get().offset()));
        System.out.println(offsets);
    }

    /** Polls until there are `count` records. */
    private static List<ConsumerRecord<byte[], byte[]>> poll(KafkaConsumer<byte[], byte[]> consumer, int count, long wait) {
        long end = System.currentTimeMillis() + wait;
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        while (records.size() < count) {
            if (System.currentTimeMillis() > end) throw new AssertionError(records.size() + " records of " + count);
            Calls.poll(consumer, 100).forEach(records::add);
        }
        return records;
    }

    private static void consume(TopicPartition partition, int count, int bytesMax, long wait) {
        Map<String, Object> limits = Map.of("max.partition.fetch.bytes", bytesMax, "fetch.max.bytes", bytesMax);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(limits)) {
            consumer.assign(List.of(partition));
            for (ConsumerRecord<byte[], byte[]> record : poll(consumer, count, wait)) {
                String key = Numbered.word(record.key()), value = Numbered.word(record.value());
                System.out.println(record.offset() + " " + key + " " + value + " " + Marks.of(record));
            }
        }
    }

    /** The offset of the first record after each seek. */
    private static void seek(TopicPartition partition, String[] offsets) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            consumer.assign(List.of(partition));
            for (String offset : offsets) {
                consumer.seek(partition, Long.parseLong(offset));
                System.out.println(poll(consumer, 1, WAIT_MS).get(0).offset());
            }
        }
    }

    private static void position(TopicPartition partition, String reset) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("auto.offset.reset", reset))) {
            consumer.assign(List.of(partition));
            System.out.println(consumer.position(partition));
        }
    }

    private static void times(TopicPartition partition, String[] times) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            for (String time : times) System.out.println(Calls.offsetAt(consumer, partition, Long.parseLong(time)));
        }
    }

    /** Goes on where the group is, reads `count` records and commits; tells the first offset and what was committed with it. */
    private static void resume(TopicPartition partition, String group, int count) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("group.id", group))) {
            consumer.assign(List.of(partition));
            OffsetAndMetadata before = Calls.committed(consumer, partition);
            List<ConsumerRecord<byte[], byte[]>> records = poll(consumer, count, WAIT_MS);
            long next = records.get(count - 1).offset() + 1;
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(next, "up to " + next)));
            System.out.println(records.get(0).offset() + " " + (before == null ? "nothing" : before.metadata()));
        }
    }

    private Agent() {}
}
