// What a Kafka leaves that dies after it decided to commit a transaction and before it wrote a marker.
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.Arrays;
import java.util.zip.CRC32C;

final class Prepared {
    private static final int CRC_AT = 17, ATTRIBUTES_AT = 21, LAST_DELTA_AT = 23;
    /** In the value: version, producer id, epoch, timeout, state. */
    private static final int EPOCH_AT = 10, STATE_AT = 16;
    private static final byte ONGOING = 1, PREPARE_COMMIT = 2;

    /** Appends the decision about an open transaction, which is the last of its record but for epoch and state. */
    static void commit(String id, int partitions) throws Exception {
        for (int i = 0; i < partitions; i++) {
            Path log = Node.partition("__transaction_state-" + i).resolve("00000000000000000000.log");
            byte[] bytes = Files.readAllBytes(log), found = null;
            long next = 0;
            for (int at = 0, size; at + 12 <= bytes.length && (size = ByteBuffer.wrap(bytes).getInt(at + 8)) > 0; at += 12 + size) {
                byte[] batch = Arrays.copyOfRange(bytes, at, at + 12 + size);
                next = ByteBuffer.wrap(batch).getLong() + ByteBuffer.wrap(batch).getInt(LAST_DELTA_AT) + 1;
                if (value(batch, id) >= 0) found = batch;
            }
            if (found == null) continue;
            int value = value(found, id);
            Check.equal("state of " + id, ONGOING, found[value + STATE_AT]);
            ByteBuffer changed = ByteBuffer.wrap(found).putLong(0, next);
            changed.put(value + STATE_AT, PREPARE_COMMIT);
            changed.putShort(value + EPOCH_AT, (short) (changed.getShort(value + EPOCH_AT) + 1));
            CRC32C crc = new CRC32C();
            crc.update(found, ATTRIBUTES_AT, found.length - ATTRIBUTES_AT);
            changed.putInt(CRC_AT, (int) crc.getValue());
            // What follows the last batch is room that Kafka made in advance, if anything.
            Files.write(log, found, StandardOpenOption.APPEND);
            return;
        }
        throw new AssertionError("nothing is known of " + id);
    }

    /** Where the value of a batch's record with this key begins; -1 if there is none. */
    private static int value(byte[] batch, String id) {
        byte[] key = id.getBytes();
        for (int at = 61; at + key.length < batch.length; at++) {
            if (batch[at - 1] != key.length || !Arrays.equals(batch, at, at + key.length, key, 0, key.length)) continue;
            int after = at + key.length;
            while (batch[after++] < 0) continue; // the length of the value
            return after;
        }
        return -1;
    }

    private Prepared() {}
}
