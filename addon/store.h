#pragma once

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "distributed.h"

namespace fastclip {

// Keys and values that all processes of a run see; one of them, or a launcher, serves it.
struct StoreObject : DistributedObject {
  c10::intrusive_ptr<c10d::TCPStore> tcp;
  c10::intrusive_ptr<c10d::Store> keys;  // tcp under a prefix
};

}  // namespace fastclip
