// Waiting for other processes, until it is given up.
#include "waits.h"

namespace fastclip {

constexpr const char* kGivenUp = "the wait was given up";

Waits::Position Waits::begin(Future outer) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (givenUp_) throw std::runtime_error(kGivenUp);
  return waits_.insert(waits_.end(), {Clock::now(), std::move(outer)});
}

bool Waits::end(Position position) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (givenUp_) return false;
  waits_.erase(position);
  return true;
}

void Waits::await(c10d::Work& work, c10::Device device) {
  if (!device.is_cpu()) {
    work.wait();
    return;
  }
  constexpr std::chrono::milliseconds kSlice{500};
  const Position position = begin({});
  for (;;) {
    try {
      work.wait(kSlice);
      break;
    } catch (const std::exception&) {
      // Either the slice is over, or the work has failed.
      if (isGivenUp()) throw std::runtime_error(kGivenUp);
      if (!work.isCompleted()) continue;
      end(position);
      work.wait();
      return;
    }
  }
  end(position);
}

Waits::Future Waits::guard(const Future& inner) {
  Future outer = c10::make_intrusive<c10::ivalue::Future>(inner->elementType());
  const Position position = begin(outer);
  inner->addCallback([waits = shared_from_this(), outer, position](c10::ivalue::Future& done) {
    if (!waits->end(position)) return;
    if (done.hasError()) outer->setError(done.exception_ptr());
    else outer->markCompleted(done.value());
  });
  return outer;
}

bool Waits::isOverdue(Clock::duration patience) {
  std::lock_guard<std::mutex> lock(mutex_);
  return !waits_.empty() && Clock::now() - waits_.front().began >= patience;
}

void Waits::giveUp() {
  std::list<Wait> waits;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    givenUp_ = true;
    waits.swap(waits_);
  }
  for (const Wait& wait : waits)
    if (wait.outer) wait.outer->setError(std::make_exception_ptr(std::runtime_error(kGivenUp)));
}

bool Waits::isGivenUp() {
  std::lock_guard<std::mutex> lock(mutex_);
  return givenUp_;
}

}  // namespace fastclip
