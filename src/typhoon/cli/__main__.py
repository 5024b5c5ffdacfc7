"""``python -m typhoon.cli`` is ``typhoon``."""

import sys

from typhoon.cli import main

sys.exit(main())
