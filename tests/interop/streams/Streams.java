// Kafka Streams: words are counted exactly once by processes of which one is killed, in both group protocols.
import java.io.File;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.*;

public final class Streams {
    private static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    private static final String PREFIX = System.getenv("PREFIX");
    private static final Admin ADMIN = Admin.create(Map.of("bootstrap.servers", BOOTSTRAP));
    private static final int PARTITIONS = 4;
    private static final int LINES = 1200;
    private static final int WORDS = 37;
    /** The session of a member of a streams group takes 45 s to end, unless the broker says otherwise. */
    private static final long WAIT_MS = 150_000;

    public static void main(String[] args) throws Exception {
        Check.check("streams-classic", () -> count("classic", List.of("consumer.session.timeout.ms=6000")));
        Check.check("streams-exactly-once", () -> count("streams", List.of()));
        Check.check("streams-groups-tool", Streams::tool);
        Check.check("streams-standby", Streams::standby);
        Check.check("streams-missing-topic", Streams::missingTopic);
        ADMIN.close();
    }

    private static void count(String protocol, List<String> more) throws Exception {
        String in = PREFIX + "-" + protocol + "-in", out = PREFIX + "-" + protocol + "-out", app = PREFIX + "-" + protocol;
        createTopics(in, out);
        List<String> settings = new ArrayList<>(more);
        settings.addAll(List.of("group.protocol=" + protocol, "application.id=" + app));
        List<Process> processes = new ArrayList<>();
        try {
            processes.add(start(in, out, settings, app + "-1"));
            processes.add(start(in, out, settings, app + "-2"));
            send(in, 0, LINES / 2);
            eventually("some counts", () -> !read(out).isEmpty());
            processes.get(0).destroyForcibly().waitFor();
            processes.add(start(in, out, settings, app + "-3"));
            send(in, LINES / 2, LINES);
            Map<String, Long> want = expected();
            eventually("all counts", () -> read(out).equals(want));
            if (protocol.equals("streams")) described(app);
        } finally {
            for (Process process : processes) stop(process);
        }
        Check.equal("counts in the end", expected(), read(out));
    }

    private static void described(String app) throws Exception {
        // The counts may be whole while a member still takes over what the killed one had.
        var stable = new java.util.concurrent.atomic.AtomicReference<StreamsGroupDescription>();
        eventually("a stable group", () -> {
            stable.set(describe(app));
            return stable.get().groupState() == GroupState.STABLE;
        });
        StreamsGroupDescription group = stable.get();
        Check.equal("subtopologies", 2, group.subtopologies().size());
        Set<String> active = new TreeSet<>();
        for (StreamsGroupMemberDescription member : group.members())
            for (StreamsGroupMemberAssignment.TaskIds ids : member.assignment().activeTasks())
                for (int partition : ids.partitions())
                    Check.that("task twice", active.add(ids.subtopologyId() + "_" + partition));
        Check.equal("active tasks", 2 * PARTITIONS, active.size());
        boolean listed = ADMIN.listGroups(ListGroupsOptions.forStreamsGroups()).all().get().stream()
                .anyMatch(found -> found.groupId().equals(app));
        Check.that("the group is listed", listed);
        Check.that("offsets are committed: " + offsets(app), offsets(app).size() >= PARTITIONS);
        Check.that("state by the tool", tool("--describe", "--group", app, "--state").contains("Stable"));
        Check.that("offsets by the tool", tool("--describe", "--group", app, "--offsets").contains(app + "-in"));
        Check.that("members by the tool", tool("--describe", "--group", app, "--members").contains(app + "-3"));
    }

    /** The tool for streams groups, with the group that the check before has left. */
    private static void tool() throws Exception {
        String app = PREFIX + "-streams", in = app + "-in";
        eventually("the group is empty", () -> describe(app).groupState() == GroupState.EMPTY);
        Check.that("listed", tool("--list").lines().anyMatch(app::equals));
        Check.that("empty by the tool", tool("--describe", "--group", app, "--state").contains("Empty"));
        Check.equal("read", (long) LINES, read(app, in));
        String reset = tool("--reset-offsets", "--group", app, "--input-topic", in, "--to-earliest", "--execute");
        Check.that("reset: " + reset, reset.contains(in));
        Check.equal("read after the reset", 0L, read(app, in));
        String deleted = tool("--delete-offsets", "--group", app, "--input-topic", in);
        Check.that("deleted: " + deleted, deleted.contains("Successful") && offsets(app).keySet().stream().noneMatch(p -> p.topic().equals(in)));
        tool("--delete", "--group", app);
        Check.that("gone", tool("--list").lines().noneMatch(app::equals));
    }

    /** The sum of the offsets that the group has of a topic. */
    private static long read(String app, String topic) throws Exception {
        return offsets(app).entrySet().stream().filter(of -> of.getKey().topic().equals(topic)).mapToLong(of -> of.getValue().offset()).sum();
    }

    private static Map<org.apache.kafka.common.TopicPartition, OffsetAndMetadata> offsets(String app) throws Exception {
        return ADMIN.listStreamsGroupOffsets(Map.of(app, new ListStreamsGroupOffsetsSpec())).partitionsToOffsetAndMetadata(app).get();
    }

