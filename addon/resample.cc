// The kernel is widened when shrinking, so that every pixel of the source counts. It is applied along rows and then along columns, in
// fixed point with rounding to 8 bits between the two.
#include "resample.h"

#include <ATen/Version.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "addon.h"
#include "resample-rows.h"

namespace fastclip {

void checkInside(const Box& box, int64_t width, int64_t height) {
  const bool holds = box.left >= 0 && box.top >= 0 && box.width >= 1 && box.height >= 1;
  if (holds && box.left <= width - box.width && box.top <= height - box.height) return;
  throw BadArgument("expected a box inside " + std::to_string(width) + " x " + std::to_string(height) + " pixels, got " +
                    std::to_string(box.width) + " x " + std::to_string(box.height) + " at " + std::to_string(box.left) + ", " +
                    std::to_string(box.top));
}

// Keys' cubic convolution (1981) with a = -0.5.
static double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// Rounds half away from zero.
static int32_t toFixedPoint(double weight) {
  return static_cast<int32_t>(weight * (1 << kPrecision) + (weight < 0 ? -0.5 : 0.5));
}

// `count` of `output` positions, from `start` on, that an edge of `input` pixels is resized to.
static Weights weightsFor(int64_t input, int64_t output, int64_t start, int64_t count) {
  const double scale = static_cast<double>(input) / static_cast<double>(output);
  const double stretch = std::max(1.0, scale);
  const double support = 2 * stretch;
  const double shrink = 1 / stretch;
  Weights weights{static_cast<size_t>(count), 0, std::vector<int64_t>(static_cast<size_t>(count)), {}};
  const auto center = [&](size_t i) { return (static_cast<double>(start + static_cast<int64_t>(i)) + 0.5) * scale; };
  const auto end = [&](size_t i) { return std::min(input, static_cast<int64_t>(center(i) + support + 0.5)); };
  for (size_t i = 0; i < weights.count; ++i) {
    weights.first[i] = std::max(int64_t{0}, static_cast<int64_t>(center(i) - support + 0.5));
    weights.taps = std::max(weights.taps, static_cast<size_t>(end(i) - weights.first[i] + 1) & ~size_t{1});
  }
  weights.values.resize(weights.count * weights.taps);
  std::vector<double> exact(weights.taps);
  for (size_t i = 0; i < weights.count; ++i) {
    const auto used = static_cast<size_t>(end(i) - weights.first[i]);
    double sum = 0;
    for (size_t tap = 0; tap < used; ++tap) {
      exact[tap] = bicubic((static_cast<double>(weights.first[i] + static_cast<int64_t>(tap)) - center(i) + 0.5) * shrink);
      sum += exact[tap];
    }
    for (size_t tap = 0; tap < used; ++tap) weights.values[i * weights.taps + tap] = toFixedPoint(exact[tap] / sum);
  }
  return weights;
}

// As libtorch chooses among its own kernels, by the processor and the environment variable ATEN_CPU_CAPABILITY.
static const ResampleRows& rowsHere() {
#ifdef __x86_64__
  static const bool avx2 = at::get_cpu_capability() != "DEFAULT";
  if (avx2) return resampleRowsAvx2;
#endif
  return resampleRows;
}

Resampler::Resampler(const Resize& resize)
    : across_(weightsFor(resize.box.width, resize.width, resize.view.left, resize.view.width)),
      down_(weightsFor(resize.box.height, resize.height, resize.view.top, resize.view.height)),
      firstRow_(down_.first.front()),
      endRow_(std::min(resize.box.height, down_.first.back() + static_cast<int64_t>(down_.taps))),
      stride_((3 * across_.count + kRowBlock - 1) / kRowBlock * kRowBlock),
      rows_(static_cast<size_t>(endRow_ - firstRow_) * stride_),
      next_(rows_.data()) {}

void Resampler::addRow(const uint8_t* row) {
  rowsHere().shrink(across_, row, next_);
  next_ += stride_;
}

void Resampler::finish(uint8_t* target) const {
  std::vector<uint8_t> levels(stride_);
  for (size_t y = 0; y < down_.count; ++y, target += 3 * across_.count) {
    const int64_t first = down_.first[y];
    const size_t taps = std::min(down_.taps, static_cast<size_t>(endRow_ - first));
    const uint8_t* rows = rows_.data() + static_cast<size_t>(first - firstRow_) * stride_;
    rowsHere().add(&down_.values[y * down_.taps], taps, rows, stride_, levels.data());
    std::memcpy(target, levels.data(), 3 * across_.count);
  }
}

void resamplePixels(const uint8_t* pixels, size_t width, const Resize& resize, uint8_t* target) {
  Resampler resampler(resize);
  const auto columns = static_cast<size_t>(resize.box.width);
  std::vector<uint8_t> row(4 * columns + resampler.slack());
  for (int64_t y = resampler.firstRow(); y < resampler.endRow(); ++y) {
    const uint8_t* from = pixels + 3 * (static_cast<size_t>(resize.box.top + y) * width + static_cast<size_t>(resize.box.left));
    for (size_t x = 0; x < columns; ++x, from += 3) std::memcpy(&row[4 * x], from, 3);
    resampler.addRow(row.data());
  }
  resampler.finish(target);
}

}  // namespace fastclip
