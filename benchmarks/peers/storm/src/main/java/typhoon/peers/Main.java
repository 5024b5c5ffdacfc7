package typhoon.peers;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.storm.LocalCluster;

/**
 * Measures one workload on Apache Storm, in a LocalCluster inside this JVM.
 *
 * <p>Prints one JSON object per round on stdout, after the result has been checked; a result that is wrong prints
 * nothing there, says why on stderr and ends with status 1.
 */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
        Options options = Options.parse(args);
        Workload workload = workload(options);
        int status = 1;
        try (LocalCluster cluster = new LocalCluster();
                LocalCluster.LocalTopology topology =
                        cluster.submitTopology("peer", Settings.of(options), workload.topology())) {
            status = report(options, workload);
            // All is said: what a dying cluster has to add is of no interest.
            Configurator.setAllLevels(LogManager.ROOT_LOGGER_NAME, Level.OFF);
        } catch (Exception broken) {
            broken.printStackTrace();
        }
        System.exit(status); // a LocalCluster leaves threads behind that are no daemons
    }

    private static int report(Options options, Workload workload) throws Exception {
        try {
            ObjectMapper json = new ObjectMapper();
            for (Round round : Measurement.run(options, workload)) {
                System.out.println(json.writeValueAsString(round));
            }
            return 0;
        } catch (WrongResultException wrong) {
            System.err.println("wrong result: " + wrong.getMessage());
            return 1;
        }
    }

    private static Workload workload(Options options) throws Exception {
        return switch (options.mode()) {
            case "word-count" -> WordCount.inJava(options);
            case "python-word-count" -> WordCount.inPython(options);
            case "const" -> ConstIdNull.workload();
            case "latency" -> FixedRate.workload(options);
            default -> throw new IllegalArgumentException("unknown mode '" + options.mode() + "'");
        };
    }
}
