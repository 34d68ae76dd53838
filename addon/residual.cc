// What stands around f in x + f(norm(x)), for a stream x of float32 or bfloat16 and an f of the same type or of bfloat16, with AVX-512: each one
// pass over memory.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <ATen/record_function.h>

#include <cmath>

#include "avx512.h"
#include "convert.h"

namespace fastclip {
namespace {

constexpr int64_t kStripe = 32;  // rows whose sums are taken together

template <typename T>
constexpr at::ScalarType kTypeOf = std::is_same_v<T, float> ? at::kFloat : at::kBFloat16;

template <typename T>
T* dataOf(const at::Tensor& tensor, at::IntArrayRef shape, const char* what) {
  constexpr at::ScalarType type = kTypeOf<std::remove_const_t<T>>;
  if (tensor.scalar_type() != type || !tensor.is_cpu() || !tensor.is_contiguous() || tensor.sizes() != shape)
    throw BadArgument(std::string(what) + ": expected contiguous " + c10::toString(type) + " on a CPU, " + c10::str(shape));
  if constexpr (std::is_const_v<T>) return static_cast<T*>(tensor.const_data_ptr());
  else return static_cast<T*>(tensor.mutable_data_ptr());
}

// The stream, [..., width].
struct Stream {
  const at::Tensor& tensor;
  int64_t width, rows;
  explicit Stream(const at::Tensor& x) : tensor(x), width(x.dim() > 0 ? x.size(-1) : 0), rows(width > 0 ? x.numel() / width : 0) {
    if (width == 0) throw BadArgument("x: expected rows of at least one number");
  }
  at::IntArrayRef shape() const { return tensor.sizes(); }
  bool isBFloat16() const { return tensor.scalar_type() == at::kBFloat16; }
};

struct Affine {
  const float* weight;
  const float* bias;
};

struct RowMoments {
  float mean, rstd;
};

template <typename X>
FASTCLIP_AVX512 RowMoments momentsOf(const X* x, int64_t width, float eps) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < width; i += kLanes) sum = _mm512_add_ps(sum, load(x + i, lanes(i, width)));
  const float mean = _mm512_reduce_add_ps(sum) / static_cast<float>(width);
  __m512 squares = _mm512_setzero_ps();
  for (int64_t i = 0; i < width; i += kLanes) {
    const __mmask16 mask = lanes(i, width);
    const __m512 distance = _mm512_maskz_sub_ps(mask, load(x + i, mask), _mm512_set1_ps(mean));
    squares = _mm512_fmadd_ps(distance, distance, squares);
  }
  return {mean, 1.0f / std::sqrt(_mm512_reduce_add_ps(squares) / static_cast<float>(width) + eps)};
}

// A row of x, normalized.
template <typename X>
struct Row {
  const X* x;
  __m512 mean, rstd;
  FASTCLIP_AVX512 Row(const X* from, RowMoments moments) : x(from), mean(_mm512_set1_ps(moments.mean)), rstd(_mm512_set1_ps(moments.rstd)) {}
  FASTCLIP_AVX512 __m512 at(int64_t i, __mmask16 mask) const { return _mm512_mul_ps(_mm512_sub_ps(load(x + i, mask), mean), rstd); }
};

template <typename X, typename H>
FASTCLIP_AVX512 void normalizeRow(const Row<X>& row, const Affine& affine, H* to, int64_t width) {
  for (int64_t i = 0; i < width; i += kLanes) {
    const __mmask16 mask = lanes(i, width);
    store(to + i, mask, _mm512_fmadd_ps(row.at(i, mask), load(affine.weight + i, mask), load(affine.bias + i, mask)));
  }
}

template <typename X, typename H>
struct Backward {
  const H* gradient;  // of what the norm gave
  const X* x;
  const X* passed;  // the gradient that goes by the branch
  X* target;
};

