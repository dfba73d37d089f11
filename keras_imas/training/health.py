"""Skip steps whose loss or gradient is NaN or infinite, and report them."""

import collections
import contextlib
import math
import warnings

from keras import ops

from keras_imas.backends.formulations import faster
from keras_imas.backends.host import read_later
from keras_imas.backends.replicas import replica_concatenation
from keras_imas.batch_checks import find_wrong_id, wrong_id_message

# What is looked at in a step, in the order of the bits of its code.
_IMAGES = ("the labeled images", "the unlabeled images")


_CHECKED = (
    *_IMAGES,
    "the supervised loss",
    "the consistency loss of the strong view",
    "the consistency loss of the second view",
    # A network that has failed is sure of nothing, so that its loss may be 0.
    "the hardness",
    "the batch statistics",
)


PARTS = (*_CHECKED, "the gradient or the update")


_GRADIENT = 1 << len(_CHECKED)
# A label that is no class, and which one, shifted to be no negative number.
_WRONG_LABEL = 1 << len(PARTS)
_LABEL_PLACE, _LABEL_SHIFT = len(PARTS) + 1, 1 << 20


_MAX_NAMED = 64


class NonFiniteError(FloatingPointError):
    """Raised where training stops, as its numbers are NaN or infinite.

    Attributes:
        step: The step, from 0.
        parts: Tuple of what was not finite, of `PARTS`.
        images: Dict of `"labeled"` and `"unlabeled"`: the names of the batch's images,
            or their positions; empty where a batch doesn't tell.
    """

    def __init__(self, message, step, parts, images):
        super().__init__(message)
        self.step = step
        self.parts = parts
        self.images = images


def all_finite(values):
    """Tell whether there is no NaN and no infinity.

    By sums, which take one pass over the values. A sum beyond float32's range counts as
    infinite, too.

    Args:
        values: List of tensors.

    Returns:
        float32 scalar tensor, 1 or 0.

    Example:
        >>> float(all_finite([ops.array([1.0, 2.0]), ops.array([float("nan")])]))
        0.0
    """
    if not values:
        return ops.ones(())
    values = [ops.cast(value, "float32") for value in values]
    sums = (faster("sums") or _sums)(values)
    return ops.cast(ops.isfinite(ops.sum(ops.stack(sums))), "float32")


def _sums(values):
    return [ops.sum(value) for value in values]


def snapshot(variables):
    """Keep the values of variables, to go back to.

    Args:
        variables: List of `keras.Variable`.

    Returns:
        Function of a boolean scalar tensor that gives the variables back the values
        that they had where it is true, and leaves them as they are where it is not.

    Example:
        >>> import keras
        >>> variable = keras.Variable([1.0, 2.0])
        >>> restore = snapshot([variable])
        >>> _ = variable.assign([3.0, 4.0])
        >>> restore(ops.array(True))
        >>> variable.numpy().tolist()
        [1.0, 2.0]
    """
    if faster("snapshot"):
        return faster("snapshot")(variables)
    groups = {}
    for variable in variables:
        groups.setdefault(variable.dtype, []).append(variable)
    # Those of a dtype as one tensor: one operation instead of one for each.
    before = {dtype: _joined(group) for dtype, group in groups.items()}

    def restore(where):
        for dtype, group in groups.items():
            values = ops.where(where, before[dtype], _joined(group))
            stop = 0
            for variable in group:
                start, stop = stop, stop + math.prod(variable.shape)
                variable.assign(ops.reshape(values[start:stop], variable.shape))

    return restore


def _joined(variables):
    return ops.concatenate([ops.reshape(variable, (-1,)) for variable in variables])


