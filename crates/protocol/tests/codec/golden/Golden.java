import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;

/**
 * Writes what Kafka's own classes make of every message in every version: see README.md.
 *
 * One line each: name, version, how the message was filled, bytes in hex. Lines whose name and
 * version a file given as second argument has already are left out.
 */
public class Golden {
    static final String[] PACKAGES = {
        "org/apache/kafka/common/message/",
        "org/apache/kafka/common/metadata/",
        "org/apache/kafka/coordinator/group/generated/",
        "org/apache/kafka/coordinator/share/generated/",
        "org/apache/kafka/coordinator/transaction/generated/",
        "org/apache/kafka/server/log/remote/metadata/storage/generated/",
        "org/apache/kafka/storage/internals/log/",
        "org/apache/kafka/storage/generated/",
        "org/apache/kafka/raft/generated/",
    };

    /** What the schema leaves out: see ../../../schema/README.md. */
    static final String LEFT_OUT =
        "(LeaderAndIsr|StopReplica|UpdateMetadata|ControlledShutdown|ListClientMetricsResources).*";
    /** APIs whose version 0 was an early-access version of older releases. */
    static final String EARLY_ACCESS = "Share(Fetch|Acknowledge|GroupHeartbeat|GroupDescribe).*";

    /** How a message is filled. */
    enum Fill { DEFAULT, FULL, NULL }

    static int counter;

    public static void main(String[] args) throws Exception {
        Set<String> known = new HashSet<>();
        if (args.length > 1) {
            for (String line : Files.readAllLines(Path.of(args[1])))
                known.add(line.split(" ")[0] + " " + line.split(" ")[1]);
        }
        int failed = 0;
        try (PrintStream out = new PrintStream(args[0])) {
            for (Class<?> type : messages()) {
                Message probe = (Message) type.getDeclaredConstructor().newInstance();
                for (short v = probe.lowestSupportedVersion(); v <= probe.highestSupportedVersion(); v++) {
                    if (known.contains(name(type) + " " + v)) continue;
                    if (name(type).matches(LEFT_OUT) || v == 0 && name(type).matches(EARLY_ACCESS)) continue;
                    for (Fill fill : Fill.values()) {
                        try {
                            Message message = (Message) fill(type, v, fill, 0);
                            out.println(name(type) + " " + v + " " + fill + " " + hex(bytes(message, v)));
                            framed(message, v, fill, out);
                        } catch (RuntimeException e) {
                            failed++;
                            System.err.println(name(type) + " " + v + " " + fill + ": " + e);
                        }
                    }
                }
            }
        }
        System.err.println(failed + " could not be written");
    }

    /** Records of internal topics as they stand in a log: with type and version before them. */
    static void framed(Message message, short version, Fill fill, PrintStream out) throws Exception {
        String name = name(message.getClass());
        String pkg = message.getClass().getPackageName();
        String head = "frame:" + name + " " + version + " " + fill + " ";
        if (pkg.contains("coordinator") && name.endsWith("Key")) {
            // Not in older releases.
            Method prefixed = MessageUtil.class.getMethod("toCoordinatorTypePrefixedBytes", ApiMessage.class);
            out.println(head + hex((byte[]) prefixed.invoke(null, message)));
        } else if (pkg.contains("coordinator") && name.endsWith("Value")) {
            out.println(head + hex(MessageUtil.toVersionPrefixedBytes(version, message)));
        } else if (pkg.endsWith("common.metadata")) {
            out.println(head + hex(framedRecord(message, version)));
        } else if (pkg.contains("remote.metadata.storage") && name.endsWith("Record")) {
            Class<?> serde = Class.forName(
                "org.apache.kafka.server.log.remote.metadata.storage.serialization.RemoteLogMetadataSerde$1");
            Constructor<?> constructor = serde.getDeclaredConstructors()[0];
            constructor.setAccessible(true);
            Class<?> outer = Class.forName(
                "org.apache.kafka.server.log.remote.metadata.storage.serialization.RemoteLogMetadataSerde");
            Object it = constructor.newInstance(outer.getDeclaredConstructor().newInstance());
            Class<?> pair = Class.forName("org.apache.kafka.server.common.ApiMessageAndVersion");
            Object record = pair.getConstructor(ApiMessage.class, short.class).newInstance(message, version);
            Method serialize = serde.getSuperclass().getMethod("serialize", pair);
            serialize.setAccessible(true);
            out.println(head + hex((byte[]) serialize.invoke(it, record)));
        }
    }

