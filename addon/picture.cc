// Pictures: what the loader's threads do with every pixel.
#include <cstring>

#include "convert.h"
#include "resample.h"
#ifdef USE_LIBJPEG_TURBO
#include "jpeg.h"
#endif

namespace fastclip {

template <typename Element>
struct Elements {
  Element* data;
  size_t size;
};

static Elements<void> toElements(napi_env env, napi_value value, napi_typedarray_type wanted, const char* expected) {
  bool isTypedArray = false;
  check(napi_is_typedarray(env, value, &isTypedArray));
  napi_typedarray_type type = napi_int8_array;
  Elements<void> elements{nullptr, 0};
  if (isTypedArray) check(napi_get_typedarray_info(env, value, &type, &elements.size, &elements.data, nullptr, nullptr));
  if (type != wanted) throw BadArgument(expected);
  return elements;
}

static Elements<uint8_t> toBytes(napi_env env, napi_value value, const char* expected) {
  const auto [data, size] = toElements(env, value, napi_uint8_array, expected);
  return {static_cast<uint8_t*>(data), size};
}

static Elements<float> toFloats(napi_env env, napi_value value, const char* expected) {
  const auto [data, size] = toElements(env, value, napi_float32_array, expected);
  return {static_cast<float*>(data), size};
}

// Throws unless `size` is 3 x width x height, found by division: no product can overflow then.
static void checkSize(const char* what, size_t size, int64_t width, int64_t height) {
  const auto [columns, rows] = std::pair(static_cast<size_t>(width), static_cast<size_t>(height));
  if (size % 3 == 0 && size / 3 % columns == 0 && size / 3 / columns == rows) return;
  throw BadArgument(std::string(what) + ": expected 3 x " + std::to_string(width) + " x " + std::to_string(height) + " elements, got " +
                    std::to_string(size));
}

// A list from JavaScript: left, top, width and height of the box, width and height of the result, left, top, width and height of the view.
static Resize toResize(napi_env env, napi_value value) {
  const std::vector<int64_t> list = toIntList(env, value, "resize");
  if (list.size() != 10) throw BadArgument("resize: expected 10 numbers, got " + std::to_string(list.size()));
  const Resize resize{{list[0], list[1], list[2], list[3]}, list[4], list[5], {list[6], list[7], list[8], list[9]}};
  checkInside(resize.view, resize.width, resize.height);
  return resize;
}

// resample(pixels, width, height, resize, target): from pixels [height, width, 3] to target [view.height, view.width, 3].
static napi_value resample(Call& call) {
  const int64_t width = toInt(call.env, call[1], "width");
  const int64_t height = toInt(call.env, call[2], "height");
  if (width < 1 || height < 1) throw BadArgument("width and height: expected 1 or more");
  // Arrays are looked at last: reading a list may run a getter, which may detach their memory.
  const Resize resize = toResize(call.env, call[3]);
  const auto [pixels, size] = toBytes(call.env, call[0], "pixels: expected a Uint8Array");
  const auto [target, targetSize] = toBytes(call.env, call[4], "target: expected a Uint8Array");
  checkSize("pixels", size, width, height);
  checkSize("target", targetSize, resize.view.width, resize.view.height);
  checkInside(resize.box, width, height);
  resamplePixels(pixels, static_cast<size_t>(width), resize, target);
  return undefined(call.env);
}

// toPlanes(pixels, width, tables, mirrored, target): from pixels [height, width, 3] to target [3, height, width], in which each level stands
// for its number of tables [3, 256], and each row is turned around where `mirrored`.
static napi_value toPlanes(Call& call) {
  const int64_t width = toInt(call.env, call[1], "width");
  const bool mirrored = toBool(call.env, call[3], "mirrored");
  const auto [pixels, size] = toBytes(call.env, call[0], "pixels: expected a Uint8Array");
  const auto [tables, tablesSize] = toFloats(call.env, call[2], "tables: expected a Float32Array");
  const auto [target, targetSize] = toFloats(call.env, call[4], "target: expected a Float32Array");
  if (tablesSize != 3 * 256) throw BadArgument("tables: expected 3 x 256 numbers, got " + std::to_string(tablesSize));
  if (width < 1 || size % 3 != 0 || size / 3 % static_cast<size_t>(width) != 0) throw BadArgument("pixels: expected full rows");
  if (targetSize != size) throw BadArgument("target: expected " + std::to_string(size) + " numbers, got " + std::to_string(targetSize));
  const size_t area = size / 3;
  const auto columns = static_cast<size_t>(width);
  for (size_t row = 0; row < area; row += columns) {
    for (size_t x = 0; x < columns; ++x) {
      const uint8_t* from = pixels + 3 * (row + x);
      float* to = target + row + (mirrored ? columns - 1 - x : x);
      for (size_t channel = 0; channel < 3; ++channel) to[channel * area] = tables[256 * channel + from[channel]];
    }
  }
  return undefined(call.env);
}

#ifdef USE_LIBJPEG_TURBO
// jpegSize(file): [width, height], or a string that says what is wrong with the file.
static napi_value jpegSize(Call& call) {
  const auto [file, size] = toBytes(call.env, call[0], "file: expected a Uint8Array");
  JpegSize found;
  const std::string fault = readJpegSize({file, size}, found);
  return fault.empty() ? fromInts(call.env, {found.width, found.height}) : fromString(call.env, fault);
}

// resampleJpeg(file, resize, target): as resample(), from the file. Returns what is wrong with it, or an empty string.
static napi_value resampleJpeg(Call& call) {
  const Resize resize = toResize(call.env, call[1]);
  const auto [file, size] = toBytes(call.env, call[0], "file: expected a Uint8Array");
  const auto [target, targetSize] = toBytes(call.env, call[2], "target: expected a Uint8Array");
  checkSize("target", targetSize, resize.view.width, resize.view.height);
  return fromString(call.env, resampleJpeg({file, size}, resize, target));
}
#endif

// The version of libjpeg-turbo in the addon; an empty string where there is none, and so neither jpegSize() nor resampleJpeg().
static napi_value jpegVersion(Call& call) {
#ifdef USE_LIBJPEG_TURBO
  return fromString(call.env, jpegVersion());
#else
  return fromString(call.env, "");
#endif
}

void definePicture(napi_env env, napi_value exports) {
  define(env, exports, {{"resample", guarded<resample>}, {"toPlanes", guarded<toPlanes>}, {"jpegVersion", guarded<jpegVersion>}});
#ifdef USE_LIBJPEG_TURBO
  define(env, exports, {{"jpegSize", guarded<jpegSize>}, {"resampleJpeg", guarded<resampleJpeg>}});
#endif
}

}  // namespace fastclip
