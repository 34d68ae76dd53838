"""OpenCLIP's side: its trainer on the one batch of a folder. Each line on standard input is a request, answered by one line:
{"check": true} -> loss and gradient norms of the first step; {"step": true} -> Timed of messages.ts; {"peak": true} -> bytes."""

import json
import resource
import sys
import time

import torch
from trainer import Trainer, peak_resident_bytes, read_batches, resident_bytes

options = json.loads(sys.argv[1])
folder, threads = options.pop("folder"), options.pop("threads")
torch.set_num_threads(threads)
((images, texts),) = read_batches(folder)
trainer = Trainer(folder, **options)


def minor_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def answer(request):
    if "check" in request:
        loss = trainer.backward(images, texts).item()
        return {"loss": loss, "norms": trainer.gradient_norms()}
    if "peak" in request:
        return {"bytes": peak_resident_bytes()}
    start, cpu, faults = time.perf_counter(), time.process_time(), minor_faults()
    trainer.step(images, texts)
    return {
        "milliseconds": (time.perf_counter() - start) * 1000,
        "cpuMilliseconds": (time.process_time() - cpu) * 1000,
        "pageFaults": minor_faults() - faults,
        "residentBytes": resident_bytes(),
    }


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
