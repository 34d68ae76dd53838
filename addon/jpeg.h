// JPEG by libjpeg-turbo, with the pixels of PIL.
#pragma once

#include <string>

#include "resample.h"

namespace fastclip {

// A file in memory that stays as it is meanwhile.
struct Bytes {
  const uint8_t* data;
  size_t size;
};

struct JpegSize {
  int64_t width = 0;
  int64_t height = 0;
};

// Both return what is wrong with the file, or an empty string.
std::string readJpegSize(Bytes file, JpegSize& size);

// Writes the part of the picture that `resize` names, [view.height, view.width, 3], into `target`. A box that is not inside the picture is
// a BadArgument. The whole file is decoded, so that damage below the box is seen too.
std::string resampleJpeg(Bytes file, const Resize& resize, uint8_t* target);

// The version of libjpeg-turbo that the addon was compiled with.
const char* jpegVersion();

}  // namespace fastclip
