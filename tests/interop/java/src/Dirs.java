// A replica goes from one log directory to another and back while records are sent and read.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;

public final class Dirs {
    private static final int MOVES = 4;

    public static void main(String[] args) {
        Check.check("alter-replica-log-dirs", Dirs::move);
        Check.check("alter-replica-log-dirs-refused", Dirs::refused);
        Clients.ADMIN.close();
    }

    private static void move() throws Exception {
        String topic = Clients.name("dirs");
        Clients.createTopic(topic, 1, Map.of("segment.bytes", "1048576"));
        AtomicBoolean over = new AtomicBoolean();
        ExecutorService threads = Executors.newFixedThreadPool(2);
        Future<Integer> sent = threads.submit(() -> send(topic, over));
        Future<List<Integer>> read = threads.submit(() -> read(topic, over, sent));
        int node = Clients.ADMIN.describeCluster().nodes().get().iterator().next().id();
        for (int i = 0; i < MOVES; i++) {
            String to = otherDir(node, topic);
            Thread.sleep(1500);
            Clients.ADMIN.alterReplicaLogDirs(Map.of(new TopicPartitionReplica(topic, 0, node), to)).all().get();
            Check.eventually("a move to " + to, () -> places(node, topic).equals(List.of(to)));
        }
        over.set(true);
        int count = sent.get();
        List<Integer> all = new ArrayList<>();
        for (int i = 0; i < count; i++) all.add(i);
        Check.equal("records", all, read.get());
        threads.shutdown();
    }

    /** Sends numbers until told to end; how many. */
    private static int send(String topic, AtomicBoolean over) throws Exception {
        int next = 0;
        byte[] padding = new byte[2000];
        Deque<Future<RecordMetadata>> open = new ArrayDeque<>();
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(Map.of("acks", "all", "enable.idempotence", true))) {
            while (!over.get()) {
                open.add(producer.send(new ProducerRecord<>(topic, 0, String.valueOf(next++).getBytes(), padding)));
                if (open.size() > 200) open.remove().get();
                if (next % 20 == 0) Thread.sleep(5);
            }
            for (var one : open) one.get();
        }
        return next;
    }

    private static List<Integer> read(String topic, AtomicBoolean over, Future<Integer> sent) throws Exception {
        List<Integer> numbers = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(Map.of())) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            long end = System.currentTimeMillis() + 120_000;
            while (!(over.get() && sent.isDone() && numbers.size() >= sent.get())) {
                consumer.poll(Duration.ofMillis(200)).forEach(r -> numbers.add(Integer.parseInt(new String(r.key()))));
                Check.that("read " + numbers.size(), System.currentTimeMillis() < end);
            }
        }
        return numbers;
    }

    private static void refused() throws Exception {
        String topic = Clients.name("dirs-refused");
        Clients.createTopic(topic, 1, Map.of());
        int node = Clients.ADMIN.describeCluster().nodes().get().iterator().next().id();
        Check.equal("unknown directory", "LogDirNotFoundException", error(topic, 0, node, "/nowhere"));
        Check.equal("unknown replica", "ReplicaNotAvailableException", error(topic, 5, node, dirs(node).iterator().next()));
    }

    private static String error(String topic, int partition, int node, String dir) throws Exception {
        try {
            Clients.ADMIN.alterReplicaLogDirs(Map.of(new TopicPartitionReplica(topic, partition, node), dir)).all().get();
            return "none";
        } catch (ExecutionException e) {
            return e.getCause().getClass().getSimpleName();
        }
    }

    private static Set<String> dirs(int node) throws Exception {
        return described(node).keySet();
    }

    private static Map<String, LogDirDescription> described(int node) throws Exception {
        return Clients.ADMIN.describeLogDirs(List.of(node)).allDescriptions().get().get(node);
    }

    /** The directories in which the replica is, or is going to be. */
    private static List<String> places(int node, String topic) throws Exception {
        List<String> places = new ArrayList<>();
        described(node).forEach((path, dir) -> dir.replicaInfos().forEach((partition, info) -> {
            if (partition.topic().equals(topic)) places.add(path + (info.isFuture() ? "*" : ""));
        }));
        return places;
    }

    private static String otherDir(int node, String topic) throws Exception {
        Set<String> others = new TreeSet<>(dirs(node));
        others.removeAll(places(node, topic));
        return others.iterator().next();
    }

    private Dirs() {}
}
