// A caching allocator for CPU tensors. A training step asks for the same sizes again and again; glibc's malloc answers
// with fresh pages each time or with ever more fragments, so that a process grows without any leak. What is freed is kept, small blocks in
// bins by size and large ones as pages: a steady step takes no memory from the system (docs/performance.md, "Memory").
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "addon.h"
#include "pages.h"

namespace fastclip {
namespace {

constexpr size_t kAlignment = 64;            // a cache line, and the widest vector register
constexpr size_t kLarge = size_t{1} << 20;   // from here on blocks are pages
constexpr size_t kSteps = 8;                 // bins per power of two: at most 1/8 of a block is unused
constexpr size_t kNeighbours = 2;            // a block of the next bins serves too
constexpr size_t kBins = 64 * kSteps;

// Lies in front of each block's memory, and takes as much as keeps that aligned.
struct alignas(kAlignment) Header {
  size_t bin;    // of a small block
  size_t bytes;  // header included
  Header* next;
};

bool isLarge(const Header* block) { return block->bytes >= kLarge; }

size_t binOf(size_t bytes) {
  const size_t units = (bytes + kAlignment - 1) / kAlignment;
  if (units <= kSteps) return units;
  const size_t shift = std::bit_width(units - 1) - std::bit_width(kSteps);
  const size_t rounded = (units + (size_t{1} << shift) - 1) >> shift;  // kSteps + 1 to 2 * kSteps
  return shift * kSteps + rounded;
}

size_t bytesOf(size_t bin) {
  if (bin <= 2 * kSteps) return bin * kAlignment;
  const size_t shift = (bin - kSteps - 1) / kSteps;
  return ((bin - shift * kSteps) << shift) * kAlignment;
}

// The header is not counted when a bin is chosen, so that sizes which fill a bin exactly, as powers of two do, stay in it.
size_t blockBytes(size_t bin) { return bytesOf(bin) + sizeof(Header); }

class CachingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, c10::Device(c10::DeviceType::CPU)};
    void* data = take(bytes);
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* destination, const void* source, size_t bytes) const override {
    default_copy_data(destination, source, bytes);
  }

  AllocatorFigures figures() {
    std::lock_guard<std::mutex> lock(mutex_);
    return {used_, cached(), peak_};
  }

  void resetPeak() {
    std::lock_guard<std::mutex> lock(mutex_);
    peak_ = used_;
  }

  void emptyCache() {
    std::lock_guard<std::mutex> lock(mutex_);
    evictDownTo(0);
  }

 private:
  static void release(void* data);

  void* take(size_t bytes) {
    if (bytes > (size_t{1} << 46)) fail(bytes);
    std::lock_guard<std::mutex> lock(mutex_);
    const size_t bin = binOf(bytes);
    const size_t wanted = blockBytes(bin) < kLarge ? blockBytes(bin) : Pages::rounded(bytes + sizeof(Header));
    Header* block = wanted < kLarge ? fromBins(bin) : fromPages(pages_.take(wanted));
    if (block == nullptr) {
      // What is kept never makes the whole more than a quarter larger than the most that was ever in use at once.
      const size_t limit = std::max(peak_, used_ + wanted) * 5 / 4;
      if (used_ + cached() + wanted > limit) evictDownTo(limit - std::min(limit, used_ + wanted));
      block = fromSystem(bin, wanted);
      if (block == nullptr) {
        evictDownTo(0);
        block = fromSystem(bin, wanted);
      }
      if (block == nullptr) fail(bytes);
    }
    used_ += block->bytes;
    peak_ = std::max(peak_, used_);
    return block + 1;
  }

  [[noreturn]] static void fail(size_t bytes) {
    TORCH_CHECK_WITH(OutOfMemoryError, false, "out of memory: could not allocate ", bytes, " bytes for a CPU tensor");
    std::abort();
  }

  size_t cached() const { return binned_ + pages_.free(); }

  Header* fromBins(size_t bin) {
    for (size_t i = bin; i < std::min(bin + kNeighbours + 1, kBins); ++i) {
      Header* block = bins_[i];
      if (block == nullptr) continue;
      bins_[i] = block->next;
      binned_ -= block->bytes;
      return block;
    }
    return nullptr;
  }

  static Header* fromPages(Pages::Piece piece) {
    return piece.memory == nullptr ? nullptr : new (piece.memory) Header{0, piece.bytes, nullptr};
  }

  Header* fromSystem(size_t bin, size_t wanted) {
    if (wanted >= kLarge) return fromPages(pages_.grow(wanted));
    void* memory = nullptr;
    if (posix_memalign(&memory, kAlignment, wanted) != 0) return nullptr;
    return new (memory) Header{bin, wanted, nullptr};
  }

  void put(Header* block) {
    used_ -= block->bytes;
    if (isLarge(block)) return pages_.put({block, block->bytes});
    binned_ += block->bytes;
    block->next = bins_[block->bin];
    bins_[block->bin] = block;
  }

  // Pages go back first: they are most of it, and can be given back in part.
  void evictDownTo(size_t bytes) {
    pages_.shrinkTo(bytes - std::min(bytes, binned_));
    for (size_t i = kBins; i-- > 0 && cached() > bytes;) {
      while (bins_[i] != nullptr && cached() > bytes) {
        Header* block = bins_[i];
        bins_[i] = block->next;
        binned_ -= block->bytes;
        std::free(block);
      }
    }
  }

  std::mutex mutex_;
  std::array<Header*, kBins> bins_{};
  Pages pages_;
  size_t used_ = 0, binned_ = 0, peak_ = 0;
};

// Never destroyed: tensors in static storage may outlive every other static.
CachingAllocator& allocator() {
  static auto* instance = new CachingAllocator();
  return *instance;
}

void CachingAllocator::release(void* data) {
  if (data == nullptr) return;
  CachingAllocator& self = allocator();
  std::lock_guard<std::mutex> lock(self.mutex_);
  self.put(static_cast<Header*>(data) - 1);
}

}  // namespace

void installCachingAllocator() {
  static std::once_flag once;
  std::call_once(once, [] { c10::SetCPUAllocator(&allocator(), 1); });
}

AllocatorFigures allocatorFigures() { return allocator().figures(); }
void resetAllocatorPeak() { allocator().resetPeak(); }
void emptyAllocatorCache() { allocator().emptyCache(); }

}  // namespace fastclip
