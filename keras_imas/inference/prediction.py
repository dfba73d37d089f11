"""What a network finds in a photograph."""

import dataclasses
import functools
import os
import warnings

import numpy as np

from keras_imas.data.classes import ClassTable
from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import whole_file
from keras_imas.inference import drawing, mask_file
from keras_imas.typing import StrPath


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """What a network finds in a photograph, in the photograph's own size.

    Attributes:
        classes: Class ids, uint8 array `(H, W)`; int32 for more than 256 classes.
        confidence: Probability of that class, float32 array `(H, W)` in [0, 1].
        class_table: `keras_imas.data.ClassTable` of the classes' names and colors.
        georeference: Tags of the place on Earth of a GeoTIFF, which `save` writes;
            `None` for other photographs.

    Example:
        >>> table = ClassTable(("road", "sky"), ((128, 64, 128), (70, 130, 180)))
        >>> found = Prediction(np.array([[0, 0, 1]]), np.ones((1, 3)), table)
        >>> found
        <Prediction 1 x 3: road 67%, sky 33%>
        >>> found.colors[0, 0].tolist()
        [128, 64, 128]
    """

    classes: np.ndarray
    confidence: np.ndarray
    class_table: ClassTable
    georeference: dict | None = None

    @functools.cached_property
    def colors(self) -> np.ndarray:
        """The classes painted in their colors: uint8 array `(H, W, 3)`."""
        return drawing.colorize(self.classes, self.class_table.colors)

    def save(self, path: StrPath) -> None:
        """Write the class ids as an image, with the classes' colors as its palette.

        A TIFF of a photograph that was a GeoTIFF has the same georeference.

        Args:
            path: Path of the file, a `.png` or a `.tif`. It is replaced, if it exists.

        Raises:
            ValueError: If the file would be neither a PNG nor a TIFF.
        """
        path = user_path(path)
        suffix = os.path.splitext(path)[1].lower()
        if self.georeference and suffix == ".png":
            warnings.warn(
                f"{path!r} lacks the photograph's georeference, for which a PNG "
                "has no place. Save a .tif to keep it",
                stacklevel=2,
            )
        with whole_file(path) as part:
            mask_file.save_mask(
                part,
                self.classes,
                self.class_table.colors,
                georeference=self.georeference,
            )

    def __repr__(self):
        names = self.class_table.names
        shares = np.bincount(self.classes.ravel(), minlength=len(names))
        shares = shares / max(self.classes.size, 1)
        largest = [i for i in np.argsort(-shares, kind="stable")[:5] if shares[i]]
        found = ", ".join(f"{names[i]} {shares[i]:.0%}" for i in largest)
        return f"<Prediction {' x '.join(map(str, self.classes.shape))}: {found}>"
