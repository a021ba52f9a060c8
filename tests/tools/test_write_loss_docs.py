"""docs/losses.md fits the code; its text says what docstrings and constructors say."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ('write_loss_docs', 'loss_docs_text', 'probe_inputs', 'probe_plots', 'probe_report')


@pytest.fixture
def docs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    import write_loss_docs

    yield write_loss_docs
    for name in MODULES:
        sys.modules.pop(name, None)


def test_the_page_is_up_to_date(docs):
    docs.main(['--check'])


def test_a_changed_docstring_is_noticed(docs, monkeypatch, capsys):
    from basicsr.losses import L1Loss

    monkeypatch.setattr(L1Loss, '__doc__', 'Something else.')
    with pytest.raises(SystemExit):
        docs.main(['--check'])
    assert 'write_loss_docs.py --text' in capsys.readouterr().err


def test_refreshing_the_text_keeps_the_numbers(docs, monkeypatch, tmp_path):
    page = tmp_path / 'losses.md'
    present = docs.PAGE.read_text(encoding='utf-8')
    page.write_text(present.replace('Mean absolute error', 'Old words'), encoding='utf-8')
    monkeypatch.setattr(docs, 'PAGE', page)
    docs.main(['--text'])
    assert page.read_text(encoding='utf-8') == present


def test_every_loss_is_described_with_its_arguments(docs):
    from basicsr.utils.registry import LOSS_REGISTRY

    text = docs.write_text({})
    own = [loss for _, loss in LOSS_REGISTRY if loss.__module__.startswith('basicsr.')]
    assert len(own) > 20
    for loss in own:
        section = text.split(f'### {loss.__name__}\n')[1].split('\n### ')[0]
        assert '| `loss_weight` | number | `1` |' in section


def test_pictures_are_there_and_small():
    images = list((ROOT / 'docs' / 'images' / 'losses').glob('*.png'))
    assert sum(image.stat().st_size for image in images) < 1_000_000
    page = (ROOT / 'docs' / 'losses.md').read_text(encoding='utf-8')
    assert {f'images/losses/{image.name}' for image in images} == {
        part.split(')')[0] for part in page.split('](') if part.startswith('images/')
    }
