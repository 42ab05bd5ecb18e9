import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Dedup and forward on Kafka Streams: a RocksDB store with a changelog; BENCH_VARIANT is the guarantee. */
public class Pipe {
    static final ObjectMapper JSON = new ObjectMapper();

    static class Dedup implements Processor<byte[], byte[], byte[], byte[]> {
        private static final byte[] SEEN = {1};
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<String, byte[]> seen;

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.seen = context.getStateStore("seen");
        }

        @Override
        public void process(Record<byte[], byte[]> event) {
            String id;
            try {
                id = JSON.readTree(event.value()).get("event_id").asText();
            } catch (java.io.IOException error) {
                throw new java.io.UncheckedIOException(error);
            }
            if (seen.get(id) == null) {
                seen.put(id, SEEN);
                context.forward(event);
            }
        }
    }

    public static void main(String[] arguments) {
        Map<String, String> env = System.getenv();
        Properties config = new Properties();
        config.put("application.id", env.get("BENCH_GROUP"));
        config.put("bootstrap.servers", env.get("BENCH_BROKER"));
        config.put("state.dir", env.get("BENCH_FOLDER"));
        config.put("processing.guarantee", env.get("BENCH_VARIANT"));
        config.put("auto.offset.reset", "earliest");
        config.put("default.key.serde", Serdes.ByteArraySerde.class);
        config.put("default.value.serde", Serdes.ByteArraySerde.class);
        config.put("num.stream.threads", "2");
        config.put("max.poll.records", "4000");
        config.put("session.timeout.ms", "10000");
        config.put("acks", "all");
        config.put("producer.batch.size", "131072");
        // Every id is new, so the record cache in front of the store would only copy.
        config.put("statestore.cache.max.bytes", "0");
        if (env.get("BENCH_VARIANT").equals("at_least_once")) {
            config.put("commit.interval.ms", "1000");
        }

        Topology topology = new Topology();
        topology.addSource("source", env.get("BENCH_SOURCE"));
        topology.addProcessor("dedup", Dedup::new, "source");
        topology.addStateStore(
            Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore("seen"), Serdes.String(), Serdes.ByteArray()),
            "dedup");
        topology.addSink("output", env.get("BENCH_OUTPUT"), "dedup");

        KafkaStreams streams = new KafkaStreams(topology, config);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
