#pragma once

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <future>
#include <thread>

#include "distributed.h"

namespace fastclip {

// Keys and values that all processes of a run see; one of them, or a launcher, serves it.
struct StoreObject : DistributedObject {
  c10::intrusive_ptr<c10d::TCPStore> tcp;
  c10::intrusive_ptr<c10d::Store> keys;  // tcp under a prefix
};

// Asks the store in a thread of its own: where the serving process stands still, or its machine is cut off, libtorch's client waits for
// ever. Then the thread stays behind with what it holds.
template <typename Ask>
auto asked(Ask ask) {
  std::packaged_task<decltype(ask())()> task(std::move(ask));
  auto answer = task.get_future();
  std::thread(std::move(task)).detach();
  return answer;
}

}  // namespace fastclip
