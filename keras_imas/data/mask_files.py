"""Where the masks of images are found."""

import os

from keras_imas.data import files
from keras_imas.data.files import IMAGE_SUFFIXES, MASK_SUFFIXES
from keras_imas.data.tree import Tree


class Masks:
    """Where the masks of images are found, and that they are no images themselves."""

    def __init__(self, folders, name, images):
        folders = [folders] if isinstance(folders, str | os.PathLike) else folders
        # Images among the masks are found too, to tell why they don't serve.
        self.trees = [
            Tree("masks", folder, MASK_SUFFIXES, IMAGE_SUFFIXES) for folder in folders
        ]
        self.name = _mask_name(name)
        for tree in self.trees:
            _part(images, tree, self.name)

    def find(self, name):
        """Returns the path of the mask of a name without suffix, or None."""
        return self._first(Tree.find, self.name(name))

    def find_listed(self, text):
        """Returns the path of the mask that a list names, or None."""
        return self._first(Tree.find_listed, text)

    def expected(self, name):
        """Return what mask of a name is looked for."""
        return self.trees[0].expected(self.name(name))

    def _first(self, find, name):
        for tree in self.trees:
            path = find(tree, name)
            if path is not None:
                return tree.folder / path
        return None


def _part(images, masks, mask_name):
    """Leaves masks out of the images, and images out of the masks."""
    to_masks = os.path.relpath(*map(os.path.realpath, (masks.folder, images.folder)))
    inside = {
        path: os.path.normpath(os.path.join(to_masks, path)).replace(os.sep, "/")
        for path in masks
    }
    if to_masks.split(os.sep)[0] not in (".", ".."):
        images.leave_out(inside.values())
        return
    own = {}  # the mask of an image, as a path below the images
    for image in images:
        try:
            mask = masks.find(mask_name(files.stem(image)))
        except ValueError:  # it is said where the mask is needed
            continue
        if mask is not None and inside[mask] != image:
            own[mask] = inside[mask]
    images.leave_out(own.values())
    remaining = set(images)
    masks.leave_out(path for path in inside if inside[path] in remaining)


def _mask_name(pattern):
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
            "`mask_name` must have {} where the image's name comes, such as {}_L.png. "
            f"Received: mask_name={pattern!r}"
        )
    return pattern.format
