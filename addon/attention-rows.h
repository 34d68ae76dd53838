// What attention does between its products: rows of scores to probabilities and back, and matrices laid out as products want them.
#pragma once

#include "avx512.h"

namespace fastclip {

constexpr int64_t kPanel = 64;  // columns of a panel

constexpr int64_t roundUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

// A row of scores becomes one of probabilities, softmax(scale * scores), in `scores` and, where there is such, rounded in `rounded`, with zeros
// behind them up to `padded` elements. The row has room for whole registers.
void softmaxRow(float* scores, BFloat16* rounded, int64_t count, int64_t padded, float scale);

// scale * P * (dP - sum(P dP)), rounded, with zeros behind it up to `padded` elements.
void softmaxRowBackward(const float* probabilities, const float* gradient, BFloat16* rounded, int64_t count, int64_t padded, float scale);

// The same in place of the gradient.
void softmaxRowBackward(const float* probabilities, float* gradient, int64_t count, int64_t padded, float scale);

// The transposed copy of a matrix of float32; strides are the distances of rows, whose copies have room for whole registers.
struct FloatTransposition {
  const float* from;
  float* to;
  int64_t rows, columns, fromStride, toStride;
};
void transpose(const FloatTransposition& matrix);

// Rows of float32 that lie one after the other become rows of bfloat16 that lie `stride` apart.
void roundRows(const float* from, int64_t rows, int64_t columns, BFloat16* to, int64_t stride);

// The right side of a product: two rows interleaved (a row of zeros is added to an odd number), in panels of kPanel columns, whose last has
// zeros up to whole registers.
struct Packed {
  uint32_t* data;
  int64_t pairs;
  uint32_t* at(int64_t pair, int64_t column) const { return data + (column / kPanel * pairs + pair) * kPanel + column % kPanel; }
  static constexpr int64_t bytes(int64_t rows, int64_t columns) { return roundUp(rows, 2) * roundUp(columns, kPanel) * 2; }
};

// Packs a matrix, or its transposed, of [rows, columns] with rows `stride` apart; the columns of one that is transposed are even.
Packed packed(const BFloat16* from, int64_t stride, int64_t rows, int64_t columns, uint32_t* to);
Packed packedTransposed(const BFloat16* from, int64_t stride, int64_t rows, int64_t columns, uint32_t* to);

}  // namespace fastclip
