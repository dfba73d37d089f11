"""Peak memory of this process: of the GPU where it computes on one, else the host's."""

import os

import keras

_base = 0


def is_known():
    """Tell whether it can be measured here: on GPUs, and on Linux."""
    return on_gpu() or os.path.exists("/proc/self/clear_refs")


def start():
    """Take what is there now, the libraries, for nothing."""
    global _base
    if not on_gpu():
        _base = _of_process("VmRSS")


def restart_peak():
    """Forget the peak so far, such as that of building a network."""
    if on_gpu():
        if keras.backend.backend() == "torch":
            import torch

            torch.cuda.reset_peak_memory_stats()
        elif keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.reset_memory_stats("GPU:0")
        return  # JAX keeps one peak, in which that of building is smaller
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak():
    """Return the peak in bytes, less what `start` found on the host."""
    if not on_gpu():
        return _of_process("VmHWM") - _base
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.max_memory_allocated()
    if keras.backend.backend() == "jax":
        import jax

        return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def _of_process(name):
    with open("/proc/self/status") as file:
        [line] = (line for line in file if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])


def on_gpu():
    """Tell whether the backend computes on a GPU."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.is_available()
    return "gpu" in str(keras.distribution.list_devices())


def device():
    """Return the name of what is computed on."""
    if not on_gpu():
        return "CPU"
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.get_device_name()
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    import tensorflow as tf

    gpu = tf.config.list_physical_devices("GPU")[0]
    return tf.config.experimental.get_device_details(gpu)["device_name"]
