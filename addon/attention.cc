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
  void run(int64_t tokens, const BFloat16* query, const BFloat16* gradient, BFloat16* target) {
    shape_.tokens = tokens;
    const int64_t size = shape_.size;
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

// Sequences as rows one after the other.
struct Sequences {
  std::vector<int64_t> starts;  // the first row of each, and the number of rows
  Shape shape;                  // of the longest
  int64_t count() const { return static_cast<int64_t>(starts.size()) - 1; }
  int64_t tokens(int64_t i) const { return starts[i + 1] - starts[i]; }
  // Of a head; causal ones are counted whole.
  int64_t scores() const {
    int64_t sum = 0;
    for (int64_t i = 0; i < count(); ++i) sum += tokens(i) * tokens(i);
    return sum;
  }
};

std::vector<int64_t> startsOf(Call& call, const at::Tensor& projected, size_t place) {
  std::vector<int64_t> starts;
  if (!isNullish(call.env, call[place])) starts = toIntList(call.env, call[place], "starts");
  else if (projected.dim() == 3)
    for (int64_t i = 0; i <= projected.size(0); ++i) starts.push_back(i * projected.size(1));
  const int64_t rows = projected.numel() / std::max<int64_t>(projected.size(-1), 1);
  const bool isRising = std::adjacent_find(starts.begin(), starts.end(), std::greater_equal<>()) == starts.end();
  if (starts.size() < 2 || starts.front() != 0 || starts.back() != rows || !isRising)
    throw BadArgument("starts: expected the first rows of sequences, from 0 on and rising, and at last the number of rows");
  return starts;
}

// From heads, isCausal and starts at `next`; without starts they are those of [B, tokens, 3 width].
Sequences sequencesOf(Call& call, const at::Tensor& projected, size_t next) {
  const int64_t heads = toInt(call.env, call[next], "heads");
  if (projected.dim() < 2 || projected.scalar_type() != at::kBFloat16 || !projected.is_cpu() || !projected.is_contiguous() || heads < 1 ||
      projected.size(-1) % (6 * heads) != 0)
    throw BadArgument("attend: expected contiguous bfloat16 of [..., 3 width] on a CPU, and heads of an even size");
  Sequences all{startsOf(call, projected, next + 2), {0, heads, projected.size(-1) / (3 * heads), toBool(call.env, call[next + 1], "isCausal")}};
  for (int64_t i = 0; i < all.count(); ++i) all.shape.tokens = std::max(all.shape.tokens, all.tokens(i));
  return all;
}

const BFloat16* bitsOf(const at::Tensor& tensor) { return static_cast<const BFloat16*>(tensor.const_data_ptr()); }

// Runs body(part, row, tokens, column) for each head of each sequence; a thread makes one Part.
template <typename Part, typename Body>
void forEachHead(const Sequences& all, const Body& body) {
  const auto [tokens, heads, size, isCausal] = all.shape;
  at::parallel_for(0, all.count() * heads, 1, [&](int64_t begin, int64_t end) {
    Part part(all.shape);
    for (int64_t i = begin; i < end; ++i) body(part, all.starts[i / heads], all.tokens(i / heads), i % heads * size);
    blas::brgemm_release();
  });
}

}  // namespace

// canAttend() -> whether oneDNN has products for these packed matrices; it may be told to do without
static napi_value canAttend(Call& call) { return fromBool(call.env, blas::could_pack(at::kBFloat16)); }

// attend(projected, heads, isCausal, starts) -> [..., width]
static napi_value attend(Call& call) {
  const at::Tensor& projected = call.environment.tensors.get(toDouble(call.env, call[0], "tensor"));
  const Sequences all = sequencesOf(call, projected, 1);
  RECORD_FUNCTION("fastclip::attend", std::vector<c10::IValue>({projected, all.shape.heads, all.scores()}));
  const int64_t width = all.shape.width();
  std::vector<int64_t> sizes = projected.sizes().vec();
  sizes.back() = width;
  at::Tensor target = at::empty(sizes, projected.options());
  const BFloat16* from = bitsOf(projected);
  BFloat16* to = static_cast<BFloat16*>(target.mutable_data_ptr());
  forEachHead<Forward>(all, [&](Forward& part, int64_t row, int64_t tokens, int64_t column) {
    part.run(tokens, from + row * 3 * width + column, to + row * width + column);
  });
  return fromTensor(call, std::move(target));
}

// attendBackward(gradient, projected, heads, isCausal, starts) -> the gradient of `projected`, from that of what came out
static napi_value attendBackward(Call& call) {
  const at::Tensor& gradient = call.environment.tensors.get(toDouble(call.env, call[0], "tensor"));
  const at::Tensor& projected = call.environment.tensors.get(toDouble(call.env, call[1], "tensor"));
  const Sequences all = sequencesOf(call, projected, 2);
  const int64_t width = all.shape.width();
  if (gradient.numel() * 3 != projected.numel() || gradient.size(-1) != width || gradient.scalar_type() != at::kBFloat16 ||
      !gradient.is_cpu() || !gradient.is_contiguous())
    throw BadArgument("attendBackward: expected a gradient of contiguous bfloat16, [..., width], on a CPU");
  RECORD_FUNCTION("fastclip::attendBackward", std::vector<c10::IValue>({gradient, projected, all.shape.heads, all.scores()}));
  at::Tensor target = at::empty_like(projected);
  const BFloat16* from = bitsOf(projected);
  const BFloat16* ofOutput = bitsOf(gradient);
  BFloat16* to = static_cast<BFloat16*>(target.mutable_data_ptr());
  forEachHead<Backward>(all, [&](Backward& part, int64_t row, int64_t tokens, int64_t column) {
    part.run(tokens, from + row * 3 * width + column, ofOutput + row * width + column, to + row * 3 * width + column);
  });
  return fromTensor(call, std::move(target));
}

void defineAttention(napi_env env, napi_value exports) {
  define(env, exports,
         {{"canAttend", guarded<canAttend>}, {"attend", guarded<attend>}, {"attendBackward", guarded<attendBackward>}});
}

}  // namespace fastclip
