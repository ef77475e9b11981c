// Client 2 does not speak the consumer protocol (KIP-848).
final class ModernGroups {
    static void run() {}

    private ModernGroups() {}
}
