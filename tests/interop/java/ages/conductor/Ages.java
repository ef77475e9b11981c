// Old and new Java clients, each in a JVM of its own, read and write each other's records through one broker.
// Arguments: a folder with the classes and jars of each version, and the versions, the oldest first.
import java.util.*;
import java.util.stream.*;

public final class Ages {
    private static final String PREFIX = System.getenv("PREFIX");
    private static final String MIXED = PREFIX + "-mixed", ZSTD = PREFIX + "-zstd";
    /** Records that an age writes with a codec: one batch. */
    private static final int BATCH = 12;
    private static final int LARGE = 300_000;
    /** How long records may take to come. */
    private static final int WAIT_MS = 15_000;

    /** A record of a topic; its offset is its place in the list. */
    private record Written(int n, Age writer) {}

    private static final List<Age> AGES = new ArrayList<>();
    private static final Map<String, List<Written>> LOGS = new HashMap<>();
    private static int next;

    public static void main(String[] args) {
        Check.check("start", () -> {
            for (String version : List.of(args).subList(1, args.length)) AGES.add(new Age(version, args[0] + "/" + version, System.getenv("KAFKA_CLIENTS") + "/" + version + "/lib"));
        });
        // All are written before any is read: every age reads what every age wrote.
        for (Age age : AGES) Check.check("produce-" + age.version, () -> produce(age));
        for (Age age : AGES) {
            checkOf(age, "consume", true, () -> consume(age));
            checkOf(age, "small-fetches", true, () -> expect(age, MIXED, 4096));
            checkOf(age, "seek", true, () -> seek(age));
            checkOf(age, "position", true, () -> position(age));
            checkOf(age, "times", age.since("0.10.1"), () -> times(age));
            checkOf(age, "large", true, () -> large(age));
            checkOf(age, "idempotent", age.since("0.11"), () -> write(age, PREFIX + "-idempotent", "lz4", true));
        }
        Check.check("commit-resume", Ages::resume);
        Check.check("group-of-all-ages", () -> new AgesGroup(PREFIX + "-group", usable()).run());
    }

    private static List<Age> usable() {
        return AGES.stream().filter(age -> age.broken == null).collect(Collectors.toList());
    }

    /** Runs a check if that age has what it is about. */
    private static void checkOf(Age age, String what, boolean known, Check.Body body) {
        if (!known) return;
        Check.check(what + "-" + age.version, () -> {
            Check.that("it cannot produce", age.broken == null);
            body.run();
        });
    }

    private static void produce(Age age) throws Exception {
        try {
            for (String codec : age.codecs()) write(age, codec.equals("zstd") ? ZSTD : MIXED, codec, false);
        } catch (Throwable e) {
            age.broken = e.toString();
            throw e;
        }
    }

    /** Writes one batch; the topic is made by its first record. */
    private static void write(Age age, String topic, String codec, boolean idempotent) throws Exception {
        List<Written> log = LOGS.computeIfAbsent(topic, name -> new ArrayList<>());
        int end = log.size();
        String want = IntStream.range(end, end + BATCH).mapToObj(String::valueOf).collect(Collectors.joining(" "));
        String got = String.join(" ", age.call("produce", topic + ":0", codec, idempotent, next + "+" + BATCH));
        Check.equal("offsets with " + codec, want, got);
        for (int i = 0; i < BATCH; i++) log.add(new Written(next++, age));
    }

    private static void consume(Age age) throws Exception {
        expect(age, MIXED, 1 << 20);
        if (!LOGS.containsKey(ZSTD)) return;
        if (age.since("2.1")) {
            expect(age, ZSTD, 1 << 20);
        } else {
            // Some of the older ones keep an error that they do not know for their log, and go on asking.
            boolean tells = age.since("0.11");
            String told = refusal(age, ZSTD, 1 << 20, tells ? WAIT_MS : 2_000);
            Check.that("not told: " + told, !tells || !told.contains("0 records of"));
        }
    }

