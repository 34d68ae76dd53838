// The module's entry, the table of tensors, and errors.
#include "addon.h"

#include <c10/util/Exception.h>

#include <cmath>

namespace fastclip {

constexpr double kSlots = 16777216.0;                 // 2^24 tensors alive at once
constexpr uint32_t kGenerations = uint32_t{1} << 29;  // so that handles stay exact integers in a double
constexpr uint32_t kEnvironments = 32;                // whose handles are told apart

// Generations of one environment are all equal modulo kEnvironments; 0 is left out: a handle is never small.
TensorTable::TensorTable() {
  static std::atomic<uint32_t> made = 0;
  firstGeneration_ = made++ % kEnvironments + kEnvironments;
}

double TensorTable::add(at::Tensor tensor) {
  uint32_t slot;
  if (free_.empty()) {
    if (slots_.size() >= static_cast<size_t>(kSlots)) throw std::runtime_error("more than 16,777,216 tensors are alive");
    slot = static_cast<uint32_t>(slots_.size());
    slots_.push_back({at::Tensor(), firstGeneration_});
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_[slot].tensor = std::move(tensor);
  ++live_;
  return slot + slots_[slot].generation * kSlots;
}

const TensorTable::Slot* TensorTable::find(double handle) const noexcept {
  if (!(handle >= kSlots && handle < 9007199254740992.0)) return nullptr;
  const double generation = std::floor(handle / kSlots);
  const double slot = handle - generation * kSlots;
  if (slot != std::floor(slot) || slot >= static_cast<double>(slots_.size())) return nullptr;
  const Slot& found = slots_[static_cast<size_t>(slot)];
  return found.generation == generation && found.tensor.defined() ? &found : nullptr;
}

const at::Tensor& TensorTable::get(double handle) const {
  const Slot* slot = find(handle);
  if (slot == nullptr) throw BadArgument("the tensor was freed, or is not a tensor of this thread");
  return slot->tensor;
}

bool TensorTable::remove(double handle) noexcept {
  const Slot* found = find(handle);
  if (found == nullptr) return false;
  const auto index = static_cast<uint32_t>(found - slots_.data());
  uint32_t& generation = slots_[index].generation;
  generation = generation + kEnvironments < kGenerations ? generation + kEnvironments : firstGeneration_;
  at::Tensor dying = std::move(slots_[index].tensor);
  slots_[index].tensor = at::Tensor();
  free_.push_back(index);
  --live_;
  return true;
}

Environment& Environment::of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<Environment*>(data);
}

void BufferReferences::finish(napi_ref reference) {
  std::lock_guard<std::mutex> lock(mutex);
  if (closed) return;
  finished.push_back(reference);
  waiting = true;
}

void Environment::dropFinishedBuffers() {
  if (!buffers->waiting.load(std::memory_order_relaxed)) return;
  std::vector<napi_ref> finished;
  {
    std::lock_guard<std::mutex> lock(buffers->mutex);
    finished.swap(buffers->finished);
    buffers->waiting = false;
  }
  for (napi_ref reference : finished) napi_delete_reference(env, reference);
}

Call::Call(napi_env e, napi_callback_info info) : env(e), environment(Environment::of(e)) {
  count = kMost;
  check(napi_get_cb_info(env, info, &count, values_, nullptr, nullptr));
  if (count > kMost) throw BadArgument("too many arguments");
}

napi_value Call::operator[](size_t index) const {
  if (index >= count) throw BadArgument("argument " + std::to_string(index + 1) + " is missing");
  return values_[index];
}

// libtorch's messages go on with hints and stack traces; the first line says what was wrong.
static std::string firstLine(const std::string& message) {
  const size_t begin = message.find_first_not_of(" \n");
  if (begin == std::string::npos) return "libtorch gave no reason";
  const size_t end = message.find('\n', begin);
  return message.substr(begin, end == std::string::npos ? end : end - begin);
}

void throwToJavaScript(napi_env env) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return;
  try {
    throw;
  } catch (const PendingException&) {
    napi_throw_error(env, nullptr, "a call into the JavaScript engine failed");
  } catch (const BadArgument& error) {
    napi_throw_type_error(env, nullptr, error.what());
  } catch (const c10::Error& error) {
    napi_throw_error(env, nullptr, firstLine(error.what_without_backtrace()).c_str());
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, "ENOMEM", "out of memory");
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, firstLine(error.what()).c_str());
  } catch (...) {
    napi_throw_error(env, nullptr, "an unknown C++ exception");
  }
}

void define(napi_env env, napi_value exports, std::initializer_list<Function> functions) {
  for (const Function& entry : functions) {
    napi_value function;
    check(napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.callback, nullptr, &function));
    check(napi_set_named_property(env, exports, entry.name, function));
  }
}

static void closeEnvironment(napi_env, void* data, void*) {
  auto* environment = static_cast<Environment*>(data);
  {
    std::lock_guard<std::mutex> lock(environment->buffers->mutex);
    environment->buffers->closed = true;
  }
  delete environment;
}

static napi_value initialise(napi_env env, napi_value exports) {
  try {
    auto environment = std::make_unique<Environment>();
    environment->env = env;
    check(napi_set_instance_data(env, environment.release(), closeEnvironment, nullptr));
    defineDispatch(env, exports);
    defineTensor(env, exports);
    defineAutograd(env, exports);
    defineFunction(env, exports);
    defineRuntime(env, exports);
    defineProfile(env, exports);
    defineStore(env, exports);
    defineHeartbeat(env, exports);
    defineProcessGroup(env, exports);
    defineReducer(env, exports);
    defineGather(env, exports);
    definePicture(env, exports);
#ifdef __x86_64__
    defineAttention(env, exports);
    defineActivation(env, exports);
    defineBatchNorm(env, exports);
    defineNorm(env, exports);
    defineAdamw(env, exports);
    defineContrast(env, exports);
    defineResidual(env, exports);
    defineTranspose(env, exports);
#endif
  } catch (...) {
    throwToJavaScript(env);
  }
  return exports;
}

}  // namespace fastclip

NAPI_MODULE_INIT() { return fastclip::initialise(env, exports); }
