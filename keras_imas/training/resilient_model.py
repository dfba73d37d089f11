"""A Keras model whose runs survive: NaN is skipped and reported, runs resume."""

import contextlib
import functools
import inspect
import itertools
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_imas import batch
from keras_imas.backends.devices import check_strategy, scope_of
from keras_imas.backends.late_logs import LateLogs
from keras_imas.backends.replicas import replica_concatenation, replica_mean
from keras_imas.backends.steps import keras_step, pass_over, step_logs
from keras_imas.batch_checks import STRONG
from keras_imas.training import resuming
from keras_imas.training.finite_updates import FiniteUpdates, look_at_all_replicas
from keras_imas.training.health import Health, all_finite, snapshot
from keras_imas.typing import Logs, Tensor


class ResilientModel(keras.Model):
    """A model that trains its `student`, and survives what happens in runs of days.

    A step whose loss, gradient or batch statistics are NaN or infinite is skipped and
    reported, or ends the training. `fit` resumes from a
    `keras_imas.callbacks.Checkpoint`.

    A subclass sets `student`, the network that a step trains; trains by
    `gradient_step` within a `train_step` that is `on_every_backend`; and returns what
    `guarded` returns from `compute_loss`.

    Args:
        max_skipped_steps: Number of such steps in a row that are skipped; one more, and
            `fit` raises `keras_imas.training.health.NonFiniteError`. `None`: numbers
            are not looked at. Defaults to `0`.
        **kwargs: See `keras.Model`.

    Attributes:
        step: Number of steps so far, an int32 variable.
        health: `keras_imas.training.health.Health`: what was not finite so far.
        image_names: Dict of the names of the `"labeled"` and `"unlabeled"` images, in
            the order of the positions in batches, for errors.
        training_metrics: Metrics that `log` updates.
    """

    def __init__(self, *, max_skipped_steps: int | None = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_skipped_steps = max_skipped_steps
        self.step = self._add_counter("step", ())
        self.health = Health(self._add_counter("health", (4,)), max_skipped_steps)
        self.image_names = {}
        self.training_metrics = []
        self._passed_over: Iterator[Logs] = iter(())
        self._late_logs = LateLogs()

    def _add_counter(self, name, shape):
        return self.add_weight(
            name=name,
            shape=shape,
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "sgd",
        loss: Any = None,
        **kwargs: Any,
    ) -> None:
        """Configure training, as `keras.Model.compile`.

        Args:
            optimizer: Optimizer of the student. Defaults to `"sgd"`.
            loss: See `keras.Model.compile`.
            **kwargs: See `keras.Model.compile`.
        """
        super().compile(optimizer=optimizer, loss=loss, **kwargs)
        self.loss_weights = kwargs.get("loss_weights")
        self._optimizer_in_steps: Any = contextlib.nullcontext
        if self._scales_loss:
            look_at_all_replicas(self.optimizer)
        elif self.max_skipped_steps is not None:
            # A function, as an attribute that is an optimizer would be saved too.
            updates = FiniteUpdates(self.optimizer)
            self._optimizer_in_steps = functools.partial(updates.stand_in, self)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Configure training as it was when the model was saved.

        Args:
            config: What `get_compile_config` returned.
        """
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.build_optimizer()

    def build_optimizer(self) -> None:
        """Make the optimizer's variables, unless they are made already.

        If a step makes them, TensorFlow traces it twice.
        """
        if not self.optimizer.built:
            with scope_of(self):
                self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Train, as `keras.Model.fit`; resume from a `Checkpoint` if there is one.

        Args:
            x: See `keras.Model.fit`.
            y: See `keras.Model.fit`.
            batch_size: See `keras.Model.fit`.
            *args: See `keras.Model.fit`.
            **kwargs: See `keras.Model.fit`.

        Returns:
            `keras.callbacks.History`.

        Raises:
            ValueError: If the strategy has several workers.
            keras_imas.training.health.NonFiniteError: If a loss or gradient is NaN or
                infinite, in more than `max_skipped_steps` steps in a row.
        """
        check_strategy(getattr(self, "distribute_strategy", None))
        fit = super().fit

        def watched(*args, **kwargs):
            # After a checkpoint was read, which may be of a run that was to stop.
            self.health.restart()
            with self._late_logs:
                history = fit(*args, **kwargs)
            self.health.check()
            return history

        options = inspect.signature(fit).bind(x, y, batch_size, *args, **kwargs)
        return resuming.fit(self, watched, **options.arguments)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate, as `keras.Model.evaluate`.

        Args:
            *args: See there.
            **kwargs: See there.

        Returns:
            The logs.

        Raises:
            ValueError: If a label is neither a class nor ignored.
        """
        with self.health.evaluation():
            return super().evaluate(*args, **kwargs)

    def settings(self) -> dict[str, Any]:
        """Return what a checkpoint's training and a resumed one must agree in.

        Returns:
            Dict of values that Keras can serialize.
        """
        return {}

    def pass_over(self, steps: int, logs: Logs) -> None:
        """Let `fit` read its next batches without training on them.

        Args:
            steps: Number of batches.
            logs: Dict of the logs of these steps.
        """
        executions = -(-steps // self.steps_per_execution)
        self._passed_over = itertools.repeat(logs, executions)

    def training_metrics_variables(self) -> list[keras.Variable]:
        """Return the variables of the metrics that steps update, all known from start.

        The metrics of `compile` update in evaluation only.
        """
        metrics = [m for m in self.metrics if m is not self._compile_metrics]
        return [*itertools.chain(*(metric.variables for metric in metrics))]

    def reset_metrics(self) -> None:
        """Reset the metrics, as `keras.Model.reset_metrics`."""
        super().reset_metrics()
        self._late_logs.restart()

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Train for a step, as `keras.Model.train_on_batch`.

        Args:
            *args: See there.
            **kwargs: See there.

        Returns:
            The logs.

        Raises:
            ValueError: If a label is neither a class nor ignored.
            keras_imas.training.health.NonFiniteError: See `fit`. The next call trains
                again.
        """
        self.health.resume()
        logs = super().train_on_batch(*args, **kwargs)
        self.health.check()
        return logs

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate on a batch, as `keras.Model.test_on_batch`.

        Args:
            *args: See there.
            **kwargs: See there.

        Returns:
            The logs.

        Raises:
            ValueError: If a label is neither a class nor ignored.
        """
        with self.health.evaluation():
            return super().test_on_batch(*args, **kwargs)

    def make_train_function(self, force: bool = False) -> Any:
        """Make the function that trains for a step, as `keras.Model` does.

        Args:
            force: Whether to make it anew. Defaults to `False`.

        Returns:
            The function.

        Raises:
            ValueError: If no weight of the student is trainable.
        """
        if self.train_function is not None and not force:
            return self.train_function
        if not self.trainable_variables:
            raise ValueError(
                "No weight of the student is trainable. Set `trainable = True` on the "
                "layers to train, and compile again"
            )
        self.build_optimizer()
        super().make_train_function(force=True)
        step = self.train_function

        def step_and_report(*args):
            for logs in self._passed_over:
                return pass_over(args, self.steps_per_execution, dict(logs))
            # Not what the last step has found, which may still run.
            self.health.check(but=1)
            result = step(*args)
            logs = step_logs(result)
            indexes = {name: logs.pop(f"{name}_index", None) for name in batch.INDEXED}
            if "health" in logs:
                named = functools.partial(self._named, indexes)
                self.health.add(logs.pop("health"), named)
            return result if logs is not result else self._late_logs(logs)

        self.train_function = step_and_report
        return self.train_function

    def gradient_step(self, data: Any) -> tuple[Logs, Tensor]:
        """Train the student for a step, as Keras does, or skip a step that is bad.

        Args:
            data: The batch.

        Returns:
            `(logs, updated)`: dict, and a boolean scalar tensor, whether the optimizer
            has updated the student. It has not where the step was bad, nor between two
            updates of an optimizer that accumulates gradients.
        """
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        taken = ops.copy(self._gradients_taken)
        guards = self.max_skipped_steps is not None
        # What a step changes before it is known to be finite.
        counts = self.training_metrics_variables()
        restore = snapshot([*self._changed_by_passes(), *counts] if guards else [])
        with self._optimizer_in_steps():
            logs = keras_step(self, data)
        trained = self._gradients_taken != taken
        if guards:
            failed = ops.logical_not(trained)
            if self._scales_loss:
                # A loss scale that was too large is no error, as long as it can fall.
                scaled = self.optimizer.dynamic_scale > 1.0
                failed = ops.logical_not(ops.logical_or(trained, scaled))
            bad = self.health.settle(failed, ops.convert_to_tensor(self.step))
            restore(bad)
            logs = {m.name: m.result() for m in self.metrics if m.name in logs}
            logs["health"] = ops.copy(self.health.variable)
            for name, index in batch.positions(inputs).items():
                logs[f"{name}_index"] = replica_concatenation(index)
        self.step.assign_add(1)
        due = self._gradients_taken % self.steps_per_update == 0
        return logs, ops.logical_and(trained, due)

    @property
    def steps_per_update(self) -> int:
        """Steps whose gradients the optimizer accumulates for one update."""
        return self._inner_optimizer.gradient_accumulation_steps or 1

    def log(self, **values: Tensor) -> None:
        """Update the training metrics of these names.

        Args:
            **values: Tensors.
        """
        for metric in self.training_metrics:
            if metric.name in values:
                metric.update_state(values[metric.name])

    def guarded(
        self,
        loss: Tensor,
        inputs: dict[str, Tensor],
        losses: list[Tensor],
        label_code: Tensor = 0,
    ) -> Tensor:
        """Return the loss, or NaN where something of the step is not finite.

        So the gradient is NaN too, on all replicas, and the optimizer leaves all as it
        is. What it was is noted for the report.

        Args:
            loss: Scalar tensor.
            inputs: Dict of the batch's images.
            losses: List of its parts and of the hardness, in the order of
                `keras_imas.training.health.PARTS`; the last ones may be missing.
            label_code: What `Health.label_code` returned. Defaults to `0`.

        Returns:
            Scalar tensor.
        """
        if self.max_skipped_steps is None:
            return loss
        images = [
            [
                ops.cast(inputs[name], self.compute_dtype)
                for name in names
                if name in inputs
            ]
            for names in (("labeled",), ("unlabeled", *STRONG))
        ]
        losses = [[part] for part in losses] + [[]] * (4 - len(losses))
        statistics = [v for v in self._changed_by_passes() if "float" in v.dtype]
        finite = [all_finite(part) for part in (*images, *losses, statistics)]
        healthy = self.health.note(replica_mean(ops.stack(finite)), label_code)
        return loss * ops.where(healthy, 1.0, float("nan"))

    def _get_metrics_result_or_logs(self, logs):
        # Keras takes logs without some of the metrics as the mean over the replicas.
        found = self.get_metrics_result()
        return {name: found.get(name, logs[name]) for name in logs}

    def _changed_by_passes(self):
        """Return what passes of the student change, such as batch statistics."""
        layers = self.student._flatten_layers()
        frozen = [x._trainable_variables for x in layers if not x.trainable]
        still = {id(variable) for of_layer in frozen for variable in of_layer}
        return [v for v in self.student.non_trainable_variables if id(v) not in still]

    @property
    def _scales_loss(self):
        return isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)

    @property
    def _inner_optimizer(self):
        # Under mixed precision it is wrapped, for loss scaling.
        return getattr(self.optimizer, "inner_optimizer", self.optimizer)

    @property
    def _gradients_taken(self):
        """The variable that counts them; `iterations` may count updates."""
        return self._inner_optimizer.variables[0]

    def _named(self, indexes):
        """Return the names of images, or their positions where no names are known."""
        found = {}
        for name, positions in indexes.items():
            # Of several steps at once only the last one's are known; of several
            # processes only one's own.
            whole = getattr(positions, "is_fully_addressable", True)
            if positions is not None and whole and self.steps_per_execution == 1:
                positions = ops.convert_to_numpy(positions).tolist()
                names = self.image_names.get(name) or {}
                found[name] = [names[i] if names else i for i in positions]
        return found
