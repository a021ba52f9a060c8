"""Run folders with known effects and known noise, as a training leaves them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml

from basicsr.metrics.scores import Scores
from basicsr.utils.img_util import imwrite

TERMS = {'pixel': ('L1Loss', 1.0), 'chroma': ('ChromaLoss', 0.36), 'ssim': ('SSIMLoss', 0.067)}
ENVIRONMENT = 'BasicSR fork 2.0.0, Python 3.11.7, PyTorch 2.13.0, NumPy 2.4.6, CPU, 1 threads'
# Metric: level, spread of images, noise of a seed, noise of an image in a run.
SCORES = {
    'psnr': (28.0, 3.0, 0.05, 0.15),
    'ssim': (0.92, 0.03, 0.0006, 0.002),
    'de00_mean': (4.0, 1.0, 0.02, 0.06),
    'de00_p95': (11.0, 3.0, 0.08, 0.3),
    'sat_ratio_60': (0.9, 0.03, 0.004, 0.01),
    'hue_shift_60': (5.0, 2.0, 0.05, 0.2),
    'collapsed_60': (0.05, 0.01, 0.001, 0.004),
    'masked_share_60': (0.2, 0.05, 0.0, 0.0),
}
# What leaving a term out changes.
EFFECTS = {'no_chroma': {'sat_ratio_60': -0.15, 'de00_p95': 1.5, 'psnr': 0.3, 'collapsed_60': 0.08}}


def options(name: str, seed: int, without: str | None = None) -> dict:
    losses = [
        {'type': kind, 'name': term, 'loss_weight': weight} for term, (kind, weight) in TERMS.items() if term != without
    ]
    metrics = {label: {'type': f'calculate_{label}', 'crop_border': 0} for label in ('psnr', 'ssim')}
    return {
        'name': name,
        'manual_seed': seed,
        'network_g': {'type': 'NAFNet', 'width': 8},
        'datasets': {'train': {'name': 'train'}, 'val_color': {'name': 'val_color'}},
        'train': {'total_iter': 600, 'losses': losses},
        'val': {'val_freq': 300, 'metrics': metrics, 'color_fidelity': True},
    }


def scores_of(images: Sequence[str], effects: Mapping[str, float], seed: int, variant: str, scores=SCORES) -> Scores:
    """Scores of one run: images differ alike in all runs, seeds and what a run does to an image are its own."""
    own = np.random.default_rng([seed, *variant.encode()])
    rows: dict[str, dict[str, float]] = {image: {} for image in images}
    for number, (metric, (level, of_image, of_seed, of_both)) in enumerate(scores.items()):
        common = np.random.default_rng(number).standard_normal(len(images)) * of_image
        noise = own.standard_normal() * of_seed + own.standard_normal(len(images)) * of_both
        values = level + common + effects.get(metric, 0.0) + noise
        for image, value in zip(images, values.tolist()):
            rows[image][metric] = value
    return Scores(rows)


def events_of(terms: Sequence[str], seed: int, table: Mapping[str, float], dataset: str) -> list[dict]:
    random = np.random.default_rng(seed)
    events = []
    for iteration in range(50, 601, 50):
        event = {'iter': iteration, 'epoch': 1, 'lr': [0.001], 'time': 0.2, 'data_time': 0.01}
        for term in terms:
            value = 0.1 / (1 + iteration / 100) * (1 + 0.02 * random.standard_normal())
            event |= {f'l_{term}': value * TERMS[term][1], f'losses_raw/{term}': value}
            event[f'grad_share/{term}'] = 1 / len(terms) + 0.01 * random.standard_normal()
        events.append(event)
        if iteration % 300 == 0:
            events.append({'iter': iteration, 'val': dataset, **table, **{f'input_{k}': 1.0 for k in table}})
    return events


def write_run(
    folder: Path,
    variant: str,
    seed: int,
    images: Sequence[str],
    effects: Mapping[str, float] | None = None,
    iterations: Sequence[int] = (300, 600),
    dataset: str = 'val_color',
    scores: Mapping = SCORES,
) -> Path:
    """Write a run folder, and return it."""
    without = variant.removeprefix('no_') if variant.startswith('no_') else None
    run = folder / f'{variant}_s{seed}'
    (run / 'models').mkdir(parents=True)
    (run / 'models' / 'net_g_latest.pth').write_bytes(b'weights')
    (run / 'resolved.yml').write_text(yaml.safe_dump(options(f'{folder.name}/{run.name}', seed, without)))
    (run / f'train_{run.name}_20260102_030405.log').write_text(f'2026-01-02 03:04:05,000 INFO: {ENVIRONMENT}\n')
    effects = EFFECTS.get(variant, {}) if effects is None else effects
    for iteration in iterations:
        table = scores_of(images, effects, seed, variant, scores)
        table.save(run / 'val' / dataset / f'{iteration}.csv')
    terms = [term for term in TERMS if term != without]
    events = events_of(terms, seed, table.means() if iterations else {}, dataset)
    (run / 'metrics.jsonl').write_text(''.join(json.dumps(event) + '\n' for event in events) + '{"iter": 650, "cut')
    return run


def write_pictures(run: Path, images: Sequence[str], iteration: int, gain: float, dataset: str = 'val_color') -> None:
    """Save what a run made of its images, as with `save_img`."""
    for number, image in enumerate(images):
        random = np.random.default_rng(number)
        picture = np.kron(random.integers(0, 256, (4, 6, 3)), np.ones((12, 12, 1))) * gain
        path = run / 'visualization' / dataset / image / f'{image}_{iteration}.png'
        imwrite(picture.clip(0, 255).astype(np.uint8), str(path))


def write_grid(
    folder: Path,
    seeds: Sequence[int] = (0, 1, 2),
    variants: Sequence[str] = ('full', 'no_chroma', 'no_ssim'),
    num_images: int = 30,
    **arguments,
) -> Path:
    """Write a grid whose variant `no_chroma` differs by `EFFECTS`, the others by chance; returns its folder."""
    images = [f'room_{number:03}' for number in range(num_images)]
    grid = {'name': folder.name, 'baseline': variants[0], 'seeds': list(seeds), 'variants': {v: {} for v in variants}}
    folder.mkdir(parents=True)
    (folder / 'grid.json').write_text(json.dumps(grid))
    for variant in variants:
        for seed in seeds:
            write_run(folder, variant, seed, images, **arguments)
    return folder
