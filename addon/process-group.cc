// c10d's process group, over Gloo and NCCL, and its collectives. Each returns a work to wait for, so that it may run beside computing.
#include "process-group.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/utils/tensor_flatten.h>

#include "heartbeat.h"

namespace fastclip {

using GlooOptions = c10d::ProcessGroupGloo::Options;

// NCCL's communicators are cut rather than closed, which would wait for collectives that others may never join.
GroupObject::~GroupObject() {
  try {
    if (nccl) nccl->abort();
  } catch (const std::exception&) {
    // The connection is given up either way.
  }
  // Gloo would wait for its threads, of which one waits for what never comes: it stays behind with what it holds.
  if (waits->isGivenUp()) gloo.release();
}

c10d::Backend& GroupObject::backendOf(const at::Tensor& tensor) const {
  if (tensor.is_cpu()) return *gloo;
  if (tensor.is_cuda() && nccl) return *nccl;
  throw BadArgument("a collective on " + tensor.device().str() + ", but the processes are connected for the CPU" +
                    (nccl ? " and CUDA alone" : " alone"));
}

// A collective, and when it began and ended. Of a tensor on a GPU the end is that of the waiting, which only queues: the GPU goes on when
// the data is there, and the host does not wait for it.
struct WorkObject : DistributedObject {
  explicit WorkObject(Collective started) : collective(std::move(started)) {
    if (collective.device.is_cpu())
      collective.work->getFuture()->addCallback([ended = ended](c10::ivalue::Future&) { *ended = Clock::now(); });
  }
  // Waits, and returns when it ended.
  Clock::time_point wait() const {
    collective.await();
    const Clock::time_point end = *ended;
    return end == Clock::time_point{} ? Clock::now() : end;
  }
  Collective collective;
  Clock::time_point began = Clock::now();
  std::shared_ptr<std::atomic<Clock::time_point>> ended = std::make_shared<std::atomic<Clock::time_point>>();
};

#ifndef USE_C10D_NCCL
void addNccl(GroupObject&, const c10::intrusive_ptr<c10d::Store>&, int64_t device, std::chrono::milliseconds) {
  throw BadArgument("cuda:" + std::to_string(device) + " was asked for, but this engine was built without NCCL");
}
#endif

// groupOpen(store, rank, size, timeout, at, cudaDevice, heartbeat): connects all processes with each other, over Gloo for tensors of the CPU
// and, unless cudaDevice is -1, over NCCL for those of GPUs. `at` is a network interface, or an address of this machine that
// the others reach. The heartbeat tells when nothing more is to be waited for.
static napi_value groupOpen(Call& call) {
  const auto& store = argumentAt<StoreObject>(call, 0, "a store").keys;
  const int64_t size = toInt(call.env, call[2], "size");
  const int64_t rank = toInt(call.env, call[1], "rank");
  if (size < 1 || size > INT32_MAX || rank < 0 || rank >= size)
    throw BadArgument("rank " + std::to_string(rank) + " of " + std::to_string(size) + " processes");
  auto object = std::make_shared<GroupObject>(argumentAt<Heartbeat>(call, 6, "a heartbeat").waits);
  const std::chrono::milliseconds timeout = toTimeout(call, 3);
  const std::string at = toString(call.env, call[4], "interface or address");
  const int64_t cudaDevice = toInt(call.env, call[5], "CUDA device");
  const bool isAddress = at.find_first_of(".:") != std::string::npos;
  auto options = c10::make_intrusive<c10d::ProcessGroupGloo::Options>(timeout);
  options->devices.push_back(isAddress ? c10d::ProcessGroupGloo::createDeviceForHostname(at)
                                       : c10d::ProcessGroupGloo::createDeviceForInterface(at));
  store->setTimeout(timeout);
  object->group = c10::make_intrusive<c10d::ProcessGroup>(store, static_cast<int>(rank), static_cast<int>(size));
  if (cudaDevice >= 0) addNccl(*object, store, cudaDevice, timeout);
  object->gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, static_cast<int>(rank), static_cast<int>(size), options);
  object->group->setBackend(at::kCPU, c10d::ProcessGroup::BackendType::GLOO, object->gloo);
  object->group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
  return fromObject(call, std::move(object));
}

// The arguments that all collectives begin with, checked as far as the backends do not.
static const GroupObject& groupAt(Call& call) { return argumentAt<GroupObject>(call, 0, "a process group"); }

static at::Tensor tensorAt(Call& call, size_t index) {
  const at::Tensor tensor = toTensor(call, call[index]).detach();
  if (!tensor.is_contiguous()) throw BadArgument("a collective needs contiguous tensors");
  return tensor;
}

// `whole` holds one `part` of each process.
static void checkParts(const GroupObject& object, const at::Tensor& whole, const at::Tensor& part) {
  if (whole.scalar_type() != part.scalar_type() || whole.device() != part.device() || whole.numel() != part.numel() * object.size())
    throw BadArgument("expected " + std::to_string(object.size()) + " parts of one element type on one device, got tensors of " +
                      std::to_string(whole.numel()) + " and " + std::to_string(part.numel()) + " elements");
}

