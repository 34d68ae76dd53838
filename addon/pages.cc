#include "pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>

namespace fastclip {

namespace {

constexpr size_t kPage = size_t{64} << 10;      // a multiple of the system's pages everywhere
constexpr size_t kHugePage = size_t{2} << 20;   // memory comes from the system in so many bytes
constexpr size_t kRoom = size_t{1} << 40;       // of addresses, not of memory
constexpr size_t kLeastRoom = size_t{1} << 30;

size_t roundedUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

char* map(char* address, size_t bytes, int protection) {
  void* memory = mmap(address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

// Where memory can grow: the system lays what others map at the other end of a room, as large a one as the process may have. Null, which is any
// place, where it may have none.
char* roomyAddress() {
  for (size_t bytes = kRoom; bytes >= kLeastRoom; bytes /= 2) {
    char* room = map(nullptr, bytes, PROT_NONE);
    if (room == nullptr) continue;
    munmap(room, bytes);
    return reinterpret_cast<char*>(roundedUp(reinterpret_cast<size_t>(room), kHugePage));
  }
  return nullptr;
}

}  // namespace

size_t Pages::rounded(size_t bytes) { return roundedUp(bytes, kPage); }

Pages::Piece Pages::take(size_t bytes) {
  const auto found = std::find_if(pieces_.begin(), pieces_.end(), [bytes](const auto& piece) { return piece.second >= bytes; });
  if (found == pieces_.end()) return {nullptr, 0};
  const auto [memory, size] = *found;
  pieces_.erase(found);
  if (size > bytes) pieces_.emplace(memory + bytes, size - bytes);
  free_ -= bytes;
  return {memory, bytes};
}

Pages::Piece Pages::grow(size_t bytes) {
  if (end_ == nullptr) end_ = roomyAddress();
  if (!mapBehind(end_, bytes - freeAtEnd())) return {nullptr, 0};
  const Piece joined = take(bytes);
  if (joined.memory != nullptr) return joined;
  // The system chose another place for what was missing.
  return mapBehind(nullptr, bytes) ? take(bytes) : Piece{nullptr, 0};
}

bool Pages::mapBehind(char* address, size_t bytes) {
  const size_t whole = roundedUp(bytes, kHugePage);
  char* memory = map(address, whole, PROT_READ | PROT_WRITE);
  if (memory == nullptr) return false;
#ifdef MADV_HUGEPAGE
  madvise(memory, whole, MADV_HUGEPAGE);
#endif
  put({memory, whole});
  end_ = memory + whole;
  return true;
}

size_t Pages::freeAtEnd() const {
  const auto behind = pieces_.lower_bound(end_);
  if (behind == pieces_.begin()) return 0;
  const auto [memory, size] = *std::prev(behind);
  return memory + size == end_ ? size : 0;
}

void Pages::put(Piece piece) {
  free_ += piece.bytes;
  auto joined = pieces_.emplace(static_cast<char*>(piece.memory), piece.bytes).first;
  const auto after = std::next(joined);
  if (after != pieces_.end() && joined->first + joined->second == after->first) {
    joined->second += after->second;
    pieces_.erase(after);
  }
  if (joined == pieces_.begin()) return;
  const auto before = std::prev(joined);
  if (before->first + before->second != joined->first) return;
  before->second += joined->second;
  pieces_.erase(joined);
}

void Pages::shrinkTo(size_t bytes) {
  while (free_ > bytes) {
    const auto largest = std::max_element(pieces_.begin(), pieces_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    auto& [memory, size] = *largest;
    const size_t excess = std::min(size, rounded(free_ - bytes));
    char* const end = memory + size;
    munmap(end - excess, excess);
    if (end == end_) end_ -= excess;
    free_ -= excess;
    if (excess < size) size -= excess;
    else pieces_.erase(largest);
  }
}

}  // namespace fastclip
