"""What the host and a GPU do in a training step, on PyTorch."""

import time
import warnings


def gpu_facts(queue, steps=10):
    """Return what the host and the GPU do in a step, on PyTorch.

    Args:
        queue: Function that queues a step, and waits for nothing.
        steps: Steps to queue one behind the other. Defaults to `10`.

    Returns:
        Dict of `queued_seconds`, a step's where none is waited for, `host_seconds`, the
        host's part of that, `kernels`, how many there are, `kernel_seconds`, their sum,
        and `waits`, how often the host waited for the GPU.
    """
    import torch

    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(steps):
        queue()
    host = time.perf_counter() - start
    torch.cuda.synchronize()
    queued = time.perf_counter() - start
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        queue()
    torch.cuda.set_sync_debug_mode("default")
    waits = sum("synchronizing CUDA operation" in str(w.message) for w in caught)
    torch.cuda.synchronize()
    with torch.profiler.profile() as profile:
        queue()
        torch.cuda.synchronize()
    cuda = torch.autograd.DeviceType.CUDA
    spans = [e.time_range for e in profile.events() if e.device_type == cuda]
    return {
        "queued_seconds": queued / steps,
        "host_seconds": host / steps,
        "kernels": len(spans),
        "kernel_seconds": sum(span.elapsed_us() for span in spans) / 1e6,
        "waits": waits,
    }


def print_facts(name, *, queued_seconds, host_seconds, kernels, kernel_seconds, waits):
    """Print what `gpu_facts` returned of the step of a name."""
    print(
        f"\nThe {name}, queued one behind the other: {queued_seconds:.3f} s, of which "
        f"the host takes {host_seconds:.3f} s; {kernels:,} kernels of "
        f"{kernel_seconds:.3f} s in all; {waits} waits of the host for the GPU."
    )
