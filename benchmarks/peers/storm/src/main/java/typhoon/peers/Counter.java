package typhoon.peers;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * A count that one thread raises and any thread reads, for the price of a plain store.
 *
 * <p>The number sits alone on its cache line, so that counting in one executor slows no other down.
 */
final class Counter {
    private static final int ALONE = 16;

    private final AtomicLongArray cells = new AtomicLongArray(2 * ALONE);

    void add(long more) {
        cells.lazySet(ALONE, cells.get(ALONE) + more);
    }

    long get() {
        return cells.get(ALONE);
    }
}
