// Statistics of anchors over a band of similarities, which the inner functions and v2's temperatures are made of; contrast.h and contrast.cc have the rest.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/record_function.h>

#include "contrast.h"

namespace fastclip {
namespace {

constexpr int64_t kChunk = 256;   // columns that are gone through together
constexpr int64_t kGroup = 8;     // rows of theirs that are read side by side
constexpr float kNone = -1e30f;  // the largest of nothing

FASTCLIP_AVX512 float largestOf(const float* row, const Row& where) {
  __m512 largest = _mm512_set1_ps(kNone);
  for (const auto& [begin, end] : where.parts)
    for (int64_t i = begin; i < end; i += kLanes) largest = _mm512_mask_max_ps(largest, lanes(i, end), largest, load(row + i, lanes(i, end)));
  return _mm512_reduce_max_ps(largest);
}

// Of x = (s - diagonal) * inverseTau over an anchor's partners: the largest, the sum of exp(x - largest), and that of x exp(x - largest).
struct Statistics {
  float largest, terms, products;
};

FASTCLIP_AVX512 Statistics statisticsOf(const float* row, const Row& where, float diagonal, float inverseTau) {
  const float largest = (largestOf(row, where) - diagonal) * inverseTau;
  double terms = 0, products = 0;
  for (const auto& [begin, end] : where.parts)
    for (int64_t block = begin; block < end; block += kBlock) {
      const int64_t blockEnd = std::min(block + kBlock, end);
      __m512 ofTerms = _mm512_setzero_ps(), ofProducts = _mm512_setzero_ps();
      for (int64_t i = block; i < blockEnd; i += kLanes) {
        const __mmask16 mask = lanes(i, blockEnd);
        const __m512 x = _mm512_mul_ps(_mm512_sub_ps(load(row + i, mask), _mm512_set1_ps(diagonal)), _mm512_set1_ps(inverseTau));
        const __m512 term = _mm512_maskz_mov_ps(mask, exponential(_mm512_sub_ps(x, _mm512_set1_ps(largest))));
        ofTerms = _mm512_add_ps(ofTerms, term);
        ofProducts = _mm512_fmadd_ps(term, x, ofProducts);
      }
      terms += _mm512_reduce_add_ps(ofTerms);
      products += _mm512_reduce_add_ps(ofProducts);
    }
  return {largest, static_cast<float>(terms), static_cast<float>(products)};
}

// Statistics of columns as anchors: their largest similarity so far, and the two sums.
struct ColumnStatistics {
  float *largest, *terms, *products;
};

// The columns [begin, end) over the rows of a group.
FASTCLIP_AVX512 void addGroup(const Band<const float>& from, int64_t group, int64_t begin, int64_t end, const Anchors& anchors, const ColumnStatistics& to) {
  const int64_t rows = std::min(kGroup, from.rows - group);
  for (int64_t i = begin; i < end; i += kLanes) {
    const __mmask16 mask = lanes(i, end);
    const __m512 diagonal = anchors.diagonal.from(i, mask), inverseTau = anchors.inverseTau.from(i, mask);
    const __m512 before = load(to.largest + i, mask);
    __m512 similarity[kGroup], largest = before;
    __mmask16 counts[kGroup];
    for (int64_t k = 0; k < rows; ++k) {
      const int64_t own = from.offset + group + k - i;
      counts[k] = static_cast<__mmask16>(mask & ~(own >= 0 && own < kLanes ? 1u << own : 0u));
      similarity[k] = load(from.data + (group + k) * from.columns + i, mask);
      largest = _mm512_mask_max_ps(largest, counts[k], largest, similarity[k]);
    }
    const __m512 largestX = _mm512_mul_ps(_mm512_sub_ps(largest, diagonal), inverseTau);
    const __m512 shrunk = exponential(_mm512_mul_ps(_mm512_sub_ps(before, largest), inverseTau));
    __m512 terms = _mm512_mul_ps(load(to.terms + i, mask), shrunk), products = _mm512_mul_ps(load(to.products + i, mask), shrunk);
    for (int64_t k = 0; k < rows; ++k) {
      const __m512 x = _mm512_mul_ps(_mm512_sub_ps(similarity[k], diagonal), inverseTau);
      const __m512 term = _mm512_maskz_mov_ps(counts[k], exponential(_mm512_sub_ps(x, largestX)));
      terms = _mm512_add_ps(terms, term);
      products = _mm512_fmadd_ps(term, x, products);
    }
    store(to.largest + i, mask, largest);
    store(to.terms + i, mask, terms);
    store(to.products + i, mask, products);
  }
}

void columnStatistics(const Band<const float>& from, int64_t begin, int64_t end, const Anchors& anchors, const ColumnStatistics& to) {
  std::fill(to.largest + begin, to.largest + end, kNone);
  std::fill(to.terms + begin, to.terms + end, 0.0f);
  std::fill(to.products + begin, to.products + end, 0.0f);
  for (int64_t group = 0; group < from.rows; group += kGroup) addGroup(from, group, begin, end, anchors, to);
  for (int64_t i = begin; i < end; ++i) to.largest[i] = (to.largest[i] - anchors.diagonal.at(i)) * anchors.inverseTau.at(i);
}

at::Tensor statisticsOfRows(const Band<const float>& band, const Anchors& anchors) {
  at::Tensor statistics = at::empty({3, band.rows}, at::kFloat);
  float* out = statistics.mutable_data_ptr<float>();
  at::parallel_for(0, band.rows, worthAThread(band.columns), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Row where = rowAround(band.offset + i, band.columns);
      const auto [largest, terms, products] = statisticsOf(band.data + i * band.columns, where, anchors.diagonal.at(i), anchors.inverseTau.at(i));
      out[i] = largest;
      out[band.rows + i] = terms;
      out[2 * band.rows + i] = products;
    }
  });
  return statistics;
}

