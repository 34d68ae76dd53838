#include "pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>

namespace fastclip {

constexpr size_t kPage = size_t{64} << 10;      // a multiple of the system's pages everywhere
constexpr size_t kHugePage = size_t{2} << 20;   // from here on huge pages are asked for
constexpr size_t kLeastRest = size_t{1} << 20;  // a smaller rest would serve no one: what is not large comes from elsewhere

size_t Pages::rounded(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

Pages::Piece Pages::take(size_t bytes) {
  const auto found = bySize_.lower_bound({bytes, nullptr});
  if (found == bySize_.end()) return {nullptr, 0};
  const auto [size, memory] = *found;
  erase(byAddress_.find(memory));
  const size_t rest = size - bytes;
  if (rest < kLeastRest) return {memory, size};
  insert(memory + bytes, rest);
  return {memory, bytes};
}

Pages::Piece Pages::map(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {nullptr, 0};
#ifdef MADV_HUGEPAGE
  if (bytes >= kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return {memory, bytes};
}

void Pages::put(Piece piece) {
  char* memory = static_cast<char*>(piece.memory);
  size_t bytes = piece.bytes;
  auto after = byAddress_.lower_bound(memory);
  if (after != byAddress_.end() && after->first == memory + bytes) {
    bytes += after->second;
    erase(after++);
  }
  if (after != byAddress_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == memory) {
      memory = before->first;
      bytes += before->second;
      erase(before);
    }
  }
  insert(memory, bytes);
}

void Pages::shrinkTo(size_t bytes) {
  while (free_ > bytes) {
    const auto [size, memory] = *bySize_.rbegin();
    const size_t excess = std::min(size, rounded(free_ - bytes));
    erase(byAddress_.find(memory));
    if (excess < size) insert(memory, size - excess);
    munmap(memory + (size - excess), excess);
  }
}

void Pages::insert(char* memory, size_t bytes) {
  byAddress_.emplace(memory, bytes);
  bySize_.emplace(bytes, memory);
  free_ += bytes;
}

void Pages::erase(ByAddress::iterator piece) {
  free_ -= piece->second;
  bySize_.erase({piece->second, piece->first});
  byAddress_.erase(piece);
}

}  // namespace fastclip
