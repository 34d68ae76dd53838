#pragma once

#include <condition_variable>

#include "store.h"
#include "waits.h"

namespace fastclip {

// Writes "<count> <phase>" under a key over and over, so that others can tell a process that lives from one that was killed
// or stopped; and gives up what this process waits for when the others have written that the run is over. A thread of C++, since
// JavaScript's own stands still during a collective.
class Heartbeat : public DistributedObject {
 public:
  struct Keys {
    std::string beat, over;
  };
  Heartbeat(c10::intrusive_ptr<c10d::Store> store, Keys keys, std::chrono::milliseconds interval);
  ~Heartbeat() override;

  void setPhase(std::string phase);

  // For the groups of this process.
  const std::shared_ptr<Waits> waits = std::make_shared<Waits>();

 private:
  void run() noexcept;
  void beat(const std::string& text);
  // Whether nobody answers to what this process waits for.
  bool isOver() noexcept;

  c10::intrusive_ptr<c10d::Store> store_;  // a connection of its own: a blocked call holds its store's lock
  Keys keys_;
  std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string phase_;
  bool closing_ = false;
  bool hasStore_ = true;
  std::future<bool> answer_;  // to the question whether the run is over
  std::thread thread_;  // last: it uses all the others
};

}  // namespace fastclip