// target = passed + rstd (g - mean(g) - normal mean(g normal)), where g = weight gradient; adds to the sums for weight and bias.
template <typename X, typename H>
FASTCLIP_AVX512 void backwardRow(const Backward<X, H>& to, RowMoments moments, const float* weight, float* ofWeight, float* ofBias, int64_t width) {
  const Row<X> row(to.x, moments);
  __m512 sum = _mm512_setzero_ps(), sumOfNormal = _mm512_setzero_ps();
  for (int64_t i = 0; i < width; i += kLanes) {
    const __mmask16 mask = lanes(i, width);
    const __m512 gradient = load(to.gradient + i, mask), scaled = _mm512_mul_ps(gradient, load(weight + i, mask)), normal = row.at(i, mask);
    sum = _mm512_add_ps(sum, scaled);
    sumOfNormal = _mm512_fmadd_ps(scaled, normal, sumOfNormal);
    store(ofWeight + i, mask, _mm512_fmadd_ps(gradient, normal, load(ofWeight + i, mask)));
    store(ofBias + i, mask, _mm512_add_ps(gradient, load(ofBias + i, mask)));
  }
  const __m512 meanGradient = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / static_cast<float>(width));
  const __m512 slope = _mm512_set1_ps(_mm512_reduce_add_ps(sumOfNormal) / static_cast<float>(width));
  for (int64_t i = 0; i < width; i += kLanes) {
    const __mmask16 mask = lanes(i, width);
    const __m512 scaled = _mm512_mul_ps(load(to.gradient + i, mask), load(weight + i, mask));
    const __m512 centred = _mm512_fnmadd_ps(row.at(i, mask), slope, _mm512_sub_ps(scaled, meanGradient));
    store(to.target + i, mask, _mm512_fmadd_ps(centred, row.rstd, load(to.passed + i, mask)));
  }
}

// to = x + (output + bias), of a row; `to` may be `output`.
template <typename X, typename H>
FASTCLIP_AVX512 void addRow(const X* x, const H* output, const float* bias, X* to, int64_t width) {
  for (int64_t i = 0; i < width; i += kLanes) {
    const __mmask16 mask = lanes(i, width);
    store(to + i, mask, _mm512_add_ps(load(x + i, mask), _mm512_add_ps(load(output + i, mask), load(bias + i, mask))));
  }
}

constexpr int64_t kRowsATask = 8;

template <typename X, typename H>
napi_value normalizeOf(Call& call, const Stream& stream) {
  const int64_t width = stream.width;
  const X* const x = dataOf<const X>(stream.tensor, stream.shape(), "x");
  const Affine affine{dataOf<const float>(toTensor(call, call[1], "weight"), {width}, "weight"),
                      dataOf<const float>(toTensor(call, call[2], "bias"), {width}, "bias")};
  const auto eps = static_cast<float>(toDouble(call.env, call[3], "eps"));
  RECORD_FUNCTION("fastclip::normalize", std::vector<c10::IValue>());
  at::Tensor output = at::empty(stream.shape(), stream.tensor.options().dtype(kTypeOf<H>));
  at::Tensor moments = at::empty({2, stream.rows}, stream.tensor.options().dtype(at::kFloat));
  H* const to = dataOf<H>(output, stream.shape(), "output");
  float* const means = moments.mutable_data_ptr<float>();
  float* const rstds = means + stream.rows;
  at::parallel_for(0, stream.rows, kRowsATask, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const X* from = x + row * width;
      const RowMoments found = momentsOf(from, width, eps);
      means[row] = found.mean;
      rstds[row] = found.rstd;
      normalizeRow(Row<X>(from, found), affine, to + row * width, width);
    }
  });
  return fromTensors(call, {std::move(output), std::move(moments)});
}

