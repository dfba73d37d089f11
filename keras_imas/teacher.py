"""The teacher: an exponential moving average of the student."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_imas.arguments import check_fraction
from keras_imas.backends.formulations import faster
from keras_imas.typing import Tensor


def teacher_of(student: keras.Model, teacher: keras.Model | None = None) -> keras.Model:
    """Return a teacher that starts as a copy of the student.

    Args:
        student: Built Keras model.
        teacher: A second model made the same way, for students that Keras can't clone.
            Defaults to `None`: a clone.

    Returns:
        Keras model with weights of its own.

    Raises:
        ValueError: If the student is not built or can't be cloned, or the teacher is of
            another shape or shares variables with it.

    Example:
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> teacher_of(keras.Sequential(layers)).output_shape
        (None, 8, 8, 2)
    """
    if not student.built:
        raise ValueError(
            "`student` has no weights yet. Build it before: call it once on images of "
            "the size to train on, `student(numpy.zeros((1, 129, 129, 3)))`"
        )
    if teacher is None:
        teacher = _clone(student)
    if {id(v) for v in teacher.weights} & {id(v) for v in student.weights}:
        raise ValueError(
            "`teacher` must be a second model, with weights of its own: as the student "
            "itself it would teach nothing. Leave it out, and a clone is made"
        )
    shapes = [[tuple(v.shape) for v in model.weights] for model in (teacher, student)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "`teacher` must be made the same way as the student and built, as its "
            f"weights are the student's average. Received: {len(shapes[0])} weights, "
            f"the student has {len(shapes[1])}, or others in another order"
        )
    # For JAX the two must not share buffers, which `assign` would let them do.
    teacher.set_weights(student.get_weights())
    return teacher


def ema_decay(
    step: int | Tensor,
    *,
    max_decay: float = 0.996,
    start_step: int = 0,
    copy_until: int = 0,
) -> Tensor:
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


def ema_update(
    teacher_value: Tensor, student_value: Tensor, decay: Tensor | float
) -> Tensor:
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


def move_teacher(
    teacher_variables: Sequence[keras.Variable],
    student_variables: Sequence[keras.Variable],
    decay: Tensor,
) -> None:
    """Move variables as `ema_update` says, in one pass over them.

    Args:
        teacher_variables: List of `keras.Variable`.
        student_variables: List of as many, of the same shapes.
        decay: Scalar tensor in [0, 1].

    Example:
        >>> teacher, student = keras.Variable([1.0]), keras.Variable([0.0])
        >>> move_teacher([teacher], [student], ops.array(0.75))
        >>> teacher.numpy().tolist()
        [0.75]
    """
    pairs = list(zip(teacher_variables, student_variables, strict=True))
    average = faster("average")
    if average:
        average([pair for pair in pairs if pair[0].dtype == "float32"], decay)
        pairs = [pair for pair in pairs if pair[0].dtype != "float32"]
    for ours, theirs in pairs:
        ours.assign(ema_update(ours, ops.stop_gradient(theirs), decay))


def _clone(student):
    """Return a built copy of a model, with weights of its own in the same order."""
    reason = None
    try:
        if isinstance(student, keras.Sequential) or student.layers[0].__class__ is (
            keras.layers.InputLayer
        ):
            clone = keras.models.clone_model(student)
            # That of a subclass of a graph may be a plain graph, in another order.
            if [v.path for v in clone.weights] == [v.path for v in student.weights]:
                return clone
        clone = student.__class__.from_config(student.get_config())
        if not clone.built:
            clone.build_from_config(student.get_build_config())
            clone.built = True  # Keras leaves that to whoever calls it
        if [v.shape for v in clone.weights] == [v.shape for v in student.weights]:
            return clone
    except (NotImplementedError, TypeError, ValueError) as error:
        reason = error
    raise ValueError(
        f"Keras can't clone the student, a {student.__class__.__name__}. Pass "
        "`teacher=`, a second model made the same way and built, or give the class "
        "`get_config`"
    ) from reason
