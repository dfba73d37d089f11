"""The method of METHOD.md in plain NumPy loops (float64), to test against.

Written from the description alone, for the eye rather than for speed: it shares no
code and no vectorized formula with `keras_imas`.
"""

import math

import numpy as np


def softmax(logits):
    logits = np.asarray(logits, dtype="float64")
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def cross_entropy(logits, label):
    """Returns -log softmax(logits)[label] of one pixel."""
    logits = np.asarray(logits, dtype="float64")
    top = logits.max()
    return top + math.log(np.exp(logits - top).sum()) - logits[label]


def confidences(logits, from_logits=True):
    values = softmax(logits) if from_logits else np.asarray(logits, dtype="float64")
    return values.max(axis=-1)


def image_hardness(
    student,
    teacher,
    confidence_threshold=0.7,
    background_class=None,
    class_weighted=True,
    valid=None,
    from_logits=True,
):
    """Returns the hardness of one image from two `(H, W, C)` arrays."""
    height, width, num_classes = np.shape(student)
    if from_logits:
        student, teacher = softmax(student), softmax(teacher)
    student_counts, teacher_counts, both = (np.zeros(num_classes) for _ in range(3))
    pixels = student_confident = teacher_confident = 0
    for row in range(height):
        for column in range(width):
            if valid is not None and not valid[row][column]:
                continue
            pixels += 1
            student_class = int(np.argmax(student[row][column]))
            teacher_class = int(np.argmax(teacher[row][column]))
            student_counts[student_class] += 1
            teacher_counts[teacher_class] += 1
            both[student_class] += student_class == teacher_class
            student_confident += student[row][column].max() >= confidence_threshold
            teacher_confident += teacher[row][column].max() >= confidence_threshold
    if pixels == 0:
        return 1.0

    ious = {}
    for k in range(num_classes):
        union = student_counts[k] + teacher_counts[k] - both[k]
        if union > 0:
            ious[k] = both[k] / union

    def agreement(counts):
        if not class_weighted:
            return sum(ious.values()) / len(ious)
        weights = {k: counts[k] for k in ious if k != background_class}
        total = sum(weights.values())
        if total == 0:
            return 0.0
        return sum(weights[k] / total * ious[k] for k in weights)

    easiness = teacher_confident / pixels * agreement(teacher_counts)
    easiness += student_confident / pixels * agreement(student_counts)
    return 1.0 - easiness / 2


def hardness(student, teacher, valid_mask=None, **options):
    return np.array(
        [
            image_hardness(
                student[i],
                teacher[i],
                valid=None if valid_mask is None else valid_mask[i],
                **options,
            )
            for i in range(len(student))
        ]
    )


def consistency_loss(
    logits,
    pseudo_labels,
    confidence,
    hardness=None,
    confidence_threshold=0.7,
    valid_mask=None,
):
    batch, height, width, _ = np.shape(logits)
    threshold = np.broadcast_to(confidence_threshold, (batch, height, width))
    image_losses = []
    for i in range(batch):
        total, pixels = 0.0, 0
        for row in range(height):
            for column in range(width):
                if valid_mask is not None and not valid_mask[i][row][column]:
                    continue
                pixels += 1
                if confidence[i][row][column] >= threshold[i][row][column]:
                    label = int(pseudo_labels[i][row][column])
                    total += cross_entropy(logits[i][row][column], label)
        weight = 1.0 if hardness is None else 1.0 - float(hardness[i])
        image_losses.append(weight * total / pixels if pixels else 0.0)
    return sum(image_losses) / batch


def class_thresholds(labels, confidence, valid, num_classes, largest):
    """Returns the threshold of each class by one batch."""
    found = {number: [] for number in range(num_classes)}
    for index in np.ndindex(np.shape(labels)):
        if valid[index]:
            found[int(labels[index])].append(float(confidence[index]))
    means = [np.mean(values) if values else largest for values in found.values()]
    return np.minimum(means, largest)


def weighted_cross_entropy(labels, logits, weights, ignore_class=255):
    """Returns the weighted sum over the number of pixels that count."""
    total, count = 0.0, 0
    for index in np.ndindex(np.shape(labels)):
        if labels[index] != ignore_class and weights[index] != 0:
            total += weights[index] * cross_entropy(logits[index], labels[index])
            count += 1
    return total / count if count else 0.0


