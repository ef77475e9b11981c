// What a record carries besides key and value: a timestamp and headers.
import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

final class Marks {
    static ProducerRecord<byte[], byte[]> record(TopicPartition to, int n) {
        String[] header = Numbered.header(n);
        List<Header> headers = header == null ? List.of() : List.of(new RecordHeader(header[0], header[1].getBytes(UTF_8)));
        return new ProducerRecord<>(
                to.topic(), to.partition(), Numbered.timestamp(n), Numbered.key(n), Numbered.value(n), headers);
    }

    static String of(ConsumerRecord<byte[], byte[]> record) {
        StringJoiner headers = new StringJoiner(",");
        for (Header header : record.headers()) headers.add(header.key() + "=" + new String(header.value(), UTF_8));
        return record.timestamp() + " " + (headers.length() == 0 ? "-" : headers);
    }

    private Marks() {}
}
