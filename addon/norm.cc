// The norm of many tensors of float32 and bfloat16 in one pass, with AVX-512 and sums of float64.
#include <ATen/Parallel.h>
#include <ATen/record_function.h>

#include <cmath>
#include <numeric>

#include "avx512.h"
#include "convert.h"

namespace fastclip {
namespace {

// Elements of a partial sum. What a thread sums up does not depend on the number of threads.
constexpr int64_t kPart = 1 << 16;

struct Part {
  const at::Tensor* tensor;
  int64_t begin, end;
};

FASTCLIP_AVX512 inline __m512d addSquares(__m512d sum, __m256 x) {
  const __m512d wide = _mm512_cvtps_pd(x);
  return _mm512_fmadd_pd(wide, wide, sum);
}

template <typename Element>
FASTCLIP_AVX512 double sumOfSquares(const Element* from, int64_t count) {
  __m512d low = _mm512_setzero_pd(), high = _mm512_setzero_pd();
  for (int64_t i = 0; i < count; i += kLanes) {
    const __m512 x = load(from + i, lanes(i, count));
    low = addSquares(low, _mm512_castps512_ps256(x));
    high = addSquares(high, _mm512_extractf32x8_ps(x, 1));
  }
  return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
}

double sumOfSquares(const Part& part) {
  const void* data = part.tensor->const_data_ptr();
  const int64_t count = part.end - part.begin;
  return part.tensor->scalar_type() == at::kFloat ? sumOfSquares(static_cast<const float*>(data) + part.begin, count)
                                                  : sumOfSquares(static_cast<const BFloat16*>(data) + part.begin, count);
}

}  // namespace

// normOf(tensors) -> the 2-norm of all their elements
static napi_value normOf(Call& call) {
  const std::vector<at::Tensor> tensors = toTensorList(call, call[0], "tensors");
  std::vector<Part> parts;
  for (const at::Tensor& tensor : tensors) {
    const bool isTaken = tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16;
    if (!isTaken || !tensor.is_cpu() || !tensor.is_non_overlapping_and_dense())
      throw BadArgument("normOf: expected dense tensors of float32 or bfloat16 on a CPU");
    for (int64_t begin = 0; begin < tensor.numel(); begin += kPart) parts.push_back({&tensor, begin, std::min(begin + kPart, tensor.numel())});
  }
  RECORD_FUNCTION("fastclip::normOf", std::vector<c10::IValue>());
  std::vector<double> sums(parts.size());
  at::parallel_for(0, static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sums[i] = sumOfSquares(parts[i]);
  });
  return fromDouble(call.env, std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0)));
}

void defineNorm(napi_env env, napi_value exports) { define(env, exports, {{"normOf", guarded<normOf>}}); }

}  // namespace fastclip
