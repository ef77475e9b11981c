// Writes and describes the golden record batches beside it, with Kafka's own classes (4.3.1).
//
//   java -cp "<jars of kafka 4.3.1>" RecordsGolden.java write DIR      batches of all formats
//   java -cp "<jars of kafka 4.3.1>" RecordsGolden.java up DIR         what a leader makes of them
//   java -cp "<jars of kafka 4.3.1>" RecordsGolden.java refuse DIR     what it refuses: refusals.txt
//   java -cp "<jars of kafka 4.3.1>" RecordsGolden.java describe DIR   all of them: expected.txt
//
// DownConvertGolden.java comes between the second and the last.

import java.io.ByteArrayOutputStream;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.utils.*;
import org.apache.kafka.storage.internals.log.*;

public class RecordsGolden {
    static final long T = 1_700_000_000_000L;
    static final long NOW = T + 50_000;
    static Path dir;

    public static void main(String[] args) throws Exception {
        dir = Paths.get(args[1]);
        switch (args[0]) {
            case "write" -> writeAll();
            case "up" -> upAll();
            case "refuse" -> refuseAll();
            case "describe" -> describeAll();
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    static byte[] utf8(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    static Header header(String key, String value) {
        return new RecordHeader(key, utf8(value));
    }

    static List<SimpleRecord> records(boolean headers) {
        Header[] some = headers
            ? new Header[] {header("a", "1"), header("a", "2"), header("b", null), header("", ""), header("ü", "x")}
            : new Header[0];
        return List.of(
            new SimpleRecord(T, utf8("k0"), utf8("v0"), new Header[0]),
            new SimpleRecord(T + 5, null, utf8("v1"), some),
            new SimpleRecord(T + 3, utf8("k2"), null, new Header[0]),
            new SimpleRecord(T + 5, utf8(""), utf8(""), new Header[0]),
            new SimpleRecord(T - 1000, utf8("k4"), utf8("value ".repeat(50)), new Header[0]));
    }

    static List<SimpleRecord> longRecords() {
        Random random = new Random(7);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 150; i++) {
            text.append("line ").append(random.nextInt(10)).append(" of a long record\n".repeat(60));
        }
        byte[] noise = new byte[500];
        random.nextBytes(noise);
        return List.of(new SimpleRecord(T, utf8("long"), utf8(text.toString())), new SimpleRecord(T, noise, noise));
    }

    static Compression codec(String name) {
        return Compression.of(CompressionType.forName(name)).build();
    }

    static MemoryRecordsBuilder builder(int magic, Compression compression, TimestampType type, long base) {
        long appendTime = type == TimestampType.LOG_APPEND_TIME ? T + 99 : -1;
        return MemoryRecords.builder(ByteBuffer.allocate(1024), (byte) magic, compression, type, base, appendTime);
    }

    static void write(String name, MemoryRecordsBuilder builder, List<SimpleRecord> records) throws Exception {
        for (SimpleRecord record : records) builder.append(record);
        write(name, builder.build());
    }

    static void write(String name, MemoryRecords records) throws Exception {
        ByteBuffer buffer = records.buffer().duplicate();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        Files.write(dir.resolve(name + ".bin"), bytes);
    }

    static void writeAll() throws Exception {
        TimestampType create = TimestampType.CREATE_TIME, append = TimestampType.LOG_APPEND_TIME;
        for (String name : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            write("v2-" + name, builder(2, codec(name), create, 0), records(true));
            write("v2-" + name + "-append-time", builder(2, codec(name), append, 77), records(true));
            if (!name.equals("none")) write("v2-" + name + "-long", builder(2, codec(name), create, 0), longRecords());
            if (name.equals("zstd")) continue;
            for (int magic = 0; magic < 2; magic++) {
                write("v" + magic + "-" + name, builder(magic, codec(name), create, 10), records(false));
                write("v" + magic + "-" + name + "-produced", builder(magic, codec(name), create, 0), records(false));
            }
            write("v1-" + name + "-append-time", builder(1, codec(name), append, 10), records(false));
        }
        write("v0-lz4-long", builder(0, codec("lz4"), create, 0), longRecords());
        for (int level : new int[] {1, 9})
            write("v2-gzip-level" + level, builder(2, Compression.gzip().level(level).build(), create, 0), longRecords());
        for (int level : new int[] {1, 17})
            write("v2-lz4-level" + level, builder(2, Compression.lz4().level(level).build(), create, 0), longRecords());
        for (int level : new int[] {-5, 22})
            write("v2-zstd-level" + level, builder(2, Compression.zstd().level(level).build(), create, 0), longRecords());

        write("v2-idempotent", MemoryRecords.builder(ByteBuffer.allocate(1024), (byte) 2, Compression.NONE, create,
            0, -1, 4711L, (short) 3, Integer.MAX_VALUE - 1, false, 7), records(true));
        write("v2-transactional", MemoryRecords.builder(ByteBuffer.allocate(1024), (byte) 2, codec("lz4"), create,
            0, -1, 4712L, (short) 0, 0, true, 7), records(true));
        write("v2-no-timestamp", builder(2, Compression.NONE, create, 5),
            List.of(new SimpleRecord(-1, utf8("k"), utf8("v")), new SimpleRecord(T, utf8("k"), utf8("v"))));
        write("v2-delete-horizon", new MemoryRecordsBuilder(new ByteBufferOutputStream(1024), (byte) 2, Compression.NONE,
            create, 20, -1, -1, (short) -1, -1, false, false, 7, Integer.MAX_VALUE, T + 12_345), records(true));

        MemoryRecordsBuilder gaps = builder(2, codec("gzip"), create, 100);
        int[] offsets = {101, 105, 106, 110, 111};
        for (int i = 0; i < 5; i++) gaps.appendWithOffset(offsets[i], records(true).get(i));
        gaps.overrideLastOffset(120);
        write("v2-gaps", gaps.build());
        for (int magic = 0; magic < 2; magic++) {
            MemoryRecordsBuilder old = builder(magic, codec("gzip"), create, 100);
            for (int i = 0; i < 5; i++) old.appendWithOffset(offsets[i], records(false).get(i));
            write("v" + magic + "-gaps", old.build());
        }

        ByteBuffer empty = ByteBuffer.allocate(61);
        DefaultRecordBatch.writeEmptyHeader(empty, (byte) 2, 4711, (short) 3, 8, 30, 34, 7, create, T, true, false);
        empty.flip();
        write("v2-empty", MemoryRecords.readableRecords(empty));

        write("v2-commit", MemoryRecords.withEndTransactionMarker(40, T, 7, 4711, (short) 3,
            new EndTransactionMarker(ControlRecordType.COMMIT, 12)));
        write("v2-abort", MemoryRecords.withEndTransactionMarker(41, T, 7, 4711, (short) 3,
            new EndTransactionMarker(ControlRecordType.ABORT, 13)));
        LeaderChangeMessage change = new LeaderChangeMessage().setLeaderId(3)
            .setVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(3)));
        write("v2-leader-change", MemoryRecords.withLeaderChangeMessage(50, T, 7, ByteBuffer.allocate(256), change));

        byte[] unset = Files.readAllBytes(dir.resolve("v1-gzip.bin"));
        Arrays.fill(unset, 0, 8, (byte) 0);
        Files.write(dir.resolve("v1-gzip-offset-unset.bin"), unset);
        ByteArrayOutputStream mixed = new ByteArrayOutputStream();
        for (String name : List.of("v0-none", "v0-gzip", "v1-lz4", "v2-commit", "v2-zstd-append-time", "v1-none"))
            mixed.write(Files.readAllBytes(dir.resolve(name + ".bin")));
        Files.write(dir.resolve("mixed.bin"), mixed.toByteArray());
    }

