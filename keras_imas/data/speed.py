"""How fast an input pipeline is: whole, and stage by stage."""

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


def stage_seconds(examples, *, crop_size, strong=None, count=8):
    """Measure what each stage of the pipeline takes for an image, on one core.

    Args:
        examples: Images, see `as_examples`.
        crop_size: See `semi_supervised`.
        strong: The strong view, see `semi_supervised`; `False`: there is none. Defaults
            to `None`: `StrongView()`.
        count: Images to measure. Defaults to `8`.

    Returns:
        Dict from `"read and decode"`, `"weak view"`, `"strong view"` to seconds.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((2, 32, 32, 3))
        >>> list(stage_seconds(images, crop_size=16))
        ['read and decode', 'weak view', 'strong view']
    """
    from keras_imas.augment.strong import StrongView
    from keras_imas.augment.weak import weak_view
    from keras_imas.data.as_examples import as_examples

    examples = as_examples(examples)
    size = (crop_size, crop_size)

    def read(*record):
        return examples.read(*record, labels=False)["image"]

    def weak(*record):
        return weak_view(read(*record), seed=[0, record[0]], crop_size=size)[0]

    def weak_and_strong(*record):
        return strong_view(weak(*record), [1, record[0]])

    stages, ends = [read, weak], [0.0]
    if strong is not False:
        strong_view = StrongView() if strong is None else strong
        stages.append(weak_and_strong)
    records = examples.records.take(count)
    count = min(count, len(examples))
    for stage in stages:
        # The first of two passes is for tracing and caches.
        images = records.repeat(2).map(stage)
        ends.append(batch_seconds(images, warm_up=count, count=count))
    names = ("read and decode", "weak view", "strong view")
    # A stage's time is what it adds, which noise can make negative.
    return {
        name: max(end - before, 0.0)
        for name, before, end in zip(names, ends, ends[1:], strict=False)
    }
