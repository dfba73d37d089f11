"""Which callbacks read the logs of others, and all columns that these have."""

import keras

from keras_imas.files.removed import check_present

_READERS = (
    keras.callbacks.CSVLogger,
    keras.callbacks.EarlyStopping,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.RemoteMonitor,
    keras.callbacks.TensorBoard,
)


def after_what_they_read(callbacks):
    """Order callbacks so that Keras' own see what an `Evaluation` adds to the logs.

    Args:
        callbacks: List of callbacks. One that adds to the logs, not in each epoch, has
            the attribute `log_names`.

    Returns:
        The list, with those of Keras that read logs behind the last that adds to them;
        before each `CSVLogger` one that tells it all columns.

    Example:
        >>> after_what_they_read([])
        []
    """
    adding = [i for i, c in enumerate(callbacks) if getattr(c, "log_names", None)]
    after = max(adding, default=-1) + 1
    early = [c for c in callbacks[:after] if isinstance(c, _READERS)]
    before = [c for c in callbacks[:after] if not isinstance(c, _READERS)]
    ordered = []
    for callback in (*before, *early, *callbacks[after:]):
        if isinstance(callback, keras.callbacks.CSVLogger):
            ordered.append(_Columns(callback, [callbacks[i] for i in adding]))
        ordered.append(callback)
    return ordered


class _Columns(keras.callbacks.Callback):
    """Tells a `CSVLogger` its columns, which it takes from the first epoch's logs."""

    def __init__(self, logger, adding):
        super().__init__()
        self.logger = logger
        self.adding = adding

    def on_epoch_end(self, epoch, logs=None):
        if self.logger.keys is None:
            added = [name for callback in self.adding for name in callback.log_names]
            self.logger.keys = sorted({*logs, *added})

    def on_train_end(self, logs=None):
        # It writes to the file that it has opened, be it in a folder or nowhere.
        if self.logger.csv_file is not None:
            check_present("The log", self.logger.filename)
