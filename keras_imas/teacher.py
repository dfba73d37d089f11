"""The teacher: an exponential moving average of the student."""

from keras import ops

from keras_imas.arguments import check_fraction
from keras_imas.backends.formulations import faster


def ema_decay(step, *, max_decay=0.996, start_step=0, copy_until=0):
    """Return the decay of the teacher's moving average at a step.

    The teacher copies the student (decay 0) until `copy_until`; then the decay is
    `min(1 - 1 / (step - start_step + 1), max_decay)` (section 3.2 of Zhao et al.,
    CVPR 2023, with the warm-up of its program).

    Args:
        step: Training step, from 0; an integer or an integer tensor.
        max_decay: The decay after the warm-up, in [0, 1]. Defaults to `0.996`.
        start_step: The first semi-supervised step. Defaults to `0`.
        copy_until: The first step at which the teacher is no copy. Defaults to `0`.

    Returns:
        float32 scalar tensor in [0, 1].

    Raises:
        ValueError: If `max_decay` is outside [0, 1], or a step negative.

    Example:
        >>> [round(float(ema_decay(step, copy_until=2)), 4) for step in (1, 3, 10_000)]
        [0.0, 0.75, 0.996]
    """
    check_fraction("max_decay", max_decay)
    for name, value in (("start_step", start_step), ("copy_until", copy_until)):
        if value < 0:
            raise ValueError(f"`{name}` must not be negative. Received: {name}={value}")
    step = ops.cast(step, "float32")
    # Until max(...) the branch is not taken; the maximum keeps it finite.
    warm = 1.0 - 1.0 / ops.maximum(step - start_step + 1.0, 1.0)
    decay = ops.minimum(warm, max_decay)
    return ops.where(step < max(start_step, copy_until), 0.0, decay)


def ema_update(teacher_value, student_value, decay):
    """Return `decay * teacher + (1 - decay) * student`.

    Written as a sum of two products, so that decay 0 gives the student to the last bit;
    computed in float32.

    Args:
        teacher_value: Tensor of any shape, finite.
        student_value: Tensor of the same shape.
        decay: Scalar in [0, 1].

    Returns:
        Tensor like `teacher_value`. An integer tensor has no average: it becomes the
        student's.

    Example:
        >>> round(float(ema_update(ops.array(1.0), ops.array(0.0), 0.9)), 4)
        0.9
    """
    dtype = ops.dtype(teacher_value)
    if "float" not in dtype:
        return ops.convert_to_tensor(student_value)
    teacher_value = ops.cast(teacher_value, "float32")
    student_value = ops.cast(student_value, "float32")
    decay = ops.cast(decay, "float32")
    return ops.cast(decay * teacher_value + (1.0 - decay) * student_value, dtype)


def move_teacher(teacher_variables, student_variables, decay):
    """Move variables as `ema_update` says, in one pass over them.

    Args:
        teacher_variables: List of `keras.Variable`.
        student_variables: List of as many, of the same shapes.
        decay: Scalar tensor in [0, 1].

    Example:
        >>> import keras
        >>> teacher, student = keras.Variable([1.0]), keras.Variable([0.0])
        >>> move_teacher([teacher], [student], ops.array(0.75))
        >>> teacher.numpy().tolist()
        [0.75]
    """
    interpolate = faster("interpolate")
    for ours, theirs in zip(teacher_variables, student_variables, strict=True):
        if interpolate and ours.dtype == "float32":
            interpolate(ours, theirs, decay)
        else:
            ours.assign(ema_update(ours, ops.stop_gradient(theirs), decay))
