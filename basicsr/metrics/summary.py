"""What the scores of a set say, in words that fit into a log."""

from collections.abc import Mapping

from basicsr.metrics.color_fidelity import LEVELS
from basicsr.metrics.scores import Scores


def describe_colors(scores: Scores, inputs: Mapping[str, float]) -> str:
    """Return lines on the colour fidelity of a set, with what the untouched inputs score; '' without such scores.

    Args:
        inputs: metric -> mean over the inputs.
    """
    means = scores.means()
    if 'de00_mean' not in means:
        return ''

    def pair(metric: str, form: str) -> str:
        text = form.format(means[metric])
        return f'{text} (input {form.format(inputs[metric])})' if metric in inputs else text

    lines = [
        'colours, of the float output: delta E 2000 mean '
        + pair('de00_mean', '{:.2f}')
        + f', median {means["de00_median"]:.2f}, p95 {means["de00_p95"]:.2f}, p99 {means["de00_p99"]:.2f}'
        + f'; saturation x{means["sat_ratio_all"]:.3f} over all pixels'
    ]
    for level in LEVELS:
        count = len(scores.column(f'sat_ratio_{level}'))
        share = f'saturated >= {level}/255 ({means[f"masked_share_{level}"]:.0%} of the pixels'
        if not count:
            lines.append(f'{share}): no image has enough such pixels')
            continue
        lines.append(
            f'{share}, {count} of {len(scores)} images): saturation x'
            + pair(f'sat_ratio_{level}', '{:.3f}')
            + f', brightness x{means[f"value_ratio_{level}"]:.3f}, chroma x{means[f"chroma_ratio_{level}"]:.3f}'
            + f', hue shift {means[f"hue_shift_{level}"]:.1f} deg (p95 {means[f"hue_shift_p95_{level}"]:.1f})'
            + f', collapsed to grey {means[f"collapsed_{level}"]:.1%}'
        )
    return ''.join(f'\t # {line}\n' for line in lines)
