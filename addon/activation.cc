// GELU and its quick form of x + bias, of float32 and bfloat16 with AVX-512, in one pass over memory; on the way back what they gave and their derivative.
#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/record_function.h>

#include "avx512.h"
#include "convert.h"

namespace fastclip {
namespace {

// An activation f at x, and its slope there.
struct Values {
  __m512 output, slope;
};

FASTCLIP_AVX512 inline __m512 reciprocal(__m512 x) {
  const __m512 near = _mm512_rcp14_ps(x);
  return _mm512_mul_ps(near, _mm512_fnmadd_ps(x, near, _mm512_set1_ps(2)));
}

// x times the normal distribution function of x, by formula 7.1.26 of Abramowitz and Stegun, as libtorch has it: to within 2e-7.
struct Gelu {
  FASTCLIP_AVX512 static inline Values at(__m512 x) {
    constexpr float kRootHalf = 0.707106781f, kLog2E = 1.44269504f, kPeak = 0.398942280f;  // sqrt(1/2), log2(e), 1/sqrt(2 pi)
    constexpr float kTerms[] = {1.061405429f, -1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f};
    const __m512 bell = powerOfTwo(_mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(-0.5f * kLog2E)));  // exp(-x^2 / 2)
    const __m512 t = reciprocal(_mm512_fmadd_ps(_mm512_abs_ps(x), _mm512_set1_ps(0.3275911f * kRootHalf), _mm512_set1_ps(1)));
    __m512 sum = _mm512_set1_ps(kTerms[0]);
    for (int i = 1; i < 5; ++i) sum = _mm512_fmadd_ps(sum, t, _mm512_set1_ps(kTerms[i]));
    const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(sum, t), _mm512_mul_ps(bell, _mm512_set1_ps(0.5f)));  // of the distribution, beyond |x|
    const __mmask16 isNegative = _mm512_movepi32_mask(_mm512_castps_si512(x));
    const __m512 share = _mm512_mask_sub_ps(tail, static_cast<__mmask16>(~isNegative), _mm512_set1_ps(1), tail);
    return {_mm512_mul_ps(x, share), _mm512_fmadd_ps(_mm512_mul_ps(x, bell), _mm512_set1_ps(kPeak), share)};
  }
};

// x sigmoid(1.702 x)
struct QuickGelu {
  FASTCLIP_AVX512 static inline Values at(__m512 x) {
    constexpr float kSteepness = 1.702f, kLog2E = 1.44269504f;
    const __m512 power = powerOfTwo(_mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(-kSteepness * kLog2E)));
    const __m512 high = reciprocal(_mm512_add_ps(power, _mm512_set1_ps(1)));  // the sigmoid at |1.702 x|
    const __mmask16 isNegative = _mm512_movepi32_mask(_mm512_castps_si512(x));
    const __m512 share = _mm512_mask_mul_ps(high, isNegative, high, power);
    const __m512 slope = _mm512_mul_ps(_mm512_mul_ps(x, _mm512_set1_ps(kSteepness)), _mm512_mul_ps(high, _mm512_mul_ps(high, power)));
    return {_mm512_mul_ps(x, share), _mm512_add_ps(share, slope)};
  }
};

// Rows of `width` numbers.
template <typename T>
struct Rows {
  const T* x;
  const float* bias;
  T* output;
  T* gradient;  // of the output, which becomes that of x; null on the way forward
  int64_t width;
};

template <typename Function, typename T>
FASTCLIP_AVX512 void run(const Rows<T>& rows, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row)
    for (int64_t i = 0; i < rows.width; i += kLanes) {
      const __mmask16 mask = lanes(i, rows.width);
      const int64_t at = row * rows.width + i;
      const auto [output, slope] = Function::at(_mm512_add_ps(load(rows.x + at, mask), load(rows.bias + i, mask)));
      store(rows.output + at, mask, output);
      if (rows.gradient != nullptr) store(rows.gradient + at, mask, _mm512_mul_ps(load(rows.gradient + at, mask), slope));
    }
}

template <typename T>
void runAll(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& output, const at::Tensor* gradient, bool isQuick) {
  const int64_t width = bias.numel();
  const Rows<T> rows{static_cast<const T*>(x.const_data_ptr()), bias.const_data_ptr<float>(), static_cast<T*>(output.mutable_data_ptr()),
                     gradient == nullptr ? nullptr : static_cast<T*>(gradient->mutable_data_ptr()), width};
  const int64_t atOnce = std::max<int64_t>(1, 16384 / width);  // rows that are worth a thread
  at::parallel_for(0, x.numel() / width, atOnce, [&](int64_t begin, int64_t end) { (isQuick ? run<QuickGelu, T> : run<Gelu, T>)(rows, begin, end); });
}

void mustBeTaken(const at::Tensor& tensor, at::ScalarType type, const char* what) {
  const bool isTaken = type == at::kBFloat16 || type == at::kFloat;
  if (!isTaken || tensor.scalar_type() != type || !tensor.is_cpu() || !tensor.is_contiguous())
    throw BadArgument(std::string(what) + ": expected contiguous float32 or bfloat16 on a CPU, both of one type");
}

at::Tensor activated(const at::Tensor& x, const at::Tensor& bias, const at::Tensor* gradient, bool isQuick) {
  if (gradient != nullptr && gradient->sizes() != x.sizes()) throw BadArgument("gradient: expected the shape of x");
  mustBeTaken(x, x.scalar_type(), "x");
  if (gradient != nullptr) mustBeTaken(*gradient, x.scalar_type(), "gradient");
  if (bias.scalar_type() != at::kFloat || !bias.is_cpu() || !bias.is_contiguous() || bias.dim() != 1 || bias.numel() == 0 || x.dim() == 0 ||
      x.size(-1) != bias.numel())
    throw BadArgument("bias: expected contiguous float32 on a CPU, one number for each of a row of x");
  at::Tensor output = at::empty_like(x);
  (x.scalar_type() == at::kFloat ? runAll<float> : runAll<BFloat16>)(x, bias, output, gradient, isQuick);
  return output;
}

}  // namespace

// activate(x [..., width], bias [width], isQuick) -> GELU of x + bias, or its quick form
static napi_value activate(Call& call) {
  const at::Tensor& x = toTensor(call, call[0], "x");
  const at::Tensor& bias = toTensor(call, call[1], "bias");
  const bool isQuick = toBool(call.env, call[2], "isQuick");
  RECORD_FUNCTION("fastclip::activate", std::vector<c10::IValue>());
  return fromTensor(call, activated(x, bias, nullptr, isQuick));
}

// activateBackward(gradient, x, bias, isQuick) -> the same; `gradient`, of that, is overwritten with the gradient of x
static napi_value activateBackward(Call& call) {
  const at::Tensor& gradient = toTensor(call, call[0], "gradient");
  const at::Tensor& x = toTensor(call, call[1], "x");
  const at::Tensor& bias = toTensor(call, call[2], "bias");
  const bool isQuick = toBool(call.env, call[3], "isQuick");
  RECORD_FUNCTION("fastclip::activateBackward", std::vector<c10::IValue>());
  return fromTensor(call, activated(x, bias, &gradient, isQuick));
}

void defineActivation(napi_env env, napi_value exports) {
  define(env, exports, {{"activate", guarded<activate>}, {"activateBackward", guarded<activateBackward>}});
}

}  // namespace fastclip
