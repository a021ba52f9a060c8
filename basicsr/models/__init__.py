"""Models: what a training step and a validation are. The imports below are the inventory."""

import copy

from basicsr.models import lr_scheduler
from basicsr.models.base_model import BaseModel
from basicsr.models.image_restoration_model import ImageRestorationModel
from basicsr.models.sr_model import SRModel
from basicsr.utils.logger import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY

__all__ = ['BaseModel', 'ImageRestorationModel', 'SRModel', 'build_model', 'lr_scheduler']


def build_model(opt: dict) -> BaseModel:
    """Build the model that `model_type` names, from complete options."""
    model = MODEL_REGISTRY.get(opt['model_type'])(copy.deepcopy(opt))
    get_root_logger().info(f'Model [{type(model).__name__}] is created.')
    return model
