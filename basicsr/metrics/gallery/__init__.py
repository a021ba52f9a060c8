"""The worst images of every validation, as pictures, in TensorBoard, and as one page for a run."""

from basicsr.metrics.gallery.gallery import Gallery

__all__ = ['Gallery']