    /** What the tool says. */
    private static String tool(String... more) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                System.getProperty("java.home") + "/bin/java", "-Xmx128M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-cp", System.getProperty("java.class.path"), "org.apache.kafka.tools.streams.StreamsGroupCommand",
                "--bootstrap-server", BOOTSTRAP));
        command.addAll(List.of(more));
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        return new String(process.getInputStream().readAllBytes());
    }

    private static StreamsGroupDescription describe(String app) throws Exception {
        return ADMIN.describeStreamsGroups(List.of(app)).all().get().get(app);
    }

    /** With a standby of each task, both processes have all of the state. */
    private static void standby() throws Exception {
        String in = PREFIX + "-standby-in", out = PREFIX + "-standby-out", app = PREFIX + "-standby";
        createTopics(in, out);
        var group = new ConfigResource(ConfigResource.Type.GROUP, app);
        var set = new AlterConfigOp(new ConfigEntry("streams.num.standby.replicas", "1"), AlterConfigOp.OpType.SET);
        ADMIN.incrementalAlterConfigs(Map.of(group, List.of(set))).all().get();
        List<String> settings = List.of("group.protocol=streams", "application.id=" + app, "num.stream.threads=1");
        List<Process> processes = new ArrayList<>();
        try {
            processes.add(start(in, out, settings, app + "-1"));
            processes.add(start(in, out, settings, app + "-2"));
            eventually("a standby for each task with state", () -> {
                StreamsGroupDescription found;
                try {
                    found = describe(app);
                } catch (java.util.concurrent.ExecutionException e) {
                    return false;
                }
                long standbys = found.members().stream()
                        .flatMap(member -> member.assignment().standbyTasks().stream())
                        .mapToLong(ids -> ids.partitions().size())
                        .sum();
                return found.groupState() == GroupState.STABLE && found.members().size() == 2 && standbys == PARTITIONS;
            });
        } finally {
            for (Process process : processes) stop(process);
        }
        eventually("the group is empty", () -> describe(app).groupState() == GroupState.EMPTY);
        ADMIN.deleteStreamsGroups(List.of(app)).all().get();
    }

    /** Without its source topic an application ends by itself. */
    private static void missingTopic() throws Exception {
        List<String> settings = List.of("group.protocol=streams", "application.id=" + PREFIX + "-missing");
        Process process = start(PREFIX + "-nowhere", PREFIX + "-nothing", settings, PREFIX + "-missing");
        try {
            Check.that("it ends", process.waitFor(60, java.util.concurrent.TimeUnit.SECONDS));
        } finally {
            stop(process);
        }
    }

    private static void createTopics(String in, String out) throws Exception {
        List<NewTopic> topics = List.of(new NewTopic(in, PARTITIONS, (short) 1), new NewTopic(out, PARTITIONS, (short) 1));
        ADMIN.createTopics(topics).all().get();
    }

    private static Process start(String in, String out, List<String> settings, String name) throws Exception {
        Path folder = Files.createTempDirectory("streams");
        List<String> command = new ArrayList<>(List.of(
                System.getProperty("java.home") + "/bin/java", "-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-cp", System.getProperty("java.class.path"), "WordCount", in, out));
        command.addAll(List.of("bootstrap.servers=" + BOOTSTRAP, "client.id=" + name, "state.dir=" + folder));
        command.addAll(settings);
        File log = folder.resolve("log").toFile();
        return new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log).start();
    }

    private static void stop(Process process) throws Exception {
        process.getOutputStream().close();
        if (!process.waitFor(20, java.util.concurrent.TimeUnit.SECONDS)) process.destroyForcibly().waitFor();
    }

    private static String line(int i) {
        return "w" + i % WORDS + " w" + i * 7 % WORDS + " all";
    }

    private static Map<String, Long> expected() {
        Map<String, Long> counts = new TreeMap<>();
        for (int i = 0; i < LINES; i++)
            for (String word : line(i).split(" ")) counts.merge(word, 1L, Long::sum);
        return counts;
    }

    private static void send(String topic, int from, int to) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", BOOTSTRAP, "linger.ms", 5);
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            for (int i = from; i < to; i++) {
                producer.send(new ProducerRecord<>(topic, i % PARTITIONS, null, line(i)));
                if (i % 20 == 0) Thread.sleep(50);
            }
        }
    }

    /** The last count of each word. What a transaction that was aborted told is not seen. */
    private static Map<String, Long> read(String topic) throws Exception {
        Map<String, Object> config = Map.of(
                "bootstrap.servers", BOOTSTRAP, "auto.offset.reset", "earliest", "isolation.level", "read_committed");
        Map<String, Long> counts = new TreeMap<>();
        try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            var partitions = consumer.partitionsFor(topic).stream()
                    .map(info -> new org.apache.kafka.common.TopicPartition(topic, info.partition())).toList();
            consumer.assign(partitions);
            var ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p)))
                consumer.poll(Duration.ofMillis(100)).forEach(record -> counts.put(record.key(), Long.valueOf(record.value())));
        }
        return counts;
    }

    private static void eventually(String what, java.util.concurrent.Callable<Boolean> state) throws Exception {
        long end = System.currentTimeMillis() + WAIT_MS;
        while (!state.call()) {
            Check.that("not within " + WAIT_MS + " ms: " + what, System.currentTimeMillis() < end);
            Thread.sleep(200);
        }
    }

    private Streams() {}
}
