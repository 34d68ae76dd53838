"""Times OpenCLIP's tokenizer. Each line on standard input is a request, answered by one line:
{"texts": [...]} -> {"seconds": s}; {"check": [...]} -> {"ids": [[...], ...]}."""

import importlib.util
import json
import sys
import time
import types

# The module imports torch and numpy only to pad rows and to drop random words; encode() needs neither, so both are left out.
stub = types.ModuleType("torch")
stub.Tensor = stub.LongTensor = object
sys.modules["torch"] = stub
sys.modules["numpy"] = types.ModuleType("numpy")

folder = importlib.util.find_spec("open_clip").submodule_search_locations[0]
spec = importlib.util.spec_from_file_location("open_clip_tokenizer", f"{folder}/tokenizer.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
tokenizer = module.SimpleTokenizer()

for line in sys.stdin:
    request = json.loads(line)
    if "check" in request:
        start, end = tokenizer.all_special_ids
        ids = [[start, *tokenizer.encode(text), end] for text in request["check"]]
        print(json.dumps({"ids": ids}))
        continue
    texts = request["texts"]
    begin = time.perf_counter()
    for text in texts:
        tokenizer.encode(text)
    print(json.dumps({"seconds": time.perf_counter() - begin}))
