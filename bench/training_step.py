"""The peer of TrainingStep: the same network, loss and optimiser in PyTorch, to be timed beside it.

Arguments: a safetensors file with the weights under their published names, "input" [B,H,W,3] and
"target" [B,H,W]; threads; nchw or channels_last. Prints JSON lines: {"ready": description}; then for each line "go N"
on standard input N lines {"step", "seconds", "loss"} and one {"peakMegabytes"}. Needs nothing
but torch.
"""

import json
import sys
import time

try:
    import torch

    import depth_anything
except ImportError as error:
    print(json.dumps({"missing": "no PyTorch to compare with: %s" % error}), flush=True)
    sys.exit(0)

def peak_megabytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1.024e-3
    raise RuntimeError("no VmHWM in /proc/self/status")


def main():
    path, threads, layout = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(threads)
    with open(path, "rb") as file:
        model, read = depth_anything.load(file)
        image = read("input").permute(0, 3, 1, 2).contiguous()
        target = read("target")
    if layout == "channels_last":
        model = model.to(memory_format=torch.channels_last)
        image = image.contiguous(memory_format=torch.channels_last)
    model.train()
    optimiser = depth_anything.optimiser(model)
    description = "PyTorch %s (%s, %d threads)" % (torch.__version__, layout, threads)
    print(json.dumps({"ready": description}), flush=True)
    step = 0
    for line in sys.stdin:
        for _ in range(int(line.split()[1])):
            begin = time.perf_counter()
            optimiser.zero_grad(set_to_none=True)
            loss = depth_anything.scale_shift_invariant(model(image), target)
            loss.backward()
            optimiser.step()
            value = loss.item()
            seconds = time.perf_counter() - begin
            del loss
            step += 1
            print(json.dumps({"step": step, "seconds": seconds, "loss": value}), flush=True)
        print(json.dumps({"peakMegabytes": peak_megabytes()}), flush=True)


main()
