"""Photographs and masks in folders."""

import dataclasses
import functools
import glob
import os

from keras_imas.batch_checks import check_num_classes
from keras_imas.data import splits
from keras_imas.data.classes import read_class_table
from keras_imas.data.folder import from_folder, with_masks
from keras_imas.runs.flags import field
from keras_imas.runs.sources.source import Source

_BINARY = ("background", "object")


@dataclasses.dataclass(frozen=True)
class Folder(Source):
    """Your own photographs and masks, in folders."""

    images: str = field("", "Folder of images, searched recursively, or a pattern.")
    masks: str = field("", "Folder of masks: NAME.png, a class id or color a pixel.")
    mask_name: str = field("", "Pattern of the masks' names, such as {}_L.png.")
    labeled: str = field(
        "", "List of labeled images, a name a line; default: all that have a mask."
    )
    unlabeled: str = field(
        "",
        "List of unlabeled images; or a folder or pattern of them, elsewhere; default: "
        "all of --images that are in no other list.",
    )
    val_images: str = field("", "Folder of validation images; no evaluation without.")
    val_masks: str = field("", "Folder of their masks.")
    val: str = field("", "List of validation images; all of the folder without.")
    num_classes: int = field(0, "Number of classes.")
    class_names: tuple = field((), "Their names, separated by commas.", of=str)
    classes: str = field(
        "", "Table of the classes instead: a CSV file of name,id,r,g,b."
    )
    ignore_class: int = field(255, "Label of pixels that don't count.")
    image_size: tuple = field((), "Resize images when read: height,width.")
    image_range: tuple = field(
        (),
        "Values in image files that become black and white, such as 0,4095 for 12 bits "
        "in files of 16.",
        of=float,
    )
    binary_masks: bool = field(
        False, "Masks hold 0 for the background and 1 or 255 for one kind of object."
    )

    def __post_init__(self):
        if not (self.images and self.masks):
            raise ValueError("`images` and `masks` are needed: folders of either")
        check_num_classes(self.num_classes or None, self.ignore_class)
        if self.binary_masks and (self.classes or self.num_classes not in (0, 2)):
            raise ValueError("With `binary_masks` there are two classes, and no table")
        if self.classes and self.num_classes:
            raise ValueError("Only one of `num_classes` and `classes` is needed")
        if self.class_names and len(self.class_names) != self._num_classes:
            raise ValueError(
                f"`class_names` must be as many as num_classes={self._num_classes}. "
                f"Received: {len(self.class_names)}"
            )
        if self.image_size and (len(self.image_size) != 2 or min(self.image_size) < 1):
            raise ValueError(
                "`image_size` must be height,width, such as 180,240. Received: "
                f"{','.join(map(str, self.image_size))}"
            )
        if bool(self.val_images) != bool(self.val_masks) or (
            self.val and not self.val_images
        ):
            raise ValueError(
                "`val_images` and `val_masks` go together, and `val` goes with them"
            )

    @property
    def _num_classes(self):
        return 2 if self.binary_masks else self.num_classes

    @functools.cached_property
    def _table(self):
        return (
            read_class_table(self.classes, self.ignore_class) if self.classes else None
        )

    def _read(self, images, masks=None, names=None, labeled=True):
        return from_folder(
            images,
            masks,
            names or None,
            labeled=labeled,
            image_size=self.image_size or None,
            ignore_class=self.ignore_class,
            mask_name=self.mask_name or None,
            classes=self._table,
            image_range=self.image_range or None,
            binary_masks=self.binary_masks,
            **self._reading(),
        )

    def parts(self, seed):
        select_on = self.select_on and self._read(
            self.images, self.masks, self.select_on
        )
        taken = select_on.names if select_on else ()
        labeled = self.labeled or splits.rest(
            with_masks(self.images, self.masks, self.mask_name or None), taken
        )
        if not labeled:
            raise ValueError(
                f"No image of {self.images!r} has a mask of the same name in "
                f"{self.masks!r}. Name them alike, or pass `mask_name`"
            )
        labeled = self._read(self.images, self.masks, labeled)
        # A list's own path may hold brackets.
        is_list = os.path.isfile(self.unlabeled) or not glob.has_magic(self.unlabeled)
        if os.path.isdir(self.unlabeled) or not is_list:
            unlabeled = self._read(self.unlabeled, self.masks, labeled=False)
        else:
            names = self.unlabeled or splits.rest(
                self._read(self.images, self.masks, labeled=False).names,
                labeled.names,
                taken,
            )
            unlabeled = names and self._read(
                self.images, self.masks, names, labeled=False
            )
        validation = self.val_images and self._read(
            self.val_images, self.val_masks, self.val
        )
        return {
            "labeled": labeled,
            "unlabeled": unlabeled or None,
            "validation": validation or None,
            "select_on": select_on or None,
        }

    def truth(self, unlabeled, seed):
        if os.path.exists(self.unlabeled) and not os.path.isfile(self.unlabeled):
            return None  # they are images of another folder
        masks = with_masks(self.images, self.masks, self.mask_name or None)
        names = sorted(set(masks) & set(unlabeled.names))
        return self._read(self.images, self.masks, names) if names else None

    def legend(self):
        table = self._table
        names = tuple(map(str, range(self._num_classes)))
        names = self.class_names or (_BINARY if self.binary_masks else names)
        return {
            "class_names": table.names if table else names,
            "colors": table.colors if table else None,
            "ignore_class": self.ignore_class,
        }
