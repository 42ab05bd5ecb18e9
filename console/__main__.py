"""`python -m console`: starts the command line."""

import signal

# The imports take a second; a Ctrl-C in it ends the process as it ends any other.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from console.cli import main  # noqa: E402 - see above

main()
