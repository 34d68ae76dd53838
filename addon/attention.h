// What kernels for attention share: a head of a sequence at a time, all of it in the core's cache, from rows as they lie to rows as they lie.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "attention-rows.h"

namespace fastclip::attention {

// Queries that are taken together; those of a causal head need only the keys up to the last of them. With fewer, so many more products
// are called that they cost what is saved.
constexpr int64_t kQueries = 128;

struct Shape {
  int64_t tokens, heads, size;  // `size` elements a head
  bool isCausal;
  int64_t width() const { return heads * size; }
  int64_t queries() const { return std::min(kQueries, tokens); }
  int64_t rowStride() const { return roundUp(tokens, kPanel); }  // of scores
  float scale() const { return 1.0f / std::sqrt(static_cast<float>(size)); }
};

// Some queries of a head and how many keys they see.
struct Block {
  int64_t begin, queries, keys;
  int64_t keysOf(const Shape& shape, int64_t query) const { return shape.isCausal ? begin + query + 1 : keys; }
};

inline Block blockAt(const Shape& shape, int64_t begin) {
  const int64_t end = std::min(begin + shape.queries(), shape.tokens);
  return {begin, end - begin, shape.isCausal ? end : shape.tokens};
}

// Memory of one thread, cut into pieces that begin at whole cache lines.
class Scratch {
 public:
  explicit Scratch(int64_t bytes) : memory_(at::empty({bytes}, at::kByte)), next_(static_cast<char*>(memory_.mutable_data_ptr())) {}
  template <typename T>
  T* take(int64_t bytes) {
    char* piece = next_;
    next_ += roundUp(bytes, kLine);
    return reinterpret_cast<T*>(piece);
  }
  static constexpr int64_t kLine = 64;

 private:
  at::Tensor memory_;
  char* next_;
};

// Of float32; queries and keys may change places.
inline int64_t scoreBytes(const Shape& shape) { return roundUp(shape.queries(), kLanes) * shape.rowStride() * 4; }
inline int64_t headBytes(const Shape& shape) { return shape.tokens * shape.size * 4; }

// Sequences as rows one after the other.
struct Sequences {
  std::vector<int64_t> starts;  // the first row of each, and the number of rows
  Shape shape;                  // of the longest
  int64_t count() const { return static_cast<int64_t>(starts.size()) - 1; }
  int64_t tokens(int64_t i) const { return starts[i + 1] - starts[i]; }
};

// Runs body(part, row, tokens, column) for each head of each sequence; a thread makes one Part.
template <typename Part, typename Body>
void forEachHead(const Sequences& all, bool isPacked, const Body& body) {
  at::parallel_for(0, all.count() * all.shape.heads, 1, [&](int64_t begin, int64_t end) {
    Part part(all.shape);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t sequence = i / all.shape.heads;
      body(part, all.starts[sequence], all.tokens(sequence), i % all.shape.heads * all.shape.size);
    }
    at::native::cpublas::brgemm_release(isPacked);
  });
}

// `Forward` and `Backward` are those of one type of numbers; a thread makes one.
template <typename Forward, typename T>
void attendBy(const Sequences& all, bool isPacked, const T* projected, T* target) {
  const int64_t width = all.shape.width();
  forEachHead<Forward>(all, isPacked, [&](Forward& part, int64_t row, int64_t tokens, int64_t column) {
    part.run(tokens, projected + row * 3 * width + column, target + row * width + column);
  });
}

template <typename Backward, typename T>
void attendBackwardBy(const Sequences& all, bool isPacked, const T* projected, const T* gradient, T* target, T* attended) {
  const int64_t width = all.shape.width();
  forEachHead<Backward>(all, isPacked, [&](Backward& part, int64_t row, int64_t tokens, int64_t column) {
    const int64_t at = row * 3 * width + column, out = row * width + column;
    part.run(tokens, projected + at, gradient + out, target + at, attended + out);
  });
}

// Tries one.
bool hasPackedProducts();

// From queries, keys and values side by side, rows of three times the width, to rows of the width.
void attend(const Sequences& all, const BFloat16* projected, BFloat16* target);
void attend(const Sequences& all, const float* projected, float* target);

// From those and the gradient of what came out, rows of the width, to that of what went in, and to what came out once more.
void attendBackward(const Sequences& all, const BFloat16* projected, const BFloat16* gradient, BFloat16* target, BFloat16* attended);
void attendBackward(const Sequences& all, const float* projected, const float* gradient, float* target, float* attended);

}  // namespace fastclip::attention
