"""Where the masks of images are found."""

import os

from keras_imas.data import files
from keras_imas.data.files import IMAGE_SUFFIXES, MASK_SUFFIXES
from keras_imas.data.tree import Tree
from keras_imas.near_miss import did_you_mean

# What tools put behind the image's name where they save masks beside images.
_MASK_SUFFIX = "_mask"
_MOST_HINTS = 10


class Masks:
    """Where the masks of images are found, and that they are no images themselves.

    Args:
        folders: path of the masks' folder, or a list of them: the first that has an
            image's mask counts.
        mask_name: pattern such as "{}_L.png", or a function, from an image's name
            without suffix to its mask's. None: of "a.jpg" the mask is named "a", else
            "a.jpg.png", else "a_mask".
        images: `Tree` of the images; masks in it are left out.

    Attributes:
        trees: list of `Tree`, one a folder.
    """

    def __init__(self, folders, mask_name, images):
        folders = [folders] if isinstance(folders, str | os.PathLike) else folders
        # Images among the masks are found too, to tell why they don't serve.
        self.trees = [
            Tree("masks", folder, MASK_SUFFIXES, IMAGE_SUFFIXES) for folder in folders
        ]
        self._pattern = mask_name
        self._name = _function(mask_name)
        self._images = images
        self._inside = {}  # of each tree, its masks as paths below the images' folder
        for tree in self.trees:
            self._part(tree)

    def find(self, image):
        """Find the mask of an image.

        Args:
            image: path of the image below the images' folder.

        Returns:
            Path of the mask, or None.

        Raises:
            ValueError: if several masks have its name.
        """
        for tree in self.trees:
            path = self._find(tree, image)
            if path is not None:
                return tree.folder / path
        return None

    def find_listed(self, text):
        """Find the mask that a list names.

        Args:
            text: path, as lists have it.

        Returns:
            Path of the mask, or None.
        """
        for tree in self.trees:
            path = tree.find_listed(text)
            if path is not None:
                return tree.folder / path
        return None

    def missing(self, image, listed=None):
        """Tell what mask of an image was looked for, and what is there instead.

        Args:
            image: path of the image below the images' folder.
            listed: name of the mask in a list, or None.

        Returns:
            String, for the end of a message.
        """
        tree, name = self.trees[0], listed or self._name(files.stem(image))
        where = self._images.folder / image
        return f"{tree.expected(name)} of {where}{tree.instead(name)}"

    def without_image(self):
        """List the masks that belong to no image.

        Returns:
            List of strings: the path of each and, of the first ones, the image that it
            may be meant for.
        """
        if callable(self._pattern):  # of a data set that has other masks besides
            return []
        masks = {image: self.find(image) for image in self._images}
        paired = set(masks.values())
        lost = [
            (path, self._stem_of_image(path))
            for tree in self.trees
            for path in tree
            if tree.is_preferred(path) and tree.folder / path not in paired
        ]
        lost = [(path, stem) for path, stem in lost if stem is not None]
        free = [files.stem(image) for image, mask in masks.items() if mask is None]
        hints = [did_you_mean(stem, free) for _, stem in lost[:_MOST_HINTS]]
        hints += [""] * (len(lost) - len(hints))
        return [f"{path}{hint}" for (path, _), hint in zip(lost, hints, strict=True)]

    def _find(self, tree, image):
        """Return the path of an image's mask below a tree, or None."""
        lesser = None
        for name in self._names(image):
            path = tree.find(name)
            if path is None or self._is_image(tree, path, image, name):
                continue
            if tree.is_preferred(path):
                return path
            lesser = lesser or path
        return lesser

    def _names(self, image):
        """Yield what the mask of an image may be named, most likely first."""
        stem = files.stem(image)
        yield self._name(stem)
        if self._pattern is None:
            yield image
            yield f"{stem}{_MASK_SUFFIX}"

    def _is_image(self, tree, path, image, name):
        """Tell whether what a mask's name leads to is an image, or another's mask."""
        same = self._inside[tree].get(path)
        if same == image:
            return True
        if name != f"{files.stem(image)}{_MASK_SUFFIX}" or self._pattern is not None:
            return False
        return any(other != same for other in self._images.named(name))

    def _stem_of_image(self, path):
        """Return the name of the image that a mask is named for, or None."""
        if self._pattern is None:
            return os.path.splitext(path)[0].removesuffix(_MASK_SUFFIX)
        before, after = self._pattern.split("{", 1)[0], self._pattern.rsplit("}", 1)[1]
        for name in (path, os.path.splitext(path)[0]):
            if name.startswith(before) and name.endswith(after):
                return files.stem(name[len(before) : len(name) - len(after)])
        return None

    def _part(self, tree):
        """Leave masks out of the images, and images out of the masks."""
        folders = tree.folder, self._images.folder
        to_masks = os.path.relpath(*map(os.path.realpath, folders))
        inside = {
            path: os.path.normpath(os.path.join(to_masks, path)).replace(os.sep, "/")
            for path in tree
        }
        self._inside[tree] = inside
        if to_masks.split(os.sep)[0] not in (".", ".."):
            self._images.leave_out(inside.values())
            return
        own = set()
        for image in self._images:
            try:
                mask = self._find(tree, image)
            except ValueError:  # it is said where the mask is needed
                continue
            if mask is not None:
                own.add(mask)
        own |= {path for path in inside if self._is_named_as_mask(path, own)}
        self._images.leave_out(inside[path] for path in own)
        remaining = set(self._images)
        tree.leave_out(path for path in inside if inside[path] in remaining)

    def _is_named_as_mask(self, path, masks):
        """Tell whether a file among images has a name as only masks have it."""
        if callable(self._pattern):
            return False
        if self._pattern is None:
            named = os.path.splitext(path)[0].endswith(_MASK_SUFFIX)
            ends = (os.path.splitext(mask)[0] for mask in masks)
            return named and any(end.endswith(_MASK_SUFFIX) for end in ends)
        alone = os.path.splitext(self._pattern.format("x"))[0]
        return alone != "x" and self._stem_of_image(path) is not None


def _function(pattern):
    if pattern is None:
        return lambda name: name
    if not isinstance(pattern, str):
        return pattern
    try:
        made = [pattern.format(name) for name in ("a", "b")]
    except (LookupError, ValueError, AttributeError):
        made = ["", ""]
    if made[0] == made[1]:
        raise ValueError(
            "`mask_name` must have {} where the image's name goes, such as {}_L.png. "
            f"Received: mask_name={pattern!r}"
        )
    return pattern.format
