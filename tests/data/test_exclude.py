import logging

import pytest

from basicsr.data.exclude import leave_out, read_exclude
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.utils.errors import DataError
from tests.conftest import write_pairs

PAIRS = [{'lq_path': f'/photos/lq/{n}', 'gt_path': f'/photos/gt/{n}'} for n in ('a.jpg', 'b c.png', 'd#1.png', 'e.jpg')]


def exclude(tmp_path, text):
    file = tmp_path / 'exclude.txt'
    file.write_text(text, encoding='utf-8')
    return str(file)


def names(pairs):
    return [pair['gt_path'].rsplit('/', 1)[1] for pair in pairs]


def test_names_end_where_a_remark_begins(tmp_path):
    file = exclude(tmp_path, '\ufeff# all of these are shifted\n\na.jpg  # 3.1 px\nb c.png\t# 2 px\nd#1.png\n')
    assert read_exclude(file) == ['a.jpg', 'b c.png', 'd#1.png']
    assert names(leave_out(PAIRS, file, 'datasets.train')) == ['e.jpg']


@pytest.mark.parametrize('name', ['b c', 'b c.png', 'gt/b c.png', './gt/b c.png', '/photos/gt/b c.png'])
def test_an_image_is_named_as_one_likes(tmp_path, name):
    assert names(leave_out(PAIRS, exclude(tmp_path, name), 'datasets.train')) == ['a.jpg', 'd#1.png', 'e.jpg']


def test_without_a_file_nothing_is_left_out():
    assert leave_out(PAIRS, None, 'datasets.train') == PAIRS


def test_names_that_are_not_there_are_noted(tmp_path, caplog):
    logger = logging.getLogger('basicsr')
    logger.addHandler(caplog.handler)
    assert len(leave_out(PAIRS, exclude(tmp_path, 'a.jpg\nee.jpg'), 'datasets.train')) == 3
    logger.removeHandler(caplog.handler)
    assert any("'ee.jpg'; did you mean" in record.getMessage() for record in caplog.records)


def test_what_cannot_be_used_is_an_error(tmp_path):
    with pytest.raises(DataError, match='cannot read the list: No such file'):
        leave_out(PAIRS, str(tmp_path / 'none.txt'), 'datasets.train')
    with pytest.raises(DataError, match='leaves none of 4 images'):
        leave_out(PAIRS, exclude(tmp_path, 'a\nb c\nd#1\ne\n'), 'datasets.train')
    (tmp_path / 'x.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(DataError, match='UTF-8'):
        read_exclude(str(tmp_path / 'x.txt'))


def test_an_excluded_image_needs_no_partner(tmp_path):
    write_pairs(tmp_path, 3)
    (tmp_path / 'lq' / '01.png').unlink()
    (tmp_path / 'gt' / '02.png').unlink()
    options = {'phase': 'val', 'dataroot_lq': str(tmp_path / 'lq'), 'dataroot_gt': str(tmp_path / 'gt')}
    with pytest.raises(DataError, match=r'1 of 2 images in .* have no partner'):
        PairedImageDataset(options)
    dataset = PairedImageDataset({**options, 'exclude': exclude(tmp_path, '01.png  # no input\n02  # no target\n')})
    assert names(dataset.paths) == ['00.png']
