// The transposed copy of a matrix of 2-byte elements, and the sums of its columns. libtorch's own takes ten times as long where rows lie a multiple of some KB apart,
// since the rows of its blocks then share the same few sets of the cache.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>
#include <ATen/record_function.h>

#include <algorithm>

#include "avx512.h"
#include "convert.h"
#include "transpose.h"

namespace fastclip {
namespace {

constexpr int64_t kBlock = 8;  // elements of a register
constexpr int64_t kLine = 32;  // elements of a cache line

void moveOneByOne(const Transposition& m, int64_t rowBegin, int64_t rowEnd, int64_t columnBegin, int64_t columnEnd) {
  for (int64_t row = rowBegin; row < rowEnd; ++row)
    for (int64_t column = columnBegin; column < columnEnd; ++column)
      m.to[column * m.toStride + row] = m.from[row * m.fromStride + column];
}

void moveBlock(const uint16_t* from, int64_t fromStride, uint16_t* to, int64_t toStride) {
  __m128i a[kBlock], b[kBlock];
  for (int64_t i = 0; i < kBlock; ++i) a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * fromStride));
  for (int64_t i = 0; i < kBlock; i += 2) {
    b[i] = _mm_unpacklo_epi16(a[i], a[i + 1]);
    b[i + 1] = _mm_unpackhi_epi16(a[i], a[i + 1]);
  }
  for (int64_t half = 0; half < kBlock; half += 4)
    for (int64_t i = 0; i < 2; ++i) {
      a[half + 2 * i] = _mm_unpacklo_epi32(b[half + i], b[half + i + 2]);
      a[half + 2 * i + 1] = _mm_unpackhi_epi32(b[half + i], b[half + i + 2]);
    }
  for (int64_t i = 0; i < 4; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * i * toStride), _mm_unpacklo_epi64(a[i], a[i + 4]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + (2 * i + 1) * toStride), _mm_unpackhi_epi64(a[i], a[i + 4]));
  }
}

// Lines of columns that lie pages apart: each is written past the cache, where it would first be read.
FASTCLIP_AVX512 void streamLines(const uint16_t* lines, uint16_t* to, int64_t toStride) {
  for (int64_t i = 0; i < kLine; ++i) _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i * toStride), _mm512_load_si512(lines + i * kLine));
}

// Whether lines of columns are whole ones, of a copy that is too large to be found in the cache again.
bool isStreamed(const Transposition& m, int64_t rowBegin, int64_t rowEnd) {
  constexpr int64_t kLineBytes = 2 * kLine, kStreamedBytes = 1 << 20;
  return rowEnd - rowBegin == kLine && m.columns % kLine == 0 && m.toStride % kLine == 0 && 2 * m.rows * m.columns >= kStreamedBytes &&
         reinterpret_cast<uintptr_t>(m.to + rowBegin) % kLineBytes == 0;
}

// As many rows as elements of them fill a line of what is written, a line of each of them at a time: no line is read or written twice.
void moveStripe(const Transposition& m, int64_t rowBegin, int64_t rowEnd) {
  if (isStreamed(m, rowBegin, rowEnd)) {
    alignas(64) uint16_t lines[kLine * kLine];
    for (int64_t line = 0; line < m.columns; line += kLine) {
      for (int64_t row = 0; row < kLine; row += kBlock)
        for (int64_t column = 0; column < kLine; column += kBlock)
          moveBlock(m.from + (rowBegin + row) * m.fromStride + line + column, m.fromStride, lines + column * kLine + row, kLine);
      streamLines(lines, m.to + line * m.toStride + rowBegin, m.toStride);
    }
    return;
  }
  const int64_t wholeRows = rowBegin + (rowEnd - rowBegin) / kBlock * kBlock;
  const int64_t wholeColumns = m.columns / kBlock * kBlock;
  for (int64_t line = 0; line < wholeColumns; line += kLine)
    for (int64_t row = rowBegin; row < wholeRows; row += kBlock)
      for (int64_t column = line; column < std::min(line + kLine, wholeColumns); column += kBlock)
        moveBlock(m.from + row * m.fromStride + column, m.fromStride, m.to + column * m.toStride + row, m.toStride);
  moveOneByOne(m, rowBegin, wholeRows, wholeColumns, m.columns);
  moveOneByOne(m, wholeRows, rowEnd, 0, m.columns);
}

// Of a stripe that was just moved, and so is still in the cache.
FASTCLIP_AVX512 void sumColumns(const Transposition& m, int64_t rowBegin, int64_t rowEnd, float* sums) {
  for (int64_t column = 0; column < m.columns; column += kLanes) {
    const __mmask16 mask = lanes(column, m.columns);
    __m512 sum = _mm512_setzero_ps();
    for (int64_t row = rowBegin; row < rowEnd; ++row)
      sum = _mm512_add_ps(sum, fromBFloat16(_mm256_maskz_loadu_epi16(mask, m.from + row * m.fromStride + column)));
    _mm512_mask_storeu_ps(sums + column, mask, sum);
  }
}

}  // namespace

void transpose(const Transposition& matrix) {
  for (int64_t row = 0; row < matrix.rows; row += kLine) moveStripe(matrix, row, std::min(matrix.rows, row + kLine));
}

// transposedCopy(matrix) -> [columns, rows], whose rows lie whole cache lines apart, and the sums of the columns; of bfloat16 on a CPU, with elements of a row side by side
static napi_value transposedCopy(Call& call) {
  const at::Tensor& source = toTensor(call, call[0]);
  if (source.dim() != 2 || source.scalar_type() != at::kBFloat16 || !source.is_cpu() || source.stride(1) != 1)
    throw BadArgument("transposedCopy: expected a matrix of bfloat16 on a CPU whose rows lie in one piece");
  const int64_t rows = source.size(0), columns = source.size(1);
  RECORD_FUNCTION("fastclip::transposedCopy", std::vector<c10::IValue>());
  const int64_t stripes = (rows + kLine - 1) / kLine, stride = stripes * kLine;
  at::Tensor target = at::empty({columns, stride}, source.options()).narrow(1, 0, rows);
  const Transposition matrix{static_cast<const uint16_t*>(source.const_data_ptr()), static_cast<uint16_t*>(target.mutable_data_ptr()),
                             rows, columns, source.stride(0), stride};
  at::Tensor sums = at::empty({stripes, columns}, source.options().dtype(at::kFloat));
  float* const sumsOf = sums.mutable_data_ptr<float>();
  at::parallel_for(0, stripes, 4, [&](int64_t begin, int64_t end) {
    for (int64_t stripe = begin; stripe < end; ++stripe) {
      const int64_t first = stripe * kLine, last = std::min(rows, first + kLine);
      moveStripe(matrix, first, last);
      sumColumns(matrix, first, last, sumsOf + stripe * columns);
    }
    _mm_sfence();
  });
  return fromTensors(call, {std::move(target), sums.sum(0).to(at::kBFloat16)});
}

void defineTranspose(napi_env env, napi_value exports) { define(env, exports, {{"transposedCopy", guarded<transposedCopy>}}); }

}  // namespace fastclip