static Collective collective(const GroupObject& object, const at::Tensor& tensor, c10::intrusive_ptr<c10d::Work> work) {
  return {object.waits, tensor.device(), std::move(work)};
}

static Collective startAllReduce(const GroupObject& object, at::Tensor tensor) {
  std::vector<at::Tensor> tensors{tensor};
  return collective(object, tensor, object.backendOf(tensor).allreduce(tensors));
}

// Named differently in torch 2.11 and 2.15.
Collective startAllGather(const GroupObject& object, at::Tensor output, at::Tensor input) {
  return collective(object, input, [&](auto& backend) {
    if constexpr (requires { backend.all_gather_single(output, input); }) return backend.all_gather_single(output, input);
    else return backend._allgather_base(output, input);
  }(object.backendOf(input)));
}

// Gloo's is an all-reduce too, but one whose wait knows no end but its own.
Collective startReduceScatter(const GroupObject& object, at::Tensor output, at::Tensor input) {
  if (input.is_cpu()) {
    const at::Tensor sum = input.clone();
    Collective result = startAllReduce(object, sum);
    result.finish = [output, part = sum.narrow(0, object.group->getRank() * output.numel(), output.numel())] { at::Tensor(output).copy_(part); };
    return result;
  }
  return collective(object, input, [&](auto& backend) {
    if constexpr (requires { backend.reduce_scatter_single(output, input); }) return backend.reduce_scatter_single(output, input);
    else return backend._reduce_scatter_base(output, input);
  }(object.backendOf(input)));
}

static napi_value started(Call& call, Collective collective) { return fromObject(call, std::make_shared<WorkObject>(std::move(collective))); }

// allGather(group, output, input): output holds every process' input in the order of ranks.
static napi_value allGather(Call& call) {
  const GroupObject& object = groupAt(call);
  const at::Tensor output = tensorAt(call, 1).view(-1), input = tensorAt(call, 2).view(-1);
  checkParts(object, output, input);
  return started(call, startAllGather(object, output, input));
}

// reduceScatter(group, output, input): output is this rank's part of the sum of all inputs.
static napi_value reduceScatter(Call& call) {
  const GroupObject& object = groupAt(call);
  const at::Tensor output = tensorAt(call, 1).view(-1), input = tensorAt(call, 2).view(-1);
  checkParts(object, input, output);
  return started(call, startReduceScatter(object, output, input));
}

// allReduce(group, tensor): the tensor becomes the sum over all processes.
static napi_value allReduce(Call& call) {
  return started(call, startAllReduce(groupAt(call), tensorAt(call, 1)));
}

// broadcast(group, tensors, root): the tensors become those of the root; many small ones travel together.
static napi_value broadcast(Call& call) {
  constexpr size_t kBytesAtOnce = size_t{250} << 20;  // as PyTorch's DistributedDataParallel
  const GroupObject& object = groupAt(call);
  const int64_t root = toInt(call.env, call[2], "root");
  if (root < 0 || root >= object.size()) throw BadArgument("root: there is no rank " + std::to_string(root));
  const at::NoGradGuard guard;
  c10d::BroadcastOptions options;
  options.rootRank = root;
  for (const auto& bucket : torch::utils::take_tensors(toTensorList(call, call[1], "tensors"), kBytesAtOnce)) {
    std::vector<at::Tensor> flat{torch::utils::flatten_dense_tensors(bucket.tensors)};
    collective(object, flat[0], object.backendOf(flat[0]).broadcast(flat, options)).await();
    const std::vector<at::Tensor> parts = torch::utils::unflatten_dense_tensors(flat[0], bucket.tensors);
    for (size_t i = 0; i < parts.size(); ++i) at::Tensor(bucket.tensors[i]).copy_(parts[i]);
  }
  return undefined(call.env);
}

// workWait(work) -> milliseconds from its start to its end. What is computed afterwards finds the data there. Closes the work.
static napi_value workWait(Call& call) {
  const std::shared_ptr<DistributedObject> holder = objectAt(call, 0);
  const WorkObject& object = argumentAt<WorkObject>(call, 0, "a work");
  call.environment.objects.erase(static_cast<uint32_t>(toInt(call.env, call[0], "work")));
  return fromDouble(call.env, milliseconds(object.wait() - object.began));
}

static napi_value workIsCompleted(Call& call) { return fromBool(call.env, argumentAt<WorkObject>(call, 0, "a work").collective.work->isCompleted()); }

void defineProcessGroup(napi_env env, napi_value exports) {
  define(env, exports,
         {{"groupOpen", guarded<groupOpen>}, {"allGather", guarded<allGather>}, {"reduceScatter", guarded<reduceScatter>},
          {"allReduce", guarded<allReduce>}, {"broadcast", guarded<broadcast>},
          {"workWait", guarded<workWait>}, {"workIsCompleted", guarded<workIsCompleted>}});
}

}  // namespace fastclip