def ohem_loss(labels, logits, threshold=0.7, min_kept=100_000, ignore_class=255):
    num_classes = np.shape(logits)[-1]
    logits = np.reshape(logits, (-1, num_classes))
    labels = np.reshape(labels, (-1,))
    probabilities, losses, valid = [], [], []
    for pixel, label in zip(logits, labels, strict=True):
        valid.append(label != ignore_class)
        known = int(label) if valid[-1] else 0
        probabilities.append(softmax(pixel)[known] if valid[-1] else 1.0)
        losses.append(cross_entropy(pixel, known))
    if sum(valid) == 0:
        return 0.0
    limit = 1.0
    if 0 < min_kept <= sum(valid):
        limit = max(threshold, sorted(probabilities)[min_kept - 1])
    kept = [
        loss
        for loss, probability, is_valid in zip(
            losses, probabilities, valid, strict=True
        )
        if is_valid and probability <= limit
    ]
    return sum(kept) / len(kept)


def cutmix_partners(hardness):
    order = sorted(range(len(hardness)), key=lambda i: hardness[i])
    partners = [0] * len(order)
    for rank, image in enumerate(order):
        partners[image] = order[len(order) - 1 - rank]
    return np.array(partners)


def box(fraction, center, height, width):
    """Returns `[top, left, bottom, right)` of one image."""
    edges = []
    for middle, size in zip(center, (height, width), strict=True):
        half = math.floor(fraction * size) // 2
        edges.append((max(middle - half, 0), min(middle + half, size)))
    (top, bottom), (left, right) = edges
    return [top, left, bottom, right]


def paste(tensor, boxes, partners):
    pasted = np.array(tensor)
    for i, (top, left, bottom, right) in enumerate(boxes):
        for row in range(top, bottom):
            for column in range(left, right):
                pasted[i, row, column] = tensor[partners[i]][row][column]
    return pasted


def blend(strong, weak, hardness):
    return np.stack(
        [
            (1.0 - float(h)) * np.asarray(s, "float64")
            + float(h) * np.asarray(w, "float64")
            for s, w, h in zip(strong, weak, hardness, strict=True)
        ]
    )


def ema_decay(step, max_decay=0.996, start_step=0, copy_until=0):
    if step < max(start_step, copy_until):
        return 0.0
    return min(1.0 - 1.0 / (step - start_step + 1), max_decay)


def ema_update(teacher_value, student_value, decay):
    return decay * np.asarray(teacher_value, "float64") + (1 - decay) * np.asarray(
        student_value, "float64"
    )


def class_ious(labels, predictions, num_classes, ignore_class=None):
    """Returns the IoU of each class, NaN where neither side has it or it is ignored."""
    ious = []
    for k in range(num_classes):
        if k == ignore_class:
            ious.append(math.nan)
            continue
        intersection = union = 0
        for label, prediction in zip(
            np.ravel(labels), np.ravel(predictions), strict=True
        ):
            if ignore_class is not None and label == ignore_class:
                continue
            intersection += label == k and prediction == k
            union += label == k or prediction == k
        ious.append(intersection / union if union else math.nan)
    return np.array(ious)


def mean_iou(labels, predictions, num_classes, ignore_class=None):
    return np.nanmean(class_ious(labels, predictions, num_classes, ignore_class))


def thin_plate_spline(displacements, height, width):
    """Rows and columns from where pixels are taken: the points' system is solved."""
    points = np.array([(y, x) for y in (-0.25, 0.25) for x in (-0.25, 0.25)])

    def kernel(a, b):
        square = ((a[:, None] - b[None]) ** 2).sum(-1)
        return square * np.log(np.where(square > 0, square, 1.0))

    affine = np.c_[np.ones(4), points]
    system = np.block([[kernel(points, points), affine], [affine.T, np.zeros((3, 3))]])
    size = np.array([height, width])
    places = (np.indices((height, width)).reshape(2, -1).T + 0.5) / size - 0.5
    basis = np.c_[kernel(places, points), np.ones(len(places)), places]
    fields = [
        basis @ np.linalg.solve(system, np.r_[moved, np.zeros((3, 2))])
        for moved in np.float64(displacements)
    ]
    positions = (places + np.array(fields) + 0.5) * size - 0.5
    return np.moveaxis(positions.reshape(-1, height, width, 2), -1, 0)


def warp(view, displacements):
    """A view and what belongs to its pixels, warped pixel by pixel."""
    batch, height, width = view["images"].shape[:3]
    positions = thin_plate_spline(displacements, height, width)
    warped = {name: np.zeros_like(x) for name, x in view.items()}
    for image, i, j in np.ndindex(batch, height, width):
        place = positions[:, image, i, j]
        near = np.floor(place + 0.5).astype(int)
        inside = (near >= 0).all() and (near < (height, width)).all()
        for name in view if inside else ():
            warped[name][image, i, j] = view[name][(image, *near)]
        pixel = 0.0
        for corner in np.ndindex(2, 2):
            at = np.floor(place) + corner
            y, x = np.clip(at, 0, (height - 1, width - 1)).astype(int)
            pixel = pixel + np.prod(1 - abs(place - at)) * view["images"][image, y, x]
        warped["images"][image, i, j] = pixel
    return warped
