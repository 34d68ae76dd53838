#pragma once

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "distributed.h"

namespace fastclip {

// The processes of a run. c10d's collectives are called on a backend; its Reducer wants the group around them.
struct GroupObject : DistributedObject {
  ~GroupObject() override;
  // What carries tensors of this device.
  c10d::Backend& backendOf(const at::Tensor& tensor) const;
  int size() const { return group->getSize(); }

  c10::intrusive_ptr<c10d::ProcessGroup> group;
  c10::intrusive_ptr<c10d::Backend> gloo, nccl;  // nccl is empty unless it was asked for
};

// These begin a collective on flat tensors.
c10::intrusive_ptr<c10d::Work> startAllGather(c10d::Backend& backend, at::Tensor output, at::Tensor input);
c10::intrusive_ptr<c10d::Work> startReduceScatter(c10d::Backend& backend, at::Tensor output, at::Tensor input);

// nccl.cc: connects the GPUs of all processes, of which this one takes the number `device`.
void addNccl(GroupObject& object, const c10::intrusive_ptr<c10d::Store>& store, int64_t device, std::chrono::milliseconds timeout);

}  // namespace fastclip
