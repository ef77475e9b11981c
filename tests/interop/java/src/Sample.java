// The records every client writes with every codec and expects back byte for byte.
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.internals.RecordHeaders;

final class Sample {
    static final int COUNT = 100;
    /** Recent, so that time-based retention leaves the records alone. */
    static final long START_MS = System.currentTimeMillis() - 3_600_000;

    static ProducerRecord<byte[], byte[]> record(String topic, int partition, int i) {
        return new ProducerRecord<>(topic, partition, timestamp(i), key(i), value(i), headers(i));
    }

    static void verify(ConsumerRecord<byte[], byte[]> record, int i) {
        Check.equal("offset", (long) i, record.offset());
        Check.equal("timestamp of " + i, timestamp(i), record.timestamp());
        Check.equal("key of " + i, key(i), record.key());
        Check.equal("value of " + i, value(i), record.value());
        Check.equal("headers of " + i, new RecordHeaders(headers(i)), record.headers());
    }

    static long timestamp(int i) {
        return START_MS + i * 1000L;
    }

    static byte[] key(int i) {
        return i % 5 == 1 ? null : ("key-" + i).getBytes(UTF_8);
    }

    static byte[] value(int i) {
        if (i % 5 == 3) return null;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(("value-" + i + " ").repeat(i + 1).getBytes(UTF_8));
        for (int b = 0; b < 256; b++) out.write(b);
        return out.toByteArray();
    }

    static List<Header> headers(int i) {
        if (i % 2 == 1) return List.of();
        return List.of(
                new RecordHeader("trace", "first".getBytes(UTF_8)),
                new RecordHeader("trace", "second".getBytes(UTF_8)),
                new RecordHeader("binary", new byte[] {0, (byte) 0xff, (byte) 0x80}));
    }

    private Sample() {}
}
