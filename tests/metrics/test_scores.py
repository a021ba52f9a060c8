"""The table of scores: its means, and that the file holds every digit of it."""

import csv
import math

import numpy as np
import pytest

from basicsr.metrics.scores import Scores, short_names
from basicsr.utils.errors import DataError, UserError

NAN = math.nan
ODD_NAMES = [
    'sofa, red',
    'a "quoted" name',
    'küche 厨房',
    ' spaces ',
    "it's",
    'semi;colon',
    '007',
    '',
    'nan',
    'image',
    '#1',
]


def same(a: Scores, b: Scores) -> bool:
    """Equal names and metrics in equal order, equal numbers, NaN equal to NaN."""
    if list(a.rows) != list(b.rows) or a.metrics != b.metrics:
        return False
    pairs = [(row.get(m, NAN), b.rows[name].get(m, NAN)) for name, row in a.rows.items() for m in a.metrics]
    return all(x == y or (math.isnan(x) and math.isnan(y)) for x, y in pairs)


def test_means_leave_out_what_has_no_score():
    scores = Scores({'a': {'psnr': 20.0, 'hue': NAN}, 'b': {'psnr': 30.0, 'hue': 4.0}, 'c': {'hue': 8.0}})
    assert scores.means() == {'psnr': 25.0, 'hue': 6.0}
    assert scores.column('psnr') == {'a': 20.0, 'b': 30.0}
    assert scores.column('hue') == {'b': 4.0, 'c': 8.0}
    assert scores.column('unknown') == {}
    assert len(scores) == 3


def test_mean_of_nothing_is_nan():
    means = Scores({'a': {'hue': NAN}}).means()
    assert list(means) == ['hue'] and math.isnan(means['hue'])
    assert Scores().means() == {} and Scores().metrics == [] and len(Scores()) == 0


def test_means_are_those_of_numpy():
    rng = np.random.default_rng(3)
    values = np.where(rng.random((200, 3)) < 0.3, NAN, rng.normal(20, 5, (200, 3)))
    scores = Scores({f'{i}': dict(zip('xyz', row.tolist())) for i, row in enumerate(values)})
    assert list(scores.means().values()) == pytest.approx(np.nanmean(values, axis=0).tolist(), rel=1e-12)


def test_an_infinite_score_counts():
    """PSNR of equal images."""
    assert Scores({'a': {'psnr': math.inf}, 'b': {'psnr': 30.0}}).means()['psnr'] == math.inf


def test_metrics_are_in_the_order_of_their_appearance():
    assert Scores({'a': {'z': 1.0}, 'b': {'a': 1.0, 'z': 2.0}}).metrics == ['z', 'a']


def test_rows_are_a_copy():
    rows = {'a': {'psnr': 1.0}}
    scores = Scores(rows)
    rows['a']['psnr'], rows['b'] = 2.0, {}
    assert scores.rows == {'a': {'psnr': 1.0}}


def test_a_file_holds_every_digit(tmp_path):
    rng = np.random.default_rng(0)
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, math.inf, -math.inf, NAN, *rng.normal(size=50)]
    scores = Scores({f'image {i}': {'psnr': float(v), 'x': NAN if i % 3 else i} for i, v in enumerate(values)})
    scores.save(tmp_path / 'deep' / 'er' / 'scores.csv')
    loaded = Scores.load(tmp_path / 'deep' / 'er' / 'scores.csv')
    assert same(scores, loaded) and not same(scores, Scores())
    assert math.copysign(1, loaded.rows['image 4']['psnr']) == -1
    assert [path.name for path in (tmp_path / 'deep' / 'er').iterdir()] == ['scores.csv']


def test_odd_names_come_back(tmp_path):
    scores = Scores({name: {'m, 1': float(i), 'mé"t': -i} for i, name in enumerate(ODD_NAMES)})
    scores.save(tmp_path / 'a.csv')
    assert same(Scores.load(tmp_path / 'a.csv'), scores)


def test_the_file_is_what_other_programs_read(tmp_path):
    """The module `csv` of the standard library, and what stands in the file."""
    Scores({'sofa, red': {'psnr': 20.5, 'hue': NAN}, 'b': {'hue': 2.0}}).save(tmp_path / 'a.csv')
    text = (tmp_path / 'a.csv').read_text(encoding='utf-8')
    assert text == 'image,psnr,hue\n"sofa, red",20.5,\nb,,2.0\n'
    assert next(csv.DictReader(text.splitlines())) == {'image': 'sofa, red', 'psnr': '20.5', 'hue': ''}


def test_what_a_spreadsheet_saves_can_be_read(tmp_path):
    """Byte order mark, CRLF, an empty line at the end, numbers without a fraction."""
    (tmp_path / 'a.csv').write_bytes('\ufeffimage,psnr,hue\r\nKüche,20,\r\n"b, c",21.5,3\r\n\r\n'.encode())
    assert same(
        Scores.load(tmp_path / 'a.csv'), Scores({'Küche': {'psnr': 20, 'hue': NAN}, 'b, c': {'psnr': 21.5, 'hue': 3}})
    )


def test_a_table_without_images(tmp_path):
    Scores().save(tmp_path / 'a.csv')
    assert Scores.load(tmp_path / 'a.csv').rows == {}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'not a CSV file of scores'),
        (b'name,psnr\na,1\n', "first column should be called 'image'"),
        (b'\x89PNG\r\n\x1a\n\x00\x00', 'not a CSV file of scores'),
        (b'image,psnr\na,1,2\n', 'line 2: expected 1 numbers'),
        (b'image,psnr\na,1\nb\n', 'line 3: expected 1 numbers'),
        (b'image,psnr\na,high\n', "line 2: expected 1 numbers, got ['high']"),
        (b'image,psnr\na,1\nb,2\na,3\n', "line 4: a second line for the image 'a'"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / 'odd.csv'
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        Scores.load(path)
    assert str(path) in str(error.value) and message in str(error.value)


def test_missing_files_are_refused_by_name(tmp_path):
    for path in (tmp_path / 'none.csv', tmp_path):
        with pytest.raises(DataError, match='cannot read the scores'):
            Scores.load(path)


def test_a_failed_save_leaves_the_old_table(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match='file'):
        Scores({'a': {'x': 1.0}}).save(tmp_path / 'file' / 'a.csv')

    old = Scores({'a': {'x': 1.0}})
    old.save(tmp_path / 'a.csv')
    with pytest.raises(TypeError):
        Scores({'a': {'x': 'many'}}).save(tmp_path / 'a.csv')
    assert same(Scores.load(tmp_path / 'a.csv'), old)


@pytest.mark.parametrize(
    ('paths', 'names'),
    [
        (['x/a.png', 'x/b.tar.gz'], ['a', 'b.tar']),
        (['x/a.png', 'y/a.png', 'y/b.png'], ['x/a', 'y/a', 'b']),
        (['x/a.png', 'x/a.jpg', 'y/a.png', 'c.png'], ['x/a.png', 'x/a.jpg', 'y/a', 'c']),
        (['baboon', 'comic'], ['baboon', 'comic']),
    ],
)
def test_short_names_differ(paths, names):
    found = short_names(dict(enumerate(paths)))
    assert list(found.values()) == names and list(found) == list(range(len(paths)))