class Health:
    """What was not finite in the steps so far, and what is done about it.

    It is kept in one variable: of the last step that was not finite the code of its
    parts and its number, then how many there were in a row, and how many in all. After
    a good step the code is 0.

    Args:
        variable: int32 `keras.Variable` of shape `(4,)`.
        limit: Number of such steps in a row that are skipped; one more is an error.
    """

    def __init__(self, variable, limit):
        self.variable = variable
        self.limit = limit
        self._reports = collections.deque()
        self._told = 0

    def label_code(self, labels, num_classes, ignore_class, sample_weight=None):
        """Find, in a step, a label that is neither a class nor ignored.

        Args:
            labels: Label maps.
            num_classes: Number of classes C.
            ignore_class: Label of pixels that don't count, or `None`.
            sample_weight: Weights of the labels; those of weight 0 may be anything.
                Defaults to `None`.

        Returns:
            int32 scalar tensor: a part of the code, 0 where all labels are right.
        """
        self._allowed = num_classes, ignore_class
        if sample_weight is not None and sample_weight.shape == labels.shape:
            labels = ops.where(sample_weight != 0, labels, ops.zeros_like(labels))
        found, label = find_wrong_id(labels, num_classes, ignore_class)
        label = ops.clip(label, 1 - _LABEL_SHIFT, _LABEL_SHIFT - 1) + _LABEL_SHIFT
        code = ops.cast(label, "int32") * (1 << _LABEL_PLACE) + _WRONG_LABEL
        return ops.max(replica_concatenation(ops.where(found, code, 0)[None]))

    def note_label(self, label_code):
        """Note, in a step of an evaluation, whether a label is wrong.

        Args:
            label_code: What `label_code` returned.
        """
        health = ops.convert_to_tensor(self.variable)
        # All steps count, not the last one alone.
        code = ops.maximum(health[0], label_code)
        self.variable.assign(ops.concatenate([code[None], health[1:]]))

    @contextlib.contextmanager
    def evaluation(self):
        """Raise at the end of a context if `note_label` has met a wrong label in it.

        What training has noted is as before afterwards.

        Raises:
            ValueError: If a label was neither a class nor ignored.
        """
        before = ops.convert_to_numpy(self.variable).tolist()
        self.variable.assign([0, *before[1:]])
        try:
            yield
            code = int(ops.convert_to_numpy(self.variable)[0])
        finally:
            self.variable.assign(before)
        if code:
            raise ValueError(self._wrong_label(code, "A label map"))

    def _wrong_label(self, code, where):
        label = (code >> _LABEL_PLACE) - _LABEL_SHIFT
        return wrong_id_message(label, *self._allowed, where)

    def note(self, finite, label_code=0):
        """Note, in a step, which parts are finite.

        Args:
            finite: Tensor of a number for each part but the gradient, less than 1 where
                it is not finite.
            label_code: What `label_code` returned. Defaults to `0`.

        Returns:
            Boolean scalar tensor: whether the step may change anything.
        """
        health = ops.convert_to_tensor(self.variable)
        bits = ops.convert_to_tensor([1 << i for i in range(len(_CHECKED))], "int32")
        code = ops.sum(ops.where(finite < 1.0, bits, 0)) + label_code
        # A run that is to stop goes no further, though its program hears of it later.
        code = ops.where(health[2] > self.limit, health[0], code)
        self.variable.assign(ops.concatenate([code[None], health[1:]]))
        return code == 0

    def settle(self, gradient_failed, step):
        """Count the step that was noted, now that its gradient is known.

        Args:
            gradient_failed: Boolean scalar tensor, whether it was not finite.
            step: int32 scalar tensor, the step's number.

        Returns:
            Boolean scalar tensor: whether the step was bad.
        """
        health = ops.convert_to_tensor(self.variable)
        code, last, in_row, total = (health[i] for i in range(4))
        failed = ops.logical_and(gradient_failed, code == 0)
        code = ops.where(failed, _GRADIENT, code)
        bad = code > 0
        one = ops.cast(bad, "int32")
        news = [code, ops.where(bad, step, last), (in_row + one) * one, total + one]
        stopped = in_row > self.limit
        self.variable.assign(ops.where(stopped, health, ops.stack(news)))
        return bad

    def restart(self):
        """Forget that a run has stopped."""
        self._reports.clear()
        _, step, _, total = map(int, ops.convert_to_numpy(self.variable))
        self.variable.assign([0, step, 0, total])
        self._told = total

    def resume(self):
        """Forget a stop, and what was told before the model was saved."""
        _, _, in_row, total = map(int, ops.convert_to_numpy(self.variable))
        if in_row > (self.limit or 0) or total != self._told:
            self.restart()

    def add(self, report, images):
        """Add what a step reports; nothing waits for it.

        Args:
            report: Value of the variable after the step.
            images: Function without arguments that returns the images of its batch: see
                `NonFiniteError`.
        """
        self._reports.append((read_later(report), images))

    def check(self, but=0):
        """Tell which steps were not finite.

        Args:
            but: Number of the latest reports to leave for later. Defaults to `0`.

        Raises:
            NonFiniteError: If there were too many in a row.
            ValueError: If a label was neither a class nor ignored.
        """
        while len(self._reports) > but:
            report, images = self._reports.popleft()
            code, step, in_row, total = map(int, report())
            if total == self._told:
                continue
            self._told = total
            images = images() if code else {}
            if code & _WRONG_LABEL:
                self._reports.clear()
                where = f"A label map of step {step + 1}{in_the_batch(images)}"
                raise ValueError(self._wrong_label(code, where))
            parts = parts_of(code)
            message = describe(step, parts, images)
            if in_row > self.limit:
                self._reports.clear()
                raise NonFiniteError(
                    f"{message}. It has changed nothing. Look at these images, try a "
                    "smaller learning rate or clip the gradient, or have such steps "
                    f"skipped: {in_row} in a row is more than max_skipped_steps="
                    f"{self.limit}",
                    step,
                    parts,
                    images,
                )
            warnings.warn(f"{message}. Skipped; {total} so far", stacklevel=3)


