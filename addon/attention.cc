// Multi-head attention on a CPU, forward and back, for JavaScript.
#include "attention.h"

#include <ATen/ops/empty_like.h>
#include <ATen/record_function.h>

#include "convert.h"

namespace fastclip {
namespace {

using attention::Sequences;

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
  const bool isKnown = projected.scalar_type() == at::kBFloat16 || projected.scalar_type() == at::kFloat;
  if (projected.dim() < 2 || !isKnown || !projected.is_cpu() || !projected.is_contiguous() || heads < 1 ||
      projected.size(-1) % (6 * heads) != 0)
    throw BadArgument("attend: expected contiguous bfloat16 or float32 of [..., 3 width] on a CPU, and heads of an even size");
  Sequences all{startsOf(call, projected, next + 2), {0, heads, projected.size(-1) / (3 * heads), toBool(call.env, call[next + 1], "isCausal")}};
  for (int64_t i = 0; i < all.count(); ++i) all.shape.tokens = std::max(all.shape.tokens, all.tokens(i));
  return all;
}

// Of a head; causal ones are counted whole.
int64_t scoresOf(const Sequences& all) {
  int64_t sum = 0;
  for (int64_t i = 0; i < all.count(); ++i) sum += all.tokens(i) * all.tokens(i);
  return sum;
}

template <typename T>
const T* from(const at::Tensor& tensor) { return static_cast<const T*>(tensor.const_data_ptr()); }
template <typename T>
T* into(at::Tensor& tensor) { return static_cast<T*>(tensor.mutable_data_ptr()); }

}  // namespace

// canAttend() -> whether oneDNN has products for packed matrices of bfloat16; it may be told to do without. For a CPU with AVX-512 alone
static napi_value canAttend(Call& call) { return fromBool(call.env, attention::hasPackedProducts()); }

// attend(projected, heads, isCausal, starts) -> [..., width]
static napi_value attend(Call& call) {
  const at::Tensor& projected = toTensor(call, call[0]);
  const Sequences all = sequencesOf(call, projected, 1);
  RECORD_FUNCTION("fastclip::attend", std::vector<c10::IValue>({projected, all.shape.heads, scoresOf(all)}));
  std::vector<int64_t> sizes = projected.sizes().vec();
  sizes.back() = all.shape.width();
  at::Tensor target = at::empty(sizes, projected.options());
  if (projected.scalar_type() == at::kFloat) attention::attend(all, from<float>(projected), into<float>(target));
  else attention::attend(all, from<BFloat16>(projected), into<BFloat16>(target));
  return fromTensor(call, std::move(target));
}

// attendBackward(gradient, projected, heads, isCausal, starts) -> the gradient of `projected`, from that of what came out, and what came out
static napi_value attendBackward(Call& call) {
  const at::Tensor& gradient = toTensor(call, call[0], "gradient");
  const at::Tensor& projected = toTensor(call, call[1], "projected");
  const Sequences all = sequencesOf(call, projected, 2);
  if (gradient.numel() * 3 != projected.numel() || gradient.size(-1) != all.shape.width() ||
      gradient.scalar_type() != projected.scalar_type() || !gradient.is_cpu() || !gradient.is_contiguous())
    throw BadArgument("attendBackward: expected a gradient of the other's type, contiguous, [..., width], on a CPU");
  RECORD_FUNCTION("fastclip::attendBackward", std::vector<c10::IValue>({gradient, projected, all.shape.heads, scoresOf(all)}));
  at::Tensor target = at::empty_like(projected), attended = at::empty_like(gradient);
  if (projected.scalar_type() == at::kFloat)
    attention::attendBackward(all, from<float>(projected), from<float>(gradient), into<float>(target), into<float>(attended));
  else
    attention::attendBackward(all, from<BFloat16>(projected), from<BFloat16>(gradient), into<BFloat16>(target), into<BFloat16>(attended));
  return fromTensors(call, {std::move(target), std::move(attended)});
}

void defineAttention(napi_env env, napi_value exports) {
  define(env, exports,
         {{"canAttend", guarded<canAttend>}, {"attend", guarded<attend>}, {"attendBackward", guarded<attendBackward>}});
}

}  // namespace fastclip
