// Shared by all files of the addon: the state of one JavaScript environment (the main thread or one worker), the table
// of its tensors, and the wrapper that turns C++ exceptions into JavaScript errors.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <node_api.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace fastclip {

// A wrong argument from JavaScript; becomes a TypeError there.
struct BadArgument : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A JavaScript exception is already pending; nothing more is to be thrown.
struct PendingException {};

inline void check(napi_status status) {
  if (status != napi_ok) throw PendingException{};
}

// The tensors that one environment holds. A handle is slot + generation * 2^24, so a handle of a freed tensor never
// means another tensor that later took its slot. Environments use generations of their own, so that a handle of another
// thread is refused too (the first 32 environments of a process are told apart, later ones take a number again).
class TensorTable {
 public:
  TensorTable();
  double add(at::Tensor tensor);
  const at::Tensor& get(double handle) const;
  bool remove(double handle) noexcept;
  size_t live() const noexcept { return live_; }

 private:
  struct Slot {
    at::Tensor tensor;
    uint32_t generation;
  };
  const Slot* find(double handle) const noexcept;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t live_ = 0;
  uint32_t firstGeneration_;
};

// References to JavaScript buffers whose memory tensors use, and to derivatives. A tensor may die on any thread, but a reference may
// be dropped only on its environment's own, so dying tensors queue them here and the environment empties the queue.
struct BufferReferences {
  std::mutex mutex;
  std::vector<napi_ref> finished;
  std::atomic<bool> waiting = false;  // finished is not empty
  bool closed = false;
  void finish(napi_ref reference);
};

enum class Kind : uint8_t {
  Tensor, TensorList, OptionalTensorList, Int, Float, Bool, Scalar, String, IntList, FloatList, BoolList,
  DType, MemoryFormat, Layout, Device, Generator
};

struct Parameter {
  std::string name;
  Kind kind;
  bool optional;
  int32_t repeat;  // "int[2]" also takes one number
  c10::IValue defaultValue;
  bool hasDefault;
};

struct Operator {
  c10::OperatorHandle handle;
  std::vector<Parameter> parameters;
  bool returnsSelf;  // writes into its first argument and returns it
  bool isFused;      // a fused optimizer, which trusts that its lists fit together
};

// One open autocast region: what was set before it.
struct AutocastRegion {
  at::DeviceType device;
  bool enabled;
  at::ScalarType dtype;
};

// A store, a process group, ... of distributed.h
struct DistributedObject {
  virtual ~DistributedObject() = default;
};

struct Environment {
  napi_env env = nullptr;
  TensorTable tensors;
  std::deque<Operator> operators;  // references stay valid: reading an argument may run JavaScript that resolves another
  std::shared_ptr<BufferReferences> buffers = std::make_shared<BufferReferences>();
  std::vector<c10::IValue> stack;
  std::vector<AutocastRegion> autocast;
  std::map<uint32_t, std::shared_ptr<DistributedObject>> objects;
  uint32_t nextObject = 1;

  static Environment& of(napi_env env);
  void dropFinishedBuffers();
};

// The arguments of one call from JavaScript.
class Call {
 public:
  Call(napi_env env, napi_callback_info info);
  napi_env env;
  Environment& environment;
  size_t count = 0;
  napi_value operator[](size_t index) const;

 private:
  static constexpr size_t kMost = 40;
  napi_value values_[kMost];
};

void throwToJavaScript(napi_env env);

// Runs F and turns whatever it throws into a JavaScript error.
template <napi_value (*F)(Call&)>
napi_value guarded(napi_env env, napi_callback_info info) {
  try {
    Call call(env, info);
    return F(call);
  } catch (...) {
    throwToJavaScript(env);
    return nullptr;
  }
}

struct Function {
  const char* name;
  napi_callback callback;
};
void define(napi_env env, napi_value exports, std::initializer_list<Function> functions);

// Each registers its functions on the module.
void defineDispatch(napi_env env, napi_value exports);
void defineTensor(napi_env env, napi_value exports);
void defineAutograd(napi_env env, napi_value exports);
void defineFunction(napi_env env, napi_value exports);
void defineRuntime(napi_env env, napi_value exports);
void defineProfile(napi_env env, napi_value exports);
void defineStore(napi_env env, napi_value exports);
void defineHeartbeat(napi_env env, napi_value exports);
void defineProcessGroup(napi_env env, napi_value exports);
void defineReducer(napi_env env, napi_value exports);
void defineGather(napi_env env, napi_value exports);
void definePicture(napi_env env, napi_value exports);
void defineTranspose(napi_env env, napi_value exports);
void defineAttention(napi_env env, napi_value exports);
void defineActivation(napi_env env, napi_value exports);
void defineBatchNorm(napi_env env, napi_value exports);
void defineNorm(napi_env env, napi_value exports);
void defineAdamw(napi_env env, napi_value exports);
void defineContrast(napi_env env, napi_value exports);
void defineResidual(napi_env env, napi_value exports);

// Replaces the CPU allocator of tensors, once per process.
void installCachingAllocator();
struct AllocatorFigures {
  size_t used, cached, peak;
};
AllocatorFigures allocatorFigures();
void resetAllocatorPeak();
void emptyAllocatorCache();

}  // namespace fastclip
