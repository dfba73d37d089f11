"""How fast an input pipeline is: whole, and stage by stage."""

import concurrent.futures
import itertools
import time


def batch_seconds(batches, *, warm_up=4, count=16, limit=5.0):
    """Measure what a pipeline takes for a batch where nothing else runs.

    Args:
        batches: Iterable of batches, such as `semi_supervised` returns.
        warm_up: Batches that are not counted: a pipeline fills its buffers first.
            Defaults to `4`.
        count: Batches to count. Defaults to `16`.
        limit: Seconds after which no further batch is counted. Defaults to `5.0`.

    Returns:
        Seconds a batch; `None` where there are no more batches than `warm_up`.

    Example:
        >>> batch_seconds([0] * 10) < 0.1
        True
    """
    iterator = iter(batches)
    for _ in itertools.islice(iterator, warm_up):
        pass
    start = time.perf_counter()
    seen, seconds = 0, 0.0
    for _ in itertools.islice(iterator, count):
        seen, seconds = seen + 1, time.perf_counter() - start
        if seconds > limit:
            break
    return seconds / seen if seen else None


def stage_seconds(examples, *, crop_size, strong=None, count=8, pipeline="auto"):
    """Measure what each stage of the pipeline takes for an image by itself.

    Args:
        examples: Images, see `as_examples`.
        crop_size: See `semi_supervised`.
        strong: The strong view, see `semi_supervised`; `False`: there is none. Defaults
            to `None`: `StrongView()`.
        count: Images to measure. Defaults to `8`.
        pipeline: See `keras_imas.data.pipelines.choose_pipeline`. Defaults to `"auto"`.

    Returns:
        Dict from `"read and decode"`, `"weak view"`, `"strong view"` to seconds.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((2, 32, 32, 3))
        >>> list(stage_seconds(images, crop_size=16))
        ['read and decode', 'weak view', 'strong view']
    """
    from keras_imas.augment.strong import StrongView
    from keras_imas.data.as_examples import as_examples
    from keras_imas.data.pipelines import choose_pipeline

    examples = as_examples(examples)
    strong = StrongView() if strong is None else strong
    by_device = choose_pipeline(pipeline, examples, strong=(strong,)) == "device"
    stages = (_device_stages if by_device else _tensorflow_stages)(
        examples, (crop_size, crop_size), strong, count
    )
    count = min(count, len(examples))
    # The first of two passes is for tracing and caches.
    ends = [batch_seconds(stage, warm_up=count, count=count) for stage in stages]
    names = ("read and decode", "weak view", "strong view")
    # A stage's time is what it adds, which noise can make negative.
    return {
        name: max(end - before, 0.0)
        for name, before, end in zip(names, [0.0, *ends], ends, strict=False)
    }


def _tensorflow_stages(examples, crop_size, strong, count):
    """Return iterables over two passes, each of one stage more than the last."""
    from keras_imas.augment.weak import weak_view

    def read(*record):
        return examples.read(*record, labels=False)["image"]

    def weak(*record):
        return weak_view(read(*record), seed=[0, record[0]], crop_size=crop_size)[0]

    def weak_and_strong(*record):
        return strong(weak(*record), [1, record[0]])

    records = examples.records.take(count).repeat(2)
    stages = [read, weak, weak_and_strong] if strong else [read, weak]
    return [records.map(stage) for stage in stages]


def _device_stages(examples, crop_size, strong, count):
    """Return iterables over two passes, each of one stage more than the last."""
    import keras

    from keras_imas.backends.compiled import compiled
    from keras_imas.data.device.batches import ON_HOST, WINDOW, uploaded
    from keras_imas.data.device.stream import Stream
    from keras_imas.data.device.strong_view import strong_views
    from keras_imas.data.device.weak_view import WeakView
    from keras_imas.imagenet import MEAN_COLOR

    view = WeakView(crop_size, (0.5, 2.0), True, MEAN_COLOR, 255)
    scale, apply = compiled(view.scale), compiled(strong_views)

    def views(strong):
        stream = Stream(examples, 1, 0, view, seed=0, part=(0, 1), strong=strong)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            for step in range(2 * count):
                arrays, (future,) = stream.begin(pool, 0, step)
                future.result()
                tensors = uploaded(arrays)
                image, _ = scale(*(tensors[name] for name in WINDOW))
                if strong:
                    image = apply(image, *(tensors[name][:, 0] for name in ON_HOST))
                yield keras.ops.convert_to_numpy(image)

    indices = [*range(min(count, len(examples)))] * 2
    read = (examples.get(index, labels=False) for index in indices)
    return [read, views(None), *([views(strong)] if strong else [])]