def parts_of(code):
    """Return the parts that a code tells; of images alone, as all else follows.

    Args:
        code: Integer with a bit for each of `PARTS`.

    Returns:
        Tuple of strings.

    Example:
        >>> parts_of(0b10000100)
        ('the supervised loss', 'the gradient or the update')
    """
    parts = tuple(part for place, part in enumerate(PARTS) if code >> place & 1)
    return tuple(part for part in parts if part in _IMAGES) or parts


def describe(step, parts, images):
    """Say in words at which step what was not finite.

    Args:
        step: The step, from 0.
        parts: See `NonFiniteError`.
        images: See `NonFiniteError`.

    Returns:
        A sentence, without the full stop.

    Example:
        >>> describe(6, ("the gradient",), {"labeled": ["a", "b"]})
        'At step 7 the gradient was NaN or infinite. In the batch: labeled a, b'
    """
    *others, last = parts or ("something",)
    what = f"{', '.join(others)} and {last}" if others else last
    plural = others or what.endswith("s") and not what.endswith("ss")
    verb = "were" if plural else "was"
    text = f"At step {step + 1} {what} {verb} NaN or infinite"
    listed = in_the_batch(images)
    return f"{text}. In the batch: {listed[2:-1]}" if listed else text


def in_the_batch(images):
    """Return the names of a batch's images in parentheses, for a sentence.

    Args:
        images: See `NonFiniteError`.

    Returns:
        String; empty if no image is known.

    Example:
        >>> in_the_batch({"labeled": ["a", "b"], "unlabeled": [7]})
        ' (labeled a, b; unlabeled 7)'
    """
    listed = [
        f"{name} {', '.join(map(str, which[:_MAX_NAMED]))}"
        + (f" and {len(which) - _MAX_NAMED} more" if which[_MAX_NAMED:] else "")
        for name, which in images.items()
    ]
    return f" ({'; '.join(listed)})" if listed else ""
