#pragma once

#include <cstdint>

namespace fastclip {

// A matrix of 2-byte elements and where its transposed copy goes; strides are the distances of rows, in elements.
struct Transposition {
  const uint16_t* from;
  uint16_t* to;
  int64_t rows, columns, fromStride, toStride;
};

void transpose(const Transposition& matrix);

}  // namespace fastclip
