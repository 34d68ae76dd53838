// An all-gather that autograd goes through: where every process uses every other's values, as batch norm does the statistics of
// the others' rows, the gradient of a process' values is the sum of what all processes send back.
#include <torch/csrc/autograd/custom_function.h>

#include "process-group.h"

namespace fastclip {

// What was gathered under one name, and sent back. Autograd's graphs may outlive the group.
struct Gathering : DistributedObject {
  explicit Gathering(std::weak_ptr<GroupObject> processes) : group(std::move(processes)) {}

  at::Tensor gather(const at::Tensor& input);
  at::Tensor sendBack(const at::Tensor& gradients);

  std::weak_ptr<GroupObject> group;
  std::mutex mutex;
  double calls = 0, bytes = 0, milliseconds = 0;

 private:
  std::shared_ptr<GroupObject> open() const {
    auto processes = group.lock();
    if (!processes) throw std::runtime_error("the process group is closed");
    return processes;
  }
  // `began` before the collective did.
  void finish(const Collective& collective, const at::Tensor& whole, Clock::time_point began) {
    collective.await();
    const double passed = fastclip::milliseconds(Clock::now() - began);
    std::lock_guard<std::mutex> lock(mutex);
    ++calls;
    bytes += static_cast<double>(whole.nbytes());
    milliseconds += passed;
  }
};

// [b, ...] of each process -> [K b, ...]
at::Tensor Gathering::gather(const at::Tensor& input) {
  const auto processes = open();
  const at::Tensor part = input.contiguous();
  std::vector<int64_t> shape = part.sizes().vec();
  shape[0] *= processes->size();
  const at::Tensor whole = at::empty(shape, part.options());
  const Clock::time_point began = Clock::now();
  finish(startAllGather(*processes, whole.view(-1), part.view(-1)), whole, began);
  return whole;
}

// [K b, ...] -> this process' part of the sum, [b, ...]
at::Tensor Gathering::sendBack(const at::Tensor& gradients) {
  const auto processes = open();
  const at::Tensor whole = gradients.contiguous();
  std::vector<int64_t> shape = whole.sizes().vec();
  shape[0] /= processes->size();
  const at::Tensor part = at::empty(shape, whole.options());
  const Clock::time_point began = Clock::now();
  finish(startReduceScatter(*processes, part.view(-1), whole.view(-1)), whole, began);
  return part;
}

struct Gather : torch::autograd::Function<Gather> {
  // Autograd keeps what is of libtorch's own types.
  struct Holder : torch::CustomClassHolder {
    explicit Holder(std::shared_ptr<Gathering> held) : gathering(std::move(held)) {}
    std::shared_ptr<Gathering> gathering;
  };

  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input, const std::shared_ptr<Gathering>& gathering) {
    context->saved_data["gathering"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(gathering));
    return gathering->gather(input);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
    const auto holder = context->saved_data["gathering"].toCapsule();
    return {static_cast<Holder&>(*holder).gathering->sendBack(gradients[0]), at::Tensor()};
  }
};

// gatherOpen(group)
static napi_value gatherOpen(Call& call) {
  argumentAt<GroupObject>(call, 0, "a process group");
  return fromObject(call, std::make_shared<Gathering>(std::dynamic_pointer_cast<GroupObject>(objectAt(call, 0))));
}

// gather(gathering, tensor) -> every process' tensor along the first dimension, in the order of ranks
static napi_value gather(Call& call) {
  argumentAt<Gathering>(call, 0, "a gathering");
  const auto gathering = std::dynamic_pointer_cast<Gathering>(objectAt(call, 0));
  const at::Tensor input = toTensor(call, call[1]);
  if (input.dim() == 0) throw BadArgument("gather: expected a tensor with a first dimension");
  return fromTensor(call, Gather::apply(input, gathering));
}

// gatherCounts(gathering) -> [calls, bytes, milliseconds] since it was last asked
static napi_value gatherCounts(Call& call) {
  Gathering& gathering = argumentAt<Gathering>(call, 0, "a gathering");
  double values[3];
  {
    std::lock_guard<std::mutex> lock(gathering.mutex);
    values[0] = std::exchange(gathering.calls, 0);
    values[1] = std::exchange(gathering.bytes, 0);
    values[2] = std::exchange(gathering.milliseconds, 0);
  }
  return fromDoubles(call.env, values);
}

void defineGather(napi_env env, napi_value exports) {
  define(env, exports, {{"gatherOpen", guarded<gatherOpen>}, {"gather", guarded<gather>}, {"gatherCounts", guarded<gatherCounts>}});
}

}  // namespace fastclip
