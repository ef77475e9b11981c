// One node: first Apache Kafka, then Klamm, with the same configuration, directories and port.
import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;

final class Node {
    static final Path DATA = Path.of(System.getenv("DATA"));
    static final Path PROPERTIES = DATA.resolve("server.properties");
    private static final int PORT = Integer.parseInt(System.getenv("PORT"));
    private static final String JARS = System.getenv("KAFKA_JARS") + "/*";
    private static final String KLAMM = System.getenv("KLAMM");

    private final Process process;

    private Node(Process process) {
        this.process = process;
        // Nobody else would end it if the checks are given up.
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    }

    /**
     * Writes the configuration. A quorum of the older kind has its voters in it, one of the newer kind in the log,
     * and its metadata in a directory of their own.
     */
    static void configure(boolean newer) throws IOException {
        int controller = PORT + 1;
        List<String> lines = new ArrayList<>(List.of(
                "process.roles=broker,controller", "node.id=7",
                "listeners=PLAINTEXT://127.0.0.1:" + PORT + ",CONTROLLER://127.0.0.1:" + controller,
                "advertised.listeners=PLAINTEXT://127.0.0.1:" + PORT, "controller.listener.names=CONTROLLER",
                newer ? "controller.quorum.bootstrap.servers=127.0.0.1:" + controller
                        : "controller.quorum.voters=7@127.0.0.1:" + controller,
                "log.dirs=" + DATA.resolve("a") + "," + DATA.resolve("b"),
                "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=5",
                "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
                "transaction.state.log.num.partitions=5",
                "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
                "share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1",
                "share.coordinator.state.topic.num.partitions=3",
                "group.initial.rebalance.delay.ms=0", "log.cleaner.backoff.ms=300", "log.retention.ms=-1",
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users=User:ANONYMOUS", "num.network.threads=2", "no.such.key=1"));
        if (newer) lines.add("metadata.log.dir=" + DATA.resolve("meta"));
        Files.write(PROPERTIES, lines);
    }

    static void format(boolean newer) throws Exception {
        List<String> command = new ArrayList<>(List.of("java", "-Xmx256M", "-cp", JARS, "kafka.tools.StorageTool",
                "format", "--cluster-id", "dGFrZW92ZXItLXRlc3QtLQ", "--config", PROPERTIES.toString()));
        if (newer) command.add("--standalone");
        run(0, command.toArray(String[]::new));
    }

    static Node kafka() throws Exception {
        return start("kafka", "java", "-Xmx512M", "-XX:+UseSerialGC", "-cp", JARS, "kafka.Kafka", PROPERTIES.toString());
    }

    static Node klamm() throws Exception {
        return start("klamm", KLAMM, "serve", "--config", PROPERTIES.toString());
    }

    private static Node start(String name, String... command) throws Exception {
        File log = new File(DATA + "-" + name + ".log");
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        Node node = new Node(builder.redirectOutput(ProcessBuilder.Redirect.appendTo(log)).start());
        Check.eventually(name + " listens", () -> {
            Check.that(name + " ended: " + tail(log.toPath()), node.process.isAlive());
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress("127.0.0.1", PORT), 100);
                return true;
            } catch (IOException e) {
                return false;
            }
        });
        return node;
    }

    void stop() throws Exception {
        process.destroy();
        Check.that("it does not stop", process.waitFor(60, TimeUnit.SECONDS));
    }

    void kill() throws Exception {
        process.destroyForcibly().waitFor();
    }

    /** `klamm takeover` with further options, and what it says. */
    static String takeover(int exit, String... more) throws Exception {
        List<String> command =
                new ArrayList<>(List.of(KLAMM, "takeover", "--kafka-config", PROPERTIES.toString()));
        command.addAll(List.of(more));
        return run(exit, command.toArray(String[]::new));
    }

    /** A class of Kafka's, and what it says. */
    static String tool(String name, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("java", "-Xmx256M", "-cp", JARS, name));
        command.addAll(List.of(arguments));
        return run(0, command.toArray(String[]::new));
    }

    static String run(int exit, String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String said = new String(process.getInputStream().readAllBytes());
        Check.equal("exit code of " + command[command.length - 1] + ", which said: " + said, exit, process.waitFor());
        return said;
    }

    /** Names, sizes and times of all files, but for locks. */
    static Map<String, String> files() throws IOException {
        Map<String, String> files = new TreeMap<>();
        try (var paths = Files.walk(DATA)) {
            for (Path path : (Iterable<Path>) paths::iterator) {
                if (path.endsWith(".lock")) continue;
                long size = Files.isDirectory(path) ? 0 : Files.size(path);
                files.put(path.toString(), size + " " + Files.getLastModifiedTime(path));
            }
        }
        return files;
    }

    /** The directory of a partition, in whichever log directory it is. */
    static Path partition(String name) {
        Path a = DATA.resolve("a").resolve(name);
        return Files.exists(a) ? a : DATA.resolve("b").resolve(name);
    }

    private static String tail(Path log) throws IOException {
        List<String> lines = Files.readAllLines(log);
        return String.join(" | ", lines.subList(Math.max(0, lines.size() - 5), lines.size()));
    }
}
