"""One size of bench/loss.ts in PyTorch: OpenCLIP's loss, or FastCLIP-v3 over full B x B matrices with autograd, gamma 1."""

import json
import resource
import sys
import time

import torch
from open_clip.loss import ClipLoss

options = json.loads(sys.argv[1])
size, width, tau, repeats = (options[name] for name in ("size", "width", "tau", "repeats"))
torch.set_num_threads(options["threads"])
torch.manual_seed(0)
things = torch.randn(size // 2, width).repeat_interleave(2, 0)


def features():
    noise = torch.randn(size, width)
    values = things + 0.05 * noise if options["twins"] else noise
    return torch.nn.functional.normalize(values, dim=1).requires_grad_()


image, text = features(), features()
rho, eps = 6.5, 1e-14


def inner(similarity):
    difference = (similarity - similarity.diagonal().unsqueeze(1)) / tau
    terms = difference.exp() * (1 - torch.eye(size))
    return terms.sum(1) / (size - 1)


def fastclip():
    similarity = image @ text.T
    g1, g2 = inner(similarity), inner(similarity.T)
    u1, u2 = g1.detach(), g2.detach()
    surrogate = (g1 / (u1 + eps) + g2 / (u2 + eps)).mean()
    return tau * (surrogate + rho + (u1.log() + u2.log()).mean() / 2)


def openclip():
    return ClipLoss()(image, text, torch.tensor(1 / tau))


def step():
    image.grad = text.grad = None
    loss = {"fastclip-v3": fastclip, "openclip": openclip}[options["loss"]]()
    loss.backward()
    return loss.item()


base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seconds = []
for _ in range(repeats):
    start = time.perf_counter()
    loss = step()
    seconds.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": sorted(seconds)[len(seconds) // 2], "peakBytes": (peak - base) * 1024, "loss": loss}))
