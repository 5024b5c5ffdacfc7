package typhoon.peers;

/** The topology's result is not what its input says it must be: the figures are worth nothing. */
final class WrongResultException extends Exception {
    WrongResultException(String message) {
        super(message);
    }
}
