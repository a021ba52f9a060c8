"""`override:` and `--force_yml`: colon paths, named list entries, removal, typos."""

import pytest

from basicsr.utils.option_tree import apply_override, entry_name
from basicsr.utils.yaml_file import parse_text

TEXT = """\
train:
  optim_g: {type: Adam, lr: 1.0}
  losses:
    - {type: L1Loss, name: pix}
    - {type: LabABLoss, loss_weight: 0.5}
    - {type: SSIMLoss}
    - {type: SSIMLoss}
path: ~
"""


@pytest.mark.parametrize(
    ('entry', 'name'),
    [
        ({'type': 'L1Loss'}, 'l1'),
        ({'type': 'SSIMLoss'}, 'ssim'),
        ({'type': 'LabABLoss'}, 'lab_ab'),
        ({'type': 'PSNRLoss'}, 'psnr'),
        ({'type': 'PerceptualLoss'}, 'perceptual'),
        ({'type': 'WeightedTVLoss'}, 'weighted_tv'),
        ({'type': 'MSSSIML1Loss'}, 'msssiml1'),
        ({'type': 'Loss'}, 'loss'),
        ({'type': 'L1Loss', 'name': 'pix'}, 'pix'),
        ({'type': 'L1Loss', 'name': None}, 'l1'),
        ({'type': None}, None),
        ({'type': ['L1Loss']}, None),
        ({}, None),
        ('L1Loss', None),
        (None, None),
    ],
)
def test_names_of_entries(entry, name):
    assert entry_name(entry) == name


@pytest.fixture
def tree():
    return parse_text(TEXT, 'x')


def override(tree, key, value):
    return apply_override(tree, key, value, 'here')


def test_a_value(tree):
    assert override(tree, 'train:optim_g:lr', 2.0) is None
    assert tree.data['train']['optim_g'] == {'type': 'Adam', 'lr': 2.0}
    assert tree.mark(('train', 'optim_g', 'lr')) == 'here'
    assert tree.mark(('train', 'optim_g', 'type')) == 'line 2'


def test_missing_sections_are_created(tree):
    assert override(tree, 'path:resume_state', 'a.state') is None
    assert override(tree, 'val:metrics:psnr', {'type': 'calculate_psnr'}) is None
    assert tree.data['path'] == {'resume_state': 'a.state'}
    assert tree.data['val'] == {'metrics': {'psnr': {'type': 'calculate_psnr'}}}
    assert tree.mark(('val', 'metrics')) == 'here'


def test_list_entries_by_name_and_number(tree):
    losses = tree.data['train']['losses']
    assert override(tree, 'train:losses:lab_ab:loss_weight', 0.1) is None
    assert override(tree, 'train:losses:0:loss_weight', 0.2) is None
    assert losses[:2] == [
        {'type': 'L1Loss', 'name': 'pix', 'loss_weight': 0.2},
        {'type': 'LabABLoss', 'loss_weight': 0.1},
    ]
    assert override(tree, 'train:losses:pix', {'type': 'MSELoss'}) is None
    assert losses[0] == {'name': 'pix', 'type': 'MSELoss'}
    assert override(tree, 'train:losses:1', {'type': 'ChromaLoss'}) is None
    assert losses[1] == {'type': 'ChromaLoss'}


def test_append(tree):
    assert override(tree, 'train:losses:chroma', {'type': 'ChromaLoss', 'loss_weight': 2}) is None
    assert tree.data['train']['losses'][4] == {'name': 'chroma', 'type': 'ChromaLoss', 'loss_weight': 2}
    assert tree.mark(('train', 'losses', 4, 'loss_weight')) == 'here'


def test_remove(tree):
    assert override(tree, 'train:losses:pix', None) is None
    assert [entry['type'] for entry in tree.data['train']['losses']] == ['LabABLoss', 'SSIMLoss', 'SSIMLoss']
    # What came after keeps the line it was written in.
    assert [tree.mark(('train', 'losses', i, 'type')) for i in range(3)] == ['line 5', 'line 6', 'line 7']
    assert ('train', 'losses', 3) not in tree.marks
    assert override(tree, 'train:losses:2', None) is None
    assert len(tree.data['train']['losses']) == 2


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        (
            'train:losses:lab',
            None,
            "there is no entry 'lab'; did you mean 'lab_ab'? (entries: pix, lab_ab, ssim, ssim)",
        ),
        (
            'train:losses:labab:loss_weight',
            1,
            "there is no entry 'labab'; did you mean 'lab_ab'? (entries: pix, lab_ab, ssim, ssim)",
        ),
        ('train:losses:chroma', 0.5, "there is no entry 'chroma' (entries: pix, lab_ab, ssim, ssim)"),
        ('train:losses:4:loss_weight', 1, "there is no entry '4' (entries: pix, lab_ab, ssim, ssim)"),
        ('train:losses:-1', None, "there is no entry '-1' (entries: pix, lab_ab, ssim, ssim)"),
        ('train:losses:²', None, "there is no entry '²' (entries: pix, lab_ab, ssim, ssim)"),
        ('train:losses:ssim', None, "several entries are called 'ssim': address them by number, from 0"),
        ('train:losses:ssim:loss_weight', 1, "several entries are called 'ssim': address them by number, from 0"),
        ('train:optim_g:lr:x', 1, 'train:optim_g:lr is 1.0 (float), which has no keys'),
        (':'.join('x' * 60), 1, 'nested too deeply'),
    ],
)
def test_mistakes(tree, key, value, message):
    before = repr(tree.data)
    assert override(tree, key, value) == message
    assert repr(tree.data) == before


def test_an_empty_list():
    tree = parse_text('losses: []', 'x')
    assert override(tree, 'losses:pix', None) == "there is no entry 'pix' (entries: none)"
    assert override(tree, 'losses:pix', {'type': 'L1Loss'}) is None
    assert tree.data == {'losses': [{'name': 'pix', 'type': 'L1Loss'}]}
