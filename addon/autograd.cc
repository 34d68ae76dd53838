// Gradients: grad mode, backward, .grad, and autocast.
#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "convert.h"

namespace fastclip {

// An array of tensors in which null stands for "none".
static std::vector<at::Tensor> optionalTensors(Call& call, size_t index, const char* what) {
  std::vector<at::Tensor> result;
  uint32_t length = 0;
  if (napi_get_array_length(call.env, call[index], &length) != napi_ok) throw BadArgument(std::string(what) + ": expected an array");
  for (uint32_t i = 0; i < length; ++i) {
    napi_value entry;
    check(napi_get_element(call.env, call[index], i, &entry));
    if (isNullish(call.env, entry)) result.emplace_back();
    else result.push_back(toTensor(call, entry, what));
  }
  return result;
}

// backward(roots, rootGradients, retainGraph): adds gradients to the .grad of every leaf.
static napi_value backward(Call& call) {
  const auto roots = toTensorList(call, call[0], "roots");
  const auto gradients = optionalTensors(call, 1, "root gradients");
  const bool retainGraph = toBool(call.env, call[2], "retainGraph");
  torch::autograd::backward(roots, gradients, retainGraph);
  return undefined(call.env);
}

// grad(roots, inputs, rootGradients) -> gradients of the inputs, null where a root does not depend on one
static napi_value grad(Call& call) {
  const auto roots = toTensorList(call, call[0], "roots");
  const auto inputs = toTensorList(call, call[1], "inputs");
  const auto gradients = optionalTensors(call, 2, "root gradients");
  auto results = torch::autograd::grad(roots, inputs, gradients, std::nullopt, false, true);
  napi_value array;
  check(napi_create_array_with_length(call.env, results.size(), &array));
  for (uint32_t i = 0; i < results.size(); ++i) check(napi_set_element(call.env, array, i, fromTensor(call, results[i])));
  return array;
}

static napi_value gradOf(Call& call) { return fromTensor(call, toTensor(call, call[0]).grad()); }

static napi_value setGrad(Call& call) {
  at::Tensor tensor = toTensor(call, call[0]);
  at::Tensor gradient;
  if (!isNullish(call.env, call[1])) {
    gradient = toTensor(call, call[1], "gradient");
    const bool isOfType = gradient.scalar_type() == tensor.grad_dtype().value_or(tensor.scalar_type());
    if (gradient.sizes() != tensor.sizes() || !isOfType || gradient.device() != tensor.device())
      throw BadArgument("gradient: expected the tensor's shape, element type and device");
    if (gradient.is_same(tensor)) throw BadArgument("gradient: a tensor cannot be its own gradient");
  }
  tensor.mutable_grad() = gradient;
  return undefined(call.env);
}

// setGradDType(tensor, dtype): backward leaves the gradient of this leaf in that type
static napi_value setGradDType(Call& call) {
  toTensor(call, call[0]).set_grad_dtype(toDType(call.env, call[1], "dtype"));
  return undefined(call.env);
}

static napi_value requiresGrad(Call& call) { return fromBool(call.env, toTensor(call, call[0]).requires_grad()); }

static napi_value setRequiresGrad(Call& call) {
  toTensor(call, call[0]).requires_grad_(toBool(call.env, call[1], "requiresGrad"));
  return undefined(call.env);
}

// setGradMode(enabled) -> what it was
static napi_value setGradMode(Call& call) {
  const bool before = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(toBool(call.env, call[0], "enabled"));
  return fromBool(call.env, before);
}

static void setAutocast(const AutocastRegion& region) {
  // The kept casts have the old type.
  if (at::autocast::get_autocast_dtype(region.device) != region.dtype) at::autocast::clear_cache();
  at::autocast::set_autocast_dtype(region.device, region.dtype);
  at::autocast::set_autocast_enabled(region.device, region.enabled);
}

static void enterAutocast(Call& call, const AutocastRegion& region) {
  const at::DeviceType device = region.device;
  call.environment.autocast.push_back({device, at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device)});
  setAutocast(region);
  at::autocast::increment_nesting();
}

// autocastEnter(device, dtype), autocastPause(device) / autocastLeave(): regions nest; leaving one brings back what was set
// before it, and leaving the outermost drops the casts that were kept.
static napi_value autocastEnter(Call& call) {
  const at::DeviceType device = c10::Device(toString(call.env, call[0], "device")).type();
  enterAutocast(call, {device, true, toDType(call.env, call[1], "dtype")});
  return undefined(call.env);
}

static napi_value autocastPause(Call& call) {
  const at::DeviceType device = c10::Device(toString(call.env, call[0], "device")).type();
  enterAutocast(call, {device, false, at::autocast::get_autocast_dtype(device)});
  return undefined(call.env);
}

static napi_value autocastLeave(Call& call) {
  auto& regions = call.environment.autocast;
  if (regions.empty()) throw BadArgument("no autocast region is open");
  const AutocastRegion before = regions.back();
  regions.pop_back();
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  setAutocast(before);
  return undefined(call.env);
}

// autocastDType(device) -> what products of matrices are cast to, null outside of a region
static napi_value autocastDType(Call& call) {
  const at::DeviceType device = c10::Device(toString(call.env, call[0], "device")).type();
  if (!at::autocast::is_autocast_enabled(device)) return fromTensor(call, at::Tensor());
  return fromDouble(call.env, static_cast<double>(at::autocast::get_autocast_dtype(device)));
}

void defineAutograd(napi_env env, napi_value exports) {
  define(env, exports,
         {{"backward", guarded<backward>}, {"grad", guarded<grad>}, {"gradOf", guarded<gradOf>},
          {"setGrad", guarded<setGrad>}, {"setGradDType", guarded<setGradDType>}, {"requiresGrad", guarded<requiresGrad>},
          {"setRequiresGrad", guarded<setRequiresGrad>}, {"setGradMode", guarded<setGradMode>},
          {"autocastEnter", guarded<autocastEnter>}, {"autocastPause", guarded<autocastPause>},
          {"autocastLeave", guarded<autocastLeave>}, {"autocastDType", guarded<autocastDType>}});
}

}  // namespace fastclip
