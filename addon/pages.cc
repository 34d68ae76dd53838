#include "pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>

namespace fastclip {

namespace {

constexpr size_t kPage = size_t{64} << 10;      // a multiple of the system's pages everywhere
constexpr size_t kHugePage = size_t{2} << 20;   // memory comes from the system in so many bytes
constexpr size_t kRoom = size_t{1} << 40;       // of addresses, not of memory

size_t roundedUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

char* map(char* address, size_t bytes, int protection) {
  void* memory = mmap(address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

// Where memory can grow: the system lays what others map at the other end of a room. Null, which is any place, where it has no such room.
char* roomyAddress() {
  char* room = map(nullptr, kRoom, PROT_NONE);
  if (room == nullptr) return nullptr;
  munmap(room, kRoom);
  return reinterpret_cast<char*>(roundedUp(reinterpret_cast<size_t>(room), kHugePage));
}

}  // namespace

size_t Pages::rounded(size_t bytes) { return roundedUp(bytes, kPage); }

Pages::Piece Pages::take(size_t bytes) {
  const auto found = bySize_.lower_bound({bytes, nullptr});
  if (found == bySize_.end()) return {nullptr, 0};
  const auto [size, memory] = *found;
  erase(byAddress_.find(memory));
  if (size > bytes) insert(memory + bytes, size - bytes);
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
  const auto behind = byAddress_.lower_bound(end_);
  if (behind == byAddress_.begin()) return 0;
  const auto last = std::prev(behind);
  return last->first + last->second == end_ ? last->second : 0;
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
    if (memory + size == end_) end_ -= excess;
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
