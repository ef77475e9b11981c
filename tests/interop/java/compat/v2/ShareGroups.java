// Client 2 has no share consumers (KIP-932).
final class ShareGroups {
    static void run() {}

    static void underKills() {}

    private ShareGroups() {}
}
