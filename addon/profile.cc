// Which operators this thread runs and how long each takes, by libtorch's own observer of its dispatcher (at::RecordFunction).
#include <ATen/record_function.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "convert.h"

namespace fastclip {

using Clock = std::chrono::steady_clock;

// `times` products of matrices [m, k] and [k, n], which is what an operator's arithmetic comes to.
struct Product {
  double times, m, k, n;
};

struct OperatorRun {
  size_t name;
  double start, duration, own;  // ms from the beginning; `own` without the operators that it called
  Product product;
};

struct OperatorRecorder {
  Clock::time_point begun = Clock::now();
  at::CallbackHandle handle{};
  std::vector<std::string> names;
  std::unordered_map<std::string, size_t> placeOf;
  std::vector<OperatorRun> runs;
  std::vector<size_t> open;  // runs that are not over, the outermost first

  double now() const { return std::chrono::duration<double, std::milli>(Clock::now() - begun).count(); }
  size_t nameOf(const char* name) {
    const auto [found, isNew] = placeOf.try_emplace(name, names.size());
    if (isNew) names.emplace_back(name);
    return found->second;
  }
};

// Backward on a GPU goes on in other threads, to which the observer follows: there is no recorder there.
static thread_local std::unique_ptr<OperatorRecorder> recorder;

static Product productOfMatrices(const at::Tensor& a, const at::Tensor& b) {
  const auto k = static_cast<double>(a.size(-1));
  return {1, a.numel() / std::max(k, 1.0), k, static_cast<double>(b.size(-1))};
}

// Every place of the output is a row; `directions` counts the output, or backward the gradients of input and weight.
static Product productOfConvolution(const at::Tensor& weight, double places, double directions) {
  const auto n = static_cast<double>(weight.size(0));
  return {directions, places, weight.numel() / std::max(n, 1.0), n};
}

static double placesOfConvolution(at::ArrayRef<c10::IValue> inputs) {
  const at::Tensor& input = inputs[0].toTensor();
  const at::Tensor& weight = inputs[1].toTensor();
  const auto stride = inputs[3].toIntVector(), padding = inputs[4].toIntVector(), dilation = inputs[5].toIntVector();
  auto places = static_cast<double>(input.size(0));
  for (int64_t i = 2; i < input.dim(); ++i) {
    const size_t j = i - 2;
    const auto last = [j](const std::vector<int64_t>& list) { return j < list.size() ? list[j] : list.back(); };
    places *= (input.size(i) + 2 * last(padding) - last(dilation) * (weight.size(i) - 1) - 1) / last(stride) + 1;
  }
  return places;
}

static std::optional<Product> productOf(std::string_view name, at::ArrayRef<c10::IValue> inputs) {
  const auto tensor = [&](size_t i) -> const at::Tensor& { return inputs[i].toTensor(); };
  if (name == "aten::mm" || name == "aten::bmm") return productOfMatrices(tensor(0), tensor(1));
  if (name == "aten::addmm" || name == "aten::baddbmm") return productOfMatrices(tensor(1), tensor(2));
  if (name == "aten::convolution") return productOfConvolution(tensor(1), placesOfConvolution(inputs), 1);
  if (name == "aten::convolution_backward") {
    const auto wanted = inputs[10].toBoolList();
    const at::Tensor& gradient = tensor(0);
    return productOfConvolution(tensor(2), gradient.numel() / std::max<double>(gradient.size(1), 1), wanted[0] + wanted[1]);
  }
  // Forward two products, queries with keys and weights with values; backward forms the first again and four gradients.
  if (name.starts_with("aten::_scaled_dot_product_") && !name.ends_with("_math")) {
    const bool isBackward = name.ends_with("_backward");
    Product product = productOfMatrices(tensor(isBackward), tensor(isBackward + 1).transpose(-2, -1));
    product.times = isBackward ? 5 : 2;
    return product;
  }
  // Our own kernel forms what came out again too. It has queries, keys and values side by side, the number of heads, and the scores of each.
  if (name.starts_with("fastclip::attend")) {
    const bool isBackward = name.ends_with("Backward");
    const at::Tensor& projected = tensor(isBackward);
    const auto heads = static_cast<double>(inputs[isBackward + 1].toInt()), scores = static_cast<double>(inputs[isBackward + 2].toInt());
    const auto width = static_cast<double>(projected.size(-1)), rows = projected.numel() / width;
    return Product{isBackward ? 6.0 : 2.0, heads * rows, width / (3 * heads), scores / rows};
  }
  return std::nullopt;
}

static std::unique_ptr<at::ObserverContext> onStart(const at::RecordFunction& function) {
  if (!recorder) return nullptr;
  auto& runs = recorder->runs;
  auto& open = recorder->open;
  const std::string_view name = function.name();
  Product product{};
  if (open.empty() || runs[open.back()].product.times == 0) product = productOf(name, function.inputs()).value_or(product);
  // A convolution gives what it is on to the kernel that libtorch chose for it.
  else if (name.find("convolution") != std::string_view::npos) std::swap(product, runs[open.back()].product);
  open.push_back(runs.size());
  runs.push_back({recorder->nameOf(function.name()), recorder->now(), 0, 0, product});
  return nullptr;
}

static void onEnd(const at::RecordFunction&, at::ObserverContext*) {
  if (!recorder || recorder->open.empty()) return;
  auto& open = recorder->open;
  OperatorRun& run = recorder->runs[open.back()];
  open.pop_back();
  run.duration = recorder->now() - run.start;
  run.own += run.duration;
  if (!open.empty()) recorder->runs[open.back()].own -= run.duration;
}

// profileBegin(): records the operators of this thread from now on
static napi_value profileBegin(Call& call) {
  if (recorder) throw BadArgument("operators are recorded already");
  recorder = std::make_unique<OperatorRecorder>();
  recorder->handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(onStart, onEnd).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  return undefined(call.env);
}

// profileEnd() -> [names, Float64Array of: place of the name, start, duration, own duration (ms), times, m, k, n; ...]
static napi_value profileEnd(Call& call) {
  if (!recorder) throw BadArgument("no operators are recorded");
  const auto done = std::move(recorder);
  at::removeCallback(done->handle);
  std::vector<double> numbers;
  for (const auto& [name, start, duration, own, product] : done->runs)
    numbers.insert(numbers.end(), {static_cast<double>(name), start, duration, own, product.times, product.m, product.k, product.n});
  napi_value result, names, memory, array;
  void* data = nullptr;
  check(napi_create_arraybuffer(call.env, numbers.size() * sizeof(double), &data, &memory));
  if (!numbers.empty()) std::memcpy(data, numbers.data(), numbers.size() * sizeof(double));
  check(napi_create_typedarray(call.env, napi_float64_array, numbers.size(), memory, 0, &array));
  check(napi_create_array_with_length(call.env, done->names.size(), &names));
  for (uint32_t i = 0; i < done->names.size(); ++i) check(napi_set_element(call.env, names, i, fromString(call.env, done->names[i])));
  check(napi_create_array_with_length(call.env, 2, &result));
  check(napi_set_element(call.env, result, 0, names));
  check(napi_set_element(call.env, result, 1, array));
  return result;
}

void defineProfile(napi_env env, napi_value exports) {
  define(env, exports, {{"profileBegin", guarded<profileBegin>}, {"profileEnd", guarded<profileEnd>}});
}

}  // namespace fastclip
