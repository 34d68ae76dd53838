#pragma once

#include <torch/csrc/distributed/c10d/Work.hpp>

#include <list>

#include "distributed.h"

namespace fastclip {

// What this process waits for that others send, and how that is given up. Gloo fails a collective when a process in it dies, but not
// always: a message of which a part has come, or which was just about to be sent, is waited for until the time-out.
class Waits : public std::enable_shared_from_this<Waits> {
 public:
  using Future = c10::intrusive_ptr<c10::ivalue::Future>;

  // Waits for the end of a work on tensors of the device; throws its error, or that it was given up. On a GPU the wait is only queued.
  void await(c10d::Work& work, c10::Device device);
  // A future that ends as `inner` does, or with an error when it is given up before.
  Future guard(const Future& inner);

  // Whether something has been waited for so long.
  bool isOverdue(Clock::duration patience);
  // Ends all waits, now and from now on, with an error.
  void giveUp();
  bool isGivenUp();

 private:
  struct Wait {
    Clock::time_point began;
    Future outer;  // empty for a thread that waits
  };
  using Position = std::list<Wait>::iterator;

  Position begin(Future outer);
  // False when the wait was given up.
  bool end(Position position);

  std::mutex mutex_;
  std::list<Wait> waits_;
  bool givenUp_ = false;
};

}  // namespace fastclip
