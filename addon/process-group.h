#pragma once

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "distributed.h"

namespace fastclip {

// The processes of a run. c10d's collectives are called on the backend; its Reducer wants the group around it.
struct GroupObject : DistributedObject {
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  c10::intrusive_ptr<c10d::Backend> backend;
  std::chrono::milliseconds timeout;
};

}  // namespace fastclip
