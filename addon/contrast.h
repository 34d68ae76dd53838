// What the sums over a band of similarities share, with AVX-512: the exponential, the anchors, and how they come from JavaScript.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "avx512.h"
#include "convert.h"

namespace fastclip {

constexpr int64_t kBlock = 4096;  // numbers that are summed up in float32

// exp(x), to within 3e-7 of it; 0 below 2^-100, infinity beyond all numbers. NaN stays NaN.
FASTCLIP_AVX512 static inline __m512 exponential(__m512 number) {
  const __m512 x = _mm512_min_ps(_mm512_set1_ps(1000), number);
  const __m512 log2E = _mm512_set1_ps(1.44269502f), rest2E = _mm512_set1_ps(1.92596299e-8f);  // log2(e), and what is missing of it
  const __m512 power = _mm512_mul_ps(x, log2E);
  const __mmask16 counts = _mm512_cmp_ps_mask(power, _mm512_set1_ps(-100), _CMP_NLT_UQ);
  const __m512 whole = _mm512_maskz_roundscale_ps(counts, power, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 rest = _mm512_maskz_fmsub_ps(counts, x, log2E, whole);
  return powerOfTwo(counts, whole, _mm512_fmadd_ps(x, rest2E, rest));
}

// One number for each anchor, or one for all of them.
struct Values {
  const float* data;
  bool isShared;

  float at(int64_t i) const { return data[isShared ? 0 : i]; }
  FASTCLIP_AVX512 inline __m512 from(int64_t i, __mmask16 mask) const { return isShared ? _mm512_set1_ps(*data) : load(data + i, mask); }
};

struct Anchors {
  Values diagonal, inverseTau;
};

struct WeightedAnchors : Anchors {
  Values logWeight;
};

// A band of similarities: row i's own pair is column offset + i. Columns are anchors too.
template <typename Element>
struct Band {
  Element* data;
  int64_t rows, columns, offset;
};

// The similarities of one row but its own pair's, in two parts.
struct Part {
  int64_t begin, end;
};

struct Row {
  Part parts[2];
};

inline Row rowAround(int64_t own, int64_t columns) { return {{{0, own}, {own + 1, columns}}}; }

// How many runs of so many similarities are worth a thread.
inline int64_t worthAThread(int64_t similarities) { return 8192 / std::clamp<int64_t>(similarities, 1, 8192); }

// The first argument: float32, a row for each of some anchors, the first of which has its own pair in column `offset`.
const at::Tensor& similaritiesOf(Call& call, int64_t offset);

// A list of tensors; none where it is undefined.
std::vector<at::Tensor> vectorsOf(Call& call, size_t index, const char* what);

// Of a list [diagonal, inverseTau, ...], one number an anchor or one for all.
Anchors anchorsOf(const std::vector<at::Tensor>& vectors, int64_t count);

napi_value contrastStatistics(Call& call);

}  // namespace fastclip
