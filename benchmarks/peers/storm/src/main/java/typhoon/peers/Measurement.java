package typhoon.peers;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.LongStream;

/** Watches a running workload: first tuple, warm-up, the rounds, then silence and the check of the result. */
final class Measurement {
    private static final double PATIENCE_SECONDS = 90;

    private Measurement() {}

    /** The rounds of a workload whose topology has been submitted. Returns only if the result was right. */
    static List<Round> run(Options options, Workload workload) throws Exception {
        await("the first tuple", () -> workload.done().getAsLong() > 0);
        double firstTupleAt = System.currentTimeMillis() / 1e3;
        sleep(options.warmUpSeconds());
        List<Round> rounds = new ArrayList<>();
        for (int number = 1; number <= options.rounds(); number++) {
            rounds.add(round(options, workload, number, firstTupleAt));
        }
        Probe.stopped = true;
        await("everything emitted to be settled", () -> settled(options, workload));
        workload.check().run();
        return rounds;
    }

    private static Round round(Options options, Workload workload, int number, double firstTupleAt) throws Exception {
        Probe.harvest();
        long before = workload.done().getAsLong();
        long start = System.nanoTime();
        sleep(options.seconds());
        long done = workload.done().getAsLong() - before;
        double seconds = (System.nanoTime() - start) / 1e9;
        return new Round(
                options.mode(),
                number,
                workload.unit(),
                done,
                seconds,
                done / seconds,
                Probe.total("emitted"),
                Probe.total("acked"),
                Probe.total("failed"),
                Text.wordsIn(Text.lines().length),
                Probe.harvest(),
                residentMegabytes(),
                firstTupleAt,
                Settings.of(options));
    }

    /** Whether nothing is under way any more. A spout counts an emit before it makes it, so none is overlooked. */
    private static boolean settled(Options options, Workload workload) {
        long emitted = Probe.total("emitted");
        boolean answered = !options.acked() || Probe.total("acked") + Probe.total("failed") == emitted;
        return answered && workload.done().getAsLong() == workload.due().getAsLong();
    }

    private static void await(String what, BooleanSupplier reached) throws Exception {
        long deadline = System.nanoTime() + (long) (PATIENCE_SECONDS * 1e9);
        while (!reached.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new WrongResultException(
                        "waited " + PATIENCE_SECONDS + " s in vain for " + what + ": emitted " + Probe.total("emitted")
                                + ", acked " + Probe.total("acked") + ", failed " + Probe.total("failed"));
            }
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    private static void sleep(double seconds) throws InterruptedException {
        TimeUnit.NANOSECONDS.sleep((long) (seconds * 1e9));
    }

    private static double residentMegabytes() throws IOException {
        ProcessHandle self = ProcessHandle.current();
        LongStream started = self.descendants().mapToLong(ProcessHandle::pid);
        long kilobytes = 0;
        for (long pid : LongStream.concat(LongStream.of(self.pid()), started).toArray()) {
            kilobytes += residentKilobytes(pid);
        }
        return kilobytes / 1024.0;
    }

    private static long residentKilobytes(long pid) throws IOException {
        return Files.readAllLines(Path.of("/proc", Long.toString(pid), "status")).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .sum();
    }
}
