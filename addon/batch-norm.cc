// Batch norm in training, with the sum with a shortcut and the rectifier that may follow it, of channels-last pictures of float32 or
// bfloat16 with AVX-512: as few passes over memory as there can be.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/record_function.h>

#include <cmath>
#include <limits>

#include "avx512.h"
#include "pictures.h"

namespace fastclip {
namespace {

constexpr int64_t kRows = 4;  // that go into a sum at a time

// Adds a stripe's rows to sums[c].
template <typename T>
FASTCLIP_AVX512 void addRows(const T* x, int64_t rows, int64_t channels, float* sums) {
  for (int64_t row = 0; row < rows; row += kRows)
    for (int64_t c = 0; c < channels; c += kLanes) {
      const __mmask16 mask = lanes(c, channels);
      const int64_t count = std::min(kRows, rows - row);
      __m512 sum = load(sums + c, mask);
      for (int64_t i = 0; i < count; ++i) sum = _mm512_add_ps(sum, load(x + (row + i) * channels + c, mask));
      store(sums + c, mask, sum);
    }
}

// Adds their distances from means[c] to sums[c], and the squares of these to squares[c].
template <typename T>
FASTCLIP_AVX512 void addDistances(const T* x, int64_t rows, int64_t channels, const float* means, float* sums, float* squares) {
  for (int64_t row = 0; row < rows; row += kRows)
    for (int64_t c = 0; c < channels; c += kLanes) {
      const __mmask16 mask = lanes(c, channels);
      const int64_t count = std::min(kRows, rows - row);
      const __m512 mean = load(means + c, mask);
      __m512 sum = load(sums + c, mask), square = load(squares + c, mask);
      for (int64_t i = 0; i < count; ++i) {
        const __m512 distance = _mm512_maskz_sub_ps(mask, load(x + (row + i) * channels + c, mask), mean);
        sum = _mm512_add_ps(sum, distance);
        square = _mm512_fmadd_ps(distance, distance, square);
      }
      store(sums + c, mask, sum);
      store(squares + c, mask, square);
    }
}

// The mean of a stripe's rows, and the sum of the squares of their distances from it; both are 0 before. What a mean of large numbers is off is
// seen in the distances from it.
template <typename T>
void stripeMoments(const T* x, int64_t rows, int64_t channels, float* means, float* squares) {
  const float share = 1.0f / static_cast<float>(rows);
  addRows(x, rows, channels, means);
  for (int64_t c = 0; c < channels; ++c) means[c] *= share;
  std::vector<float> rest(channels);
  addDistances(x, rows, channels, means, rest.data(), squares);
  for (int64_t c = 0; c < channels; ++c) {
    means[c] += rest[c] * share;
    squares[c] -= rest[c] * rest[c] * share;
  }
}

// The moments of all rows from those of the stripes: mean and (biased) variance of each channel, [2, channels].
at::Tensor combine(const Pictures& all, Partial& partial) {
  at::Tensor moments = at::empty({2, all.channels}, at::kFloat);
  float* const to = moments.mutable_data_ptr<float>();
  for (int64_t c = 0; c < all.channels; ++c) {
    double count = 0, mean = 0, squares = 0;
    for (int64_t i = 0; i < all.stripes; ++i) {
      const auto more = static_cast<double>(std::min(all.stripe, all.rows - i * all.stripe));
      const double distance = partial.first(i)[c] - mean;
      squares += partial.second(i)[c] + distance * distance * count * more / (count + more);
      mean += distance * more / (count + more);
      count += more;
    }
    to[c] = static_cast<float>(mean);
    to[all.channels + c] = static_cast<float>(squares / count);
  }
  return moments;
}

// y = x scale + shift, channel by channel.
struct Affine {
  std::vector<float> scale, shift;
  Affine(const float* moments, const float* weight, const float* bias, int64_t channels, double eps) : scale(channels), shift(channels) {
    for (int64_t c = 0; c < channels; ++c) {
      scale[c] = static_cast<float>(weight[c] / std::sqrt(moments[channels + c] + eps));
      shift[c] = static_cast<float>(bias[c] - static_cast<double>(moments[c]) * scale[c]);
    }
  }
  FASTCLIP_AVX512 __m512 at(__m512 x, int64_t c, __mmask16 mask) const {
    return _mm512_fmadd_ps(x, load(scale.data() + c, mask), load(shift.data() + c, mask));
  }
};

template <typename T>
struct Forward {
  const T* x;
  const T* shortcut;  // or null
  T* output;
  bool isRectified;
};

template <typename T>
FASTCLIP_AVX512 void normalizeRows(const Forward<T>& all, const Affine& affine, int64_t begin, int64_t end, int64_t channels) {
  const __m512 lowest = all.isRectified ? _mm512_setzero_ps() : _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  for (int64_t row = begin; row < end; ++row)
    for (int64_t c = 0; c < channels; c += kLanes) {
      const __mmask16 mask = lanes(c, channels);
      const int64_t at = row * channels + c;
      __m512 y = affine.at(load(all.x + at, mask), c, mask);
      if (all.shortcut != nullptr) y = _mm512_add_ps(y, load(all.shortcut + at, mask));
      store(all.output + at, mask, _mm512_max_ps(lowest, y));  // in this order NaN stays NaN
    }
}

template <typename T>
at::Tensor momentsOf(const Pictures& all) {
  const T* const x = all.alike<const T>(all.tensor, "x");
  Partial partial(all);
  all.forEachStripe([&](int64_t i, int64_t begin, int64_t end) {
    stripeMoments(x + begin * all.channels, end - begin, all.channels, partial.first(i), partial.second(i));
  });
  return combine(all, partial);
}

template <typename T>
at::Tensor outputOf(const Pictures& all, const Affine& affine, const at::Tensor* shortcut, bool isRectified) {
  at::Tensor output = at::empty_like(all.tensor);
  const Forward<T> task{all.alike<const T>(all.tensor, "x"), shortcut == nullptr ? nullptr : all.alike<const T>(*shortcut, "shortcut"),
                        all.alike<T>(output, "output"), isRectified};
  all.forEachStripe([&](int64_t, int64_t begin, int64_t end) { normalizeRows(task, affine, begin, end, all.channels); });
  return output;
}

// From moments, weight, bias and eps, which follow each other in a call.
Affine affineAt(Call& call, size_t place, const Pictures& all) {
  return {all.perChannel(toTensor(call, call[place], "moments"), {2, all.channels}, "moments"),
          all.perChannel(toTensor(call, call[place + 1], "weight"), {all.channels}, "weight"),
          all.perChannel(toTensor(call, call[place + 2], "bias"), {all.channels}, "bias"), all.channels, toDouble(call.env, call[place + 3], "eps")};
}

// What the gradient of x is made of.
template <typename T>
struct Backward {
  const T* x;
  const T* gradient;  // of the output
  const T* output;    // where a shortcut is in it, else null: without one it is computed again
  T* shortcut;        // where the gradient from before the rectifier goes, which is the shortcut's
  T* target;
  const Affine& affine;
  const float* means;
  bool isRectified;
};

// The gradient before the rectifier.
template <typename T>
FASTCLIP_AVX512 inline __m512 passed(const Backward<T>& all, __m512 x, int64_t at, int64_t c, __mmask16 mask) {
  const __m512 gradient = load(all.gradient + at, mask);
  if (!all.isRectified) return gradient;
  const __m512 y = all.output != nullptr ? load(all.output + at, mask) : all.affine.at(x, c, mask);
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_NLE_UQ), gradient);
}

