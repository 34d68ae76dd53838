// What a contrastive loss sums up over a band of similarities, in float32 with AVX-512: terms exp((s_ij - s_ii) / tau - log w) off the diagonal, in
// one pass over memory. A term below 2^-100 counts as 0, so much smaller is it than w, what it is divided by, or than the largest of its sum: for numbers near 1e-38 and below a
// CPU takes many times as long, here and in the products that follow.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/record_function.h>

#include <cmath>
#include <limits>

#include "avx512.h"
#include "convert.h"

namespace fastclip {
namespace {

constexpr int64_t kBlock = 4096;  // numbers that are summed up in float32

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
  Values diagonal, inverseTau, logWeight;
};

// The similarities of one row but its own pair's, in two parts.
struct Part {
  int64_t begin, end;
};

struct Row {
  Part parts[2];
};

Row rowAround(int64_t own, int64_t columns) { return {{{0, own}, {own + 1, columns}}}; }

FASTCLIP_AVX512 float largestOf(const float* row, const Row& where) {
  __m512 largest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  for (const auto& [begin, end] : where.parts)
    for (int64_t i = begin; i < end; i += kLanes) largest = _mm512_mask_max_ps(largest, lanes(i, end), largest, load(row + i, lanes(i, end)));
  return _mm512_reduce_max_ps(largest);
}

struct Statistics {
  float logSum, mean, largest;
};

// Of x = (s - diagonal) * inverseTau: log(sum exp(x)), the mean of x weighted by exp(x), the largest.
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
  return {static_cast<float>(largest + std::log(terms)), static_cast<float>(products / terms), largest};
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

struct Band {
  float* similarities;  // which become the terms over tau
  int64_t rows, columns, offset;  // the first row's own column
  Anchors own;
  const Anchors* others;
};

struct RowSums {
  Sums own, others;
};

// The row is the anchor of its terms; where the columns' anchors are known, their terms are added.
FASTCLIP_AVX512 RowSums weighRow(const Band& band, int64_t index) {
  float* row = band.similarities + index * band.columns;
  const __m512 diagonal = _mm512_set1_ps(band.own.diagonal.at(index)), inverseTau = _mm512_set1_ps(band.own.inverseTau.at(index));
  const __m512 logWeight = _mm512_set1_ps(band.own.logWeight.at(index));
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
        if (const Anchors* anchors = band.others)
          push = _mm512_add_ps(push, weigh(similarity, anchors->diagonal.from(i, mask), anchors->inverseTau.from(i, mask),
                                           anchors->logWeight.from(i, mask), mask, others));
        store(row + i, mask, push);
      }
      add(sums.own, own);
      add(sums.others, others);
    }
  row[ownColumn] = 0;
  return sums;
}

int64_t rowsWorthAThread(int64_t columns) { return 8192 / std::clamp<int64_t>(columns, 1, 8192); }

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

// Of a list [diagonal, inverseTau, logWeight].
Anchors anchorsOf(const std::vector<at::Tensor>& vectors, int64_t count) {
  if (vectors.size() != 3) throw BadArgument("anchors: expected three vectors");
  return {valuesOf(vectors[0], count, "diagonal"), valuesOf(vectors[1], count, "inverseTau"), valuesOf(vectors[2], count, "logWeight")};
}

const at::Tensor& similaritiesOf(Call& call, int64_t offset) {
  const at::Tensor& similarities = toTensor(call, call[0], "similarities");
  mustBeFloats(similarities, "similarities");
  if (similarities.dim() != 2 || offset < 0 || offset + similarities.size(0) > similarities.size(1))
    throw BadArgument("similarities: expected two dimensions, and for each row its own pair's column");
  return similarities;
}

}  // namespace

// contrastStatistics(similarities [rows, columns], offset, diagonal, inverseTau) -> [3, rows]: of (s - diagonal) * inverseTau off the diagonal
// log-sum-exp, mean weighted by the exponentials, largest. The first row's own column is `offset`; vectors have one number a row or one.
static napi_value contrastStatistics(Call& call) {
  const int64_t offset = toInt(call.env, call[1], "offset");
  const at::Tensor& similarities = similaritiesOf(call, offset);
  const int64_t rows = similarities.size(0), columns = similarities.size(1);
  const Values diagonal = valuesOf(toTensor(call, call[2], "diagonal"), rows, "diagonal");
  const Values inverseTau = valuesOf(toTensor(call, call[3], "inverseTau"), rows, "inverseTau");
  at::Tensor statistics = at::empty({3, rows}, at::kFloat);
  float* out = statistics.mutable_data_ptr<float>();
  const float* from = similarities.const_data_ptr<float>();
  RECORD_FUNCTION("fastclip::contrastStatistics", std::vector<c10::IValue>());
  at::parallel_for(0, rows, rowsWorthAThread(columns), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto [logSum, mean, largest] = statisticsOf(from + i * columns, rowAround(offset + i, columns), diagonal.at(i), inverseTau.at(i));
      out[i] = logSum;
      out[rows + i] = mean;
      out[2 * rows + i] = largest;
    }
  });
  return fromTensor(call, std::move(statistics));
}

// contrastTerms(similarities [rows, columns], offset, own, others) -> [5, rows]: sums over the row's own terms, over these times
// (s - diagonal) * inverseTau, both of the columns' terms, and the row's own terms times inverseTau. The similarities become all terms times
// inverseTau, 0 on the diagonal. `own` and, if not undefined, `others` are [diagonal, inverseTau, logWeight], one number a row or column or one.
static napi_value contrastTerms(Call& call) {
  const int64_t offset = toInt(call.env, call[1], "offset");
  const at::Tensor& similarities = similaritiesOf(call, offset);
  const int64_t rows = similarities.size(0), columns = similarities.size(1);
  const std::vector<at::Tensor> ownVectors = toTensorList(call, call[2], "own");
  const std::vector<at::Tensor> otherVectors = isNullish(call.env, call[3]) ? std::vector<at::Tensor>{} : toTensorList(call, call[3], "others");
  const Anchors own = anchorsOf(ownVectors, rows);
  const Anchors others = otherVectors.empty() ? Anchors{} : anchorsOf(otherVectors, columns);
  const Band band{similarities.mutable_data_ptr<float>(), rows, columns, offset, own, otherVectors.empty() ? nullptr : &others};
  at::Tensor sums = at::empty({5, rows}, at::kFloat);
  float* out = sums.mutable_data_ptr<float>();
  RECORD_FUNCTION("fastclip::contrastTerms", std::vector<c10::IValue>());
  at::parallel_for(0, rows, rowsWorthAThread(columns), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const RowSums row = weighRow(band, i);
      const double ordered[] = {row.own.terms, row.own.byLogScale, row.others.terms, row.others.byLogScale, row.own.pull};
      for (size_t k = 0; k < std::size(ordered); ++k) out[static_cast<int64_t>(k) * rows + i] = static_cast<float>(ordered[k]);
    }
  });
  return fromTensor(call, std::move(sums));
}

void defineContrast(napi_env env, napi_value exports) {
  define(env, exports, {{"contrastStatistics", guarded<contrastStatistics>}, {"contrastTerms", guarded<contrastTerms>}});
}

}  // namespace fastclip
