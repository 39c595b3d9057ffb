"""The peer of gpu-check: the same network with the same weights in PyTorch on the same GPU, as fast as its
user would have it: bfloat16, scaled_dot_product_attention, channels_last, torch.compile (inference with CUDA graphs).

Argument: a safetensors file with the weights under their published names and "input" [1,S,S,3]. Prints
JSON lines: {"ready": description} or {"missing": reason}; then for each line on standard input one answer,
{"ms": median milliseconds} or {"error": text}:

    output float32|bfloat16 FILE            writes the depth of "input" as float32, little-endian
    infer BATCH eager|compiled
    train BATCH eager|compiled              autocast to bfloat16, fused AdamW
    attention flash|cudnn forward|backward BATCH HEADS TOKENS HEAD_DIM
    ssi BATCH SIDE                          the loss and its gradient, not compiled
"""

import array
import copy
import json
import sys

try:
    import torch
    import torch.nn.functional as F

    import depth_anything
except ImportError as error:
    print(json.dumps({"missing": "no PyTorch to compare with: %s" % error}), flush=True)
    sys.exit(0)

FLUSH_BYTES = 1 << 30


class Peer:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.model, read = depth_anything.load(file)
            self.image = read("input").permute(0, 3, 1, 2).contiguous().cuda()
        self.flush = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")

    def median(self, work, samples=9, warm=5, cold=False, group=None):
        """As gpu-check measures itself: groups of runs without a wait, or single runs with cold caches."""
        for _ in range(warm):
            work()
        if group is None:
            group = 1 if cold else min(200, max(1, round(2 / max(self.once(work, 1, False), 1e-3))))
        if cold:
            samples *= 2
        times = [self.once(work, group, cold) / group for _ in range(samples)]
        return sorted(times)[len(times) // 2]

    def once(self, work, runs, cold):
        torch.cuda.synchronize()
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        if cold:
            self.flush.zero_()
        begin.record()
        for _ in range(runs):
            work()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end)

    def network(self, dtype):
        model = copy.deepcopy(self.model).to("cuda", dtype)
        return model.to(memory_format=torch.channels_last)

    def images(self, batch, dtype):
        images = self.image.expand(batch, -1, -1, -1).to(dtype)
        return images.contiguous(memory_format=torch.channels_last)

    def output(self, dtype, path):
        dtype = getattr(torch, dtype)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        with torch.inference_mode():
            depth = self.network(dtype).eval()(self.images(1, dtype))
        with open(path, "wb") as file:
            array.array("f", depth.float().flatten().tolist()).tofile(file)
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        return 0.0

    def infer(self, batch, mode):
        torch.compiler.reset()
        model = self.network(torch.bfloat16).eval()
        if mode == "compiled":
            model = torch.compile(model, mode="reduce-overhead", dynamic=False)
        images = self.images(int(batch), torch.bfloat16)

        def work():
            with torch.inference_mode():
                return model(images)

        return self.median(work, samples=20, warm=8)

    def train(self, batch, mode):
        torch.compiler.reset()
        model = self.network(torch.float32).train()
        optimiser = depth_anything.optimiser(model, fused=True)
        run = torch.compile(model, dynamic=False) if mode == "compiled" else model
        images = self.images(int(batch), torch.float32)
        target = torch.rand(images.shape[0], *images.shape[2:], device="cuda")

        def work():
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast("cuda", torch.bfloat16):
                depth = run(images)
            depth_anything.scale_shift_invariant(depth.float(), target).backward()
            optimiser.step()

        return self.median(work, samples=3, warm=4, group=4)

    def attention(self, implementation, way, batch, heads, tokens, head_dim):
        from torch.nn.attention import SDPBackend, sdpa_kernel

        chosen = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
        shape = (int(batch), int(heads), int(tokens), int(head_dim))
        q, k, v = (
            torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=True)
            for _ in range(3)
        )
        cold = batch == "1"
        with sdpa_kernel(chosen[implementation]):
            if way == "forward":
                return self.median(lambda: F.scaled_dot_product_attention(q, k, v), cold=cold)
            y = F.scaled_dot_product_attention(q, k, v)
            dy = torch.randn_like(y)
            return self.median(
                lambda: torch.autograd.grad(y, (q, k, v), dy, retain_graph=True), cold=cold
            )

    def ssi(self, batch, side):
        shape = (int(batch), int(side), int(side))
        depth = torch.rand(shape, device="cuda", requires_grad=True)
        target = torch.rand(shape, device="cuda")
        return self.median(
            lambda: torch.autograd.grad(depth_anything.scale_shift_invariant(depth, target), depth)
        )


def main():
    if not torch.cuda.is_available():
        print(json.dumps({"missing": "PyTorch %s sees no GPU" % torch.__version__}), flush=True)
        return
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    peer = Peer(sys.argv[1])
    description = "PyTorch %s, CUDA %s, cuDNN %s" % (
        torch.__version__,
        torch.version.cuda,
        torch.backends.cudnn.version(),
    )
    print(json.dumps({"ready": description}), flush=True)
    for line in sys.stdin:
        words = line.split()
        try:
            answer = {"ms": getattr(peer, words[0])(*words[1:])}
        except Exception as error:  # whatever PyTorch lacks or refuses is an answer
            answer = {"error": ("%s: %s" % (type(error).__name__, error))[:300]}
        torch.cuda.empty_cache()
        print(json.dumps(answer), flush=True)


main()
