// c10d's process group over NCCL, for tensors on NVIDIA GPUs. Compiled where set-up finds libtorch_cuda and NVIDIA's headers.
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "process-group.h"

namespace fastclip {

// The GPU becomes the current one, so that this process leaves nothing on the GPU of another.
static void chooseDevice(int64_t index) {
  const int64_t devices = at::globalContext().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  if (index >= devices)
    throw BadArgument("cuda:" + std::to_string(index) + " was asked for, but the engine sees " + std::to_string(devices) + " CUDA devices");
  c10::impl::VirtualGuardImpl(c10::kCUDA).setDevice(c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index)));
}

// Connects with nobody yet: the first collective makes the communicator. A collective that outlasts the timeout is found by
// c10d's watchdog thread, which ends the process: nothing else gets the host out of waiting for a kernel that hangs.
void addNccl(GroupObject& object, const c10::intrusive_ptr<c10d::Store>& store, int64_t device, std::chrono::milliseconds timeout) {
  chooseDevice(device);
  const auto keys = c10::make_intrusive<c10d::PrefixStore>("nccl", store);
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  object.nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(keys, object.group->getRank(), object.size(), options);
  object.group->setBackend(at::kCUDA, c10d::ProcessGroup::BackendType::NCCL, object.nccl);
}

}  // namespace fastclip
