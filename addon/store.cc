// c10d's TCPStore.
#include "store.h"

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <cstdlib>

namespace fastclip {

napi_value fromObject(Call& call, std::shared_ptr<DistributedObject> object) {
  const uint32_t handle = call.environment.nextObject++;
  call.environment.objects.emplace(handle, std::move(object));
  return fromDouble(call.env, handle);
}

const std::shared_ptr<DistributedObject>& objectAt(Call& call, size_t index) {
  const auto& objects = call.environment.objects;
  const int64_t handle = toInt(call.env, call[index], "handle");
  const auto found = handle > 0 && handle <= UINT32_MAX ? objects.find(static_cast<uint32_t>(handle)) : objects.end();
  if (found == objects.end()) throw BadArgument("the object was closed, or is not one of this thread");
  return found->second;
}

std::chrono::milliseconds toTimeout(Call& call, size_t index) {
  const int64_t timeout = toInt(call.env, call[index], "timeout");
  if (timeout < 1) throw BadArgument("timeout: expected 1 millisecond or more, got " + std::to_string(timeout));
  return std::chrono::milliseconds(timeout);
}

// closeObject(handle) -> whether it was open
static napi_value closeObject(Call& call) {
  const int64_t handle = toInt(call.env, call[0], "handle");
  const auto found = call.environment.objects.find(static_cast<uint32_t>(handle));
  if (found == call.environment.objects.end() || handle != found->first) return fromBool(call.env, false);
  const std::shared_ptr<DistributedObject> dying = std::move(found->second);
  call.environment.objects.erase(found);
  return fromBool(call.env, true);
}

static std::vector<std::string> toStrings(Call& call, size_t index) {
  uint32_t length = 0;
  if (napi_get_array_length(call.env, call[index], &length) != napi_ok) throw BadArgument("keys: expected an array");
  std::vector<std::string> result;
  for (uint32_t i = 0; i < length; ++i) {
    napi_value entry;
    check(napi_get_element(call.env, call[index], i, &entry));
    result.push_back(toString(call.env, entry, "keys"));
  }
  return result;
}

static c10::intrusive_ptr<c10d::Store> keysAt(Call& call) { return argumentAt<StoreObject>(call, 0, "a store").keys; }

// For an answer of the store, beside the time that it is asked to wait itself.
constexpr std::chrono::seconds kAnswer{5};

// Waits for the answer no longer than this.
template <typename Ask>
static auto answered(std::chrono::milliseconds limit, Ask ask) {
  auto answer = asked(std::move(ask));
  if (answer.wait_for(limit) == std::future_status::timeout) throw std::runtime_error("the store does not answer");
  return answer.get();
}

// c10d logs what it also throws, and each wait that ran out. Whoever wants to read that sets TORCH_CPP_LOG_LEVEL.
static void quietLog() {
  if (std::getenv("TORCH_CPP_LOG_LEVEL") != nullptr) c10::initLogging();
  else FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

// storeOpen(host, port, isServer, timeout, prefix): waits for the server, not for the other clients.
static napi_value storeOpen(Call& call) {
  static std::once_flag once;
  std::call_once(once, quietLog);
  const int64_t port = toInt(call.env, call[1], "port");
  if (port < 0 || port > 65535) throw BadArgument("port: expected 0 to 65535, got " + std::to_string(port));
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(port);
  options.isServer = toBool(call.env, call[2], "isServer");
  options.waitWorkers = false;
  options.timeout = toTimeout(call, 3);
  auto object = std::make_shared<StoreObject>();
  object->tcp = c10::make_intrusive<c10d::TCPStore>(toString(call.env, call[0], "host"), options);
  object->keys = c10::make_intrusive<c10d::PrefixStore>(toString(call.env, call[4], "prefix"), object->tcp);
  return fromObject(call, std::move(object));
}

static napi_value storePort(Call& call) { return fromDouble(call.env, argumentAt<StoreObject>(call, 0, "a store").tcp->getPort()); }

static napi_value storeSet(Call& call) {
  answered(kAnswer, [keys = keysAt(call), key = toString(call.env, call[1], "key"), value = toString(call.env, call[2], "value")] {
    keys->set(key, value);
  });
  return undefined(call.env);
}

// storeGet(store, key, timeout): waits until the key is there.
static napi_value storeGet(Call& call) {
  const std::string key = toString(call.env, call[1], "key");
  const std::chrono::milliseconds timeout = toTimeout(call, 2);
  return fromString(call.env, answered(timeout + kAnswer, [keys = keysAt(call), key, timeout] {
    keys->wait({key}, timeout);
    return keys->get_to_str(key);
  }));
}

static napi_value storeCheck(Call& call) {
  return fromBool(call.env, answered(kAnswer, [keys = keysAt(call), names = toStrings(call, 1)] { return keys->check(names); }));
}

static napi_value storeWait(Call& call) {
  const std::chrono::milliseconds timeout = toTimeout(call, 2);
  answered(timeout + kAnswer, [keys = keysAt(call), names = toStrings(call, 1), timeout] { keys->wait(names, timeout); });
  return undefined(call.env);
}

// storeAdd(store, key, amount) -> the sum so far
static napi_value storeAdd(Call& call) {
  const int64_t amount = toInt(call.env, call[2], "amount");
  const int64_t sum = answered(kAnswer, [keys = keysAt(call), key = toString(call.env, call[1], "key"), amount] { return keys->add(key, amount); });
  return fromDouble(call.env, static_cast<double>(sum));
}

static napi_value storeDelete(Call& call) {
  return fromBool(call.env, answered(kAnswer, [keys = keysAt(call), key = toString(call.env, call[1], "key")] { return keys->deleteKey(key); }));
}

void defineStore(napi_env env, napi_value exports) {
  define(env, exports,
         {{"closeObject", guarded<closeObject>}, {"storeOpen", guarded<storeOpen>}, {"storePort", guarded<storePort>},
          {"storeSet", guarded<storeSet>}, {"storeGet", guarded<storeGet>}, {"storeCheck", guarded<storeCheck>},
          {"storeWait", guarded<storeWait>}, {"storeAdd", guarded<storeAdd>}, {"storeDelete", guarded<storeDelete>}});
}

}  // namespace fastclip
