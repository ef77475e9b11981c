// The report the runner reads: `run NAME`, then `ok NAME` or `FAIL NAME: reason`.
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.Callable;

final class Check {
    interface Body {
        void run() throws Exception;
    }

    /** How long a check waits for the state it wants. */
    static final long WAIT_MS = 30_000;

    static void check(String name, Body body) {
        System.out.println("run " + name);
        try {
            body.run();
            System.out.println("ok " + name);
        } catch (Throwable e) {
            System.out.println("FAIL " + name + ": " + String.valueOf(e).replace('\n', ' '));
        }
    }

    static void equal(String what, Object want, Object got) {
        boolean same = want instanceof byte[] && got instanceof byte[]
                ? Arrays.equals((byte[]) want, (byte[]) got)
                : Objects.equals(want, got);
        if (!same) throw new AssertionError(what + ": want " + show(want) + ", got " + show(got));
    }

    static void that(String what, boolean holds) {
        if (!holds) throw new AssertionError(what);
    }

    /** Calls `state` until it is true: what an admin call changed reaches every view only a little later. */
    static void eventually(String what, Callable<Boolean> state) throws Exception {
        long end = System.currentTimeMillis() + WAIT_MS;
        while (!state.call()) {
            that("not within " + WAIT_MS + " ms: " + what, System.currentTimeMillis() < end);
            Thread.sleep(50);
        }
    }

    private static String show(Object value) {
        return value instanceof byte[] ? "bytes " + Arrays.toString((byte[]) value) : String.valueOf(value);
    }

    private Check() {}
}
