#include "attention-rows.h"

#include <limits>

#include "avx512.h"

namespace fastclip {

FASTCLIP_AVX512 static inline void fillZeros(BFloat16* row, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += kLanes) _mm256_mask_storeu_epi16(row + i, lanes(i, end), _mm256_setzero_si256());
}

FASTCLIP_AVX512 static inline void fillZeros(float* row, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += kLanes) _mm512_mask_storeu_ps(row + i, lanes(i, end), _mm512_setzero_ps());
}

FASTCLIP_AVX512 void softmaxRow(float* scores, BFloat16* rounded, int64_t count, int64_t padded, float scale) {
  const __m512 lowest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  __m512 largest = lowest;
  for (int64_t i = 0; i < count; i += kLanes) largest = _mm512_max_ps(largest, _mm512_mask_loadu_ps(lowest, lanes(i, count), scores + i));
  constexpr float kLog2E = 1.44269504f;
  const __m512 factor = _mm512_set1_ps(scale * kLog2E);
  const __m512 offset = _mm512_set1_ps(-_mm512_reduce_max_ps(largest) * scale * kLog2E);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < count; i += kLanes) {
    const __m512 score = _mm512_mask_loadu_ps(lowest, lanes(i, count), scores + i);
    const __m512 power = powerOfTwo(_mm512_fmadd_ps(score, factor, offset));
    sum = _mm512_add_ps(sum, power);
    _mm512_storeu_ps(scores + i, power);
  }
  const __m512 share = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(sum));
  for (int64_t i = 0; i < count; i += kLanes) {
    const __m512 probability = _mm512_mul_ps(_mm512_loadu_ps(scores + i), share);
    _mm512_storeu_ps(scores + i, probability);
    if (rounded != nullptr) _mm256_storeu_si256(reinterpret_cast<__m256i*>(rounded + i), toBFloat16(probability));
  }
  if (rounded != nullptr) fillZeros(rounded, roundUp(count, kLanes), padded);
  else fillZeros(scores, roundUp(count, kLanes), padded);
}

struct RowGradient {
  const float* probabilities;
  const float* gradient;
  int64_t count;
  // sum(P dP)
  FASTCLIP_AVX512 float mean() const {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < count; i += kLanes) {
      const __mmask16 mask = lanes(i, count);
      sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, probabilities + i), _mm512_maskz_loadu_ps(mask, gradient + i), sum);
    }
    return _mm512_reduce_add_ps(sum);
  }
  FASTCLIP_AVX512 __m512 at(int64_t i, __m512 mean, __m512 scale) const {
    const __mmask16 mask = lanes(i, count);
    const __m512 difference = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, gradient + i), mean);
    const __m512 share = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, probabilities + i), scale);
    return _mm512_maskz_mul_ps(mask, share, difference);
  }
};

FASTCLIP_AVX512 void softmaxRowBackward(const float* probabilities, const float* gradient, BFloat16* rounded, int64_t count, int64_t padded,
                                        float scale) {
  const RowGradient row{probabilities, gradient, count};
  const __m512 mean = _mm512_set1_ps(row.mean()), factor = _mm512_set1_ps(scale);
  for (int64_t i = 0; i < count; i += kLanes) _mm256_storeu_si256(reinterpret_cast<__m256i*>(rounded + i), toBFloat16(row.at(i, mean, factor)));
  fillZeros(rounded, roundUp(count, kLanes), padded);
}

FASTCLIP_AVX512 void softmaxRowBackward(const float* probabilities, float* gradient, int64_t count, int64_t padded, float scale) {
  const RowGradient row{probabilities, gradient, count};
  const __m512 mean = _mm512_set1_ps(row.mean()), factor = _mm512_set1_ps(scale);
  for (int64_t i = 0; i < count; i += kLanes) _mm512_storeu_ps(gradient + i, row.at(i, mean, factor));
  fillZeros(gradient, roundUp(count, kLanes), padded);
}

// Of 16 x 16 elements.
FASTCLIP_AVX512 static inline void turn(__m512i (&rows)[kLanes]) {
  __m512i a[kLanes];
  for (int64_t i = 0; i < kLanes; i += 2) {
    a[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int64_t i = 0; i < kLanes; i += 4)
    for (int64_t j = 0; j < 2; ++j) {
      rows[i + 2 * j] = _mm512_unpacklo_epi64(a[i + j], a[i + j + 2]);
      rows[i + 2 * j + 1] = _mm512_unpackhi_epi64(a[i + j], a[i + j + 2]);
    }
  for (int64_t half = 0; half < kLanes; half += 8)
    for (int64_t i = 0; i < 4; ++i) {
      a[half + i] = _mm512_shuffle_i32x4(rows[half + i], rows[half + i + 4], 0x88);
      a[half + i + 4] = _mm512_shuffle_i32x4(rows[half + i], rows[half + i + 4], 0xdd);
    }
  for (int64_t i = 0; i < 8; ++i) {
    rows[i] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0x88);
    rows[i + 8] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0xdd);
  }
}

FASTCLIP_AVX512 void transpose(const FloatTransposition& m) {
  for (int64_t row = 0; row < m.rows; row += kLanes)
    for (int64_t column = 0; column < m.columns; column += kLanes) {
      const __mmask16 mask = lanes(column, m.columns);
      __m512i block[kLanes];
      for (int64_t i = 0; i < kLanes; ++i)
        block[i] = _mm512_maskz_loadu_epi32(row + i < m.rows ? mask : 0, m.from + (row + i) * m.fromStride + column);
      turn(block);
      for (int64_t i = 0; i < std::min(kLanes, m.columns - column); ++i) _mm512_storeu_si512(m.to + (column + i) * m.toStride + row, block[i]);
    }
}

FASTCLIP_AVX512 void roundRows(const float* from, int64_t rows, int64_t columns, BFloat16* to, int64_t stride) {
  for (int64_t row = 0; row < rows; ++row, from += columns, to += stride)
    for (int64_t column = 0; column < columns; column += kLanes) {
      const __mmask16 mask = lanes(column, columns);
      _mm256_mask_storeu_epi16(to + column, mask, toBFloat16(_mm512_maskz_loadu_ps(mask, from + column)));
    }
}

FASTCLIP_AVX512 Packed packed(const BFloat16* from, int64_t stride, int64_t rows, int64_t columns, uint32_t* to) {
  const Packed result{to, (rows + 1) / 2};
  for (int64_t pair = 0; pair < result.pairs; ++pair) {
    const BFloat16* first = from + 2 * pair * stride;
    for (int64_t column = 0; column < columns; column += kLanes) {
      const __mmask16 mask = lanes(column, columns);
      const __mmask16 second = 2 * pair + 1 < rows ? mask : 0;
      const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, first + column));
      const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(second, first + stride + column));
      _mm512_storeu_si512(result.at(pair, column), _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
  }
  return result;
}

FASTCLIP_AVX512 Packed packedTransposed(const BFloat16* from, int64_t stride, int64_t rows, int64_t columns, uint32_t* to) {
  const Packed result{to, columns / 2};
  const __m512i places = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                            _mm512_set1_epi32(static_cast<int>(stride)));
  for (int64_t row = 0; row < rows; row += kLanes)
    for (int64_t pair = 0; pair < result.pairs; ++pair) {
      const BFloat16* base = from + row * stride + 2 * pair;
      _mm512_storeu_si512(result.at(pair, row), _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes(row, rows), places, base, 2));
    }
  return result;
}

}  // namespace fastclip