// Adds the gradients of a stripe to sums[c], and times x - mean to products[c].
template <typename T>
FASTCLIP_AVX512 void sumRows(const Backward<T>& all, int64_t begin, int64_t end, int64_t channels, float* sums, float* products) {
  for (int64_t row = begin; row < end; row += kRows)
    for (int64_t c = 0; c < channels; c += kLanes) {
      const __mmask16 mask = lanes(c, channels);
      const int64_t count = std::min(kRows, end - row);
      const __m512 mean = load(all.means + c, mask);
      __m512 sum = load(sums + c, mask), product = load(products + c, mask);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t at = (row + i) * channels + c;
        const __m512 x = load(all.x + at, mask), gradient = passed(all, x, at, c, mask);
        sum = _mm512_add_ps(sum, gradient);
        product = _mm512_fmadd_ps(gradient, _mm512_sub_ps(x, mean), product);
        if (all.shortcut != nullptr) store(all.shortcut + at, mask, gradient);
      }
      store(sums + c, mask, sum);
      store(products + c, mask, product);
    }
}

// target = gradient a + x b + c, by channel.
struct Combination {
  std::vector<float> ofGradient, ofX, constant;
};

template <typename T>
FASTCLIP_AVX512 void backwardRows(const Backward<T>& all, const Combination& factors, int64_t begin, int64_t end, int64_t channels) {
  for (int64_t row = begin; row < end; ++row)
    for (int64_t c = 0; c < channels; c += kLanes) {
      const __mmask16 mask = lanes(c, channels);
      const int64_t at = row * channels + c;
      const __m512 x = load(all.x + at, mask);
      const __m512 rest = _mm512_fmadd_ps(x, load(factors.ofX.data() + c, mask), load(factors.constant.data() + c, mask));
      store(all.target + at, mask, _mm512_fmadd_ps(passed(all, x, at, c, mask), load(factors.ofGradient.data() + c, mask), rest));
    }
}

