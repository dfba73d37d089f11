"""Logs that a GPU's host reads one step late, so that it never waits for a step."""

import keras
from keras import ops

from keras_imas.backends.host import read_later


class LateLogs:
    """Let callbacks read the logs of the step before, while a step is computed.

    Keras reads the logs after each step, for its progress bar and for callbacks. On
    PyTorch with a GPU the host would wait there until the step is computed, and the GPU
    afterwards until the next one is queued. So what is read is what the step before
    has left: the running means up to there. The first step of an epoch is waited for.
    An epoch's own logs are those of its last step. Elsewhere, and outside of the
    context that this is, nothing changes.

    Args:
        late: Whether to. Defaults to `None`: on PyTorch with a GPU.

    Example:
        >>> with LateLogs(late=True) as late_logs:
        ...     logs = [late_logs({"loss": ops.array(x)}) for x in (1.0, 2.0, 3.0)]
        >>> [dict(log.items()) for log in logs]
        [{'loss': 1.0}, {'loss': 1.0}, {'loss': 2.0}]
    """

    def __init__(self, late=None):
        self._late = late
        self._before = None
        self._within = False

    def __enter__(self):
        self._within = True
        self.restart()
        return self

    def __exit__(self, *error):
        self._within = False

    def restart(self):
        """Forget the steps so far, as where an epoch begins."""
        self._before = None

    def __call__(self, logs):
        """Return the logs of a step as Keras shall have them.

        Args:
            logs: Dict of scalar tensors.

        Returns:
            A dict; its `items`, by which Keras reads them for callbacks, are late.
        """
        late = _waits_for_gpu(logs) if self._late is None else self._late
        if not self._within or not late or not logs:
            return logs
        values = ops.stack([ops.cast(value, "float32") for value in logs.values()])
        read = read_later(values)
        before, self._before = self._before or read, read
        return _ReadLate(logs, before)


class _ReadLate(dict):
    """A dict of tensors whose items are numbers; `dict(logs)` has the tensors."""

    def __init__(self, logs, read):
        super().__init__(logs)
        self._read = read

    def items(self):
        return dict(zip(self, self._read().tolist(), strict=True)).items()


def _waits_for_gpu(logs):
    return keras.backend.backend() == "torch" and any(
        getattr(value, "is_cuda", False) for value in logs.values()
    )
