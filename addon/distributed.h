// What the files about several processes share: objects of c10d that JavaScript holds by a number.
#pragma once

#include <chrono>

#include "convert.h"

namespace fastclip {

using Clock = std::chrono::steady_clock;

inline double milliseconds(Clock::duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

napi_value fromObject(Call& call, std::shared_ptr<DistributedObject> object);
const std::shared_ptr<DistributedObject>& objectAt(Call& call, size_t index);

// The object that argument `index` names; `what` is what it should be.
template <typename T>
T& argumentAt(Call& call, size_t index, const char* what) {
  auto* object = dynamic_cast<T*>(objectAt(call, index).get());
  if (object == nullptr) throw BadArgument(std::string("expected ") + what);
  return *object;
}

std::chrono::milliseconds toTimeout(Call& call, size_t index);

}  // namespace fastclip
