// Attention of bfloat16. Products are libtorch's (oneDNN's kernels for small matrices); scores and softmax are float32.
#include "attention.h"
#include "transpose.h"

#include <array>
#include <exception>

namespace fastclip::attention {
namespace {

namespace blas = at::native::cpublas;

// target [rows, columns] (+)= left [rows, inner] right [inner, columns]
struct Left {
  const BFloat16* data;
  int64_t stride, rows, inner;
};

void multiply(const Left& left, const Packed& right, int64_t columns, float* target, int64_t targetStride, bool isAdded = false) {
  for (int64_t column = 0; column < columns; column += kPanel)
    blas::brgemm(left.rows, std::min(kPanel, columns - column), left.inner, left.stride, kPanel, targetStride, isAdded,
                 reinterpret_cast<const at::BFloat16*>(left.data), reinterpret_cast<const at::BFloat16*>(right.at(0, column)),
                 target + column);
}

int64_t packedBytes(const Shape& shape) {
  return std::max(Packed::bytes(shape.tokens, shape.size), Packed::bytes(shape.size, shape.tokens));
}
// One thread's part of the forward pass, with memory for sequences as long as the shape's.
class Forward {
 public:
  explicit Forward(const Shape& shape)
      : shape_(shape),
        scratch_(2 * scoreBytes(shape) + 2 * packedBytes(shape) + headBytes(shape) + 5 * Scratch::kLine),
        scores_(scratch_.take<float>(scoreBytes(shape))),
        probabilities_(scratch_.take<BFloat16>(scoreBytes(shape) / 2)),
        keyBuffer_(scratch_.take<uint32_t>(packedBytes(shape))),
        valueBuffer_(scratch_.take<uint32_t>(packedBytes(shape))),
        attended_(scratch_.take<float>(headBytes(shape))) {}

  // Queries, keys and values of a head are rows of three times the width; what comes out, of the width.
  void run(int64_t tokens, const BFloat16* query, BFloat16* target) {
    shape_.tokens = tokens;
    const int64_t size = shape_.size;
    const int64_t stride = 3 * shape_.width();
    const BFloat16* key = query + shape_.width();
    const BFloat16* value = key + shape_.width();
    const Packed keys = packedTransposed(key, stride, tokens, size, keyBuffer_);
    const Packed values = packed(value, stride, tokens, size, valueBuffer_);
    for (int64_t begin = 0; begin < tokens; begin += shape_.queries()) {
      const Block block = blockAt(shape_, begin);
      multiply({query + begin * stride, stride, block.queries, size}, keys, roundUp(block.keys, kLanes), scores_, shape_.rowStride());
      const int64_t inner = roundUp(block.keys, 2);
      for (int64_t i = 0; i < block.queries; ++i)
        softmaxRow(scores_ + i * shape_.rowStride(), probabilities_ + i * shape_.rowStride(), block.keysOf(shape_, i), inner, shape_.scale());
      multiply({probabilities_, shape_.rowStride(), block.queries, inner}, values, size, attended_, size);
      roundRows(attended_, block.queries, size, target + begin * shape_.width(), shape_.width());
    }
  }

 private:
  Shape shape_;
  Scratch scratch_;
  float* scores_;
  BFloat16* probabilities_;
  uint32_t* keyBuffer_;
  uint32_t* valueBuffer_;
  float* attended_;
};

// One thread's part of the way back; scores are computed a second time.
class Backward {
 public:
  explicit Backward(const Shape& shape)
      : shape_(shape),
        scratch_(4 * scoreBytes(shape) + 5 * packedBytes(shape) + 3 * headBytes(shape) + 13 * Scratch::kLine),
        scores_(scratch_.take<float>(scoreBytes(shape))),
        dProbabilities_(scratch_.take<float>(scoreBytes(shape))),
        probabilities_(scratch_.take<BFloat16>(scoreBytes(shape) / 2)),
        dScores_(scratch_.take<BFloat16>(scoreBytes(shape) / 2)),
        turned_(scratch_.take<BFloat16>(scoreBytes(shape) / 2)),
        keyBuffer_(scratch_.take<uint32_t>(packedBytes(shape))),
        valueBuffer_(scratch_.take<uint32_t>(packedBytes(shape))),
        keyRowBuffer_(scratch_.take<uint32_t>(packedBytes(shape))),
        valueRowBuffer_(scratch_.take<uint32_t>(packedBytes(shape))),
        queryBuffer_(scratch_.take<uint32_t>(packedBytes(shape))),
        rows_(scratch_.take<float>(headBytes(shape))),
        dKey_(scratch_.take<float>(headBytes(shape))),
        dValue_(scratch_.take<float>(headBytes(shape))) {}