    /** Reads a topic from its beginning. */
    private static void expect(Age age, String topic, int fetchBytes) throws Exception {
        List<Written> log = LOGS.get(topic);
        List<String> got = age.call("consume", topic + ":0", log.size(), fetchBytes, WAIT_MS);
        for (int i = 0; i < log.size(); i++) {
            Written record = log.get(i);
            Check.equal("from " + record.writer.version, age.sees(i, record.n, record.writer), got.get(i));
        }
        Check.equal("records", log.size(), got.size());
    }

    /** How the client says that it cannot read a topic. */
    private static String refusal(Age age, String topic, int fetchBytes, int wait) throws Exception {
        try {
            age.call("consume", topic + ":0", 2, fetchBytes, wait);
        } catch (AssertionError e) {
            return e.getMessage();
        }
        throw new AssertionError("it reads " + topic);
    }

    /** Into the middle and to the end of every batch. */
    private static void seek(Age age) throws Exception {
        List<String> offsets = new ArrayList<>();
        for (int base = 0; base < LOGS.get(MIXED).size(); base += BATCH) {
            offsets.add(String.valueOf(base + 7));
            offsets.add(String.valueOf(base + BATCH - 1));
        }
        Check.equal("first offsets", offsets, age.call("seek", MIXED + ":0", String.join(",", offsets)));
    }

    private static void position(Age age) throws Exception {
        Check.equal("earliest", List.of("0"), age.call("position", MIXED + ":0", "earliest"));
        Check.equal("latest", List.of(String.valueOf(LOGS.get(MIXED).size())), age.call("position", MIXED + ":0", "latest"));
    }

    /** At the time of a record in every batch, and just after it; records of 0.9 have no time and are not found. */
    private static void times(Age age) throws Exception {
        List<Written> log = LOGS.get(MIXED);
        List<String> asked = new ArrayList<>(), want = new ArrayList<>();
        for (int at = 7; at < log.size(); at += BATCH) {
            for (int after = 0; after < 2; after++) {
                long time = Numbered.timestamp(log.get(at).n) + after;
                asked.add(String.valueOf(time));
                want.add(firstSince(log, time));
            }
        }
        asked.add(String.valueOf(Numbered.timestamp(next)));
        want.add("none");
        Check.equal("offsets and times", want, age.call("times", MIXED + ":0", String.join(",", asked)));
    }

    private static String firstSince(List<Written> log, long time) {
        return IntStream.range(0, log.size())
                .filter(i -> log.get(i).writer.since("0.10") && Numbered.timestamp(log.get(i).n) >= time)
                .mapToObj(i -> i + " " + Numbered.timestamp(log.get(i).n))
                .findFirst()
                .orElse("none");
    }

    /** Since KIP-74 a record larger than a fetch comes alone; a client before 0.10.1 says that its limit is too small. */
    private static void large(Age age) throws Exception {
        String topic = PREFIX + "-large-" + age.version;
        age.call("produce-large", topic + ":0", LARGE);
        if (age.since("0.10.1")) {
            Check.equal("records", 2, age.call("consume", topic + ":0", 2, LARGE / 3, WAIT_MS).size());
        } else {
            String told = refusal(age, topic, LARGE / 3, WAIT_MS);
            Check.that("told otherwise: " + told, told.contains("RecordTooLargeException"));
            Check.equal("records", 2, age.call("consume", topic + ":0", 2, LARGE * 2, WAIT_MS).size());
        }
    }

    /** Each age goes on where the one before it committed, forth and back through the ages. */
    private static void resume() throws Exception {
        List<Age> order = new ArrayList<>(usable());
        Collections.reverse(order);
        order.addAll(0, usable());
        String before = "nothing";
        int offset = 0;
        for (Age age : order) {
            List<String> got = age.call("resume", MIXED + ":0", PREFIX + "-resume", 5);
            Check.equal(age.version + " goes on", List.of(offset + " " + before), got);
            offset += 5;
            before = "up to " + offset;
        }
    }

    private Ages() {}
}
