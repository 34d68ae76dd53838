// Multi-head attention of bfloat16 on a CPU, forward and back: a head of a sample at a time, all of it in the core's cache, from rows as they
// lie to rows as they lie. Products are libtorch's (oneDNN's kernels for small matrices); scores and softmax are float32.
#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <cmath>

#include "attention-rows.h"
#include "convert.h"
#include "transpose.h"

namespace fastclip {
namespace {

namespace blas = at::native::cpublas;

// Queries that are taken together; those of a causal head need only the keys up to the last of them. With fewer, so many more products
// are called that they cost what is saved.
constexpr int64_t kQueries = 128;

struct Shape {
  int64_t batch, tokens, heads, size;  // `size` elements a head
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

Block blockAt(const Shape& shape, int64_t begin) {
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
// Of float32; queries and keys may change places.
int64_t scoreBytes(const Shape& shape) { return roundUp(shape.queries(), kLanes) * shape.rowStride() * 4; }
int64_t headBytes(const Shape& shape) { return shape.tokens * shape.size * 4; }

// One thread's part of the forward pass.
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
  void run(const BFloat16* query, BFloat16* target) {
    const auto [batch, tokens, heads, size, isCausal] = shape_;
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
        scratch_(4 * scoreBytes(shape) + 4 * packedBytes(shape) + 3 * headBytes(shape) + 12 * Scratch::kLine),
        scores_(scratch_.take<float>(scoreBytes(shape))),
        dProbabilities_(scratch_.take<float>(scoreBytes(shape))),
        probabilities_(scratch_.take<BFloat16>(scoreBytes(shape) / 2)),
        dScores_(scratch_.take<BFloat16>(scoreBytes(shape) / 2)),
        turned_(scratch_.take<BFloat16>(scoreBytes(shape) / 2)),
        keyBuffer_(scratch_.take<uint32_t>(packedBytes(shape))),
        valueBuffer_(scratch_.take<uint32_t>(packedBytes(shape))),
        keyRowBuffer_(scratch_.take<uint32_t>(packedBytes(shape))),
        queryBuffer_(scratch_.take<uint32_t>(packedBytes(shape))),
        dQuery_(scratch_.take<float>(headBytes(shape))),
        dKey_(scratch_.take<float>(headBytes(shape))),
        dValue_(scratch_.take<float>(headBytes(shape))) {}

  // `query` and `target` as rows of three times the width, with keys and values behind; `gradient` as rows of the width.
  void run(const BFloat16* query, const BFloat16* gradient, BFloat16* target) {
    const auto [batch, tokens, heads, size, isCausal] = shape_;
    const int64_t width = shape_.width(), stride = 3 * width;
    const BFloat16* key = query + width;
    const Packed keys = packedTransposed(key, stride, tokens, size, keyBuffer_);
    const Packed keyRows = packed(key, stride, tokens, size, keyRowBuffer_);
    const Packed values = packedTransposed(key + width, stride, tokens, size, valueBuffer_);
    std::fill_n(dKey_, tokens * size, 0.0f);
    std::fill_n(dValue_, tokens * size, 0.0f);
    for (int64_t begin = 0; begin < tokens; begin += shape_.queries()) {
      const Block block = blockAt(shape_, begin);
      const Left queries{query + begin * stride, stride, block.queries, size};
      const Left incoming{gradient + begin * width, width, block.queries, size};
      multiply(queries, keys, roundUp(block.keys, kLanes), scores_, shape_.rowStride());
      multiply(incoming, values, roundUp(block.keys, kLanes), dProbabilities_, shape_.rowStride());
      softmaxBackward(block);
      multiply({dScores_, shape_.rowStride(), block.queries, roundUp(block.keys, 2)}, keyRows, size, dQuery_, size);
      roundRows(dQuery_, block.queries, size, target + begin * stride, stride);
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

  // target [keys, size] += rows^T [keys, queries] right [queries, size]
  void addTurned(const Block& block, const BFloat16* rows, const Left& right, float* target) {
    const int64_t inner = roundUp(block.queries, 2), turnedStride = roundUp(shape_.queries(), kLanes);
    transpose({rows, turned_, inner, block.keys, shape_.rowStride(), turnedStride});
    multiply({turned_, turnedStride, block.keys, inner}, packed(right.data, right.stride, right.rows, right.inner, queryBuffer_), shape_.size,
             target, shape_.size, true);
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
  uint32_t* queryBuffer_;
  float* dQuery_;
  float* dKey_;
  float* dValue_;
};

Shape shapeOf(Call& call, const at::Tensor& projected, size_t next) {
  const int64_t heads = toInt(call.env, call[next], "heads");
  if (projected.dim() != 3 || projected.scalar_type() != at::kBFloat16 || !projected.is_cpu() || !projected.is_contiguous() || heads < 1 ||
      projected.size(2) % (6 * heads) != 0)
    throw BadArgument("attend: expected contiguous bfloat16 of [B, tokens, 3 width] on a CPU, and heads of an even size");
  return {projected.size(0), projected.size(1), heads, projected.size(2) / (3 * heads), toBool(call.env, call[next + 1], "isCausal")};
}

const BFloat16* bitsOf(const at::Tensor& tensor) { return static_cast<const BFloat16*>(tensor.const_data_ptr()); }

// Runs body(part, sample, head) for each head of each sample; a thread makes one Part.
template <typename Part, typename Body>
void forEachHead(const Shape& shape, const Body& body) {
  at::parallel_for(0, shape.batch * shape.heads, 1, [&](int64_t begin, int64_t end) {
    Part part(shape);
    for (int64_t i = begin; i < end; ++i) body(part, i / shape.heads, i % shape.heads);
    blas::brgemm_release();
  });
}

}  // namespace

// canAttend() -> whether oneDNN has products for these packed matrices; it may be told to do without
static napi_value canAttend(Call& call) { return fromBool(call.env, blas::could_pack(at::kBFloat16)); }

// attend(projected, heads, isCausal) -> [B, tokens, width]
static napi_value attend(Call& call) {
  const at::Tensor& projected = call.environment.tensors.get(toDouble(call.env, call[0], "tensor"));
  const Shape shape = shapeOf(call, projected, 1);
  RECORD_FUNCTION("fastclip::attend", std::vector<c10::IValue>({projected, shape.heads}));
  const int64_t width = shape.width();
  at::Tensor target = at::empty({shape.batch, shape.tokens, width}, projected.options());
  BFloat16* to = static_cast<BFloat16*>(target.mutable_data_ptr());
  forEachHead<Forward>(shape, [&](Forward& part, int64_t sample, int64_t head) {
    const int64_t row = sample * shape.tokens, column = head * shape.size;
    part.run(bitsOf(projected) + row * 3 * width + column, to + row * width + column);
  });
  return fromTensor(call, std::move(target));
}

// attendBackward(gradient, projected, heads, isCausal) -> the gradient of `projected`, from that of what came out
static napi_value attendBackward(Call& call) {
  const at::Tensor& gradient = call.environment.tensors.get(toDouble(call.env, call[0], "tensor"));
  const at::Tensor& projected = call.environment.tensors.get(toDouble(call.env, call[1], "tensor"));
  const Shape shape = shapeOf(call, projected, 2);
  const int64_t width = shape.width();
  if (gradient.sizes() != at::IntArrayRef{shape.batch, shape.tokens, width} || gradient.scalar_type() != at::kBFloat16 ||
      !gradient.is_cpu() || !gradient.is_contiguous())
    throw BadArgument("attendBackward: expected a gradient of contiguous bfloat16, [B, tokens, width], on a CPU");
  RECORD_FUNCTION("fastclip::attendBackward", std::vector<c10::IValue>({gradient, projected, shape.heads}));
  at::Tensor target = at::empty_like(projected);
  BFloat16* to = static_cast<BFloat16*>(target.mutable_data_ptr());
  forEachHead<Backward>(shape, [&](Backward& part, int64_t sample, int64_t head) {
    const int64_t row = sample * shape.tokens, column = head * shape.size;
    part.run(bitsOf(projected) + row * 3 * width + column, bitsOf(gradient) + row * width + column, to + row * 3 * width + column);
  });
  return fromTensor(call, std::move(target));
}

void defineAttention(napi_env env, napi_value exports) {
  define(env, exports,
         {{"canAttend", guarded<canAttend>}, {"attend", guarded<attend>}, {"attendBackward", guarded<attendBackward>}});
}

}  // namespace fastclip
