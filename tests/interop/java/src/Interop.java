// The interop checks for the Java client. BOOTSTRAP and PREFIX come from the environment.
public final class Interop {
    public static void main(String[] args) {
        Records.run();
        Groups.run();
        ModernGroups.run();
        ShareGroups.run();
        Transactions.run();
        AdminCalls.run();
        Clients.ADMIN.close();
    }
}
