// c10d's Reducer, the engine of PyTorch's DistributedDataParallel: gradients are averaged over all processes in buckets, each
// as soon as backward has filled it.
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "process-group.h"

namespace fastclip {

// When each bucket of one backward was sent and was there.
struct BucketTimes {
  struct Span {
    Clock::time_point began, ended;
  };
  std::mutex mutex;
  std::vector<Span> spans;
  size_t bytes = 0;
};

// The all-reduce of one bucket, timed.
class TimedAllReduce : public c10d::CommHookInterface {
 public:
  TimedAllReduce(const GroupObject& object, std::shared_ptr<BucketTimes> times)
      : group_(object.group), waits_(object.waits), times_(std::move(times)) {}

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    std::vector<at::Tensor> tensors{bucket.getBufferRef()};
    const bool isOnHost = tensors[0].is_cpu();
    tensors[0].div_(group_->getSize());
    size_t index;
    {
      std::lock_guard<std::mutex> lock(times_->mutex);
      index = times_->spans.size();
      times_->spans.push_back({Clock::now(), Clock::now()});
      times_->bytes += tensors[0].nbytes();
    }
    auto future = group_->getBackend(tensors[0].device().type())->allreduce(tensors)->getFuture();
    const auto end = [times = times_, index](c10::ivalue::Future&) {
      std::lock_guard<std::mutex> lock(times->mutex);
      if (index < times->spans.size()) times->spans[index].ended = Clock::now();
    };
    // On a GPU the all-reduce is only queued here: all that is known of it is how long that took.
    if (!isOnHost) {
      end(*future);
      return future;
    }
    future->addCallback(end);
    return waits_->guard(future);
  }

  at::Tensor parseHookResult(const c10::IValue& result) override { return c10d::detail::parseCppCommHookResult(result); }

 private:
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
  std::shared_ptr<Waits> waits_;
  std::shared_ptr<BucketTimes> times_;
};

struct ReducerObject : DistributedObject {
  std::shared_ptr<BucketTimes> times = std::make_shared<BucketTimes>();
  std::unique_ptr<c10d::Reducer> reducer;
};

// reducerOpen(group, parameters, firstBucketBytes, bucketBytes): parameters in the order in which backward comes to them
static napi_value reducerOpen(Call& call) {
  GroupObject& object = argumentAt<GroupObject>(call, 0, "a process group");
  const std::vector<at::Tensor> parameters = toTensorList(call, call[1], "parameters");
  const int64_t first = toInt(call.env, call[2], "first bucket's bytes");
  const int64_t most = toInt(call.env, call[3], "bucket's bytes");
  if (first < 1 || most < 1) throw BadArgument("a bucket has 1 byte or more");
  if (parameters.empty()) throw BadArgument("there are no parameters whose gradients could be reduced");
  for (const at::Tensor& parameter : parameters)
    if (!parameter.is_leaf() || !parameter.requires_grad()) throw BadArgument("a parameter collects no gradient");
  const std::vector<bool> sparse(parameters.size(), false);
  const std::vector<size_t> limits{static_cast<size_t>(first), static_cast<size_t>(most)};
  auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(parameters, limits, sparse));
  auto result = std::make_shared<ReducerObject>();
  result->reducer = std::make_unique<c10d::Reducer>(parameters, buckets, object.group, sparse, most, false, false,
                                                    std::unordered_map<size_t, std::string>(), first, false, false,
                                                    std::vector<int64_t>());
  result->reducer->register_comm_hook(std::make_unique<TimedAllReduce>(object, result->times));
  return fromObject(call, std::move(result));
}

// reducerPrepare(reducer): the backward that follows reduces; one without this before it only adds up.
static napi_value reducerPrepare(Call& call) {
  ReducerObject& object = argumentAt<ReducerObject>(call, 0, "a reducer");
  {
    std::lock_guard<std::mutex> lock(object.times->mutex);
    object.times->spans.clear();
    object.times->bytes = 0;
  }
  object.reducer->prepare_for_forward();
  object.reducer->prepare_for_backward({});
  return undefined(call.env);
}

// reducerFinish(reducer) -> [buckets, bytes, milliseconds on the wire, milliseconds after the last gradient was there];
// an error when a parameter got no gradient.
static napi_value reducerFinish(Call& call) {
  ReducerObject& object = argumentAt<ReducerObject>(call, 0, "a reducer");
  object.reducer->check_finalized();
  object.reducer->rebuild_buckets();  // once, after the first backward
  std::lock_guard<std::mutex> lock(object.times->mutex);
  const auto& spans = object.times->spans;
  Clock::duration busy{}, exposed{};
  Clock::time_point until{};
  for (const auto& [began, ended] : spans) {  // in the order of their beginnings
    busy += std::max(Clock::duration{}, ended - std::max(began, until));
    until = std::max(until, ended);
    exposed = until - began;
  }
  return fromDoubles(call.env, {static_cast<double>(spans.size()), static_cast<double>(object.times->bytes), milliseconds(busy), milliseconds(exposed)});
}

void defineReducer(napi_env env, napi_value exports) {
  define(env, exports,
         {{"reducerOpen", guarded<reducerOpen>}, {"reducerPrepare", guarded<reducerPrepare>}, {"reducerFinish", guarded<reducerFinish>}});
}

}  // namespace fastclip