template <typename T>
napi_value backwardOf(Call& call, const Pictures& all) {
  const Affine affine = affineAt(call, 2, all);
  const float* const moments = toTensor(call, call[2], "moments").const_data_ptr<float>();
  const float* const weight = toTensor(call, call[3], "weight").const_data_ptr<float>();
  const double eps = toDouble(call.env, call[5], "eps");
  at::Tensor target = at::empty_like(all.tensor);
  Backward<T> task{all.alike<const T>(all.tensor, "x"), all.alike<const T>(toTensor(call, call[0], "gradient"), "gradient"), nullptr, nullptr,
                   all.alike<T>(target, "target"), affine, moments, toBool(call.env, call[6], "isRectified")};
  std::vector<at::Tensor> results{target, at::empty({all.channels}, at::kFloat), at::empty({all.channels}, at::kFloat)};
  if (!isNullish(call.env, call[7])) {
    task.output = all.alike<const T>(toTensor(call, call[7], "output"), "output");
    results.push_back(at::empty_like(all.tensor));
    task.shortcut = all.alike<T>(results.back(), "shortcut");
  }
  RECORD_FUNCTION("fastclip::batchNormBackward", std::vector<c10::IValue>());
  Partial partial(all);
  all.forEachStripe([&](int64_t i, int64_t begin, int64_t end) { sumRows(task, begin, end, all.channels, partial.first(i), partial.second(i)); });
  const std::vector<double> sums = partial.sums(false), products = partial.sums(true);
  Combination factors{std::vector<float>(all.channels), std::vector<float>(all.channels), std::vector<float>(all.channels)};
  float* const ofWeight = results[1].mutable_data_ptr<float>();
  float* const ofBias = results[2].mutable_data_ptr<float>();
  const auto count = static_cast<double>(all.rows);
  for (int64_t c = 0; c < all.channels; ++c) {
    const double rstd = 1 / std::sqrt(moments[all.channels + c] + eps), scale = weight[c] * rstd;
    const double slope = -scale * rstd * rstd * products[c] / count;
    factors.ofGradient[c] = static_cast<float>(scale);
    factors.ofX[c] = static_cast<float>(slope);
    factors.constant[c] = static_cast<float>(-scale * sums[c] / count - slope * moments[c]);
    ofWeight[c] = static_cast<float>(products[c] * rstd);
    ofBias[c] = static_cast<float>(sums[c]);
  }
  if (task.shortcut != nullptr) {
    task.gradient = task.shortcut;
    task.isRectified = false;
  }
  all.forEachStripe([&](int64_t, int64_t begin, int64_t end) { backwardRows(task, factors, begin, end, all.channels); });
  return fromTensors(call, std::move(results));
}

}  // namespace

// batchNormMoments(x [B, C, H, W]) -> the mean and the (biased) variance of each channel, [2, C]
static napi_value batchNormMoments(Call& call) {
  const Pictures all(toTensor(call, call[0], "x"));
  RECORD_FUNCTION("fastclip::batchNormMoments", std::vector<c10::IValue>());
  return fromTensor(call, all.isBFloat16() ? momentsOf<BFloat16>(all) : momentsOf<float>(all));
}

// batchNormOutput(x, moments, weight, bias, eps, isRectified, shortcut or null) -> the norm's output, plus the shortcut, rectified
static napi_value batchNormOutput(Call& call) {
  const Pictures all(toTensor(call, call[0], "x"));
  const Affine affine = affineAt(call, 1, all);
  const bool isRectified = toBool(call.env, call[5], "isRectified");
  const at::Tensor* const shortcut = isNullish(call.env, call[6]) ? nullptr : &toTensor(call, call[6], "shortcut");
  RECORD_FUNCTION("fastclip::batchNormOutput", std::vector<c10::IValue>());
  return fromTensor(call, (all.isBFloat16() ? outputOf<BFloat16> : outputOf<float>)(all, affine, shortcut, isRectified));
}

// batchNormBackward(gradient, x, moments, weight, bias, eps, isRectified, output or null) -> the gradients of x, weight and bias;
// with an output, which is asked for where a shortcut is in it, that of the shortcut too
static napi_value batchNormBackward(Call& call) {
  const Pictures all(toTensor(call, call[1], "x"));
  return (all.isBFloat16() ? backwardOf<BFloat16> : backwardOf<float>)(call, all);
}

void defineBatchNorm(napi_env env, napi_value exports) {
  define(env, exports, {{"batchNormMoments", guarded<batchNormMoments>}, {"batchNormOutput", guarded<batchNormOutput>}, {"batchNormBackward", guarded<batchNormBackward>}});
}

}  // namespace fastclip