    static Time clock() {
        return (Time) Proxy.newProxyInstance(Time.class.getClassLoader(), new Class[] {Time.class},
            (proxy, method, args) -> method.getName().equals("milliseconds") ? (Object) NOW : (Object) 0L);
    }

    static LogValidator.ValidationResult validate(MemoryRecords records, CompressionType source, Compression target,
                                                  boolean compacted, TimestampType type, long before, long after) {
        LogValidator.MetricsRecorder none = (LogValidator.MetricsRecorder) Proxy.newProxyInstance(
            RecordsGolden.class.getClassLoader(), new Class[] {LogValidator.MetricsRecorder.class}, (p, m, a) -> null);
        return new LogValidator(records, new TopicPartition("t", 0), clock(), source, target, compacted, (byte) 2, type,
            before, after, 5, AppendOrigin.CLIENT)
            .validateMessagesAndAssignOffsets(PrimitiveRef.ofLong(1000), none, BufferSupplier.NO_CACHING);
    }

    static MemoryRecords read(String name) throws Exception {
        return MemoryRecords.readableRecords(ByteBuffer.wrap(Files.readAllBytes(dir.resolve(name + ".bin"))));
    }

    static CompressionType sourceCodec(MemoryRecords records) {
        CompressionType found = CompressionType.NONE;
        for (RecordBatch batch : records.batches())
            if (batch.compressionType() != CompressionType.NONE) found = batch.compressionType();
        return found;
    }

