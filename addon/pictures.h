// Channels-last pictures as rows of channels, gone through in stripes.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "convert.h"

namespace fastclip {

// Rows of a stripe, whose sums are taken together while it lies in the core's cache. They do not depend on the number of threads.
inline int64_t stripeRows(int64_t channels, int64_t bytes) { return std::clamp<int64_t>((int64_t{1} << 17) / (channels * bytes), 16, 1024); }

// Pictures as rows of channels.
struct Pictures {
  const at::Tensor& tensor;
  int64_t channels, rows, stripe, stripes;

  explicit Pictures(const at::Tensor& x) : tensor(x) {
    const bool isTaken = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
    if (!isTaken || !x.is_cpu() || x.dim() != 4 || x.numel() == 0 || !x.is_contiguous(at::MemoryFormat::ChannelsLast))
      throw BadArgument("x: expected channels-last pictures of float32 or bfloat16 on a CPU");
    channels = x.size(1);
    rows = x.numel() / channels;
    stripe = stripeRows(channels, x.element_size());
    stripes = (rows + stripe - 1) / stripe;
  }
  bool isBFloat16() const { return tensor.scalar_type() == at::kBFloat16; }

  // `other`'s numbers, of which there has to be one for each of these.
  template <typename T>
  T* alike(const at::Tensor& other, const char* what) const {
    if (other.scalar_type() != tensor.scalar_type() || !other.is_cpu() || other.sizes() != tensor.sizes() ||
        !other.is_contiguous(at::MemoryFormat::ChannelsLast))
      throw BadArgument(std::string(what) + ": expected the type, shape and layout of x");
    return static_cast<T*>(other.mutable_data_ptr());
  }
  const float* perChannel(const at::Tensor& other, at::IntArrayRef shape, const char* what) const {
    if (other.scalar_type() != at::kFloat || !other.is_cpu() || !other.is_contiguous() || other.sizes() != shape)
      throw BadArgument(std::string(what) + ": expected contiguous float32 on a CPU, " + c10::str(shape));
    return other.const_data_ptr<float>();
  }
  // body(stripe, first row, row after the last)
  template <typename Body>
  void forEachStripe(const Body& body) const {
    at::parallel_for(0, stripes, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) body(i, i * stripe, std::min(rows, (i + 1) * stripe));
    });
  }
};

// Two numbers a channel and stripe, [stripes, 2, channels].
class Partial {
 public:
  explicit Partial(const Pictures& all) : channels_(all.channels), stripes_(all.stripes), numbers_(2 * all.channels * all.stripes) {}
  float* first(int64_t stripe) { return numbers_.data() + 2 * stripe * channels_; }
  float* second(int64_t stripe) { return first(stripe) + channels_; }
  std::vector<double> sums(bool isSecond) {
    std::vector<double> result(channels_);
    for (int64_t i = 0; i < stripes_; ++i)
      for (int64_t c = 0; c < channels_; ++c) result[c] += (isSecond ? second(i) : first(i))[c];
    return result;
  }

 private:
  int64_t channels_, stripes_;
  std::vector<float> numbers_;
};

}  // namespace fastclip
