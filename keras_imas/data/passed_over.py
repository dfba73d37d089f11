"""What is beside images and masks, and is not read."""

from keras_imas.data.exports import recognized


def passed_over(images, masks, by_name=True, has_table=False):
    """List what of folders is not read, for `keras_imas.data.problems.notice`.

    Args:
        images: `Tree`.
        masks: `Masks`, or None.
        by_name: whether masks are found by the names of images, and none is needed
            otherwise. Defaults to True.
        has_table: whether there is a table of classes, so that a tool's own is no loss.
            Defaults to False.

    Yields:
        `(where, what, names)`: the folder, what it is, and a list of files.
    """
    trees = [images, *(masks.trees if masks is not None else ())]
    trees = {tree.folder: tree for tree in trees}
    for folder, tree in trees.items():
        reasons = {}
        for path, reason in tree.passed_over.items():
            reasons.setdefault(reason, []).append(path)
        for reason, paths in reasons.items():
            yield f"Folder {str(folder)!r}", f"passed over ({reason})", paths
    lost = masks.without_image() if masks is not None and by_name else []
    if lost:
        where = f"Folder {str(masks.trees[0].folder)!r}"
        yield where, "masks without an image", lost
    told = recognized(trees, lost)
    told = [text for text in told if not (has_table and "'s table of" in text)]
    yield "Labels", "files that are not read", told