at::Tensor statisticsOfColumns(const Band<const float>& band, const Anchors& anchors) {
  at::Tensor statistics = at::empty({3, band.columns}, at::kFloat);
  float* out = statistics.mutable_data_ptr<float>();
  const int64_t chunks = (band.columns + kChunk - 1) / kChunk;
  at::parallel_for(0, chunks, worthAThread(band.rows * kChunk), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      columnStatistics(band, i * kChunk, std::min((i + 1) * kChunk, band.columns), anchors, {out, out + band.columns, out + 2 * band.columns});
  });
  return statistics;
}

}  // namespace

// contrastStatistics(similarities [rows, columns], offset, own, others) -> [3, rows] and, of others, [3, columns]: of x = (s - diagonal) * inverseTau
// off the diagonal the largest (-1e30 * inverseTau of none), the sum of exp(x - largest), and that of x exp(x - largest). The first row's own column
// is `offset`; `own` and, if not undefined, `others` are [diagonal, inverseTau], one number a row or column or one.
napi_value contrastStatistics(Call& call) {
  const int64_t offset = toInt(call.env, call[1], "offset");
  const at::Tensor& similarities = similaritiesOf(call, offset);
  const Band<const float> band{similarities.const_data_ptr<float>(), similarities.size(0), similarities.size(1), offset};
  const std::vector<at::Tensor> own = vectorsOf(call, 2, "own"), others = vectorsOf(call, 3, "others");
  const Anchors rows = anchorsOf(own, band.rows);
  RECORD_FUNCTION("fastclip::contrastStatistics", std::vector<c10::IValue>());
  if (others.empty()) return fromTensors(call, {statisticsOfRows(band, rows)});
  const Anchors columns = anchorsOf(others, band.columns);
  return fromTensors(call, {statisticsOfRows(band, rows), statisticsOfColumns(band, columns)});
}

}  // namespace fastclip
