// Large pieces of memory, in whole pages: what is freed is joined with its free neighbours, and cut where less is asked for. So what one
// phase of a training step leaves, activations, serves the next, whose pieces have other sizes, gradients. New memory lies behind the last one,
// so that all of it can be joined.
#pragma once

#include <cstddef>
#include <map>

namespace fastclip {

class Pages {
 public:
  // As many bytes as are taken for a wish.
  static size_t rounded(size_t bytes);

  struct Piece {
    void* memory;  // null where there is none
    size_t bytes;
  };
  // The first free piece that is large enough, cut to what is wished: what is left is farther from the beginning, and larger.
  Piece take(size_t bytes);
  // The same where no free piece is large enough: with new memory from the system.
  Piece grow(size_t bytes);
  void put(Piece piece);
  // Gives free memory back to the system, of the largest pieces first, until no more than so many bytes are free.
  void shrinkTo(size_t bytes);
  size_t free() const { return free_; }

 private:
  bool mapBehind(char* address, size_t bytes);
  size_t freeAtEnd() const;

  std::map<char*, size_t> pieces_;  // what is free, by address; no two are neighbours
  size_t free_ = 0;
  char* end_ = nullptr;  // behind the memory that came last
};

}  // namespace fastclip
