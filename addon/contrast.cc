// What a contrastive loss sums up over a band of similarities, in float32 with AVX-512: terms exp((s_ij - s_ii) / tau - log w) off the diagonal, of
// rows as anchors and of columns. A term below 2^-100 counts as 0, so much smaller is it than w, what it is divided by, or than the largest of its
// sum: for numbers near 1e-38 and below a CPU takes many times as long, here and in the products that follow.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <ATen/record_function.h>

#include "contrast.h"

namespace fastclip {
namespace {

constexpr int64_t kStripe = 16;  // rows whose sums by column are taken together

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

// Of a list [diagonal, inverseTau, logWeight].
WeightedAnchors weightedAnchorsOf(const std::vector<at::Tensor>& vectors, int64_t count) {
  if (vectors.size() != 3) throw BadArgument("anchors: expected three vectors");
  return {anchorsOf(vectors, count), valuesOf(vectors[2], count, "logWeight")};
}

}  // namespace

Anchors anchorsOf(const std::vector<at::Tensor>& vectors, int64_t count) {
  if (vectors.size() < 2) throw BadArgument("anchors: expected two vectors");
  return {valuesOf(vectors[0], count, "diagonal"), valuesOf(vectors[1], count, "inverseTau")};
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
