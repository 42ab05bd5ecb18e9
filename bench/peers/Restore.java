import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;

/** Restoring a RocksDB store on Kafka Streams. Prints what `bench.workers.restore` prints. */
public class Restore {
    static final AtomicLong BEGAN = new AtomicLong();
    static final CountDownLatch READY = new CountDownLatch(4);

    static class Listener implements StateRestoreListener {
        @Override
        public void onRestoreStart(TopicPartition at, String store, long from, long to) {
            BEGAN.compareAndSet(0, System.currentTimeMillis());
        }

        @Override
        public void onBatchRestored(TopicPartition at, String store, long to, long count) {}

        @Override
        public void onRestoreEnd(TopicPartition at, String store, long count) {
            READY.countDown();
        }
    }

    static class Ignore implements Processor<byte[], byte[], Void, Void> {
        @Override
        public void process(Record<byte[], byte[]> event) {}
    }

    static boolean startsWith(byte[] value, byte[] key) {
        return value.length >= key.length && Arrays.equals(Arrays.copyOf(value, key.length), key);
    }

    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> env = System.getenv();
        Properties config = new Properties();
        config.put("application.id", env.get("BENCH_GROUP"));
        config.put("bootstrap.servers", env.get("BENCH_BROKER"));
        config.put("state.dir", env.get("BENCH_FOLDER"));
        config.put("auto.offset.reset", "earliest");
        config.put("default.key.serde", Serdes.ByteArraySerde.class);
        config.put("default.value.serde", Serdes.ByteArraySerde.class);
        config.put("num.stream.threads", "2");
        config.put("restore.consumer.max.poll.records", "10000");

        Topology topology = new Topology();
        topology.addSource("source", env.get("BENCH_SOURCE"));
        topology.addProcessor("ignore", Ignore::new, "source");
        topology.addStateStore(
            Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore("seen"), Serdes.ByteArray(), Serdes.ByteArray()),
            "ignore");

        KafkaStreams streams = new KafkaStreams(topology, config);
        streams.setGlobalStateRestoreListener(new Listener());
        streams.start();
        READY.await();
        while (streams.state() != KafkaStreams.State.RUNNING) Thread.sleep(5);
        System.out.printf(
            "{\"began\": %.3f, \"ready\": %.3f}%n",
            BEGAN.get() / 1e3, System.currentTimeMillis() / 1e3);
        long rows = 0;
        try (KeyValueIterator<byte[], byte[]> all =
                streams.store(
                        StoreQueryParameters.fromNameAndType(
                            "seen", QueryableStoreTypes.<byte[], byte[]>keyValueStore()))
                    .all()) {
            while (all.hasNext()) {
                KeyValue<byte[], byte[]> row = all.next();
                if (startsWith(row.value, row.key)) rows++;
            }
        }
        System.out.printf("{\"rows\": %d}%n", rows);
        streams.close();
    }
}
