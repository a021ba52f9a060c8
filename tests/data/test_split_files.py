"""Lists and links: judged by the reader of datasets, and by the files on disk."""

import os

import cv2
import numpy as np
import pytest

from basicsr.data.data_util import paired_paths_from_folder, paired_paths_from_meta_info_file
from basicsr.data.split_files import meta_info_line, write_links, write_lists
from basicsr.utils.errors import DataError, UserError

NAMES = [
    'a.jpg',
    'living room 1.jpg',
    'bath (2).png',
    'x (3,4,5).png',
    'a.jpg copy.jpg',
    'küche.tif',
    'two  spaces.png',
]


@pytest.fixture
def folders(tmp_path):
    for kind in ('lq', 'gt'):
        (tmp_path / kind).mkdir()
        for name in NAMES:
            cv2.imencode('.png', np.zeros((4, 6, 3), np.uint8))[1].tofile(tmp_path / kind / name)
    return str(tmp_path / 'lq'), str(tmp_path / 'gt')


def names_in(folders, file):
    pairs = paired_paths_from_meta_info_file(folders, ['lq', 'gt'], str(file))
    assert all(os.path.basename(pair['lq_path']) == os.path.basename(pair['gt_path']) for pair in pairs)
    return [os.path.basename(pair['gt_path']) for pair in pairs]


def test_lists_are_read_by_the_dataset(folders, tmp_path):
    lines = [meta_info_line(folders[1], name, (4, 6)) for name in NAMES]
    assert lines[:2] == ['a.jpg (4,6,3)', 'living room 1.jpg (4,6,3)']
    written = write_lists(tmp_path / 'out', {'train': lines[:5], 'val': lines[5:]})
    assert [path.name for path in written] == ['meta_info_train.txt', 'meta_info_val.txt']
    assert names_in(folders, written[0]) == NAMES[:5]
    assert names_in(folders, written[1]) == NAMES[5:]


def test_a_name_that_a_list_cannot_hold(folders, tmp_path):
    for name in (' a.jpg', 'a.jpg (4,6).png', 'line\nbreak.png'):
        (tmp_path / 'gt' / name).touch()
        with pytest.raises(DataError, match='rename the file'):
            meta_info_line(folders[1], name, (4, 6))


def test_another_list_is_not_overwritten(tmp_path):
    parts = {'train': ['a.png (1,1,3)'], 'val': ['b.png (1,1,3)']}
    (path, _) = write_lists(tmp_path, parts)
    stamp = path.stat().st_mtime_ns
    assert write_lists(tmp_path, parts)[0].stat().st_mtime_ns == stamp

    for other in ({**parts, 'val': ['c.png (1,1,3)']}, {'train': parts['train']}):
        with pytest.raises(UserError, match=r'meta_info_val\.txt belongs to another split'):
            write_lists(tmp_path, other)
    assert path.with_name('meta_info_val.txt').read_text() == 'b.png (1,1,3)\n'
    assert sorted(os.listdir(tmp_path)) == ['meta_info_train.txt', 'meta_info_val.txt']


def links_of(names, folders):
    return {
        os.path.join(kind, name): os.path.join(folders[i], name)
        for i, kind in enumerate(('lq', 'gt'))
        for name in names
    }


def test_links_are_read_as_folders_and_move_with_the_images(folders, tmp_path):
    write_links(tmp_path / 'out', {'train': links_of(NAMES[:3], folders), 'val': links_of(NAMES[3:], folders)})
    (tmp_path / 'disk').mkdir()
    for name in ('lq', 'gt', 'out'):
        (tmp_path / name).rename(tmp_path / 'disk' / name)
    for part, expected in (('train', NAMES[:3]), ('val', NAMES[3:])):
        pairs = paired_paths_from_folder([str(tmp_path / 'disk' / 'out' / part / kind) for kind in ('lq', 'gt')])
        assert sorted(os.path.basename(pair['gt_path']) for pair in pairs) == sorted(expected)
        for pair in pairs:
            assert os.path.realpath(pair['lq_path']).startswith(str(tmp_path / 'disk' / 'lq'))
            assert cv2.imdecode(np.fromfile(pair['lq_path'], np.uint8), 1).shape == (4, 6, 3)


def test_other_links_and_folders_are_left_alone(folders, tmp_path):
    out = tmp_path / 'out'
    parts = {'train': links_of(NAMES[:3], folders), 'val': links_of(NAMES[3:], folders)}
    write_links(out, parts)
    (out / 'val' / 'gt' / NAMES[3]).unlink()
    with pytest.raises(UserError, match='val belongs to another split'):
        write_links(out, parts)
    assert not os.path.lexists(out / 'val' / 'gt' / NAMES[3])

    # What an interruption left out is made.
    (out / 'val').rename(tmp_path / 'gone')
    write_links(out, parts)
    assert len(os.listdir(out / 'val' / 'gt')) == len(NAMES) - 3
    write_links(out, parts)

    (out / 'test').mkdir()
    (out / 'test' / 'mine.jpg').write_text('mine')
    with pytest.raises(UserError, match='test belongs to another split'):
        write_links(out, parts)
    assert (out / 'test' / 'mine.jpg').read_text() == 'mine'


def test_where_links_cannot_be_made_it_says_so(folders, tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(1, 'A required privilege is not held by the client')

    monkeypatch.setattr('pathlib.Path.symlink_to', refuse)
    with pytest.raises(UserError, match=r'privilege.*without --links'):
        write_links(tmp_path / 'out', {'train': links_of(NAMES, folders)})
    assert not (tmp_path / 'out' / 'train').exists()
