// One age of the client: an agent in a JVM of its own, and what that age knows.
import java.io.*;
import java.util.*;

final class Age {
    final String version;
    /** Why it is of no use with this broker; null while it is. */
    String broken;
    private final BufferedReader answers;
    private final Writer commands;

    Age(String version, String classes, String jars) throws IOException {
        this.version = version;
        String path = String.join(File.pathSeparator, classes, jars + "/*");
        Process process = new ProcessBuilder(
                        "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx128m", "-cp", path, "Agent")
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        // An agent ends with its standard input, and so with the conductor.
        answers = process.inputReader();
        commands = process.outputWriter();
    }

    /** Whether the client is of that version or newer. */
    boolean since(String other) {
        return compare(version, other) >= 0;
    }

    private static int compare(String a, String b) {
        int[] left = numbers(a), right = numbers(b);
        return Arrays.compare(left, right);
    }

    private static int[] numbers(String version) {
        return Arrays.stream(version.split("\\.")).mapToInt(Integer::parseInt).toArray();
    }

    List<String> codecs() {
        return since("2.1") ? List.of("none", "gzip", "snappy", "lz4", "zstd") : List.of("none", "gzip", "snappy", "lz4");
    }

    /** What record `n` of `writer` looks like to this one. */
    String sees(long offset, int n, Age writer) {
        String[] header = writer.since("0.11") ? Numbered.header(n) : null;
        String time = !since("0.10") ? "?" : writer.since("0.10") ? String.valueOf(Numbered.timestamp(n)) : "-1";
        String headers = !since("0.11") ? "?" : header == null ? "-" : header[0] + "=" + header[1];
        return String.join(
                " ", String.valueOf(offset), Numbered.word(Numbered.key(n)), Numbered.word(Numbered.value(n)), time, headers);
    }

    /** Sends a command and returns the lines of its answer. */
    List<String> call(String command, Object... arguments) throws IOException {
        StringJoiner line = new StringJoiner(" ", "", "\n").add(command);
        for (Object argument : arguments) line.add(String.valueOf(argument));
        commands.write(line.toString());
        commands.flush();
        List<String> lines = new ArrayList<>();
        for (String answer = answers.readLine(); answer != null; answer = answers.readLine()) {
            if (answer.equals("done")) return lines;
            if (answer.startsWith("failed ")) throw new AssertionError(version + ": " + answer.substring("failed ".length()));
            lines.add(answer);
        }
        throw new EOFException(version + ": the agent has ended");
    }
}
