// What kernels for float32 and bfloat16 with AVX-512 share: sixteen numbers at a time.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#define FASTCLIP_AVX512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]]

namespace fastclip {

using BFloat16 = uint16_t;  // its bits

constexpr int64_t kLanes = 16;

inline bool hasAvx512BFloat16() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}

// The lanes of a register that begins at `begin` which are below `end`.
FASTCLIP_AVX512 static inline __mmask16 lanes(int64_t begin, int64_t end) {
  return static_cast<__mmask16>(end - begin >= kLanes ? 0xffff : (1u << std::max<int64_t>(end - begin, 0)) - 1);
}

// 2^(whole + rest), to within 2e-7 of it, for a whole number and a rest of at most 1/2 either way; 0 where it is not in the mask.
FASTCLIP_AVX512 static inline __m512 powerOfTwo(__mmask16 mask, __m512 whole, __m512 rest) {
  // ln(2)^k / k!
  constexpr float kTerms[] = {1.54035304e-4f, 1.33335581e-3f, 9.61812911e-3f, 5.55041087e-2f, 2.40226507e-1f, 6.93147181e-1f, 1.0f};
  __m512 sum = _mm512_set1_ps(kTerms[0]);
  for (int i = 1; i < 7; ++i) sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(kTerms[i]));
  return _mm512_maskz_scalef_ps(mask, sum, whole);
}

// 2^x, for x of at most 0, to within 2e-7 of it; 0 where it would be denormal, which takes the processor long. NaN stays NaN.
FASTCLIP_AVX512 static inline __m512 powerOfTwo(__m512 x) {
  const __mmask16 isNormal = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-126), _CMP_NLT_UQ);
  const __m512 whole = _mm512_maskz_roundscale_ps(isNormal, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  return powerOfTwo(isNormal, whole, _mm512_maskz_sub_ps(isNormal, x, whole));
}

// To the nearest, ties to even.
FASTCLIP_AVX512 static inline __m256i toBFloat16(__m512 x) { return (__m256i)_mm512_cvtneps_pbh(x); }

FASTCLIP_AVX512 static inline __m512 fromBFloat16(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }

// The lanes of the mask, as float32.
FASTCLIP_AVX512 static inline __m512 load(const float* from, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, from); }
FASTCLIP_AVX512 static inline __m512 load(const BFloat16* from, __mmask16 mask) { return fromBFloat16(_mm256_maskz_loadu_epi16(mask, from)); }
FASTCLIP_AVX512 static inline void store(float* to, __mmask16 mask, __m512 x) { _mm512_mask_storeu_ps(to, mask, x); }
FASTCLIP_AVX512 static inline void store(BFloat16* to, __mmask16 mask, __m512 x) { _mm256_mask_storeu_epi16(to, mask, toBFloat16(x)); }

}  // namespace fastclip
