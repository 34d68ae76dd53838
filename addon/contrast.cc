// What a contrastive loss sums up over a band of similarities, in float32 with AVX-512: terms exp((s_ij - s_ii) / tau - log w) off the diagonal, of
// rows as anchors and of columns. A term below 2^-100 counts as 0, so much smaller is it than w, what it is divided by, or than the largest of its
// sum: for numbers near 1e-38 and below a CPU takes many times as long, here and in the products that follow.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <ATen/record_function.h>

#include <cmath>

#include "avx512.h"
#include "convert.h"

namespace fastclip {
namespace {

constexpr int64_t kBlock = 4096;  // numbers that are summed up in float32
constexpr int64_t kChunk = 256;   // columns that are gone through together
constexpr int64_t kGroup = 8;     // rows of theirs that are read side by side
constexpr int64_t kStripe = 16;   // rows whose sums by column are taken together

// exp(x), to within 3e-7 of it; 0 below 2^-100, infinity beyond all numbers. NaN stays NaN.
FASTCLIP_AVX512 inline __m512 exponential(__m512 number) {
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

Row rowAround(int64_t own, int64_t columns) { return {{{0, own}, {own + 1, columns}}}; }

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

// Sums over the terms of a row: the terms themselves, times x = (s - diagonal) / tau, and over tau.
struct Sums {
  double terms = 0, byLogScale = 0, pull = 0;
};

struct BlockSums {
  __m512 terms, byLogScale, pull;
};

// The terms over tau.
FASTCLIP_AVX512 inline __m512 weigh(__m512 similarity, __m512 diagonal, __m512 inverseTau, __m512 logWeight, __mmask16 mask, BlockSums& sums) {
  const __m512 x = _mm512_mul_ps(_mm512_sub_ps(similarity, diagonal), inverseTau);
  const __m512 term = _mm512_maskz_mov_ps(mask, exponential(_mm512_sub_ps(x, logWeight)));
  const __m512 overTau = _mm512_mul_ps(term, inverseTau);
  sums.terms = _mm512_add_ps(sums.terms, term);
  sums.byLogScale = _mm512_fmadd_ps(term, x, sums.byLogScale);
  sums.pull = _mm512_add_ps(sums.pull, overTau);
  return overTau;
}

FASTCLIP_AVX512 void add(Sums& sums, const BlockSums& block) {
  sums.terms += _mm512_reduce_add_ps(block.terms);
  sums.byLogScale += _mm512_reduce_add_ps(block.byLogScale);
  sums.pull += _mm512_reduce_add_ps(block.pull);
}

struct RowSums {
  Sums own, others;
};

// The row is the anchor of its terms; where the columns' anchors are known, their terms are added. `pulls`, if not null, has a number a column,
// to which the columns' terms over tau are added.
FASTCLIP_AVX512 RowSums weighRow(const Band<float>& band, int64_t index, const WeightedAnchors& rows, const WeightedAnchors* columns, float* pulls) {
  float* row = band.data + index * band.columns;
  const __m512 diagonal = _mm512_set1_ps(rows.diagonal.at(index)), inverseTau = _mm512_set1_ps(rows.inverseTau.at(index));
  const __m512 logWeight = _mm512_set1_ps(rows.logWeight.at(index));
  const int64_t ownColumn = band.offset + index;
  RowSums sums;
  for (const auto& [begin, end] : rowAround(ownColumn, band.columns).parts)
    for (int64_t block = begin; block < end; block += kBlock) {
      const int64_t blockEnd = std::min(block + kBlock, end);
      BlockSums own{}, others{};
      for (int64_t i = block; i < blockEnd; i += kLanes) {
        const __mmask16 mask = lanes(i, blockEnd);
        const __m512 similarity = load(row + i, mask);
        __m512 push = weigh(similarity, diagonal, inverseTau, logWeight, mask, own);
        if (columns != nullptr) {
          const __m512 pushed = weigh(similarity, columns->diagonal.from(i, mask), columns->inverseTau.from(i, mask), columns->logWeight.from(i, mask), mask, others);
          push = _mm512_add_ps(push, pushed);
          if (pulls != nullptr) store(pulls + i, mask, _mm512_add_ps(load(pulls + i, mask), pushed));
        }
        store(row + i, mask, push);
      }
      add(sums.own, own);
      add(sums.others, others);
    }
  row[ownColumn] = 0;
  return sums;
}

// How many runs of so many similarities are worth a thread.
int64_t worthAThread(int64_t similarities) { return 8192 / std::clamp<int64_t>(similarities, 1, 8192); }

void mustBeFloats(const at::Tensor& tensor, const char* what) {
  if (tensor.scalar_type() != at::kFloat || !tensor.is_cpu() || !tensor.is_contiguous())
    throw BadArgument(std::string(what) + ": expected contiguous float32 on a CPU");
}

Values valuesOf(const at::Tensor& tensor, int64_t count, const char* what) {
  mustBeFloats(tensor, what);
  if (tensor.dim() != 1 || (tensor.numel() != count && tensor.numel() != 1))
    throw BadArgument(std::string(what) + ": expected " + std::to_string(count) + " numbers or one");
  return {tensor.const_data_ptr<float>(), tensor.numel() == 1};
}

// Of a list [diagonal, inverseTau].
Anchors anchorsOf(const std::vector<at::Tensor>& vectors, int64_t count) {
  if (vectors.size() < 2) throw BadArgument("anchors: expected two vectors");
  return {valuesOf(vectors[0], count, "diagonal"), valuesOf(vectors[1], count, "inverseTau")};
}

// Of a list [diagonal, inverseTau, logWeight].
WeightedAnchors weightedAnchorsOf(const std::vector<at::Tensor>& vectors, int64_t count) {
  if (vectors.size() != 3) throw BadArgument("anchors: expected three vectors");
  return {anchorsOf(vectors, count), valuesOf(vectors[2], count, "logWeight")};
}

std::vector<at::Tensor> vectorsOf(Call& call, size_t index, const char* what) {
  return isNullish(call.env, call[index]) ? std::vector<at::Tensor>{} : toTensorList(call, call[index], what);
}

const at::Tensor& similaritiesOf(Call& call, int64_t offset) {
  const at::Tensor& similarities = toTensor(call, call[0], "similarities");
  mustBeFloats(similarities, "similarities");
  if (similarities.dim() != 2 || offset < 0 || offset + similarities.size(0) > similarities.size(1))
    throw BadArgument("similarities: expected two dimensions, and for each row its own pair's column");
  return similarities;
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
static napi_value contrastStatistics(Call& call) {
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

// contrastTerms(similarities [rows, columns], offset, own, others, pullsColumns) -> [5, rows] and, if asked for, [columns]: sums over the row's own
// terms, over these times (s - diagonal) * inverseTau, both of the columns' terms, and the row's own terms times inverseTau; and of a column's terms
// times inverseTau. The similarities become all terms times inverseTau, 0 on the diagonal. `own` and, if not undefined, `others` are
// [diagonal, inverseTau, logWeight], one number a row or column or one.
static napi_value contrastTerms(Call& call) {
  const int64_t offset = toInt(call.env, call[1], "offset");
  const at::Tensor& similarities = similaritiesOf(call, offset);
  const Band<float> band{similarities.mutable_data_ptr<float>(), similarities.size(0), similarities.size(1), offset};
  const std::vector<at::Tensor> own = vectorsOf(call, 2, "own"), others = vectorsOf(call, 3, "others");
  const WeightedAnchors rows = weightedAnchorsOf(own, band.rows);
  const WeightedAnchors columns = others.empty() ? WeightedAnchors{} : weightedAnchorsOf(others, band.columns);
  at::Tensor sums = at::empty({5, band.rows}, at::kFloat);
  float* out = sums.mutable_data_ptr<float>();
  const auto weighRows = [&](int64_t begin, int64_t end, float* pulls) {
    for (int64_t i = begin; i < end; ++i) {
      const RowSums row = weighRow(band, i, rows, others.empty() ? nullptr : &columns, pulls);
      const double ordered[] = {row.own.terms, row.own.byLogScale, row.others.terms, row.others.byLogScale, row.own.pull};
      for (size_t k = 0; k < std::size(ordered); ++k) out[static_cast<int64_t>(k) * band.rows + i] = static_cast<float>(ordered[k]);
    }
  };
  RECORD_FUNCTION("fastclip::contrastTerms", std::vector<c10::IValue>());
  const bool pullsColumns = toBool(call.env, call[4], "pullsColumns");
  if (pullsColumns && others.empty()) throw BadArgument("pullsColumns: expected others");
  if (!pullsColumns) {
    at::parallel_for(0, band.rows, worthAThread(band.columns), [&](int64_t begin, int64_t end) { weighRows(begin, end, nullptr); });
    return fromTensors(call, {sums});
  }
  // What comes out does not depend on the number of threads: each stripe of rows has sums of its own.
  const int64_t stripes = (band.rows + kStripe - 1) / kStripe;
  at::Tensor pulls = at::zeros({stripes, band.columns}, at::kFloat);
  float* const ofStripes = pulls.mutable_data_ptr<float>();
  at::parallel_for(0, stripes, worthAThread(kStripe * band.columns), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) weighRows(i * kStripe, std::min((i + 1) * kStripe, band.rows), ofStripes + i * band.columns);
  });
  return fromTensors(call, {sums, pulls.sum(0)});
}

void defineContrast(napi_env env, napi_value exports) {
  define(env, exports, {{"contrastStatistics", guarded<contrastStatistics>}, {"contrastTerms", guarded<contrastTerms>}});
}

}  // namespace fastclip
