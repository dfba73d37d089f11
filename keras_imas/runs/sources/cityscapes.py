"""Cityscapes."""

import dataclasses

from keras_imas.data import cityscapes, scenes
from keras_imas.data.as_examples import as_examples
from keras_imas.runs.flags import field
from keras_imas.runs.sources.official import Official


@dataclasses.dataclass(frozen=True)
class Cityscapes(Official):
    """Cityscapes in its official directories, or the built-in scenes without it."""

    data_dir: str = field("", "Directory of leftImg8bit and gtFine.", path=True)
    labeled: str = field(
        "", "List of labeled images instead: one leftImg8bit name per line.", path=True
    )
    train_extra: bool = field(
        False, "Use the images of leftImg8bit/train_extra as unlabeled ones too."
    )

    def _read(self, split="train", names=None, labeled=True):
        return cityscapes.read(
            self.data_dir,
            split,
            names,
            labeled=labeled,
            **self._reading(),
        )

    def parts(self, seed):
        if not self.data_dir:
            images, label_maps = self._scenes(seed)
            return {
                "labeled": (images[:24], label_maps[:24]),
                "unlabeled": images[self._first_unlabeled :],
                "validation": scenes.load(48, seed=2 * seed + 1),
                "select_on": None,
            }
        parts = super().parts(seed)
        if self.train_extra:
            extra = self._read("train_extra", labeled=False)
            names = []
            if parts["unlabeled"] is not None:
                names += [f"train/{name}" for name in parts["unlabeled"].names]
            names += [f"train_extra/{name}" for name in extra.names]
            parts["unlabeled"] = self._read("", names, labeled=False)
        return parts

    def truth(self, unlabeled, seed):
        if not self.data_dir:
            images, label_maps = self._scenes(seed)
            first = self._first_unlabeled
            return as_examples((images[first:], label_maps[first:]))
        return super().truth(unlabeled, seed)

    @property
    def _first_unlabeled(self):
        return 0 if self.labeled_as_unlabeled else 24

    def _scenes(self, seed):
        return scenes.load(264, seed=2 * seed)

    def legend(self):
        return {
            "class_names": cityscapes.CLASSES,
            "colors": cityscapes.COLORS,
            "ignore_class": 255,
        }