  // `query` and `target` as rows of three times the width, with keys and values behind; `gradient` and `attended` as rows of the width.
  void run(int64_t tokens, const BFloat16* query, const BFloat16* gradient, BFloat16* target, BFloat16* attended) {
    shape_.tokens = tokens;
    const int64_t size = shape_.size;
    const int64_t width = shape_.width(), stride = 3 * width;
    const BFloat16* key = query + width;
    const Packed keys = packedTransposed(key, stride, tokens, size, keyBuffer_);
    const Packed keyRows = packed(key, stride, tokens, size, keyRowBuffer_);
    const Packed values = packedTransposed(key + width, stride, tokens, size, valueBuffer_);
    const Packed valueRows = packed(key + width, stride, tokens, size, valueRowBuffer_);
    const int64_t written = blockAt(shape_, 0).keys;
    for (float* sums : {dKey_, dValue_}) std::fill_n(sums + written * size, (tokens - written) * size, 0.0f);
    for (int64_t begin = 0; begin < tokens; begin += shape_.queries()) {
      const Block block = blockAt(shape_, begin);
      const Left queries{query + begin * stride, stride, block.queries, size};
      const Left incoming{gradient + begin * width, width, block.queries, size};
      multiply(queries, keys, roundUp(block.keys, kLanes), scores_, shape_.rowStride());
      multiply(incoming, values, roundUp(block.keys, kLanes), dProbabilities_, shape_.rowStride());
      softmaxBackward(block);
      const int64_t inner = roundUp(block.keys, 2);
      multiply({probabilities_, shape_.rowStride(), block.queries, inner}, valueRows, size, rows_, size);
      roundRows(rows_, block.queries, size, attended + begin * width, width);
      multiply({dScores_, shape_.rowStride(), block.queries, inner}, keyRows, size, rows_, size);
      roundRows(rows_, block.queries, size, target + begin * stride, stride);
      addTurned(block, probabilities_, incoming, dValue_);
      addTurned(block, dScores_, queries, dKey_);
    }
    roundRows(dKey_, tokens, size, target + width, stride);
    roundRows(dValue_, tokens, size, target + 2 * width, stride);
  }

 private:
  void softmaxBackward(const Block& block) {
    const int64_t stride = shape_.rowStride(), padded = roundUp(block.keys, 2);
    for (int64_t i = 0; i < block.queries; ++i) {
      const int64_t row = i * stride, count = block.keysOf(shape_, i);
      softmaxRow(scores_ + row, probabilities_ + row, count, padded, shape_.scale());
      softmaxRowBackward(scores_ + row, dProbabilities_ + row, dScores_ + row, count, padded, shape_.scale());
    }
    if (block.queries % 2 == 0) return;
    for (BFloat16* rows : {probabilities_, dScores_}) std::fill_n(rows + block.queries * stride, padded, BFloat16{0});
  }

  // target [keys, size] (+)= rows^T [keys, queries] right [queries, size]; the first block is written over what was there
  void addTurned(const Block& block, const BFloat16* rows, const Left& right, float* target) {
    const int64_t inner = roundUp(block.queries, 2), turnedStride = roundUp(shape_.queries(), kLanes);
    transpose({rows, turned_, inner, block.keys, shape_.rowStride(), turnedStride});
    multiply({turned_, turnedStride, block.keys, inner}, packed(right.data, right.stride, right.rows, right.inner, queryBuffer_), shape_.size,
             target, shape_.size, block.begin > 0);
  }

  Shape shape_;
  Scratch scratch_;
  float* scores_;
  float* dProbabilities_;
  BFloat16* probabilities_;
  BFloat16* dScores_;
  BFloat16* turned_;
  uint32_t* keyBuffer_;
  uint32_t* valueBuffer_;
  uint32_t* keyRowBuffer_;
  uint32_t* valueRowBuffer_;
  uint32_t* queryBuffer_;
  float* rows_;
  float* dKey_;
  float* dValue_;
};

// A product of small whole numbers, whose sums are exact; libtorch or oneDNN refuses it where there is none.
bool multipliesPacked() {
  constexpr int64_t kRows = 3, kInner = 4;
  constexpr BFloat16 kOne = 0x3f80, kTwo = 0x4000;
  const std::vector<BFloat16> left(kRows * kInner, kTwo);
  std::vector<BFloat16> right(kInner * kLanes, kOne);
  std::fill_n(right.begin(), kLanes, kTwo);
  alignas(Scratch::kLine) std::array<uint32_t, Packed::bytes(kInner, kLanes) / sizeof(uint32_t)> buffer;
  std::vector<float> product(kRows * kLanes);
  try {
    multiply({left.data(), kInner, kRows, kInner}, packed(right.data(), kLanes, kInner, kLanes, buffer.data()), kLanes, product.data(), kLanes);
    blas::brgemm_release(true);
  } catch (const std::exception&) {
    return false;
  }
  return std::all_of(product.begin(), product.end(), [](float sum) { return sum == 2 * 2 + 3 * 2 * 1; });
}

}  // namespace

bool hasPackedProducts() {
  static const bool has = multipliesPacked();
  return has;
}

void attend(const Sequences& all, const BFloat16* projected, BFloat16* target) { attendBy<Forward>(all, true, projected, target); }

void attendBackward(const Sequences& all, const BFloat16* projected, const BFloat16* gradient, BFloat16* target, BFloat16* attended) {
  attendBackwardBy<Backward>(all, true, projected, gradient, target, attended);
}

}  // namespace fastclip::attention
