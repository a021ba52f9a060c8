from pathlib import Path

import pytest

from basicsr.data.data_util import (
    paired_paths_from_folder,
    paired_paths_from_lmdb,
    paired_paths_from_meta_info_file,
    paths_from_folder,
    paths_from_lmdb,
    scandir,
)
from basicsr.utils.errors import DataError

DATA = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'basicsr_tests_data'
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason='needs the LMDBs and lists of ../shared/data')


@pytest.fixture
def folders(tmp_path):
    """Return a function that makes the folders lq and gt with empty files of the given names."""

    def make(lq, gt):
        for folder, names in (('lq', lq), ('gt', gt)):
            (tmp_path / folder).mkdir()
            for name in names:
                (tmp_path / folder / name).touch()
        return str(tmp_path / 'lq'), str(tmp_path / 'gt')

    return make


def names(pairs):
    return [(Path(pair['lq_path']).name, Path(pair['gt_path']).name) for pair in pairs]


def test_pairs_are_matched_by_name_in_sorted_order(folders):
    lq, gt = folders(['b.png', 'a.png', 'notes.txt', '.hidden.png'], ['a.png', 'b.png', 'Thumbs.db'])
    pairs = paired_paths_from_folder([lq, gt], ['lq', 'gt'])
    assert pairs == [
        {'lq_path': f'{lq}/a.png', 'gt_path': f'{gt}/a.png'},
        {'lq_path': f'{lq}/b.png', 'gt_path': f'{gt}/b.png'},
    ]
    assert paths_from_folder(lq) == [f'{lq}/a.png', f'{lq}/b.png']


def test_photographs_of_other_formats_are_not_passed_over_in_silence(folders, caplog):
    lq, gt = folders(['a.jfif', 'b.HEIC', 'c.cr3'], ['a.jpg', 'notes.txt'])
    with caplog.at_level('WARNING', 'basicsr'):
        assert names(paired_paths_from_folder([lq, gt])) == [('a.jfif', 'a.jpg')]
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith(f'{lq}: 2 photographs are passed over, the first is b.HEIC: convert')


def test_names_by_template_and_other_endings(folders):
    pairs = paired_paths_from_folder(folders(['a_x4.jpg', 'b_x4.JPG'], ['a.png', 'b.tif']), filename_tmpl='{}_x4')
    assert names(pairs) == [('a_x4.jpg', 'a.png'), ('b_x4.JPG', 'b.tif')]


def test_the_same_ending_is_preferred(folders):
    pairs = paired_paths_from_folder(folders(['a.jpg', 'a.png'], ['a.png', 'a.jpg']))
    assert names(pairs) == [('a.jpg', 'a.jpg'), ('a.png', 'a.png')]


def test_ambiguous_partner(folders):
    with pytest.raises(DataError, match=r'^datasets\.train\.dataroot_lq: a\.jpg and a\.png differ in the ending only'):
        paired_paths_from_folder(folders(['a.jpg', 'a.png'], ['a.tif']), section='datasets.train')


def test_images_without_partner_are_counted_and_named(folders):
    gt = [f'{i}.png' for i in range(7)] + ['same.png']
    with pytest.raises(DataError) as error:
        paired_paths_from_folder(folders(['same.png', 'x.png'], gt))
    message = str(error.value)
    assert '7 of 8 images' in message and '0.png, 1.png, 2.png, 3.png, 4.png, ...' in message and '5.png' not in message
    assert '1 of 2 images' in message and message.endswith(': x.png')


def test_missing_folders_are_named_together(folders, tmp_path):
    lq, gt = folders([], ['a.png'])
    with pytest.raises(DataError, match=r'datasets\.val\.dataroot_lq: no images in .*lq'):
        paired_paths_from_folder([lq, gt], section='datasets.val')
    gone = [str(tmp_path / 'no_lq'), str(tmp_path / 'no_gt')]
    for find in (
        lambda: paired_paths_from_folder(gone, section='datasets.train'),
        lambda: paired_paths_from_lmdb(gone, section='datasets.train'),
        lambda: paired_paths_from_meta_info_file(gone, ['lq', 'gt'], 'a.txt', section='datasets.train'),
    ):
        with pytest.raises(DataError) as error:
            find()
        assert str(error.value).splitlines() == [
            f'datasets.train.dataroot_lq: no such folder: {gone[0]}',
            f'datasets.train.dataroot_gt: no such folder: {gone[1]}',
            'For a small set to try things with: python tools/make_demo_data.py',
        ]


def test_meta_info_file(folders, tmp_path):
    lq, gt = folders(['a_x2.png', 'b_x2.png'], ['a.png', 'b.png', 'c.png'])
    meta = tmp_path / 'meta.txt'
    meta.write_text('b.png (480,480,3)\n\na.png 1\n')
    pairs = paired_paths_from_meta_info_file([lq, gt], ['lq', 'gt'], str(meta), '{}_x2')
    assert names(pairs) == [('b_x2.png', 'b.png'), ('a_x2.png', 'a.png')]

    meta.write_text('a.png\nc.png\n')
    with pytest.raises(DataError, match=r'1 of 4 files do not exist: .*c_x2\.png'):
        paired_paths_from_meta_info_file([lq, gt], ['lq', 'gt'], str(meta), '{}_x2')
    meta.write_text('\n')
    with pytest.raises(DataError, match='lists 0 images'):
        paired_paths_from_meta_info_file([lq, gt], ['lq', 'gt'], str(meta))
    with pytest.raises(DataError, match=r'meta_info_file: no such file: .*none\.txt'):
        paired_paths_from_meta_info_file([lq, gt], ['lq', 'gt'], str(tmp_path / 'none.txt'))


