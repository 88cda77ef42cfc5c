"""Fixtures that several folders of tests use."""

from slurm.cluster import slurm, slurm_cluster  # noqa: F401  # fixtures, found by name
from slurm.runs import truth  # noqa: F401  # fixtures, found by name
