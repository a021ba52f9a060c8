"""Draws what the loss probe measured."""

from collections.abc import Sequence
from pathlib import Path

import torch

from basicsr.losses.probe import CHANGES, Probe
from basicsr.losses.probe.pictures import changed
from basicsr.utils.misc import import_pyplot

RED, GREY, BLUE = '#c0392b', '#999999', '#2c6fa6'
CHANNEL_COLOURS = ('#d04a3a', '#4c9a4a', '#3d6fc0')


def save(figure, path: Path, dpi: int = 90, colours: int | None = 128) -> None:
    """Write and close a figure; with a palette it is a third of the size."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)
    import_pyplot().close(figure)
    if colours is not None:
        with Image.open(path) as image:
            reduced = image.convert('RGB').convert('P', palette=Image.Palette.ADAPTIVE, colors=colours)
        reduced.save(path, optimize=True)


def draw_changes(picture: torch.Tensor, path: Path, dpi: int = 100, colours: int | None = None) -> None:
    """What was done to the picture: a row for each change, from one end to the other."""
    pyplot = import_pyplot()
    columns = max(len(change.amounts) for change in CHANGES.values())
    figure, axes = pyplot.subplots(len(CHANGES), columns, figsize=(1.25 * columns, 1.42 * len(CHANGES)))
    for row, change in zip(axes, CHANGES.values()):
        row[0].set_ylabel(change.name, fontsize=10)
        for axis in row[len(change.amounts) :]:
            axis.axis('off')
        for axis, amount in zip(row, change.amounts):
            axis.imshow(changed(picture, change, amount)[0].clamp(0, 1).permute(1, 2, 0).cpu().numpy())
            is_neutral = amount == change.neutral
            axis.set_title('the target' if is_neutral else _amount(change, amount), fontsize=8, pad=3)
            axis.set_xticks([]), axis.set_yticks([])
            for spine in axis.spines.values():
                spine.set(visible=amount == change.standard, color=RED, linewidth=2)
    figure.tight_layout(pad=0.4)
    save(figure, path, dpi, colours)


def draw_overview(probes: Sequence[Probe], weights: Sequence[float], path: Path) -> None:
    """Two tables in colours: what each term punishes, and how hard it pulls at its weight."""
    pyplot = import_pyplot()
    labels = [change.label for change in CHANGES.values()]
    attention = torch.tensor([shares_of(probe) for probe in probes]) * 100
    pull = torch.tensor([[w * c.standard.gradient for c in p.curves.values()] for p, w in zip(probes, weights)])

    figure, axes = pyplot.subplots(1, 2, figsize=(13, 1.9 + 0.36 * len(probes)), sharey=True)
    panels = (
        (attention.round(), 'What each term punishes\n(100: the change that costs most)', 100),
        (pull, 'How hard it pulls, at its weight\n(1: as hard as L1Loss with weight 1)', None),
    )
    for axis, (values, title, top) in zip(axes, panels):
        shown = values.clamp(min=0) if top else (values.clamp(min=1e-3).log10() + 3)
        axis.imshow(shown.numpy(), cmap='YlGnBu', aspect='auto', vmin=0, vmax=top or 5)
        for row, column in torch.cartesian_prod(torch.arange(len(probes)), torch.arange(len(labels))).tolist():
            value = values[row, column].item()
            is_dark = shown[row, column] > 0.6 * (top or 5)
            colour = RED if value != value else 'white' if is_dark else 'black'
            text = 'NaN' if value != value else f'{value + 0.0:.2g}' if abs(value) < 100 else f'{value:.0f}'
            axis.text(column, row, text, ha='center', va='center', fontsize=8, color=colour)
        axis.set_xticks(range(len(labels)), labels, rotation=28, ha='right', fontsize=8)
        axis.set_yticks(range(len(probes)), [probe.name for probe in probes], fontsize=9)
        axis.set_title(title, fontsize=10)
    figure.tight_layout()
    save(figure, path)


def draw_term(probe: Probe, path: Path) -> None:
    """All curves of one term, its costs by channel, and its gradient at flat colours."""
    pyplot = import_pyplot()
    figure = pyplot.figure(figsize=(15, 6.8))
    grid = figure.add_gridspec(
        3, 28, height_ratios=(1, 1, 0.95), hspace=0.62, wspace=2.4, left=0.05, right=0.99, top=0.9
    )
    figure.suptitle(probe.name, fontsize=13, x=0.05, ha='left', fontweight='bold')
    tops = [None, None]
    for number, curve in enumerate(probe.curves.values()):
        rows = (
            ([reading.value for reading in curve.readings], 'cost', BLUE),
            ([reading.gradient for reading in curve.readings], 'pull (L1s)', '#b9770e'),
        )
        for row, (values, label, colour) in enumerate(rows):
            axis = figure.add_subplot(grid[row, 4 * number : 4 * number + 4], sharey=tops[row])
            tops[row] = tops[row] or axis
            draw_curve(axis, curve.change, values, colour)
            if number == 0:
                axis.set_ylabel(label, fontsize=10)
            else:
                axis.tick_params(labelleft=False)
            if row == 0:
                axis.set_title(curve.change.name, fontsize=10)
            else:
                axis.set_xlabel(curve.change.unit, fontsize=8)
    _draw_channels(figure.add_subplot(grid[2, :8]), probe)
    _draw_flat(figure.add_subplot(grid[2, 10:20]), probe)
    _draw_grey(figure.add_subplot(grid[2, 22:]), probe)
    save(figure, path)


def draw_family(probes: Sequence[Probe], path: Path) -> None:
    """The curves of related terms in one picture: cost in per cent of its largest standard cost, and pull."""
    pyplot = import_pyplot()
    figure, axes = pyplot.subplots(2, len(CHANGES), figsize=(14, 4.6), sharey='row')
    for column, change in zip(axes.T, CHANGES.values()):
        for number, probe in enumerate(probes):
            start, top = probe.identity['picture'].value, max(_rises(probe)) or 1.0
            readings = probe.curves[change.name].readings
            costs = [100 * (reading.value - start) / top for reading in readings]
            pulls = [max(reading.gradient, 1e-4) for reading in readings]
            for axis, values in zip(column, (costs, pulls)):
                axis.plot(range(len(values)), values, color=f'C{number}', linewidth=1.5, label=probe.name)
        for axis in column:
            axis.set_xticks(range(len(change.amounts)), [f'{a:g}' for a in change.amounts], fontsize=7)
            axis.axvline(change.amounts.index(change.neutral), color=GREY, linewidth=0.8, linestyle=':')
            axis.grid(alpha=0.25)
        column[0].set_title(change.name, fontsize=10)
        column[1].set_xlabel(change.unit, fontsize=8)
    axes[0, 0].set_ylim(-60, 260)
    axes[0, 0].set_ylabel('cost (%)', fontsize=9)
    axes[1, 0].set_yscale('log')
    axes[1, 0].set_ylim(bottom=1e-3)
    axes[1, 0].set_ylabel('pull (L1s)', fontsize=9)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc='lower center', ncols=min(8, len(names)), fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1), pad=0.5)
    save(figure, path, dpi=72)


def shares_of(probe: Probe) -> list[float]:
    """Cost of every change at its standard amount, over the largest of them; below 0 for one that is rewarded."""
    rises = _rises(probe)
    top = max((rise for rise in rises if rise == rise), default=0.0)
    return [rise / top if top > 0 else 0.0 for rise in rises]


def draw_curve(axis, change, values: Sequence[float], colour: str) -> None:
    """One line over the amounts, which are evenly spaced; what is not finite is marked in red."""
    positions = range(len(change.amounts))
    axis.plot(positions, values, color=colour, linewidth=1.6, marker='o', markersize=3)
    broken = [position for position, value in zip(positions, values) if not abs(value) < float('inf')]
    for position in broken:
        axis.axvspan(position - 0.4, position + 0.4, color=RED, alpha=0.35)
        axis.text(position, 0.5, 'NaN', transform=axis.get_xaxis_transform(), color=RED, ha='center', fontsize=8)
    axis.axvline(change.amounts.index(change.neutral), color=GREY, linewidth=0.9, linestyle=':')
    axis.set_xticks(positions, [f'{amount:g}' for amount in change.amounts], fontsize=7, rotation=45)
    axis.tick_params(axis='y', labelsize=8)
    axis.grid(alpha=0.25)


def _draw_channels(axis, probe: Probe) -> None:
    for offset, costs in enumerate(probe.channels.values()):
        for number, (cost, colour) in enumerate(zip(costs, CHANNEL_COLOURS)):
            axis.bar(4 * offset + number, cost, color=colour)
    axis.set_xticks([1, 5], ['as a tint', 'as fine grain'], fontsize=9)
    axis.set_title('cost of 0.05 more in R, G or B alone', fontsize=10)
    axis.tick_params(axis='y', labelsize=8)


def _draw_flat(axis, probe: Probe) -> None:
    colours = ('black', 'white', '#808080', 'red', 'green', 'blue', '#222222', '#f4f4f4', '#208cff')
    for number, (reading, colour) in enumerate(zip(probe.extremes.readings.values(), colours)):
        if reading.is_finite:
            axis.bar(number, reading.gradient, color=colour, edgecolor=GREY)
        else:
            axis.text(number, 0, 'NaN', color=RED, ha='center', fontsize=9, fontweight='bold')
    axis.set_xticks(range(len(colours)), list(probe.extremes.readings), fontsize=8, rotation=20)
    axis.set_title('pull at a flat prediction (L1s)', fontsize=10)
    axis.tick_params(axis='y', labelsize=8)


def _draw_grey(axis, probe: Probe) -> None:
    grey = probe.grey
    pulls = (grey.halfway, grey.gradient)
    axis.bar([0, 1], [value if value == value else 0 for value in pulls], color=['#7f9fbf', GREY])
    direction = 'to its colour' if grey.alignment > 0.05 else 'nowhere' if grey.alignment > -0.05 else 'away'
    axis.set_xticks([0, 1], ['half the colour', f'grey: {direction}'], fontsize=9)
    axis.set_title('pull on the colour of a pale prediction (L1s)', fontsize=10)
    axis.tick_params(axis='y', labelsize=8)


def _rises(probe: Probe) -> list[float]:
    start = probe.identity['picture'].value
    return [curve.standard.value - start for curve in probe.curves.values()]


def _amount(change, amount: float) -> str:
    sign = '+' if amount > 0 and change.neutral == 0 and min(change.amounts) < 0 else ''
    return f'{sign}{amount:g}{"" if change.unit[0] == "°" else " "}{change.unit}'
