// PIL's resizing of 8-bit pictures with its bicubic kernel, to the last bit, fed row by row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastclip {

// A rectangle of whole pixels.
struct Box {
  int64_t left, top, width, height;
};

// The part `box` of a picture resized to width x height, of which `view` is kept.
struct Resize {
  Box box;
  int64_t width, height;
  Box view;
};

// Throws unless the box holds a pixel and lies inside a picture of width x height.
void checkInside(const Box& box, int64_t width, int64_t height);

// For each of `count` positions of the result: the first position of the source that counts and the weights from there on.
struct Weights {
  size_t count;
  size_t taps;  // weights kept for each position, an even number; those that are not used are 0
  std::vector<int64_t> first;
  std::vector<int32_t> values;  // [count, taps], in fixed point
};

class Resampler {
 public:
  explicit Resampler(const Resize& resize);

  // Rows of the box that count, from the top of the box on; the others need not be handed over.
  int64_t firstRow() const { return firstRow_; }
  int64_t endRow() const { return endRow_; }

  // Bytes that must be readable behind the last pixel of a row: weights of 0 are multiplied too.
  size_t slack() const { return 4 * across_.taps; }

  // The next row of the box, 4 bytes a pixel, of which the fourth does not matter.
  void addRow(const uint8_t* row);

  // Writes [view.height, view.width, 3] once all rows are there.
  void finish(uint8_t* target) const;

 private:
  Weights across_;
  Weights down_;
  int64_t firstRow_;
  int64_t endRow_;
  size_t stride_;  // bytes of a row of the view, rounded up
  std::vector<uint8_t> rows_;
  uint8_t* next_;
};

// Writes the part of `pixels`, rows of `width` times 3 bytes, that `resize` names into `target`. The box lies inside the picture.
void resamplePixels(const uint8_t* pixels, size_t width, const Resize& resize, uint8_t* target);

}  // namespace fastclip
