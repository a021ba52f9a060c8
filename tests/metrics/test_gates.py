"""Gates: what passes at the limit, just beside it, and without any score; and the reference they compare with."""

import math

import pytest

from basicsr.metrics.gates import find_reference, judge, read_reference
from basicsr.metrics.scores import Scores
from basicsr.utils.errors import DataError

NAN = math.nan


def table(values, metric: str = 'psnr') -> Scores:
    return Scores({f'{i}': {metric: float(value)} for i, value in enumerate(values)})


def passes(gate: dict, scores: Scores, reference: Scores | None = None) -> bool:
    (verdict,) = judge({'psnr': gate}, scores, reference)
    assert verdict.metric == 'psnr'
    return verdict.passed


@pytest.mark.parametrize(
    ('gate', 'expected'),
    [
        ({'min': 30.0}, True),
        ({'min': 30.5}, True),
        ({'min': 30.51}, False),
        ({'max': 30.5}, True),
        ({'max': 30.49}, False),
        ({'min': 30, 'max': 31}, True),
        ({'min': 31, 'max': 32}, False),
        ({'min': 29, 'max': 30}, False),
    ],
)
def test_limits_on_the_mean(gate, expected):
    """The mean of 29, 30 and 32.5 is 30.5; the image without a score counts in none."""
    assert passes(gate, table([29, 30, 32.5, NAN])) is expected


@pytest.mark.parametrize(
    ('gate', 'expected'),
    [
        ({'min_delta': -0.5}, True),
        ({'min_delta': -0.49}, False),
        ({'max_delta': -0.5}, True),
        ({'max_delta': -0.51}, False),
        ({'min_delta': -1, 'max_delta': 1}, True),
        ({'min': 29, 'min_delta': 0}, False),
        ({'min': 31, 'min_delta': -1}, False),
    ],
)
def test_limits_on_the_difference(gate, expected):
    """Ours minus the reference: (29 - 30, 30 - 30) has the mean -0.5."""
    scores, reference = table([29, 30]), table([30, 30])
    assert passes(gate, scores, reference) is expected
    assert judge({'psnr': gate}, scores, reference)[0].delta == -0.5


def test_the_difference_is_over_images_that_both_have():
    """Means alone would be compared over different images: 40 against 25."""
    scores = Scores({'a': {'psnr': 21.0}, 'b': {'psnr': NAN}, 'easy': {'psnr': 59.0}})
    reference = Scores({'b': {'psnr': 30.0}, 'a': {'psnr': 20.0}})
    (verdict,) = judge({'psnr': {'min_delta': 1.0, 'max_delta': 1.0}}, scores, reference)
    assert verdict.passed and verdict.delta == 1.0 and verdict.value == 40.0


@pytest.mark.parametrize('gate', [{'min': -1e9}, {'max': 1e9}])
@pytest.mark.parametrize('scores', [Scores(), table([NAN]), table([1], 'ssim')])
def test_a_mean_of_nothing_passes_no_gate(gate, scores):
    assert not passes(gate, scores)


def test_verdicts_are_in_the_order_of_the_gates_and_say_what_was_asked():
    scores = Scores({'a': {'psnr': 30.0, 'de00_mean': 4.25}})
    reference = Scores({'a': {'psnr': 30.25, 'de00_mean': 4.0}})
    gates = {'de00_mean': {'max': 4, 'max_delta': 0.5}, 'psnr': {'min_delta': -0.5}}
    verdicts = judge(gates, scores, reference)
    assert [str(verdict) for verdict in verdicts] == [
        'FAIL de00_mean 4.2500 (+0.2500 against the reference), asked for: max 4, max_delta 0.5',
        'PASS psnr 30.0000 (-0.2500 against the reference), asked for: min_delta -0.5',
    ]
    assert str(judge({'psnr': {'min': 30}}, scores)[0]) == 'PASS psnr 30.0000, asked for: min 30'
    assert judge({}, scores) == []


