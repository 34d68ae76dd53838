// GELU and its quick form on the way back, of float32 and bfloat16 with AVX-512: what they gave and their derivative in one pass over memory.
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

template <typename T>
struct Vectors {
  const T* x;
  T* output;
  T* gradient;  // of the output, which becomes that of x
};

template <typename Function, typename T>
FASTCLIP_AVX512 inline void step(const Vectors<T>& vectors, int64_t i, __mmask16 mask) {
  const auto [output, slope] = Function::at(load(vectors.x + i, mask));
  store(vectors.output + i, mask, output);
  store(vectors.gradient + i, mask, _mm512_mul_ps(load(vectors.gradient + i, mask), slope));
}

template <typename Function, typename T>
FASTCLIP_AVX512 void run(const Vectors<T>& vectors, int64_t begin, int64_t end) {
  const int64_t whole = begin + (end - begin) / kLanes * kLanes;
  for (int64_t i = begin; i < whole; i += kLanes) step<Function>(vectors, i, 0xffff);
  if (whole < end) step<Function>(vectors, whole, lanes(whole, end));
}

template <typename T>
void runAll(const at::Tensor& x, const at::Tensor& output, const at::Tensor& gradient, bool isQuick) {
  const Vectors<T> vectors{static_cast<const T*>(x.const_data_ptr()), static_cast<T*>(output.mutable_data_ptr()),
                           static_cast<T*>(gradient.mutable_data_ptr())};
  constexpr int64_t kAtOnce = 16384;  // elements that are worth a thread
  at::parallel_for(0, x.numel(), kAtOnce, [&](int64_t begin, int64_t end) {
    (isQuick ? run<QuickGelu, T> : run<Gelu, T>)(vectors, begin, end);
  });
}

void mustBeTaken(const at::Tensor& tensor, at::ScalarType type, const char* what) {
  const bool isTaken = type == at::kBFloat16 || type == at::kFloat;
  if (!isTaken || tensor.scalar_type() != type || !tensor.is_cpu() || !tensor.is_contiguous())
    throw BadArgument(std::string(what) + ": expected contiguous float32 or bfloat16 on a CPU, both of one type");
}

}  // namespace

// activateBackward(gradient, x, isQuick) -> GELU of x, or its quick form; `gradient`, of that, is overwritten with the gradient of x
static napi_value activateBackward(Call& call) {
  const at::Tensor& gradient = toTensor(call, call[0], "gradient");
  const at::Tensor& x = toTensor(call, call[1], "x");
  const bool isQuick = toBool(call.env, call[2], "isQuick");
  if (gradient.sizes() != x.sizes()) throw BadArgument("gradient: expected the shape of x");
  RECORD_FUNCTION("fastclip::activateBackward", std::vector<c10::IValue>());
  mustBeTaken(x, x.scalar_type(), "x");
  mustBeTaken(gradient, x.scalar_type(), "gradient");
  at::Tensor output = at::empty_like(x);
  (x.scalar_type() == at::kFloat ? runAll<float> : runAll<BFloat16>)(x, output, gradient, isQuick);
  return fromTensor(call, std::move(output));
}

void defineActivation(napi_env env, napi_value exports) {
  define(env, exports, {{"activateBackward", guarded<activateBackward>}});
}

}  // namespace fastclip
