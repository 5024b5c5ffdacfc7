package typhoon.peers;

import java.util.function.LongSupplier;
import org.apache.storm.generated.StormTopology;

/**
 * A topology and how to read it.
 *
 * @param unit what {@code done} counts: words, tuples, events
 * @param done how many are through the whole topology so far; called from the measuring thread
 * @param due how many must be through once everything emitted has arrived; asked only when the spouts are silent
 * @param check throws WrongResultException if the result is not exact; called once, when nothing is under way any more
 */
record Workload(StormTopology topology, String unit, LongSupplier done, LongSupplier due, Check check) {
    @FunctionalInterface
    interface Check {
        void run() throws Exception;
    }
}
