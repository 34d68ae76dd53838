#include "resample-rows.h"

#include <algorithm>
#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace fastclip {

constexpr int32_t kHalf = 1 << (kPrecision - 1);

static uint8_t toLevel(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kPrecision, 0, 255)); }

static void shrink(const Weights& weights, const uint8_t* row, uint8_t* target) {
  for (size_t x = 0; x < weights.count; ++x) {
    const int32_t* values = &weights.values[x * weights.taps];
    const uint8_t* from = row + 4 * weights.first[x];
    int32_t red = kHalf, green = kHalf, blue = kHalf;
    for (size_t tap = 0; tap < weights.taps; ++tap, from += 4) {
      red += from[0] * values[tap];
      green += from[1] * values[tap];
      blue += from[2] * values[tap];
    }
    *target++ = toLevel(red);
    *target++ = toLevel(green);
    *target++ = toLevel(blue);
  }
}

static void add(const int32_t* values, size_t taps, const uint8_t* rows, size_t stride, uint8_t* target) {
  for (size_t x = 0; x < stride; x += kRowBlock) {
    int32_t sums[kRowBlock];
    std::fill_n(sums, kRowBlock, kHalf);
    const uint8_t* from = rows + x;
    for (size_t tap = 0; tap < taps; ++tap, from += stride)
      for (size_t i = 0; i < kRowBlock; ++i) sums[i] += from[i] * values[tap];
    for (size_t i = 0; i < kRowBlock; ++i) target[x + i] = toLevel(sums[i]);
  }
}

const ResampleRows resampleRows{shrink, add};

#ifdef __x86_64__
using Integers = __m256i;

// The 8 bytes at `from` as 32-bit integers.
[[gnu::target("avx2")]] static inline Integers load(const uint8_t* from) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
}

// Two pixels at a time, each with a weight of its own; in the end the sums of both halves are added.
[[gnu::target("avx2")]] static void shrinkAvx2(const Weights& weights, const uint8_t* row, uint8_t* target) {
  const Integers spread = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  for (size_t x = 0; x < weights.count; ++x, target += 3) {
    const int32_t* values = &weights.values[x * weights.taps];
    const uint8_t* from = row + 4 * weights.first[x];
    Integers sum = _mm256_setr_epi32(kHalf, kHalf, kHalf, kHalf, 0, 0, 0, 0);
    for (size_t tap = 0; tap < weights.taps; tap += 2, from += 8) {
      const __m128i two = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(values + tap));
      const Integers weight = _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(two), spread);
      sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(load(from), weight));
    }
    __m128i level = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    level = _mm_srai_epi32(level, kPrecision);
    level = _mm_packus_epi16(_mm_packs_epi32(level, level), level);
    const int pixel = _mm_cvtsi128_si32(level);
    target[0] = static_cast<uint8_t>(pixel);
    target[1] = static_cast<uint8_t>(pixel >> 8);
    target[2] = static_cast<uint8_t>(pixel >> 16);
  }
}

[[gnu::target("avx2")]] static void addAvx2(const int32_t* values, size_t taps, const uint8_t* rows, size_t stride, uint8_t* target) {
  for (size_t x = 0; x < stride; x += kRowBlock) {
    Integers sums[kRowBlock / 8];
    for (Integers& sum : sums) sum = _mm256_set1_epi32(kHalf);
    const uint8_t* from = rows + x;
    for (size_t tap = 0; tap < taps; ++tap, from += stride) {
      const Integers weight = _mm256_set1_epi32(values[tap]);
      for (size_t i = 0; i < kRowBlock / 8; ++i) sums[i] = _mm256_add_epi32(sums[i], _mm256_mullo_epi32(load(from + 8 * i), weight));
    }
    for (Integers& sum : sums) sum = _mm256_srai_epi32(sum, kPrecision);
    // Packing works in the two halves of a vector separately; the last step puts the groups of four back in order.
    const Integers low = _mm256_packs_epi32(sums[0], sums[1]);
    const Integers high = _mm256_packs_epi32(sums[2], sums[3]);
    const Integers order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const Integers levels = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
    _mm256_storeu_si256(reinterpret_cast<Integers*>(target + x), levels);
  }
}

const ResampleRows resampleRowsAvx2{shrinkAvx2, addAvx2};
#endif

}  // namespace fastclip
