package typhoon.peers;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.SingleWriterRecorder;

/**
 * What the components tell the measuring thread, and the one thing it tells them: to stop.
 *
 * <p>Storm serializes components on their way into a worker, so they can share nothing but statics; there is one
 * topology per JVM. Each task takes counters and recorders of its own and is the only one that writes to them.
 */
final class Probe {
    /** When true, spouts emit nothing more. */
    static volatile boolean stopped;

    private static final Map<String, List<Counter>> COUNTERS = new ConcurrentHashMap<>();
    private static final Map<String, List<SingleWriterRecorder>> RECORDERS = new ConcurrentHashMap<>();

    private Probe() {}

    static Counter counter(String name) {
        return register(COUNTERS, name, new Counter());
    }

    /** A recorder of nanoseconds. */
    static SingleWriterRecorder recorder(String name) {
        return register(RECORDERS, name, new SingleWriterRecorder(3));
    }

    /** The sum over all tasks. */
    static long total(String name) {
        return each(name).stream().mapToLong(Counter::get).sum();
    }

    static List<Counter> each(String name) {
        return COUNTERS.getOrDefault(name, List.of());
    }

    /** What was recorded since the last call, over all tasks, by name. */
    static Map<String, Percentiles> harvest() {
        Map<String, Percentiles> found = new TreeMap<>();
        RECORDERS.forEach((name, recorders) -> {
            Histogram merged = new Histogram(3);
            recorders.forEach(recorder -> merged.add(recorder.getIntervalHistogram()));
            found.put(name, Percentiles.of(merged));
        });
        return found;
    }

    private static <T> T register(Map<String, List<T>> all, String name, T one) {
        all.computeIfAbsent(name, absent -> new CopyOnWriteArrayList<>()).add(one);
        return one;
    }
}
