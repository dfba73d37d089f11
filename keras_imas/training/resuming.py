"""`fit` that resumes where a checkpoint was made, epoch by epoch of the data."""

import contextlib

import keras
from keras import ops

from keras_imas.backends.determinism import draw_as_reading
from keras_imas.backends.devices import scope_of
from keras_imas.training.callback_states import check_resumable, same_kinds
from keras_imas.training.checkpoint import Checkpoint
from keras_imas.training.log_columns import after_what_they_read
from keras_imas.training.resumable_data import resumable, steps_of
from keras_imas.training.training_settings import training_settings
from keras_imas.training.unlabeled_use import UnlabeledUse, has_unlabeled


def fit(model, keras_fit, **options):
    """Train, from the newest checkpoint on if there is one.

    Args:
        model: `keras_imas.IMAS`.
        keras_fit: `keras.Model.fit` of that model.
        **options: Its arguments.

    Returns:
        `keras.callbacks.History`.
    """
    callbacks = options.pop("callbacks", None)
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    callbacks = keras.tree.flatten(callbacks) if callbacks else []
    unlabeled = has_unlabeled(options["x"])
    checkpoints = [c for c in callbacks if isinstance(c, Checkpoint)]
    if len(checkpoints) > 1:
        raise ValueError("`callbacks` may have one `Checkpoint`, and has several")
    if not checkpoints:
        callbacks = after_what_they_read(callbacks)
        callbacks.insert(0, UnlabeledUse(_steps_at_end(model, options), unlabeled))
        position = getattr(options["x"], "position", None)
        if options.get("steps_per_epoch") is not None:
            position = None  # Keras reads on where the last epoch has ended
        with _leaving(callbacks), _following(position, options, callbacks):
            return keras_fit(callbacks=callbacks, **options)

    (checkpoint,) = checkpoints
    options = resumable(model, options)
    # It comes last, so that what it saves is what the others have left.
    callbacks = after_what_they_read([c for c in callbacks if c is not checkpoint])
    check_resumable(callbacks)
    if not any(isinstance(c, keras.callbacks.History) for c in callbacks):
        callbacks.append(keras.callbacks.History())
    checkpoint.callbacks = list(callbacks)
    callbacks.append(checkpoint)
    settings = training_settings(model, options, steps_of(options))
    with scope_of(model):
        state = checkpoint.restore(model, settings)
    position = getattr(options["x"], "position", None)
    if position:
        position.passed = 0  # its epochs are those that the checkpoint counts
    if state is not None:
        options = _from(state, options, checkpoint)
    callbacks.insert(0, UnlabeledUse(_steps_at_end(model, options, state), unlabeled))
    with _leaving(callbacks):
        if state is None or not state["step"]:
            with _following(position, options, callbacks):
                return keras_fit(callbacks=callbacks, **options)
        return _finish_epoch(model, keras_fit, state, position, callbacks, options)


@contextlib.contextmanager
def _leaving(callbacks):
    """Call `leave(error)` of callbacks, as Keras ends no training that has failed."""
    error = None
    try:
        yield
    except BaseException as caught:
        error = caught
        raise
    finally:
        for callback in callbacks:
            if hasattr(callback, "leave"):
                callback.leave(error)


def _from(state, options, checkpoint):
    """Return the arguments of `fit` to train from a checkpoint on."""
    epoch, epochs = state["epoch"], options.get("epochs", 1)
    where = checkpoint.checkpoints.directory
    if options.get("initial_epoch", 0) > epoch:
        raise ValueError(
            f"`initial_epoch={options['initial_epoch']}`, and the checkpoint in "
            f"{where!r} is of epoch {epoch}, counted from 0. Leave it out: the "
            "checkpoint tells where to resume"
        )
    stopped = state["stopped"] and same_kinds(checkpoint.callbacks, state["callbacks"])
    if stopped or epoch >= epochs:
        why = "A callback has stopped it" if stopped else f"It has {epochs} epochs"
        more = "" if stopped else "; more `epochs` continue it"
        print(
            f"Nothing is left to train: the training in {where!r} is finished. "
            f"{why}{more}. Pass another directory to start a new training",
            flush=True,
        )
        options = {**options, "epochs": epoch}
    return {**options, "initial_epoch": epoch}


def _steps_at_end(model, options, state=None):
    """Return the number of steps that the model will have made, if it can be known."""
    steps = steps_of(options)
    if steps is None:
        return None
    epochs = options.get("epochs", 1) - options.get("initial_epoch", 0)
    done = int(ops.convert_to_numpy(model.step)) - (state["step"] if state else 0)
    return done + epochs * steps


