// What is not an operator about tensors: making them over JavaScript memory, reading them out, metadata, freeing.
#include <ATen/ops/from_blob.h>

#include <cstring>

#include "convert.h"

namespace fastclip {

struct Bytes {
  void* data;
  size_t size;
};

static Bytes bytesOf(napi_env env, napi_value value) {
  bool isTypedArray = false;
  check(napi_is_typedarray(env, value, &isTypedArray));
  if (!isTypedArray) throw BadArgument("expected a typed array");
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  check(napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
  static constexpr size_t widths[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  if (static_cast<size_t>(type) >= std::size(widths)) throw BadArgument("a typed array of an unknown kind");
  return {data, length * widths[type]};
}

static size_t bytesNeeded(at::IntArrayRef shape, at::ScalarType dtype) {
  size_t bytes = c10::elementSize(dtype);
  for (const int64_t size : shape) {
    if (size < 0) throw BadArgument("a shape's sizes must be 0 or more");
    if (__builtin_mul_overflow(bytes, static_cast<size_t>(size), &bytes)) throw BadArgument("the shape is too large");
  }
  return bytes;
}

// fromBuffer(typedArray, dtype, shape): a tensor that uses the array's memory, which lives as long as the tensor does.
static napi_value fromBuffer(Call& call) {
  call.environment.dropFinishedBuffers();
  const at::ScalarType dtype = toDType(call.env, call[1], "dtype");
  const std::vector<int64_t> shape = toIntList(call.env, call[2], "shape");
  // After the shape: reading that may run a getter, which may detach the buffer.
  const Bytes bytes = bytesOf(call.env, call[0]);
  const size_t needed = bytesNeeded(shape, dtype);
  if (needed != bytes.size)
    throw BadArgument("the shape needs " + std::to_string(needed) + " bytes, the array holds " + std::to_string(bytes.size));
  napi_ref reference;
  check(napi_create_reference(call.env, call[0], 1, &reference));
  auto release = [references = call.environment.buffers, reference](void*) { references->finish(reference); };
  return fromTensor(call, at::from_blob(bytes.data, shape, release, at::TensorOptions().dtype(dtype)));
}

// copyOut(tensor, typedArray): the tensor's elements in row-major order.
static napi_value copyOut(Call& call) {
  const at::Tensor& tensor = toTensor(call, call[0]);
  const Bytes bytes = bytesOf(call.env, call[1]);
  if (tensor.nbytes() != bytes.size)
    throw BadArgument("the tensor has " + std::to_string(tensor.nbytes()) + " bytes, the array holds " + std::to_string(bytes.size));
  const at::Tensor source = tensor.detach().to(at::kCPU).contiguous();
  if (bytes.size > 0) std::memcpy(bytes.data, source.const_data_ptr(), bytes.size);
  return undefined(call.env);
}

static napi_value shape(Call& call) { return fromInts(call.env, toTensor(call, call[0]).sizes()); }
static napi_value strides(Call& call) { return fromInts(call.env, toTensor(call, call[0]).strides()); }
static napi_value dtype(Call& call) { return fromDouble(call.env, static_cast<double>(toTensor(call, call[0]).scalar_type())); }
static napi_value device(Call& call) { return fromString(call.env, toTensor(call, call[0]).device().str()); }
static napi_value numel(Call& call) { return fromDouble(call.env, static_cast<double>(toTensor(call, call[0]).numel())); }
static napi_value free(Call& call) {
  const bool removed = call.environment.tensors.remove(toDouble(call.env, call[0], "tensor"));
  call.environment.dropFinishedBuffers();
  return fromBool(call.env, removed);
}
static napi_value isAlive(Call& call) {
  const double handle = toDouble(call.env, call[0], "tensor");
  try {
    call.environment.tensors.get(handle);
    return fromBool(call.env, true);
  } catch (const BadArgument&) {
    return fromBool(call.env, false);
  }
}
static napi_value liveTensors(Call& call) {
  return fromDouble(call.env, static_cast<double>(call.environment.tensors.live()));
}

void defineTensor(napi_env env, napi_value exports) {
  define(env, exports,
         {{"fromBuffer", guarded<fromBuffer>}, {"copyOut", guarded<copyOut>}, {"shape", guarded<shape>},
          {"strides", guarded<strides>}, {"dtype", guarded<dtype>}, {"device", guarded<device>},
          {"numel", guarded<numel>}, {"free", guarded<free>}, {"isAlive", guarded<isAlive>},
          {"liveTensors", guarded<liveTensors>}});
}

}  // namespace fastclip
