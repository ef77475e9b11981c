// Converts the golden batches beside it to the formats of old consumers, with the classes of
// Kafka 3.9, the last release that does so.
//
//   java -cp "<kafka-clients 3.9 and the jars it needs>" DownConvertGolden.java DIR

import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.List;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.utils.Time;

public class DownConvertGolden {
    public static void main(String[] args) throws Exception {
        Path dir = Paths.get(args[0]);
        for (String name : List.of("v2-none", "v2-gzip", "v2-snappy", "v2-lz4", "v2-none-append-time", "v2-gzip-append-time",
            "v2-gaps", "v2-commit", "v2-empty", "v1-none", "v1-gzip", "v1-lz4", "v1-gzip-append-time", "v1-gaps", "v0-gzip", "v2-no-timestamp")) {
            for (int magic = 0; magic < 2; magic++) {
                byte[] bytes = Files.readAllBytes(dir.resolve(name + ".bin"));
                long first = name.equals("v2-none") ? 2 : 0;
                MemoryRecords converted = (MemoryRecords) MemoryRecords.readableRecords(ByteBuffer.wrap(bytes))
                    .downConvert((byte) magic, first, Time.SYSTEM).records();
                byte[] out = new byte[converted.sizeInBytes()];
                converted.buffer().duplicate().get(out);
                Files.write(dir.resolve("down-" + name + "-to-v" + magic + ".bin"), out);
            }
        }
    }
}