    static byte[] framedRecord(Message message, short version) throws Exception {
        Class<?> pair = Class.forName("org.apache.kafka.server.common.ApiMessageAndVersion");
        Object record = pair.getConstructor(ApiMessage.class, short.class).newInstance(message, version);
        Class<?> serdeType = Class.forName("org.apache.kafka.metadata.MetadataRecordSerde");
        Object serde = serdeType.getField("INSTANCE").get(null);
        ObjectSerializationCache cache = new ObjectSerializationCache();
        int size = (int) serdeType.getMethod("recordSize", pair, ObjectSerializationCache.class)
            .invoke(serde, record, cache);
        ByteBuffer buffer = ByteBuffer.allocate(size);
        serdeType.getMethod("write", pair, ObjectSerializationCache.class, Writable.class)
            .invoke(serde, record, cache, new ByteBufferAccessor(buffer));
        return buffer.array();
    }

    static byte[] bytes(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) throw new IllegalStateException("size is wrong");
        return buffer.array();
    }

    /** The schema's name of a class: `Data` is Java's addition for requests, responses, headers. */
    static String name(Class<?> type) {
        String name = type.getSimpleName();
        return name.matches(".*(Request|Response|Header)Data") ? name.substring(0, name.length() - 4) : name;
    }

    static List<Class<?>> messages() throws Exception {
        TreeMap<String, Class<?>> found = new TreeMap<>();
        for (String path : System.getProperty("java.class.path").split(":")) {
            if (!path.endsWith(".jar")) continue;
            try (JarFile jar = new JarFile(path)) {
                for (var entry : Collections.list(jar.entries())) {
                    String name = entry.getName();
                    boolean ours = name.endsWith(".class") && !name.contains("$")
                        && Arrays.stream(PACKAGES).anyMatch(
                            p -> name.startsWith(p) && name.indexOf('/', p.length()) < 0);
                    if (!ours) continue;
                    Class<?> type = Class.forName(name.substring(0, name.length() - 6).replace('/', '.'));
                    if (Message.class.isAssignableFrom(type) && !type.isInterface()) found.put(name, type);
                }
            }
        }
        return new ArrayList<>(found.values());
    }

    /** A message or struct with every field of the version filled. */
    static Object fill(Class<?> type, short version, Fill fill, int depth) throws Exception {
        Object object = type.getDeclaredConstructor().newInstance();
        if (depth == 0) counter = 0;
        if (fill == Fill.DEFAULT) return object;
        Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
        Schema schema = schemas[version];
        boolean flexible = false;
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields) {
                flexible = true;
                TreeMap<Integer, Field> tags = new TreeMap<>(tagged((TaggedFields) bound.def.type));
                for (Field field : tags.values()) set(object, field, version, fill, depth);
            } else {
                set(object, bound.def, version, fill, depth);
            }
        }
        if (flexible && fill == Fill.NULL && depth < 2) {
            Message message = (Message) object;
            message.unknownTaggedFields().add(new RawTaggedField(1000 + depth, new byte[] {1, 2, 3}));
        }
        return object;
    }

    /** The fields by tag; older releases keep them private. */
    @SuppressWarnings("unchecked")
    static Map<Integer, Field> tagged(TaggedFields section) throws Exception {
        var fields = TaggedFields.class.getDeclaredField("fields");
        fields.setAccessible(true);
        return (Map<Integer, Field>) fields.get(section);
    }

    static void set(Object object, Field field, short version, Fill fill, int depth) throws Exception {
        String wanted = field.name.replace("_", "").toLowerCase(Locale.ROOT);
        for (Method method : object.getClass().getMethods()) {
            boolean setter = method.getName().startsWith("set") && method.getParameterCount() == 1
                && method.getName().substring(3).toLowerCase(Locale.ROOT).equals(wanted);
            if (!setter || Modifier.isStatic(method.getModifiers()) || method.isBridge()) continue;
            Type parameter = method.getGenericParameterTypes()[0];
            boolean nullable = field.type.isNullable() && !method.getParameterTypes()[0].isPrimitive();
            if (nullable && fill == Fill.NULL) {
                method.invoke(object, new Object[] {null});
            } else {
                method.invoke(object, value(parameter, field.type, version, fill, depth));
            }
            return;
        }
        throw new IllegalStateException("no setter for " + field.name + " in " + object.getClass());
    }

    static Object value(Type type, org.apache.kafka.common.protocol.types.Type wire, short version,
                        Fill fill, int depth) throws Exception {
        int n = ++counter;
        if (type == boolean.class || type == Boolean.class) return n % 2 == 1;
        if (type == byte.class || type == Byte.class) return (byte) (n * 7);
        if (type == short.class || type == Short.class) return (short) (n * 257);
        if (type == int.class || type == Integer.class)
            return wire.toString().equals("UINT16") ? n * 257 % 65536 : n * 65537 + (n % 3 == 0 ? Integer.MIN_VALUE : 0);
        if (type == long.class || type == Long.class)
            return wire.toString().equals("UINT32") ? (long) n * 16777259 : n * 4294967311L + (n % 3 == 0 ? Long.MIN_VALUE : 0);
        if (type == double.class || type == Double.class) return n + 0.25;
        if (type == String.class) return "text-" + n + (n % 5 == 0 ? "-\u00e4\u20ac" + "x".repeat(130) : "");
        if (type == Uuid.class) return new Uuid(0x1234567890abcdefL, n);
        if (type == byte[].class) return content(n);
        if (type == ByteBuffer.class) return ByteBuffer.wrap(content(n));
        if (type instanceof Class<?> c && c.getSimpleName().equals("BaseRecords")) {
            // The package differs between releases.
            Class<?> records = Class.forName(c.getPackageName() + ".MemoryRecords");
            return records.getMethod("readableRecords", ByteBuffer.class)
                .invoke(null, ByteBuffer.wrap(content(n + 200)));
        }
        if (type instanceof ParameterizedType list) {
            List<Object> items = new ArrayList<>();
            fillItems(items, list.getActualTypeArguments()[0], wire, version, fill, depth);
            return items;
        }
        Class<?> c = (Class<?>) type;
        if (Collection.class.isAssignableFrom(c)) {
            @SuppressWarnings("unchecked")
            Collection<Object> items = (Collection<Object>) c.getDeclaredConstructor().newInstance();
            Type element = ((ParameterizedType) c.getGenericSuperclass()).getActualTypeArguments()[0];
            fillItems(items, element, wire, version, fill, depth);
            return items;
        }
        return fill(c, version, fill, depth + 1);
    }

    static void fillItems(Collection<Object> items, Type element,
                          org.apache.kafka.common.protocol.types.Type wire, short version, Fill fill,
                          int depth) throws Exception {
        var inner = wire.arrayElementType().orElse(wire);
        for (int i = 0; i < (fill == Fill.FULL ? 2 : 1); i++)
            items.add(value(element, inner, version, fill, depth));
    }

    static byte[] content(int n) {
        byte[] bytes = new byte[n % 9 + (n > 200 ? 3 : 0)];
        for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) (n + i * 31);
        return bytes;
    }

    static String hex(byte[] bytes) {
        StringBuilder out = new StringBuilder();
        for (byte b : bytes) out.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
        return out.length() == 0 ? "-" : out.toString();
    }
}
