"""A network that paints coloured walls grey and neutral ones a little coloured: which numbers see it."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from torch import nn

from basicsr.color import luma, saturation
from basicsr.metrics.gallery.store import load_entries
from basicsr.metrics.scores import Scores
from basicsr.test import test_pipeline
from basicsr.utils.logger import close_root_logger
from basicsr.utils.registry import ARCH_REGISTRY

REPO = Path(__file__).resolve().parents[1]
# What becomes of the distance from grey where the input has little saturation, and where it has much.
FAITHFUL, DESATURATING = (1.0, 1.0), (3.2, 0.2)


@ARCH_REGISTRY.register()
class DemoDeveloper(nn.Module):
    """Brightens the demo data; its weights say what becomes of the colours."""

    def __init__(self) -> None:
        super().__init__()
        self.of_neutral, self.of_saturated = (nn.Parameter(torch.tensor(1.0)) for _ in range(2))

    def forward(self, x):
        light = ((x - 0.065) / 0.835).clamp(0, 1) ** 2.2
        x = (2.1 * light).clamp(0, 1) ** (1 / 2.2)
        share = torch.sigmoid(30 * (saturation(x)[:, None] - 0.3))
        grey = luma(x)[:, None]
        return (grey + (self.of_neutral + (self.of_saturated - self.of_neutral) * share) * (x - grey)).clamp(0, 1)


@pytest.fixture(scope='module')
def evaluate(tmp_path_factory):
    """Return a function that tests such weights on the demo data: the folder of its tables and galleries."""
    root = tmp_path_factory.mktemp('demo')
    command = [sys.executable, str(REPO / 'tools' / 'make_demo_data.py'), '--size', '96', '--pairs', '1']
    subprocess.run([*command, '--val-pairs', '4', '--out', str(root / 'demo')], check=True, capture_output=True)

    def run(name: str, weights: tuple[float, float]) -> Path:
        torch.save(dict(zip(('of_neutral', 'of_saturated'), map(torch.tensor, weights))), root / f'{name}.pth')
        folders = {kind: f'demo/val_color/{kind}' for kind in ('lq', 'gt')}
        options = {
            'name': name,
            'model_type': 'ImageRestorationModel',
            'num_gpu': 0,
            'network_g': {'type': 'DemoDeveloper'},
            'datasets': {
                'val_color': {'type': 'PairedImageDataset', **{f'dataroot_{k}': path for k, path in folders.items()}}
            },
            'path': {'pretrain_network_g': f'{name}.pth'},
            'val': {'color_fidelity': True, 'gallery': {'worst': 2, 'metric': 'collapsed_60'}},
        }
        (root / f'{name}.yml').write_text(yaml.safe_dump(options))
        try:
            test_pipeline(str(root), ['-opt', str(root / f'{name}.yml')])
        finally:
            close_root_logger()
        return root / 'results' / name / 'val'

    return run


def means(folder: Path) -> dict[str, float]:
    return Scores.load(next(folder.glob('val_color/*.csv'))).means()


def test_the_mask_sees_what_the_mean_over_all_pixels_hides(evaluate):
    faithful, grey = means(evaluate('faithful', FAITHFUL)), means(evaluate('desaturating', DESATURATING))
    for scores in (faithful, grey):
        assert scores['sat_ratio_all'] == pytest.approx(1, abs=0.06)
    assert faithful['sat_ratio_100'] > 0.85 and faithful['collapsed_100'] < 0.05
    assert grey['sat_ratio_60'] < 0.5 and grey['sat_ratio_100'] < 0.4 and grey['chroma_ratio_100'] < 0.4
    assert grey['collapsed_100'] > 0.7


def test_the_gallery_shows_it_in_red(evaluate):
    """Of the walls of the worst image, most come out in the red of lost saturation; of a faithful network none do."""
    shares = {}
    for name, weights in (('faithful', FAITHFUL), ('desaturating', DESATURATING)):
        folder = evaluate(name, weights)
        worst = load_entries(folder, [])[0]
        left, top, width, height = worst.panels['saturation']
        blue, green, red = (
            np.moveaxis(cv2.imread(str(worst.png))[top : top + height, left : left + width], 2, 0) / 255.0
        )
        # The colours of the ratios 0 to about a half; the grey of neutral pixels is none of them.
        shares[name] = ((red - green > 0.2) & (red - blue > 0.2)).sum() / ((red != green) | (green != blue)).sum()
        page = (folder / 'gallery.html').read_text()
        assert 'came out grey' in page and worst.image in page
    assert shares['faithful'] < 0.1 and shares['desaturating'] > 0.7, shares
