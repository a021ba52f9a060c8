"""Looks at a set of image pairs before a network learns its faults."""

from basicsr.data.audit.duplicates import find_clusters, perceptual_hash

__all__ = ['find_clusters', 'perceptual_hash']