def _finish_epoch(model, keras_fit, state, position, callbacks, options):
    """Train the rest of an epoch, then all others, as one training."""
    epoch, step, steps = state["epoch"], state["step"], state["steps"]
    epochs, verbose = options.get("epochs", 1), options.get("verbose", "auto")
    events = _Events(
        callbacks,
        add_history=True,
        add_progbar=verbose != 0,
        verbose=verbose,
        epochs=epochs,
        steps=steps,
        model=model,
    )
    if steps is None or step < steps:
        part = {**options, "epochs": epoch + 1}
        if position:  # with a length, so that Keras treats it as any epoch
            part["x"] = options["x"].take(steps - step)
            events.skipped = step
        else:  # others are read from the epoch's start
            events.passing = step
            model.pass_over(step, state["logs"])
        with _following(position, options, events.callbacks, step), _going_on(model):
            keras_fit(callbacks=events, **part)
        events.skipped = events.passing = 0
    else:
        _end_epoch(model, events, state, options)
    if epoch + 1 < epochs and not model.stop_training:
        *_, checkpoint = callbacks
        checkpoint.keep_draws()  # to build the model draws too, on PyTorch
        rest = {**options, "initial_epoch": epoch + 1}
        with _following(position, rest, events.callbacks):
            keras_fit(callbacks=events, **rest)
    else:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    events.finish()
    return model.history


@contextlib.contextmanager
def _going_on(model):
    """Keep Keras from taking the average of `use_ema`, which the last epoch does."""
    own = vars(model.optimizer)  # past Keras' own book-keeping of attributes
    own["finalize_variable_values"] = lambda variables: None
    try:
        yield
    finally:
        del own["finalize_variable_values"]


def _end_epoch(model, events, state, options):
    """Do what is left of an epoch whose steps are done."""
    model.stop_training = False
    events.on_train_begin()
    events.on_epoch_begin(state["epoch"])
    draw_as_reading()  # Keras begins to read once more, after the last step
    logs = dict(state["logs"])
    validation = options.get("validation_data")
    frequency = options.get("validation_freq", 1)
    chosen = (
        (state["epoch"] + 1) % frequency == 0
        if isinstance(frequency, int)
        else state["epoch"] + 1 in frequency
    )
    if validation is not None and chosen:
        images, label_maps, weights = keras.utils.unpack_x_y_sample_weight(validation)
        results = model.evaluate(
            images,
            label_maps,
            sample_weight=weights,
            batch_size=options.get("validation_batch_size")
            or options.get("batch_size"),
            verbose=0,
            return_dict=True,
        )
        logs |= {f"val_{name}": value for name, value in results.items()}
    events.on_epoch_end(state["epoch"], logs)


class _Events(keras.callbacks.CallbackList):
    """The callbacks of one training, of which Keras is told as of two.

    Attributes:
        skipped: Steps of the epoch that Keras does not see.
        passing: Steps of it that Keras sees, and that are not trained on.
    """

    skipped = passing = 0
    _begun, _logs = False, None

    def on_train_begin(self, logs=None):
        if not self._begun:
            self._begun = True
            super().on_train_begin(logs)

    def on_train_batch_begin(self, batch, logs=None):
        if batch >= self.passing:
            super().on_train_batch_begin(batch + self.skipped, logs)

    def on_train_batch_end(self, batch, logs=None):
        if batch >= self.passing:
            super().on_train_batch_end(batch + self.skipped, logs)

    def on_train_end(self, logs=None):
        self._logs = logs

    def finish(self):
        super().on_train_end(self._logs)


@contextlib.contextmanager
def _following(position, options, callbacks, step=0):
    """Let the data's epochs be those of `fit`; one more `fit` takes the next ones.

    `step` is where the first epoch starts.
    """
    if position is None:
        yield
        return
    first = options.get("initial_epoch", 0)
    ahead = max(position.passed - first, 0)

    def hold(epoch):
        position.hold(epoch + ahead, step if epoch == first else 0)

    # Before the first epoch too, as some backends look at a batch to build the model.
    hold(first)
    callback = keras.callbacks.LambdaCallback(on_epoch_begin=lambda n, logs: hold(n))
    callbacks.insert(0, callback)
    try:
        yield
    finally:
        callbacks.remove(callback)
        position.release()
