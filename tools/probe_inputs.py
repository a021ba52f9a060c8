"""What the loss probe measures, from the command line: terms, and a picture to measure them on."""

import inspect
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from basicsr.losses import Term, build_objective
from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.options import load_options, runtime_options
from basicsr.utils.registry import LOSS_REGISTRY
from basicsr.utils.schema import check_arguments, takes_any_keyword
from basicsr.utils.yaml_file import parse_text

ROOT = Path(__file__).resolve().parents[1]


def terms_of_file(path: str) -> list[Term]:
    """The terms of an option file."""
    options, _ = load_options(path)
    return list(build_objective(runtime_options(options, str(ROOT), is_train=True)['train']['losses']).terms.values())


def term_of_text(text: str, **defaults) -> Term:
    """`ChromaLoss(where=saturated, loss_weight=0.5)` -> a term of that name."""
    match = re.fullmatch(r'\s*(\w+)\s*(?:\((.*)\))?\s*', text, re.DOTALL)
    if match is None:
        raise OptionError(f"--loss {text!r}: write 'ChromaLoss' or 'ChromaLoss(where=saturated, threshold=0.3)'")
    loss = LOSS_REGISTRY.get(match[1])
    if not compares_images(loss):
        raise OptionError(f'--loss {text}: it judges the output of a discriminator; the probe has images alone')
    written = re.sub(r'(\w+)\s*=', r'\1: ', match[2] or '')
    given = parse_text(f'{{{written}}}', f'--loss {text}').data
    weight = given.pop('loss_weight', 1.0)
    arguments, problems = check_arguments(loss, defaults | given, ())
    if problems:
        lines = [f'{".".join(map(str, where)) or match[1]}: {message}' for where, message in problems]
        raise OptionError(f'--loss {text}: ' + '; '.join(lines))
    if 'loss_weight' in inspect.signature(loss).parameters:
        arguments['loss_weight'] = 1.0
    return Term(text.strip(), loss(**arguments), weight)


def compares_images(loss: type) -> bool:
    """False for a term that is called with the output of a discriminator."""
    return 'target_is_real' not in inspect.signature(loss.forward).parameters


def all_terms() -> list[Term]:
    """Every registered term that compares images and can be built without arguments."""
    terms = []
    for name, loss in sorted(LOSS_REGISTRY):
        parameters = inspect.signature(loss).parameters
        needed = [p.name for p in parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        if needed or takes_any_keyword(loss) or not compares_images(loss):
            print(f'{name}: left out, for it needs more than an image and its target', file=sys.stderr)
            continue
        terms.append(term_of_text(name, **({'weights': 'auto'} if 'weights' in parameters else {})))
    return terms


def device_of(text: str) -> torch.device:
    """A device that is there."""
    if text != 'cpu' and not (re.fullmatch(r'cuda(:\d+)?', text) and torch.cuda.is_available()):
        raise UserError(f'--device {text}: use cpu, or cuda where there is a GPU')
    return torch.device(text)


def load_picture(path: str | None, size: int) -> tuple[torch.Tensor, str]:
    """A square picture, sRGB in [0, 1], (1, 3, size, size), and what it is: the middle of a photograph, or a room."""
    if path is None:
        import numpy as np
        from demo_render import render
        from demo_room import invent_room
        from make_demo_data import encode

        rng = np.random.default_rng(3)
        room = encode(render(invent_room(rng, 0), size, size * 4 // 3)).astype('float32')
        image, source = torch.from_numpy(room).permute(2, 0, 1)[None], 'a rendered room with a blue wall'
    else:
        from basicsr.utils.img_util import img2tensor, read_image, to_float

        image, source = img2tensor(to_float(read_image(path)))[None], Path(path).name
    side = min(image.shape[-2:])
    if side < 128:
        raise UserError(f'{path}: its shorter side is {side} pixels; the probe needs at least 128')
    top, left = (image.shape[-2] - side) // 2, (image.shape[-1] - side) // 2
    square = image[..., top : top + side, left : left + side]
    if side > size:
        square = torch.nn.functional.interpolate(square, (size, size), mode='bilinear', antialias=True)
    return square.contiguous(), source
