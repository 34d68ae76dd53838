"""OpenCLIP's losses over the batches of a folder, again and again. A line {"steps": n} on standard input is answered by {"losses": [...]}.
With {"reversed": true} the pairs of each batch stand in reverse order."""

import json
import sys

import torch
from trainer import Trainer, read_batches

options = json.loads(sys.argv[1])
folder = options.pop("folder")
torch.set_num_threads(options.pop("threads"))
reverse = options.pop("reversed")
batches = [[part.flip(0) if reverse else part for part in batch] for batch in read_batches(folder)]
trainer = Trainer(folder, **options)
for line in sys.stdin:
    losses = [trainer.step(*batches[step % len(batches)]).item() for step in range(json.loads(line)["steps"])]
    print(json.dumps({"losses": losses}), flush=True)
