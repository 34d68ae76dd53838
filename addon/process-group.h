#pragma once

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "distributed.h"
#include "waits.h"

namespace fastclip {

// The processes of a run. c10d's collectives are called on a backend; its Reducer wants the group around them.
struct GroupObject : DistributedObject {
  explicit GroupObject(std::shared_ptr<Waits> given) : waits(std::move(given)) {}
  ~GroupObject() override;
  // What carries tensors of this device.
  c10d::Backend& backendOf(const at::Tensor& tensor) const;
  int size() const { return group->getSize(); }

  const std::shared_ptr<Waits> waits;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  c10::intrusive_ptr<c10d::Backend> gloo, nccl;  // nccl is empty unless it was asked for
};

// A collective under way.
struct Collective {
  // Waits for its end. On a GPU that is only queued.
  void await() const {
    waits->await(*work, device);
    if (finish) finish();
  }
  std::shared_ptr<Waits> waits;
  c10::Device device;
  c10::intrusive_ptr<c10d::Work> work;
  std::function<void()> finish = {};  // puts what has come where it belongs
};

// These begin one on flat tensors.
Collective startAllGather(const GroupObject& object, at::Tensor output, at::Tensor input);
Collective startReduceScatter(const GroupObject& object, at::Tensor output, at::Tensor input);

// nccl.cc: connects the GPUs of all processes, of which this one takes the number `device`.
void addNccl(GroupObject& object, const c10::intrusive_ptr<c10d::Store>& store, int64_t device, std::chrono::milliseconds timeout);

}  // namespace fastclip
