"""BasicSR's base model for super-resolution."""

from basicsr.models.image_restoration_model import ImageRestorationModel
from basicsr.utils.registry import MODEL_REGISTRY


@MODEL_REGISTRY.register()
class SRModel(ImageRestorationModel):
    """ImageRestorationModel without gradient clipping by default, as in BasicSR."""

    default_grad_clip: dict = {'type': 'none'}
