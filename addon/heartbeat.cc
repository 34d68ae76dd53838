// The sign of life of a process, and how it learns that the run is over.
#include "heartbeat.h"

namespace fastclip {

Heartbeat::Heartbeat(c10::intrusive_ptr<c10d::Store> store, Keys keys, std::chrono::milliseconds interval)
    : store_(std::move(store)), keys_(std::move(keys)), interval_(interval), thread_([this] { run(); }) {}

Heartbeat::~Heartbeat() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Heartbeat::setPhase(std::string phase) {
  std::lock_guard<std::mutex> lock(mutex_);
  phase_ = std::move(phase);
}

void Heartbeat::run() noexcept {
  std::unique_lock<std::mutex> lock(mutex_);
  for (uint64_t count = 1; !closing_; ++count) {
    const std::string text = std::to_string(count) + ' ' + phase_;
    lock.unlock();
    beat(text);
    if (isOver()) waits->giveUp();
    lock.lock();
    wake_.wait_for(lock, interval_, [this] { return closing_; });
  }
}

void Heartbeat::beat(const std::string& text) {
  // A store that owes an answer takes nothing else.
  if (!hasStore_ || answer_.valid()) return;
  try {
    store_->set(keys_.beat, text);
  } catch (const std::exception&) {
    hasStore_ = false;  // nobody hears any more
  }
}

bool Heartbeat::isOver() noexcept {
  // For so many intervals a failed collective is left to tell of it itself, and the store is not asked.
  constexpr int kPatience = 3;
  if (!answer_.valid()) {
    if (!waits->isOverdue(kPatience * interval_)) return false;
    if (!hasStore_) return true;
    try {
      answer_ = asked([store = store_, key = keys_.over] { return store->check({key}); });
    } catch (const std::system_error&) {
      return false;  // there is no thread for it now
    }
  }
  constexpr std::chrono::milliseconds kAnswer{100};
  if (answer_.wait_for(kAnswer) != std::future_status::ready) return false;
  try {
    return answer_.get();
  } catch (const std::exception&) {
    hasStore_ = false;
    return true;
  }
}

// heartbeatStart(store, key of the beat, key of the run's end, interval)
static napi_value heartbeatStart(Call& call) {
  const auto& store = argumentAt<StoreObject>(call, 0, "a store").keys;
  const Heartbeat::Keys keys{toString(call.env, call[1], "key"), toString(call.env, call[2], "key")};
  return fromObject(call, std::make_shared<Heartbeat>(store->clone(), keys, toTimeout(call, 3)));
}

// heartbeatPhase(heartbeat, phase): what this process is doing, in words; written with the next beat.
static napi_value heartbeatPhase(Call& call) {
  argumentAt<Heartbeat>(call, 0, "a heartbeat").setPhase(toString(call.env, call[1], "phase"));
  return undefined(call.env);
}

void defineHeartbeat(napi_env env, napi_value exports) {
  define(env, exports, {{"heartbeatStart", guarded<heartbeatStart>}, {"heartbeatPhase", guarded<heartbeatPhase>}});
}

}  // namespace fastclip
