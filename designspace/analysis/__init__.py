"""Numbers in, result objects out: what the errors of sampled populations say about their spaces."""

from designspace.analysis.study import SpaceAnalysis, StudyAnalysis, analyze

__all__ = ["SpaceAnalysis", "StudyAnalysis", "analyze"]
