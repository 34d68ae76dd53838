"""Times steps of torch's optimizers, with and without weight decay as OpenCLIP groups parameters. One JSON request a line, one reply a line:
{"shapes": [[...]], "threads": n} makes parameters and gradients, {"optimizer": NAME} an optimizer for them, {"step": true} takes a step,
{"rare": {"parameter": i, "count": rows, "mean": x}} makes the first rows' gradients 0 and their means x."""

import json
import sys
import time

import torch

DECAY = 0.2


class Lamb:
    """LAMB's formula, operator by operator over lists of tensors."""

    def __init__(self, groups):
        self.groups, self.t = groups, 0
        self.m = [[torch.zeros_like(p) for p in group["params"]] for group in groups]
        self.v = [[torch.zeros_like(p) for p in group["params"]] for group in groups]

    @torch.no_grad()
    def step(self, lr=1e-5, beta1=0.9, beta2=0.98, eps=1e-6):
        self.t += 1
        for group, m, v in zip(self.groups, self.m, self.v):
            p = group["params"]
            g = [x.grad for x in p]
            torch._foreach_lerp_(m, g, 1 - beta1)
            torch._foreach_mul_(v, beta2)
            torch._foreach_addcmul_(v, g, g, 1 - beta2)
            d = torch._foreach_sqrt(v)
            torch._foreach_div_(d, (1 - beta2**self.t) ** 0.5)
            torch._foreach_add_(d, eps)
            d = torch._foreach_div(m, d)
            torch._foreach_div_(d, 1 - beta1**self.t)
            if group["weight_decay"] != 0:
                torch._foreach_add_(d, p, alpha=group["weight_decay"])
                ratios = torch.stack(torch._foreach_norm(p)) / torch.stack(torch._foreach_norm(d))
                torch._foreach_mul_(d, ratios.unbind())
            torch._foreach_add_(p, d, alpha=-lr)


class Lion:
    """Lion's formula, operator by operator over lists of tensors."""

    def __init__(self, groups):
        self.groups = groups
        self.m = [[torch.zeros_like(p) for p in group["params"]] for group in groups]

    @torch.no_grad()
    def step(self, lr=1e-5, beta1=0.9, beta2=0.99):
        for group, m in zip(self.groups, self.m):
            p = group["params"]
            g = [x.grad for x in p]
            d = torch._foreach_mul(m, beta1)
            torch._foreach_add_(d, g, alpha=1 - beta1)
            torch._foreach_sign_(d)
            torch._foreach_mul_(p, 1 - lr * group["weight_decay"])
            torch._foreach_add_(p, d, alpha=-lr)
            torch._foreach_lerp_(m, g, 1 - beta2)


OPTIMIZERS = {
    "AdamW fused": lambda groups: torch.optim.AdamW(groups, lr=1e-5, betas=(0.9, 0.98), eps=1e-6, fused=True),
    "AdamW foreach": lambda groups: torch.optim.AdamW(groups, lr=1e-5, betas=(0.9, 0.98), eps=1e-6, foreach=True),
    "SGD fused": lambda groups: torch.optim.SGD(groups, lr=1e-5, momentum=0.9, fused=True),
    "SGD foreach": lambda groups: torch.optim.SGD(groups, lr=1e-5, momentum=0.9, foreach=True),
    "LAMB foreach": Lamb,
    "Lion foreach": Lion,
}


def parameter(shape):
    made = torch.nn.Parameter(torch.full(shape, 0.02))
    made.grad = torch.full(shape, 1e-3)
    return made


groups, optimizer = [], None
for line in sys.stdin:
    request = json.loads(line)
    reply = {}
    if "shapes" in request:
        torch.set_num_threads(request["threads"])
        parameters = [parameter(shape) for shape in request["shapes"]]
        vectors = [p for p in parameters if p.ndim < 2]
        matrices = [p for p in parameters if p.ndim >= 2]
        groups = [{"params": vectors, "weight_decay": 0.0}, {"params": matrices, "weight_decay": DECAY}]
    elif "optimizer" in request:
        optimizer = None
        for p in parameters:
            p.grad.fill_(1e-3)
        # Copies, because torch writes an optimizer's settings into the groups, where the next one would find them.
        optimizer = OPTIMIZERS[request["optimizer"]]([dict(group) for group in groups])
    elif "rare" in request:
        rare = request["rare"]
        chosen = parameters[rare["parameter"]]
        chosen.grad[: rare["count"]] = 0
        optimizer.state[chosen]["exp_avg"][: rare["count"]] = rare["mean"]
    else:
        start = time.perf_counter()
        optimizer.step()
        reply = {"milliseconds": (time.perf_counter() - start) * 1000}
    print(json.dumps(reply))
