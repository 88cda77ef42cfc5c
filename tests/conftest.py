"""Fixtures that several folders of tests use."""

import signal

from slurm.cluster import slurm, slurm_cluster  # noqa: F401  # fixtures, found by name
from slurm.runs import truth  # noqa: F401  # fixtures, found by name

# A shell that starts the tests in the background has them, and all runs that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