    static void upAll() throws Exception {
        for (String source : List.of("v0-none-produced", "v0-gzip-produced", "v0-lz4-produced", "v0-snappy-produced",
            "v1-none-produced", "v1-gzip-produced", "v1-lz4-produced", "v1-snappy-produced", "v1-gzip-offset-unset",
            "v2-none", "v2-gzip", "v2-zstd", "v2-idempotent", "v2-transactional", "v2-no-timestamp")) {
            for (String target : List.of("none", "zstd", "gzip")) {
                for (TimestampType type : List.of(TimestampType.CREATE_TIME, TimestampType.LOG_APPEND_TIME)) {
                    MemoryRecords records = read(source);
                    String name = "up-" + source + "-to-" + target + (type == TimestampType.CREATE_TIME ? "" : "-append-time");
                    write(name, validate(records, sourceCodec(records), codec(target), false, type,
                        Long.MAX_VALUE, Long.MAX_VALUE).validatedRecords());
                }
            }
        }
    }

    // A line is: source, then changes of the header as position=hex, then the topic's rules, then the answer.
    static void refuseAll() throws Exception {
        List<String> changes = List.of("", "57=00000000", "57=ffffffff", "57=00000004", "57=00000006", "23=ffffffff",
            "23=00000004", "23=00000007", "23=80000000", "23=7fffffff", "23=fffffffe,57=ffffffff", "21=0020", "21=0008",
            "43=0000000000000007", "43=0000000000000007,53=00000000", "43=fffffffffffffffe", "53=00000005",
            "35=ffffffffffffffff", "27=ffffffffffffffff", "27=0000000000000000");
        StringBuilder out = new StringBuilder();
        for (String source : List.of("v2-none", "v2-gzip", "v2-zstd")) for (String change : changes)
            for (boolean compacted : new boolean[] {false, true})
                for (TimestampType type : List.of(TimestampType.CREATE_TIME, TimestampType.LOG_APPEND_TIME))
                    for (String range : List.of("", "before=50999", "before=51000", "after=-49996", "after=-49995")) {
                        out.append(source).append(' ').append(change.isEmpty() ? "-" : change)
                            .append(compacted ? " compacted" : " plain").append(' ').append(type.name)
                            .append(' ').append(range.isEmpty() ? "-" : range).append(": ")
                            .append(answer(source, change, compacted, type, range)).append('\n');
                    }
        Files.writeString(dir.resolve("refusals.txt"), out);
    }

