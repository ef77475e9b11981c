// Record number n, the same for the agent that writes it and the conductor that knows what must come back.
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.util.Base64;

final class Numbered {
    /** Recent, so that time-based retention leaves the records alone; the same in every agent. */
    static final long START_MS = Long.parseLong(System.getenv("AGES_START_MS"));

    static long timestamp(int n) {
        return START_MS + n * 1000L;
    }

    static byte[] key(int n) {
        return n % 5 == 1 ? null : ("key-" + n).getBytes(UTF_8);
    }

    static byte[] value(int n) {
        if (n % 5 == 3) return null;
        if (n % 5 == 4) return new byte[0];
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(("value-" + n + " ").repeat(1 + n % 7).getBytes(UTF_8));
        for (int b = 0; b < 256; b += 5) out.write(b);
        return out.toByteArray();
    }

    /** Name and value of one header, or none. */
    static String[] header(int n) {
        return n % 2 == 1 ? null : new String[] {"trace", "header-" + n};
    }

    /** Bytes as one word: null is not empty. */
    static String word(byte[] bytes) {
        return bytes == null ? "-" : "=" + Base64.getEncoder().encodeToString(bytes);
    }

    private Numbered() {}
}
