"""The option files that ship: each is complete, and the ablations are what their names say."""

from pathlib import Path

import pytest

from basicsr.utils.options import load_options

OPTIONS = Path(__file__).resolve().parents[1] / 'options'
FILES = sorted(OPTIONS.glob('*.yml'))


@pytest.mark.parametrize('file', FILES, ids=lambda file: file.stem)
def test_file_is_right(file):
    options, notes = load_options(str(file))
    assert options['name'] == file.stem
    assert notes == []
    roots = [v for o in options['datasets'].values() for k, v in o.items() if k.startswith('dataroot')]
    assert all(not Path(root).is_absolute() for root in roots)


@pytest.mark.parametrize(
    ('name', 'terms'),
    [
        ('ablate_full', ['pixel', 'chroma', 'lab', 'ssim', 'percep']),
        ('ablate_no_ssim', ['pixel', 'chroma', 'lab', 'percep']),
        ('ablate_no_chroma', ['pixel', 'lab', 'ssim', 'percep']),
        ('ablate_no_lab', ['pixel', 'chroma', 'ssim', 'percep']),
        ('ablate_no_perceptual', ['pixel', 'chroma', 'lab', 'ssim']),
        ('ablate_l1_only', ['pixel']),
        ('realestate_baseline', ['pixel', 'percep']),
        ('realestate_color_finetune', ['pixel', 'chroma', 'lab', 'ssim', 'percep']),
    ],
)
def test_terms(name, terms):
    options, _ = load_options(str(OPTIONS / f'{name}.yml'))
    assert [term['name'] for term in options['train']['losses']] == terms


def test_an_ablation_differs_from_the_full_run_in_its_term_alone():
    full, _ = load_options(str(OPTIONS / 'ablate_full.yml'))
    for name, term in [('no_ssim', 'ssim'), ('no_chroma', 'chroma'), ('no_lab', 'lab'), ('no_perceptual', 'percep')]:
        ablated, _ = load_options(str(OPTIONS / f'ablate_{name}.yml'))
        expected = {**full, 'name': f'ablate_{name}'}
        losses = [entry for entry in full['train']['losses'] if entry['name'] != term]
        expected['train'] = {**full['train'], 'losses': losses}
        assert ablated == expected


def test_the_baseline_is_the_run_it_says_it_is():
    """The configuration of a real run of 12,000 iterations."""
    train = load_options(str(OPTIONS / 'realestate_baseline.yml'))[0]['train']
    assert (train['total_iter'], train['warmup_iter']) == (12000, 200)
    optimizer = train['optim_g']
    assert (optimizer['lr'], tuple(optimizer['betas']), optimizer['weight_decay']) == (1e-3, (0.9, 0.9), 1e-4)
    assert train['scheduler'] == {'type': 'TrueCosineAnnealingLR', 'T_max': 12000, 'eta_min': 1e-7}


def test_the_finetune_keeps_the_baseline_but_for_what_it_changes():
    train = load_options(str(OPTIONS / 'realestate_color_finetune.yml'))[0]['train']
    assert (train['mode'], train['total_iter'], train['optim_g']['lr']) == ('finetune', 6000, 2e-4)
    assert train['scheduler'] == {'type': 'TrueCosineAnnealingLR', 'T_max': 6000, 'eta_min': 1e-7}
    assert train['optim_g']['type'] == 'AdamW'
