"""``python -m typhoon.worker FD ORDER``: a worker's process, which its supervisor started."""

import sys

from typhoon.worker._serve import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