@pytest.mark.parametrize(
    'reference', [None, Scores(), table([1], 'ssim'), Scores({'other': {'psnr': 1.0}}), table([NAN])]
)
@pytest.mark.parametrize('gate', [{'min_delta': -100}, {'max_delta': 100}])
def test_a_difference_to_nothing_fails(reference, gate):
    """And ends no training: a network whose colours are all gone has no hue shift."""
    for ours, theirs in ((table([30]), reference), (reference or Scores(), table([30]))):
        (verdict,) = judge({'psnr': gate}, ours, theirs)
        assert not verdict.passed and math.isnan(verdict.delta)
        assert '(no image has a score here and in the reference)' in str(verdict)


def test_infinite_scores_are_equal():
    (verdict,) = judge({'psnr': {'min_delta': 0}}, table([math.inf, 30]), table([math.inf, 30]))
    assert verdict.passed and verdict.delta == 0


def test_a_gate_without_a_limit_is_refused():
    with pytest.raises(ValueError, match='give a limit'):
        judge({'psnr': {}}, table([30]))


def test_the_reference_of_a_run_is_its_newest_table(tmp_path):
    folder = tmp_path / 'run' / 'val' / 'colors'
    for iteration, value in ((500, 1.0), (10000, 3.0), (9000, 2.0)):
        table([value]).save(folder / f'{iteration}.csv')
    table([9.0]).save(folder / 'latest.csv')
    table([8.0]).save(tmp_path / 'run' / 'val' / 'other' / '20000.csv')
    assert find_reference(str(tmp_path / 'run'), 'colors') == folder / '10000.csv'
    assert find_reference(str(folder / '500.csv'), 'colors') == folder / '500.csv'


def test_a_reference_that_is_none_is_an_error_by_name(tmp_path):
    (tmp_path / 'val' / 'colors').mkdir(parents=True)
    for path in (tmp_path, tmp_path / 'missing'):
        with pytest.raises(DataError) as error:
            find_reference(str(path), 'colors')
        assert str(path) in str(error.value) and 'val/colors/<iteration>.csv' in str(error.value)


def test_the_reference_is_read_only_where_a_gate_compares(tmp_path):
    """A missing file matters to no gate that has limits on the mean alone."""
    missing = str(tmp_path / 'none.csv')
    for gates in (None, {}, {'psnr': {'min': 30}, 'ssim': {'max': 1.0}}):
        assert read_reference({'gates': gates, 'gates_reference': missing}, 'colors') is None
    for gate in ({'min_delta': 0.0}, {'max_delta': 0.0}, {'min': 1, 'min_delta': -1}):
        with pytest.raises(DataError, match=r'none\.csv'):
            read_reference({'gates': {'psnr': gate}, 'gates_reference': missing}, 'colors')

    table([30, 31]).save(tmp_path / 'val' / 'colors' / '500.csv')
    val = {'gates': {'psnr': {'min_delta': 0.0}, 'ssim': {'min': 0.9}}, 'gates_reference': str(tmp_path)}
    assert read_reference(val, 'colors').rows == table([30, 31]).rows


def test_a_reference_of_other_images_is_an_error_by_name(tmp_path):
    table([30, 31]).save(tmp_path / 'a.csv')
    val = {'gates': {'psnr': {'max_delta': 0.0}}, 'gates_reference': str(tmp_path / 'a.csv')}
    assert len(read_reference(val, 'colors', ['x/1.png', 'x/2.png'])) == 2
    with pytest.raises(DataError, match=r'a\.csv has none of the images of colors, the first of which is 7'):
        read_reference(val, 'colors', ['x/7.png', 'x/8.png'])


def test_a_reference_without_the_metric_is_an_error_by_name(tmp_path):
    table([30]).save(tmp_path / 'a.csv')
    val = {'gates': {'de00_mean': {'max_delta': 0.0}}, 'gates_reference': str(tmp_path / 'a.csv')}
    with pytest.raises(DataError, match=r'a\.csv has no scores of de00_mean; it has psnr'):
        read_reference(val, 'colors')
