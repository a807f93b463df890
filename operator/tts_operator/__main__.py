"""`python -m tts_operator`."""

import sys

from tts_operator.main import main

sys.exit(main())
