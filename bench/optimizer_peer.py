"""Times steps of torch's optimizers, with and without weight decay as OpenCLIP groups parameters. One JSON request a line, one reply a line:
{"shapes": [[...]], "threads": n} makes parameters and gradients, {"optimizer": NAME} an optimizer for them, {"step": true} takes a step."""

import json
import sys
import time

import torch

DECAY = 0.2
OPTIMIZERS = {
    "AdamW fused": lambda groups: torch.optim.AdamW(groups, lr=1e-5, betas=(0.9, 0.98), eps=1e-6, fused=True),
    "AdamW foreach": lambda groups: torch.optim.AdamW(groups, lr=1e-5, betas=(0.9, 0.98), eps=1e-6, foreach=True),
    "SGD fused": lambda groups: torch.optim.SGD(groups, lr=1e-5, momentum=0.9, fused=True),
    "SGD foreach": lambda groups: torch.optim.SGD(groups, lr=1e-5, momentum=0.9, foreach=True),
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
        reply = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    elif "optimizer" in request:
        optimizer = None
        optimizer = OPTIMIZERS[request["optimizer"]](groups)
    else:
        start = time.perf_counter()
        optimizer.step()
        reply = {"milliseconds": (time.perf_counter() - start) * 1000}
    print(json.dumps(reply))