def test_names_with_spaces_in_a_list(folders, tmp_path):
    both = ['living room.jpg', 'bath (1, 2).png', 'a.jpg', 'a.jpg copy.jpg']
    lq, gt = folders(both, both)
    meta = tmp_path / 'meta.txt'
    meta.write_text(
        'living room.jpg (480,640,3)\nliving room.jpg\nbath (1, 2).png (4,5,3) 1\n'
        'a.jpg copy.jpg (4,5,3)\na.jpg copy (4,5,3)\na.jpg anything\n'
    )
    pairs = paired_paths_from_meta_info_file([lq, gt], ['lq', 'gt'], str(meta))
    expected = ['living room.jpg'] * 2 + ['bath (1, 2).png', 'a.jpg copy.jpg', 'a.jpg', 'a.jpg']
    assert names(pairs) == [(name, name) for name in expected]

    meta.write_text('dining room.jpg (480,640,3)\n')
    with pytest.raises(DataError, match=r'2 of 2 files do not exist: .*lq/dining room\.jpg, .*gt/dining room\.jpg'):
        paired_paths_from_meta_info_file([lq, gt], ['lq', 'gt'], str(meta))


def test_inputs_in_a_list_may_have_other_endings(folders, tmp_path):
    lq, gt = folders(['a_x4.jpg', 'b_x4.png', 'c_x4.bmp', 'c_x4.jpg'], ['a.tif', 'b.png', 'c.png'])
    meta = tmp_path / 'meta.txt'
    meta.write_text('a.tif\nb.png\n')
    pairs = paired_paths_from_meta_info_file([lq, gt], ['lq', 'gt'], str(meta), '{}_x4')
    assert names(pairs) == [('a_x4.jpg', 'a.tif'), ('b_x4.png', 'b.png')]
    meta.write_text('c.png\n')
    with pytest.raises(DataError, match=r'c_x4\.bmp and c_x4\.jpg differ in the ending only'):
        paired_paths_from_meta_info_file([lq, gt], ['lq', 'gt'], str(meta), '{}_x4')


def test_a_list_names_files_in_folders_below(tmp_path):
    for kind, name in (('lq', 'house/a_x2.jpg'), ('gt', 'house/a.png')):
        (tmp_path / kind / 'house').mkdir(parents=True)
        (tmp_path / kind / name).touch()
    meta = tmp_path / 'meta.txt'
    meta.write_text('house/a.png (4,5,3)\n')
    folders = [str(tmp_path / 'lq'), str(tmp_path / 'gt')]
    pairs = paired_paths_from_meta_info_file(folders, ['lq', 'gt'], str(meta), '{}_x2')
    assert pairs == [{'lq_path': f'{folders[0]}/house/a_x2.jpg', 'gt_path': f'{folders[1]}/house/a.png'}]


@needs_data
def test_files_of_basicsr():
    lq, gt = str(DATA / 'lq.lmdb'), str(DATA / 'gt.lmdb')
    assert paths_from_lmdb(gt) == ['baboon', 'comic']
    assert paired_paths_from_lmdb([lq, gt], ['lq', 'gt']) == [
        {'lq_path': 'baboon', 'gt_path': 'baboon'},
        {'lq_path': 'comic', 'gt_path': 'comic'},
    ]
    folders = [str(DATA / 'lq'), str(DATA)]
    assert names(paired_paths_from_folder(folders)) == [('baboon.png',) * 2, ('comic.png',) * 2]
    meta = paired_paths_from_meta_info_file(folders, ['lq', 'gt'], str(DATA / 'meta_info_gt.txt'))
    assert names(meta) == [('baboon.png',) * 2, ('comic.png',) * 2]


def test_lmdb_problems(tmp_path):
    for name, keys in (('lq', 'a b'), ('gt', 'b c d')):
        folder = tmp_path / f'{name}.lmdb'
        folder.mkdir()
        (folder / 'meta_info.txt').write_text(''.join(f'{key}.png (8,8,3) 1\n' for key in keys.split()))
    with pytest.raises(DataError, match=r'2 of 3 keys .*: c, d\n.*1 of 2 keys .*: a'):
        paired_paths_from_lmdb([str(tmp_path / 'lq.lmdb'), str(tmp_path / 'gt.lmdb')])
    (tmp_path / 'gt.lmdb' / 'meta_info.txt').unlink()
    with pytest.raises(DataError, match=r'meta_info\.txt: no such file'):
        paths_from_lmdb(str(tmp_path / 'gt.lmdb'))
    with pytest.raises(DataError, match=r'ends with \.lmdb'):
        paths_from_lmdb(str(tmp_path))


def test_scandir_is_where_basicsr_had_it(tmp_path):
    (tmp_path / 'a.png').touch()
    assert list(scandir(str(tmp_path))) == ['a.png']