template <typename X, typename H>
napi_value normalizeBackwardOf(Call& call, const Stream& stream) {
  const int64_t width = stream.width, rows = stream.rows, stripes = (rows + kStripe - 1) / kStripe;
  at::Tensor target = at::empty_like(stream.tensor);
  const Backward<X, H> all{dataOf<const H>(toTensor(call, call[0], "gradient"), stream.shape(), "gradient"),
                           dataOf<const X>(stream.tensor, stream.shape(), "x"),
                           dataOf<const X>(toTensor(call, call[4], "passed"), stream.shape(), "passed"), dataOf<X>(target, stream.shape(), "target")};
  const float* const means = dataOf<const float>(toTensor(call, call[2], "moments"), {2, rows}, "moments");
  const float* const weight = dataOf<const float>(toTensor(call, call[3], "weight"), {width}, "weight");
  RECORD_FUNCTION("fastclip::normalizeBackward", std::vector<c10::IValue>());
  at::Tensor sums = at::zeros({2, stripes, width}, stream.tensor.options().dtype(at::kFloat));
  float* const ofWeights = sums.mutable_data_ptr<float>();
  float* const ofBiases = ofWeights + stripes * width;
  at::parallel_for(0, stripes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * kStripe; row < std::min(rows, end * kStripe); ++row) {
      const int64_t at = row * width, sumsAt = row / kStripe * width;
      backwardRow<X, H>({all.gradient + at, all.x + at, all.passed + at, all.target + at}, {means[row], means[rows + row]}, weight,
                     ofWeights + sumsAt, ofBiases + sumsAt, width);
    }
  });
  const at::Tensor ofBoth = sums.sum(1);
  return fromTensors(call, {std::move(target), ofBoth[0], ofBoth[1]});
}

template <typename X, typename H>
napi_value addBranchOf(Call& call, const Stream& stream) {
  const int64_t width = stream.width;
  const at::Tensor& output = toTensor(call, call[1], "output");
  const X* const x = dataOf<const X>(stream.tensor, stream.shape(), "x");
  const H* const from = dataOf<const H>(output, stream.shape(), "output");
  const float* const bias = dataOf<const float>(toTensor(call, call[2], "bias"), {width}, "bias");
  RECORD_FUNCTION("fastclip::addBranch", std::vector<c10::IValue>());
  at::Tensor target = std::is_same_v<X, H> ? output : at::empty_like(stream.tensor);
  X* const to = dataOf<X>(target, stream.shape(), "target");
  at::parallel_for(0, stream.rows, kRowsATask, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin * width; at < end * width; at += width) addRow(x + at, from + at, bias, to + at, width);
  });
  return fromTensor(call, std::move(target));
}

}  // namespace

// normalize(x [..., width], weight, bias, eps, isRounded) -> the norm's output, in bfloat16 where it is rounded or x is, and the means of the rows and
// 1 / their standard deviations, [2, rows]
static napi_value normalize(Call& call) {
  const Stream stream(toTensor(call, call[0], "x"));
  if (stream.isBFloat16()) return normalizeOf<BFloat16, BFloat16>(call, stream);
  return (toBool(call.env, call[4], "isRounded") ? normalizeOf<float, BFloat16> : normalizeOf<float, float>)(call, stream);
}

// normalizeBackward(gradient of the norm's output, x, moments, weight, gradient that goes by) -> the gradients of x, weight and bias
static napi_value normalizeBackward(Call& call) {
  const Stream stream(toTensor(call, call[1], "x"));
  if (stream.isBFloat16()) return normalizeBackwardOf<BFloat16, BFloat16>(call, stream);
  const bool isWide = toTensor(call, call[0], "gradient").scalar_type() == at::kFloat;
  return (isWide ? normalizeBackwardOf<float, float> : normalizeBackwardOf<float, BFloat16>)(call, stream);
}

// addBranch(x, output of the branch, bias [width]) -> the sum of the three in x's type; an output of that type is overwritten with it
static napi_value addBranch(Call& call) {
  const Stream stream(toTensor(call, call[0], "x"));
  if (stream.isBFloat16()) return addBranchOf<BFloat16, BFloat16>(call, stream);
  const bool isWide = toTensor(call, call[1], "output").scalar_type() == at::kFloat;
  return (isWide ? addBranchOf<float, float> : addBranchOf<float, BFloat16>)(call, stream);
}

void defineResidual(napi_env env, napi_value exports) {
  define(env, exports,
         {{"normalize", guarded<normalize>}, {"normalizeBackward", guarded<normalizeBackward>}, {"addBranch", guarded<addBranch>}});
}

}  // namespace fastclip
