"""`python -m tts_app.cli` is `ttsp`."""

from tts_app.cli import main

main()
