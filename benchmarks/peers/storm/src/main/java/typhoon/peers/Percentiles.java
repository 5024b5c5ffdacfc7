package typhoon.peers;

import org.HdrHistogram.Histogram;

/** A histogram of nanoseconds, told in milliseconds. */
record Percentiles(long count, double p50, double p99, double p999, double max) {
    private static final double NANOS_PER_MILLI = 1e6;

    static Percentiles of(Histogram nanos) {
        return new Percentiles(
                nanos.getTotalCount(),
                nanos.getValueAtPercentile(50) / NANOS_PER_MILLI,
                nanos.getValueAtPercentile(99) / NANOS_PER_MILLI,
                nanos.getValueAtPercentile(99.9) / NANOS_PER_MILLI,
                nanos.getMaxValue() / NANOS_PER_MILLI);
    }
}
