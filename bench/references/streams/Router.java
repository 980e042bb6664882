import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The router's work in Kafka Streams, exactly once: the sticky reason per patient from a store with a changelog, the
 * location, the audience from a table of subscriptions, the routed message under the practice's key. No decision records
 * and no database: what it keeps is in RocksDB and in Kafka.
 *
 * <p>Arguments: those of errand.py; the database is of no use to it. Prints `first` after the warm-up and `last` once all
 * messages are committed.
 */
public final class Router {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final AtomicLong SEEN = new AtomicLong();
    private static final CountDownLatch DONE = new CountDownLatch(1);
    private static long warmUp;
    private static long total;

    public static void main(String[] arguments) throws Exception {
        warmUp = Long.parseLong(arguments[5]);
        total = warmUp + Long.parseLong(arguments[6]);
        Topology topology = new Topology()
                .addSource("messages", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), arguments[2])
                .addProcessor("route", Route::new, "messages")
                .addStateStore(
                        Stores.keyValueStoreBuilder(
                                Stores.persistentKeyValueStore("conversations"), Serdes.String(), Serdes.ByteArray()),
                        "route")
                .addSink("routed", arguments[3], Serdes.String().serializer(), Serdes.ByteArray().serializer(), "route");
        Properties settings = new Properties();
        settings.putAll(Map.of(
                StreamsConfig.APPLICATION_ID_CONFIG, "bench-streams-" + System.nanoTime(),
                StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0],
                StreamsConfig.STATE_DIR_CONFIG, arguments[4],
                StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.getInteger("bench.threads", 2),
                StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2,
                StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100,
                StreamsConfig.REPLICATION_FACTOR_CONFIG, 1,
                "auto.offset.reset", "earliest"));
        KafkaStreams streams = new KafkaStreams(topology, settings);
        streams.start();
        DONE.await();
        streams.close(Duration.ofSeconds(30)); // commits what is open
        say("last");
    }

    private static void say(String word) {
        System.out.println(word);
        System.out.flush();
    }

    private static final class Route implements Processor<String, byte[], String, byte[]> {
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, byte[]> conversations;

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            this.context = context;
            this.conversations = context.getStateStore("conversations");
        }

        @Override
        public void process(Record<String, byte[]> record) {
            try {
                JsonNode message = JSON.readTree(record.value());
                byte[] stored = conversations.get(record.key());
                ObjectNode conversation =
                        stored == null ? JSON.createObjectNode() : (ObjectNode) JSON.readTree(stored);
                byte[] routed = route(message, conversation);
                conversations.put(record.key(), JSON.writeValueAsBytes(conversation));
                context.forward(record.withKey(message.get("practice_id").asText()).withValue(routed));
            } catch (java.io.IOException error) {
                throw new IllegalStateException(error);
            }
            long seen = SEEN.incrementAndGet();
            if (seen == warmUp) {
                say("first");
            } else if (seen == total) {
                DONE.countDown();
            }
        }

        private static byte[] route(JsonNode message, ObjectNode conversation) throws java.io.IOException {
            Instant now = Instant.parse(message.get("received_at").asText());
            String reason = reason(message, conversation, now);
            String location = "location-" + Math.floorMod(message.get("patient_id").asText().hashCode(), 4);
            ObjectNode routed = JSON.createObjectNode();
            for (String name : new String[] {"practice_id", "patient_id", "message_id", "channel", "received_at", "body"}) {
                routed.set(name, message.get(name));
            }
            routed.putObject("reason").put("id", reason).put("source", reason == null ? "none" : "sticky");
            routed.putObject("location").put("id", location).put("source", "appointment");
            routed.putObject("destination").put("kind", "unassigned");
            var audience = routed.putArray("audience");
            for (int member = 0; member < 12; member++) {
                for (int which = 0; which < 3; which++) {
                    String wanted = which == 0 ? "other" : "reason-" + (member + which) % 6;
                    String place = "location-" + (member + which) % 4;
                    if (wanted.equals(reason == null ? "other" : reason) && place.equals(location)) {
                        audience.addObject()
                                .put("staff_id", "staff-" + member)
                                .put("because", "subscription")
                                .put("subscription_id", "subscription-" + member + "-" + which);
                        break;
                    }
                }
            }
            routed.put("unrouted", audience.isEmpty());
            conversation.put("reason", reason).put("last_message_at", now.toString());
            return JSON.writeValueAsBytes(routed);
        }

        private static String reason(JsonNode message, ObjectNode conversation, Instant now) {
            if (!message.get("channel").asText().equals("web")) {
                return null;
            }
            JsonNode carried = conversation.get("reason");
            JsonNode previous = conversation.get("last_message_at");
            boolean isSticky = previous != null
                    && Duration.between(Instant.parse(previous.asText()), now).compareTo(Duration.ofHours(1)) <= 0;
            if (isSticky && carried != null && !carried.isNull()) {
                return carried.asText();
            }
            JsonNode requested = message.get("requested_reason_id");
            return requested == null || requested.isNull() ? null : requested.asText();
        }
    }
}
