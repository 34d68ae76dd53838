// The process: seeds, threads, devices, memory, versions.
#include <ATen/Context.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/cpu/Utils.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <sys/prctl.h>
#include <torch/version.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

#ifdef __x86_64__
#include "avx512.h"
#endif
#include "convert.h"

namespace fastclip {

static napi_value manualSeed(Call& call) {
  at::manual_seed(static_cast<uint64_t>(toInt(call.env, call[0], "seed")));
  return undefined(call.env);
}

// The default CPU generator's state as a byte tensor.
static napi_value rngState(Call& call) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  return fromTensor(call, generator.get_state());
}

static napi_value setRngState(Call& call) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(toTensor(call, call[0], "state"));
  return undefined(call.env);
}

static napi_value setThreads(Call& call) {
  const int64_t threads = toInt(call.env, call[0], "threads");
  if (threads < 1 || threads > 4096) throw BadArgument("threads: expected 1 to 4096, got " + std::to_string(threads));
  at::set_num_threads(static_cast<int>(threads));
  return undefined(call.env);
}

static napi_value threads(Call& call) { return fromDouble(call.env, at::get_num_threads()); }

// On how many threads a kernel of the addon runs: as many as parallel_for makes parts of so many pieces.
static napi_value kernelThreads(Call& call) {
  std::atomic<int> parts = 0;
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) { ++parts; });
  return fromDouble(call.env, parts);
}

// flushDenormals(on): whether numbers that are too small to be normal are 0 on every thread that operators run on, this one among them.
static napi_value flushDenormals(Call& call) {
  const bool isOn = toBool(call.env, call[0], "on");
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) { at::globalContext().setFlushDenormal(isOn); });
  return undefined(call.env);
}

static napi_value version(Call& call) { return fromString(call.env, TORCH_VERSION); }

static napi_value cpuCapability(Call& call) { return fromString(call.env, at::get_cpu_capability()); }

// Whether the CPU multiplies tiles of matrices (AMX).
static napi_value hasAmx(Call& call) { return fromBool(call.env, at::cpu::init_amx()); }

// Whether the kernels with AVX-512 for bfloat16 are here and run on this CPU, and libtorch takes its own for AVX-512: it may be told not to.
static napi_value hasAvx512BFloat16(Call& call) {
#ifdef __x86_64__
  const bool isAllowed = at::get_cpu_capability().rfind("AVX512", 0) == 0;
  return fromBool(call.env, isAllowed && fastclip::hasAvx512BFloat16());
#else
  return fromBool(call.env, false);
#endif
}

static napi_value cudaDevices(Call& call) {
  return fromDouble(call.env, at::globalContext().hasCUDA() ? static_cast<double>(at::detail::getCUDAHooks().deviceCount()) : 0);
}

// Whether c10d's process group over NCCL is in the addon.
static napi_value hasNccl(Call& call) {
#ifdef USE_C10D_NCCL
  return fromBool(call.env, true);
#else
  return fromBool(call.env, false);
#endif
}

// useCachingAllocator(): from now on CPU tensors of all threads get their memory from allocator.cc.
static napi_value useCachingAllocator(Call& call) {
  installCachingAllocator();
  return undefined(call.env);
}

// memory() -> bytes of CPU tensors that allocator.cc gave: [in use, kept for reuse, most ever in use]
static napi_value memory(Call& call) {
  const AllocatorFigures figures = allocatorFigures();
  return fromInts(call.env, {static_cast<int64_t>(figures.used), static_cast<int64_t>(figures.cached), static_cast<int64_t>(figures.peak)});
}

static napi_value resetPeakMemory(Call& call) {
  resetAllocatorPeak();
  return undefined(call.env);
}

static napi_value emptyCache(Call& call) {
  emptyAllocatorCache();
  return undefined(call.env);
}

// endWithParent(): from now on the kernel kills this process when the one that started it ends, whatever its threads do then.
static napi_value endWithParent(Call& call) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) throw std::runtime_error(std::string("prctl: ") + std::strerror(errno));
  return undefined(call.env);
}

void defineRuntime(napi_env env, napi_value exports) {
  define(env, exports,
         {{"manualSeed", guarded<manualSeed>}, {"rngState", guarded<rngState>}, {"setRngState", guarded<setRngState>},
          {"setThreads", guarded<setThreads>}, {"threads", guarded<threads>}, {"kernelThreads", guarded<kernelThreads>}, {"flushDenormals", guarded<flushDenormals>}, {"version", guarded<version>},
          {"cpuCapability", guarded<cpuCapability>}, {"hasAmx", guarded<hasAmx>}, {"hasAvx512BFloat16", guarded<hasAvx512BFloat16>}, {"cudaDevices", guarded<cudaDevices>}, {"hasNccl", guarded<hasNccl>},
          {"useCachingAllocator", guarded<useCachingAllocator>}, {"memory", guarded<memory>},
          {"resetPeakMemory", guarded<resetPeakMemory>}, {"emptyCache", guarded<emptyCache>},
          {"endWithParent", guarded<endWithParent>}});
}

}  // namespace fastclip
