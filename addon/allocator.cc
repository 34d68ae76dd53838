// A caching allocator for CPU tensors. A training step asks for the same sizes again and again; glibc's malloc answers
// with fresh pages each time or with ever more fragments, so that a process grows without any leak. Freed blocks are kept
// in bins by size: a steady step takes no memory from the system and touches no new page (docs/performance.md, "Memory").
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "addon.h"

namespace fastclip {
namespace {

constexpr size_t kAlignment = 64;              // a cache line, and the widest vector register
constexpr size_t kMapped = size_t{1} << 20;    // from here on blocks come from mmap and go back to the system whole
constexpr size_t kHugePage = size_t{2} << 20;  // from here on huge pages are asked for
constexpr size_t kSteps = 8;                   // bins per power of two: at most 1/8 of a block is unused
constexpr size_t kNeighbours = kSteps;         // a block of the next bins serves too, up to one twice as large
constexpr size_t kBins = 64 * kSteps;

// Lies in front of each block's memory, and takes as much as keeps that aligned.
struct alignas(kAlignment) Header {
  size_t bin;
  size_t bytes;  // header included
  Header* next;
};

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
    return {used_, cached_, peak_};
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
    Header* block = fromCache(bin);
    if (block == nullptr) {
      // What is kept never makes the whole more than a quarter larger than the most that was ever in use at once.
      const size_t wanted = blockBytes(bin);
      const size_t limit = std::max(peak_, used_ + wanted) * 5 / 4;
      if (used_ + cached_ + wanted > limit) evictDownTo(limit - std::min(limit, used_ + wanted));
      block = fromSystem(bin);
      if (block == nullptr) {
        evictDownTo(0);
        block = fromSystem(bin);
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

  Header* fromCache(size_t bin) {
    for (size_t i = bin; i < std::min(bin + kNeighbours + 1, kBins); ++i) {
      Header* block = bins_[i];
      if (block == nullptr) continue;
      bins_[i] = block->next;
      cached_ -= block->bytes;
      return block;
    }
    return nullptr;
  }

  static Header* fromSystem(size_t bin) {
    const size_t bytes = blockBytes(bin);
    void* memory = nullptr;
    if (bytes < kMapped) {
      if (posix_memalign(&memory, kAlignment, bytes) != 0) return nullptr;
    } else {
      memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
      if (bytes >= kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    }
    return new (memory) Header{bin, bytes, nullptr};
  }

  static void toSystem(Header* block) {
    if (block->bytes < kMapped) std::free(block);
    else munmap(block, block->bytes);
  }

  // Gives the largest kept blocks back first.
  void evictDownTo(size_t bytes) {
    for (size_t i = kBins; i-- > 0 && cached_ > bytes;) {
      while (bins_[i] != nullptr && cached_ > bytes) {
        Header* block = bins_[i];
        bins_[i] = block->next;
        cached_ -= block->bytes;
        toSystem(block);
      }
    }
  }

  std::mutex mutex_;
  std::array<Header*, kBins> bins_{};
  size_t used_ = 0, cached_ = 0, peak_ = 0;
};

// Never destroyed: tensors in static storage may outlive every other static.
CachingAllocator& allocator() {
  static auto* instance = new CachingAllocator();
  return *instance;
}

void CachingAllocator::release(void* data) {
  if (data == nullptr) return;
  CachingAllocator& self = allocator();
  Header* block = static_cast<Header*>(data) - 1;
  std::lock_guard<std::mutex> lock(self.mutex_);
  self.used_ -= block->bytes;
  self.cached_ += block->bytes;
  block->next = self.bins_[block->bin];
  self.bins_[block->bin] = block;
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
