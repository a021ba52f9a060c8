"""The section `tile:` of an option file: images that do not fit are cut into overlapping tiles."""

from pydantic import Field, model_validator

from basicsr.utils.schema import Count, Int, Section


class TileOptions(Section):
    """Tiles for images that do not fit into memory; see docs/inference.md for what they do to the result."""

    size: Int = Field(..., description='side of the tiles, in pixels of the input', gt=0)
    overlap: Count = Field(64, description='pixels that neighbouring tiles share at least; below half of `size`')

    @model_validator(mode='after')
    def _tiles_advance(self):
        if 2 * self.overlap >= self.size:
            raise ValueError(f'`overlap` must be below half of `size`: {self.overlap} and {self.size}')
        return self
