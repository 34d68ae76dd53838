// AdamW on parameters of float32 with gradients of bfloat16, with AVX-512: libtorch's fused kernel wants one type.
#include <ATen/Parallel.h>
#include <ATen/record_function.h>

#include <cmath>

#include "avx512.h"
#include "convert.h"

namespace fastclip {
namespace {

struct Settings {
  double rate, beta1, beta2, eps, decay, factor;  // gradients are multiplied by the factor
};

struct Part {
  float* parameter;
  const BFloat16* gradient;
  float* mean;
  float* square;
  int64_t count;
  float step;  // how often it was updated, this time among them
};

constexpr int64_t kPart = 1 << 16;

FASTCLIP_AVX512 inline __m512 all(double value) { return _mm512_set1_ps(static_cast<float>(value)); }

FASTCLIP_AVX512 void update(const Part& part, const Settings& settings) {
  const double correction1 = 1 - std::pow(settings.beta1, part.step), correction2 = 1 - std::pow(settings.beta2, part.step);
  const __m512 beta1 = all(settings.beta1), rest1 = all(1 - settings.beta1), beta2 = all(settings.beta2), rest2 = all(1 - settings.beta2);
  const __m512 rate = all(settings.rate / correction1), share = all(1 / std::sqrt(correction2));
  const __m512 kept = all(1 - settings.rate * settings.decay), eps = all(settings.eps), factor = all(settings.factor);
  for (int64_t i = 0; i < part.count; i += kLanes) {
    const __mmask16 mask = lanes(i, part.count);
    const __m512 gradient = _mm512_mul_ps(fromBFloat16(_mm256_maskz_loadu_epi16(mask, part.gradient + i)), factor);
    const __m512 mean = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, part.mean + i), beta1, _mm512_mul_ps(gradient, rest1));
    const __m512 square =
        _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, part.square + i), beta2, _mm512_mul_ps(_mm512_mul_ps(gradient, gradient), rest2));
    const __m512 direction = _mm512_div_ps(mean, _mm512_fmadd_ps(_mm512_sqrt_ps(square), share, eps));
    const __m512 parameter = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, part.parameter + i), kept);
    _mm512_mask_storeu_ps(part.mean + i, mask, mean);
    _mm512_mask_storeu_ps(part.square + i, mask, square);
    _mm512_mask_storeu_ps(part.parameter + i, mask, _mm512_fnmadd_ps(rate, direction, parameter));
  }
}

// Whether elements of both lie in one order; the stride of a dimension with one element says nothing.
bool isAlike(const at::Tensor& tensor, const at::Tensor& parameter) {
  if (!tensor.is_cpu() || tensor.sizes() != parameter.sizes()) return false;
  for (int64_t i = 0; i < tensor.dim(); ++i)
    if (tensor.size(i) > 1 && tensor.stride(i) != parameter.stride(i)) return false;
  return true;
}

void* dataOf(const at::Tensor& tensor, const at::Tensor& parameter, at::ScalarType type, const char* what) {
  if (tensor.scalar_type() != type || !isAlike(tensor, parameter))
    throw BadArgument(std::string(what) + ": expected " + c10::toString(type) + " on a CPU in the parameter's shape and layout");
  return tensor.mutable_data_ptr();
}

float* floatsOf(const at::Tensor& tensor, const at::Tensor& parameter, const char* what) {
  return static_cast<float*>(dataOf(tensor, parameter, at::kFloat, what));
}

}  // namespace

// adamw(parameters, gradients, means, squares, steps, rate, beta1, beta2, eps, decay, factor), lists of one length, updates all but the
// gradients and the steps, which are scalars of float32 and count this one
static napi_value adamw(Call& call) {
  std::vector<at::Tensor> lists[5];
  constexpr const char* kNames[] = {"parameters", "gradients", "means", "squares", "steps"};
  for (size_t i = 0; i < std::size(lists); ++i) {
    lists[i] = toTensorList(call, call[i], kNames[i]);
    if (lists[i].size() != lists[0].size()) throw BadArgument(std::string(kNames[i]) + ": expected one for each parameter");
  }
  const auto& [parameters, gradients, means, squares, steps] = lists;
  const auto number = [&](size_t i) { return toDouble(call.env, call[std::size(lists) + i], "a number"); };
  const Settings settings{number(0), number(1), number(2), number(3), number(4), number(5)};
  std::vector<Part> parts;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& parameter = parameters[i];
    if (!parameter.is_non_overlapping_and_dense()) throw BadArgument("a parameter: expected a dense one");
    const Part whole{floatsOf(parameter, parameter, "a parameter"), static_cast<BFloat16*>(dataOf(gradients[i], parameter, at::kBFloat16, "a gradient")), floatsOf(means[i], parameter, "a mean"),
                     floatsOf(squares[i], parameter, "a square"), parameter.numel(), steps[i].item<float>()};
    for (int64_t begin = 0; begin < whole.count; begin += kPart)
      parts.push_back({whole.parameter + begin, whole.gradient + begin, whole.mean + begin, whole.square + begin,
                       std::min(kPart, whole.count - begin), whole.step});
  }
  RECORD_FUNCTION("fastclip::adamw", std::vector<c10::IValue>());
  at::parallel_for(0, static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) update(parts[i], settings);
  });
  for (const auto* list : {&parameters, &means, &squares})
    for (const at::Tensor& tensor : *list) tensor.unsafeGetTensorImpl()->bump_version();
  return undefined(call.env);
}

void defineAdamw(napi_env env, napi_value exports) { define(env, exports, {{"adamw", guarded<adamw>}}); }

}  // namespace fastclip
