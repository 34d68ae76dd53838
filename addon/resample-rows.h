// The two passes of resampling over one row, for any processor and for those with AVX2. All of it is arithmetic of integers: both give the
// same.
#pragma once

#include "resample.h"

namespace fastclip {

constexpr int kPrecision = 22;  // bits behind the point of a weight: 8 bits of pixel and 2 of overshoot leave 22 of 32
constexpr size_t kRowBlock = 32;  // rows of the second pass are a multiple of it

struct ResampleRows {
  // One row of the first pass: from 4 bytes a pixel to 3.
  void (*shrink)(const Weights& weights, const uint8_t* row, uint8_t* target);
  // One row of the result: `taps` rows of `stride` bytes with their weights.
  void (*add)(const int32_t* values, size_t taps, const uint8_t* rows, size_t stride, uint8_t* target);
};

extern const ResampleRows resampleRows;
extern const ResampleRows resampleRowsAvx2;

}  // namespace fastclip
