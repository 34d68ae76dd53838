// Attention of float32. Products are libtorch's (oneDNN's kernels for small matrices), and read and write rows where they lie.
#include "attention.h"

namespace fastclip::attention {
namespace {

namespace blas = at::native::cpublas;

int64_t turnedBytes(const Shape& shape) { return shape.size * shape.rowStride() * 4; }

struct Matrix {
  const float* data;
  int64_t stride, rows, columns;
};

// target [left.rows, right.columns] (+)= left right
void multiply(const Matrix& left, const Matrix& right, float* target, int64_t targetStride, bool isAdded = false) {
  blas::brgemm(left.rows, right.columns, left.columns, left.stride, right.stride, targetStride, isAdded, left.data, right.data, target, false);
}

// One thread's part of the forward pass, with memory for sequences as long as the shape's.
class Forward {
 public:
  explicit Forward(const Shape& shape)
      : shape_(shape),
        scratch_(scoreBytes(shape) + turnedBytes(shape) + 2 * Scratch::kLine),
        scores_(scratch_.take<float>(scoreBytes(shape))),
        keys_(scratch_.take<float>(turnedBytes(shape))) {}

  // Queries, keys and values of a head are rows of three times the width; what comes out, of the width.
  void run(int64_t tokens, const float* query, float* target) {
    shape_.tokens = tokens;
    const int64_t size = shape_.size, width = shape_.width(), stride = 3 * width;
    transpose({query + width, keys_, tokens, size, stride, shape_.rowStride()});
    for (int64_t begin = 0; begin < tokens; begin += shape_.queries()) {
      const Block block = blockAt(shape_, begin);
      multiply({query + begin * stride, stride, block.queries, size}, {keys_, shape_.rowStride(), size, block.keys}, scores_, shape_.rowStride());
      for (int64_t i = 0; i < block.queries; ++i)
        softmaxRow(scores_ + i * shape_.rowStride(), nullptr, block.keysOf(shape_, i), block.keys, shape_.scale());
      multiply({scores_, shape_.rowStride(), block.queries, block.keys}, {query + 2 * width, stride, block.keys, size}, target + begin * width,
               width);
    }
  }

 private:
  Shape shape_;
  Scratch scratch_;
  float* scores_;
  float* keys_;
};

// One thread's part of the way back; scores are computed a second time.
class Backward {
 public:
  explicit Backward(const Shape& shape)
      : shape_(shape),
        scratch_(3 * scoreBytes(shape) + 2 * turnedBytes(shape) + 5 * Scratch::kLine),
        probabilities_(scratch_.take<float>(scoreBytes(shape))),
        dScores_(scratch_.take<float>(scoreBytes(shape))),
        turned_(scratch_.take<float>(scoreBytes(shape))),
        keys_(scratch_.take<float>(turnedBytes(shape))),
        values_(scratch_.take<float>(turnedBytes(shape))) {}

  // `query` and `target` as rows of three times the width, with keys and values behind; `gradient` and `attended` as rows of the width.
  void run(int64_t tokens, const float* query, const float* gradient, float* target, float* attended) {
    shape_.tokens = tokens;
    const int64_t size = shape_.size, width = shape_.width(), stride = 3 * width, scoreStride = shape_.rowStride();
    const float* key = query + width;
    transpose({key, keys_, tokens, size, stride, scoreStride});
    transpose({key + width, values_, tokens, size, stride, scoreStride});
    for (int64_t row = blockAt(shape_, 0).keys; row < tokens; ++row)  // behind what the first block writes
      for (int64_t part = 1; part < 3; ++part) std::fill_n(target + row * stride + part * width, size, 0.0f);
    for (int64_t begin = 0; begin < tokens; begin += shape_.queries()) {
      const Block block = blockAt(shape_, begin);
      const Matrix queries{query + begin * stride, stride, block.queries, size};
      const Matrix incoming{gradient + begin * width, width, block.queries, size};
      multiply(queries, {keys_, scoreStride, size, block.keys}, probabilities_, scoreStride);
      multiply(incoming, {values_, scoreStride, size, block.keys}, dScores_, scoreStride);
      for (int64_t i = 0; i < block.queries; ++i) {
        const int64_t count = block.keysOf(shape_, i);
        softmaxRow(probabilities_ + i * scoreStride, nullptr, count, block.keys, shape_.scale());
        softmaxRowBackward(probabilities_ + i * scoreStride, dScores_ + i * scoreStride, count, block.keys, shape_.scale());
      }
      const Matrix probabilities{probabilities_, scoreStride, block.queries, block.keys};
      multiply(probabilities, {key + width, stride, block.keys, size}, attended + begin * width, width);
      multiply({dScores_, scoreStride, block.queries, block.keys}, {key, stride, block.keys, size}, target + begin * stride, stride);
      addTurned(block, dScores_, queries, target + width);
      addTurned(block, probabilities_, incoming, target + 2 * width);
    }
  }

 private:
  // target [keys, size] (+)= rows^T [keys, queries] right [queries, size]; the first block is written over what was there
  void addTurned(const Block& block, const float* rows, const Matrix& right, float* target) {
    const int64_t turnedStride = roundUp(shape_.queries(), kLanes);
    transpose({rows, turned_, block.queries, block.keys, shape_.rowStride(), turnedStride});
    multiply({turned_, turnedStride, block.keys, block.queries}, right, target, 3 * shape_.width(), block.begin > 0);
  }

  Shape shape_;
  Scratch scratch_;
  float* probabilities_;
  float* dScores_;
  float* turned_;
  float* keys_;
  float* values_;
};

}  // namespace

void attend(const Sequences& all, const float* projected, float* target) { attendBy<Forward>(all, false, projected, target); }

void attendBackward(const Sequences& all, const float* projected, const float* gradient, float* target, float* attended) {
  attendBackwardBy<Backward>(all, false, projected, gradient, target, attended);
}

}  // namespace fastclip::attention