    static String answer(String source, String change, boolean compacted, TimestampType type, String range) throws Exception {
        byte[] bytes = Files.readAllBytes(dir.resolve(source + ".bin"));
        for (String one : change.isEmpty() ? new String[0] : change.split(",")) {
            byte[] with = HexFormat.of().parseHex(one.split("=")[1]);
            int at = Integer.parseInt(one.split("=")[0]);
            // The codec stands in the lowest bits of the attributes and stays.
            if (at == 21) with[1] |= bytes[22] & 7;
            System.arraycopy(with, 0, bytes, at, with.length);
        }
        ByteBuffer.wrap(bytes).putInt(17, (int) Crc32C.compute(bytes, 21, bytes.length - 21));
        MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
        long before = Long.MAX_VALUE, after = Long.MAX_VALUE;
        if (range.startsWith("before=")) before = Long.parseLong(range.substring(7));
        if (range.startsWith("after=")) after = Long.parseLong(range.substring(6));
        try {
            CompressionType codec = sourceCodec(records);
            LogValidator.ValidationResult result = validate(records, codec, Compression.of(codec).build(), compacted, type, before, after);
            return "max " + result.maxTimestampMs();
        } catch (RecordValidationException e) {
            return e.invalidException().getClass().getSimpleName() + " "
                + e.recordErrors().stream().map(error -> "" + error.batchIndex).collect(Collectors.joining(","));
        } catch (Exception e) {
            return e.getClass().getSimpleName();
        }
    }

    static String hex(ByteBuffer bytes) {
        if (bytes == null) return "null";
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        if (copy.length > 64) return copy.length + "#" + Integer.toHexString((int) Crc32C.compute(copy, 0, copy.length));
        return "'" + HexFormat.of().formatHex(copy) + "'";
    }

    static void describeAll() throws Exception {
        StringBuilder out = new StringBuilder();
        List<Path> files;
        try (Stream<Path> all = Files.list(dir)) {
            files = all.filter(path -> path.toString().endsWith(".bin")).sorted(Comparator.comparing(Path::toString)).toList();
        }
        for (Path path : files) {
            out.append("file ").append(path.getFileName()).append('\n');
            try {
                describe(MemoryRecords.readableRecords(ByteBuffer.wrap(Files.readAllBytes(path))), out);
            } catch (Exception e) {
                out.append("error ").append(e.getClass().getSimpleName()).append('\n');
            }
        }
        Files.writeString(dir.resolve("expected.txt"), out);
    }

    static void describe(MemoryRecords all, StringBuilder out) {
        for (MutableRecordBatch batch : all.batches()) {
            out.append("entry v").append(batch.magic()).append(" last ").append(batch.lastOffset())
                .append(" codec ").append(batch.compressionType().name).append(" time ").append(batch.timestampType().name)
                .append(" max ").append(batch.maxTimestamp()).append(batch.isValid() ? "" : " INVALID")
                .append(" max-at ").append(batch.offsetOfMaxTimestamp().map(String::valueOf).orElse("none")).append('\n');
            if (batch instanceof DefaultRecordBatch v2) {
                out.append("  base ").append(v2.baseOffset()).append(" base-time ").append(v2.baseTimestamp())
                    .append(" epoch ").append(v2.partitionLeaderEpoch()).append(" producer ").append(v2.producerId())
                    .append('/').append(v2.producerEpoch()).append(" sequence ").append(v2.baseSequence()).append("..")
                    .append(v2.lastSequence()).append(" count ").append(v2.countOrNull())
                    .append(v2.isTransactional() ? " transactional" : "").append(v2.isControlBatch() ? " control" : "")
                    .append(v2.deleteHorizonMs().isPresent() ? " horizon " + v2.deleteHorizonMs().getAsLong() : "").append('\n');
            }
            for (Record record : batch) {
                out.append("  record ").append(record.offset()).append(" at ").append(record.timestamp())
                    .append(' ').append(hex(record.key())).append(' ').append(hex(record.value()));
                for (Header header : record.headers())
                    out.append(' ').append(header.key()).append('=').append(hex(header.value() == null ? null : ByteBuffer.wrap(header.value())));
                out.append('\n');
            }
        }
    }
}
